//! Volatile messages: encoded once, handed to whoever reads now, dropped for whoever is slow, never kept.

use std::sync::Arc;

use bytes::Bytes;
use wsc_core::Message;
use wsc_core::frame::{HubFrame, encode_hub, encode_hub_binary};

use super::node::Node;
use super::send::is_too_large;
use super::shard::{Address, Letter, Shard};
use super::state::Connection;
use crate::connection::frame;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::Target;

/// A reader with more than this waiting is slow: it does not get volatile messages.
const SLOW_BYTES: usize = 64 * 1024;

/// A volatile frame on its way to readers.
pub(crate) struct Copy {
    target: Target,
    /// Only for this device of the receiver; empty: all.
    only_device: Arc<str>,
    /// Not for this connection.
    from: Option<Address>,
    /// Not for this user; empty: for all.
    except: Arc<str>,
    frame: Bytes,
}

/// A message that some readers could not take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLarge;

/// Sends a volatile message.
pub(crate) fn send(
    node: &Node,
    target: Target,
    message: &Message<'_>,
    from: Option<Address>,
) -> Result<(), TooLarge> {
    let frame = message_frame(message);
    if is_too_large(frame.len(), &node.settings) {
        return Err(TooLarge);
    }
    node.observers.copy(node, &target, message);
    let only_device = message.receiver_client.as_ref().into();
    post(node, Copy { target, only_device, from, except: "".into(), frame });
    Ok(())
}

/// The WebSocket frame of a message without a place.
pub(crate) fn message_frame(message: &Message<'_>) -> Bytes {
    if message.payload.is_some() {
        let mut bytes = Vec::with_capacity(message.size_hint());
        encode_hub_binary(message, &mut bytes);
        return frame::data(&bytes, true);
    }
    text_frame(&HubFrame::Message(Box::new(message.clone())))
}

/// Tells a group's readers something, except one user.
pub(crate) fn tell_group(
    node: &Node,
    group: &crate::log::key::GroupKey,
    except: &Arc<str>,
    frame: &HubFrame<'_>,
) {
    post(
        node,
        Copy {
            target: Target::Group(group.clone()),
            only_device: "".into(),
            from: None,
            except: Arc::clone(except),
            frame: text_frame(frame),
        },
    );
}

fn post(node: &Node, copy: Copy) {
    let copy = Arc::new(copy);
    match &copy.target {
        Target::User(user) => node.shards.send(node.shards.home(user), Letter::Volatile(Arc::clone(&copy))),
        Target::Group(_) | Target::Broadcast(_) => {
            node.shards.send_all(|| Letter::Volatile(Arc::clone(&copy)));
        }
    }
}

/// The WebSocket frame of a text frame.
pub(crate) fn text_frame(frame: &HubFrame<'_>) -> Bytes {
    let mut text = String::with_capacity(256);
    encode_hub(frame, &mut text);
    frame::data(text.as_bytes(), false)
}

impl Shard {
    /// Hands a volatile frame to this shard's readers.
    pub(crate) fn hand_out(&self, copy: &Copy) {
        let mut state = self.state.borrow_mut();
        let places: Vec<u32> = match &copy.target {
            Target::User(user) => state.connections_of(user),
            Target::Group(group) => state.readers_of(&StreamKey::Group(group.clone())),
            Target::Broadcast(scope) => state.readers_of(&StreamKey::Broadcast(scope.clone())),
        };
        for place in places {
            let connection = &mut state.connections[place as usize];
            let address = self.address(place, connection.generation);
            let narrowed = !copy.only_device.is_empty() && copy.only_device != connection.device;
            let excepted = !copy.except.is_empty() && copy.except == connection.identity.user.user;
            if copy.from == Some(address) || narrowed || excepted {
                continue;
            }
            connection.push_volatile(&copy.frame);
            self.touch(connection, place);
        }
    }

    /// A frame for a user's connections.
    pub(crate) fn to_user(&self, user: &UserKey, frame: &Bytes) {
        let mut state = self.state.borrow_mut();
        for place in state.connections_of(user) {
            let connection = &mut state.connections[place as usize];
            connection.push_volatile(frame);
            self.touch(connection, place);
        }
    }

    /// A frame for one connection.
    pub(crate) fn to_connection(&self, address: Address, frame: &Bytes) {
        let mut state = self.state.borrow_mut();
        if let Some(connection) = state.connection(address.connection, address.generation) {
            connection.push_volatile(frame);
            self.touch(connection, address.connection);
        }
    }
}

impl Connection {
    /// Adds a frame that may be dropped; `false`: it was.
    pub(crate) fn push_volatile(&mut self, frame: &Bytes) -> bool {
        if self.closing || self.wire.0.borrow().queued() > SLOW_BYTES {
            return false;
        }
        if let Some(bare) = &self.bare {
            bare.volatile(&self.wire, frame);
        } else {
            self.wire.0.borrow_mut().push(frame.clone());
        }
        true
    }
}

impl super::state::State {
    fn readers_of(&self, key: &StreamKey) -> Vec<u32> {
        let Some(number) = self.streams.number(key) else { return Vec::new() };
        self.streams.get(number).readers.iter().map(|(place, _)| *place).collect()
    }
}
