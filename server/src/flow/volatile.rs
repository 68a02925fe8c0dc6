//! Messages without a position: encoded once, handed to whoever reads now, dropped for whoever is slow, never kept.

use std::sync::Arc;

use bytes::Bytes;
use wsc_core::Message;
use wsc_core::frame::HubFrame;

use super::Turn;
use super::node::Node;
use super::reply::{TooLarge, is_too_large};
use crate::log::key::{GroupKey, Scope, StreamKey};
use crate::log::store::Target;
use crate::net::encode;
use crate::net::id::ConnectionId;
use crate::shard::connection::Connection;
use crate::shard::hint::{Hint, Volatile};
use crate::shard::letter::Address;

/// A reader with more than this waiting is slow: it does not get volatile messages.
const SLOW_BYTES: usize = 64 * 1024;

/// Who sends a volatile message, and does not get it.
pub(crate) struct Source {
    pub(crate) address: Address,
    /// Its device is on no other connection, or on one that came after this.
    pub(crate) is_exclusive: bool,
}

/// Sends a volatile message; not to the connection it came from.
pub(crate) fn send(
    node: &Node,
    target: Target,
    message: &Message<'_>,
    source: Option<Source>,
) -> Result<(), TooLarge> {
    let frame = encode::message(message);
    if is_too_large(frame.len(), &node.settings) {
        return Err(TooLarge);
    }
    node.observers.copy(&node.router, &target, message);
    let only_device = message.receiver_client.as_ref().into();
    let from = match &source {
        Some(Source { is_exclusive: true, .. }) => {
            (message.sender.as_ref().into(), message.sender_client.as_ref().into())
        }
        _ => Default::default(),
    };
    let volatile = Volatile { target, only_device, except: "".into(), from, frame };
    node.router.tell(Hint::Volatile(volatile), source.map(|source| source.address));
    Ok(())
}

/// Tells a group's readers something, except one user.
pub(super) fn tell_group(node: &Node, group: &GroupKey, except: &Arc<str>, frame: &HubFrame<'_>) {
    let volatile = Volatile {
        target: Target::Group(group.clone()),
        only_device: "".into(),
        except: Arc::clone(except),
        from: Default::default(),
        frame: encode::text(frame),
    };
    node.router.tell(Hint::Volatile(volatile), None);
}

impl Turn<'_> {
    /// Hands copies to this shard's observers.
    pub(super) fn hand_to_observers(&mut self, scope: &Scope, group: &Arc<str>, frame: &Bytes) {
        let shard = self.cx.shard.id;
        for id in self.cx.node().observers.on_shard(shard, scope, group) {
            self.hand_to(id, frame);
        }
    }

    /// Hands a volatile frame to this shard's readers.
    pub(super) fn hand_out(&mut self, volatile: &Volatile, from: Option<Address>) {
        let readers = match &volatile.target {
            Target::User(user) => self.state.connections_of(user),
            Target::Group(group) => self.state.subscribers_of(&StreamKey::Group(group.clone())),
            Target::Broadcast(scope) => self.state.subscribers_of(&StreamKey::Broadcast(scope.clone())),
        };
        for id in readers {
            let address = self.cx.address(id);
            let Some((connection, cx)) = self.with(id) else { continue };
            let is_narrowed = !volatile.only_device.is_empty() && volatile.only_device != connection.device;
            let is_excepted = !volatile.except.is_empty() && volatile.except == connection.identity.user.user;
            let (user, device) = &volatile.from;
            let is_source =
                !device.is_empty() && (user, device) == (&connection.identity.user.user, &connection.device);
            if from != Some(address) && !is_narrowed && !is_excepted && !is_source {
                connection.push_volatile(&volatile.frame);
                cx.touch(connection);
            }
        }
    }

    /// A frame for one connection.
    pub(super) fn hand_to(&mut self, id: ConnectionId, frame: &Bytes) {
        if let Some((connection, cx)) = self.with(id) {
            connection.push_volatile(frame);
            cx.touch(connection);
        }
    }
}

impl Connection {
    /// Adds a frame that may be dropped; `false`: it was.
    pub(super) fn push_volatile(&mut self, frame: &Bytes) -> bool {
        if !self.is_attached() || self.wire.queued() > SLOW_BYTES {
            return false;
        }
        match &self.bare {
            Some(bare) => bare.volatile(&mut self.wire, frame),
            None => self.wire.push(frame.clone()),
        }
        true
    }
}
