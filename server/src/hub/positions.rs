//! Positions of connected devices: as they are now, and on their way to the log.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;
use wsc_core::peer::TrackId;

use super::node::Node;
use super::readings::Reading;
use super::shard::{Letter, Shard};
use super::state::{Connection, State};
use crate::log::ReplyTo;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::{Delivered, DeviceWrite, Write};

/// Has what the connected devices of some users acknowledged written to the log, where it is not.
pub(crate) async fn keep(node: &Node, users: &[UserKey]) {
    let write = |shard: &Rc<Shard>, user: &UserKey| {
        let mut state = shard.state.borrow_mut();
        for place in state.connections_of(user) {
            shard.write_cursors(&mut state, place, Vec::new());
        }
    };
    at_home(node, users, write).await;
    node.log.settled().await;
}

/// Positions of a stream after the first number up to the second.
pub(crate) type Range = (StreamKey, u64, u64);

/// What connected devices of some users acknowledged and the log does not know yet, by user; nothing is written for it.
/// When it returns, what devices that are gone left is in the store.
pub(crate) async fn of_connected(node: &Node, users: &[UserKey]) -> HashMap<UserKey, Vec<Range>> {
    let read = |shard: &Rc<Shard>, user: &UserKey| {
        let state = shard.state.borrow();
        let connections =
            state.connections_of(user).into_iter().map(|place| &state.connections[place as usize]);
        let mut found = Vec::new();
        for connection in connections {
            for (reading, acknowledged) in connection.open_readings() {
                let key = &state.streams.get(reading.stream).key;
                let ranges = reading.delivered(acknowledged).into_iter();
                found.extend(ranges.map(|(after, to)| (key.clone(), after, to)));
            }
        }
        found
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

impl Connection {
    /// The streams it reads, each with the position that is acknowledged.
    fn open_readings(&self) -> impl Iterator<Item = (&Reading, u64)> {
        self.readings.iter().enumerate().filter(|(_, reading)| !reading.closed).filter_map(
            |(track, reading)| {
                let track = self.peer.track(TrackId::try_from(track).ok()?)?;
                Some((reading, track.acknowledged()))
            },
        )
    }
}

impl Shard {
    /// Hands a connection's positions to the log, if they changed: what was delivered, and where its device stands.
    pub(crate) fn write_cursors(&self, state: &mut State, place: u32, forget: Vec<StreamKey>) {
        let user = state.connections[place as usize].identity.user.clone();
        let connected = state.connected_devices(&user);
        let now = state.clock.tick();
        let State { connections, streams, .. } = state;
        let connection = &mut connections[place as usize];
        let changed = connection.cursor_changed.take().is_some();
        if !changed && forget.is_empty() {
            return;
        }
        connection.seen_at = now;
        let (mut cursors, mut ranges) = (Vec::with_capacity(connection.readings.len()), Vec::new());
        for (track, reading) in connection.readings.iter_mut().enumerate() {
            let track = connection.peer.track(TrackId::try_from(track).unwrap_or(TrackId::MAX));
            let Some(track) = track.filter(|_| !reading.closed) else { continue };
            let (key, at) = (&streams.get(reading.stream).key, track.acknowledged());
            cursors.push((key.clone(), at));
            // Nobody asks how far a broadcast got.
            if matches!(key, StreamKey::Broadcast(_)) {
                continue;
            }
            // Receipts were given when it was acknowledged.
            let (delivered, _) = reading.take_delivered(at);
            ranges.extend(delivered.into_iter().map(|(after, to)| (key.clone(), after, to)));
        }
        if !ranges.is_empty() {
            let delivered = Delivered { user: user.clone(), ranges, asked: Vec::new() };
            self.write(Write::Delivered(delivered), ReplyTo::Nobody);
        }
        if connection.passing {
            return;
        }
        let write = DeviceWrite {
            user,
            device: Arc::clone(&connection.device),
            cursors,
            forget,
            attempts: connection.attempts,
            now: super::clock::wall(),
            // Of an invisible user others learn when it last was visible.
            visible: self.node.presence.seen_at(&connection.identity.user),
            max_devices: self.node.settings.devices,
            connected,
        };
        self.write(Write::Device(write), ReplyTo::Nobody);
    }
}
