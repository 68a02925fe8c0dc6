//! Positions of connected devices: as they are now, and on their way to the log.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;
use wsc_core::peer::TrackId;

use super::node::Node;
use super::shard::{Letter, Shard};
use super::state::{Connection, State, Streams};
use crate::log::ReplyTo;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::{Cursor, Device, DeviceStream, DeviceWrite, Write};

/// Has what the connected devices of some users acknowledged written to the log, where it is not.
pub(crate) async fn keep(node: &Node, users: &[UserKey]) {
    let write = |shard: &Rc<Shard>, user: &UserKey| {
        let mut state = shard.state.borrow_mut();
        for place in state.connections_of(user) {
            let State { connections, streams, .. } = &mut *state;
            shard.write_cursors(streams, &mut connections[place as usize], Vec::new());
        }
    };
    at_home(node, users, write).await;
    node.log.settled().await;
}

/// Where the connected devices of some users stand, by user; nothing is written for it. When it returns, what devices
/// that are gone left is in the store.
pub(crate) async fn of_connected(node: &Node, users: &[UserKey]) -> HashMap<UserKey, Vec<Device>> {
    let read = |shard: &Rc<Shard>, user: &UserKey| {
        let state = shard.state.borrow();
        let connections =
            state.connections_of(user).into_iter().map(|place| &state.connections[place as usize]);
        // Nothing of a passing device stays: it would be counted now and not later.
        let kept = connections.filter(|connection| !connection.passing);
        kept.map(|connection| device_of(&state.streams, connection)).collect::<Vec<_>>()
    };
    let found = at_home(node, users, read).await;
    node.log.settled().await;
    found.into_iter().collect()
}

/// Does something for each user on the shard that holds the user's connections, and hands what that leaves to the log.
async fn at_home<T: Send + 'static>(
    node: &Node,
    users: &[UserKey],
    act: impl Fn(&Rc<Shard>, &UserKey) -> T + Copy + Send + 'static,
) -> Vec<(UserKey, T)> {
    let mut by_shard: Vec<Vec<UserKey>> = vec![Vec::new(); node.shards.len()];
    for user in users {
        by_shard[node.shards.home(user)].push(user.clone());
    }
    let mut waits = Vec::new();
    for (shard, users) in by_shard.into_iter().enumerate().filter(|(_, users)| !users.is_empty()) {
        let (answer, wait) = oneshot::channel();
        let call = Letter::Call(Box::new(move |shard| {
            let found = users.into_iter().map(|user| {
                let result = act(shard, &user);
                (user, result)
            });
            let found: Vec<_> = found.collect();
            shard.submit();
            let _ = answer.send(found);
        }));
        node.shards.send(shard, call);
        waits.push(wait);
    }
    let mut all = Vec::with_capacity(users.len());
    for wait in waits {
        all.extend(wait.await.unwrap_or_default());
    }
    all
}

/// Where a connection stands, as its device would be stored.
fn device_of(streams: &Streams, connection: &Connection) -> Device {
    let mut kept = Vec::with_capacity(connection.readings.len());
    for (track, reading) in connection.readings.iter().enumerate() {
        let track = connection.peer.track(TrackId::try_from(track).unwrap_or(TrackId::MAX));
        if let Some(track) = track.filter(|_| !reading.closed) {
            let cursor = Cursor { epoch: "".into(), seq: track.acknowledged() };
            let stream = streams.get(reading.stream).key.clone();
            kept.push(DeviceStream { stream, cursor, start: reading.start });
        }
    }
    Device { device: Arc::clone(&connection.device), streams: kept, ..Device::default() }
}

impl Shard {
    /// Hands a device's positions to the log, if they changed.
    pub(crate) fn write_cursors(
        &self,
        streams: &Streams,
        connection: &mut Connection,
        forget: Vec<StreamKey>,
    ) {
        let changed = connection.cursor_changed.take().is_some();
        if connection.passing || (!changed && forget.is_empty()) {
            return;
        }
        let (mut cursors, mut starts) = (Vec::new(), Vec::new());
        for (track, reading) in connection.readings.iter().enumerate() {
            let track = connection.peer.track(TrackId::try_from(track).unwrap_or(TrackId::MAX));
            if let Some(track) = track.filter(|_| !reading.closed) {
                let key = &streams.get(reading.stream).key;
                cursors.push((key.clone(), track.acknowledged()));
                starts.push((key.clone(), reading.start));
            }
        }
        let write = DeviceWrite {
            user: connection.identity.user.clone(),
            device: Arc::clone(&connection.device),
            cursors,
            forget,
            starts,
            attempts: connection.attempts,
            // Of an invisible user others learn when it last was visible.
            now: self.node.presence.seen_at(&connection.identity.user),
            max_devices: self.node.settings.devices,
        };
        self.write(Write::Device(write), ReplyTo::Nobody);
    }
}
