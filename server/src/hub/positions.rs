//! Positions of connected devices, brought to the log when somebody needs the truth now.

use std::sync::Arc;

use tokio::sync::oneshot;
use wsc_core::peer::TrackId;

use super::node::Node;
use super::shard::{Letter, Shard};
use super::state::{Connection, State, Streams};
use crate::log::ReplyTo;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::{DeviceWrite, StoreError, Write};

/// Has everything that a user's connected devices acknowledged written to the log.
pub(crate) async fn keep(node: &Node, user: &UserKey) -> Result<(), StoreError> {
    if !node.presence.is_connected(user) {
        return Ok(());
    }
    let (done, wait) = oneshot::channel();
    let whose = user.clone();
    let call = Letter::Call(Box::new(move |shard| {
        let mut state = shard.state.borrow_mut();
        for place in state.connections_of(&whose) {
            let State { connections, streams, .. } = &mut *state;
            shard.write_cursors(streams, &mut connections[place as usize], Vec::new());
        }
        shard.submit();
        let _ = done.send(());
    }));
    node.shards.send(node.shards.home(user), call);
    if wait.await.is_err() {
        return Ok(());
    }
    // Answered when everything handed over before it is made.
    node.log.write(Write::See { user: user.clone(), now: super::clock::wall() }).await.map(drop)
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
            now: super::clock::wall(),
            max_devices: self.node.settings.devices,
        };
        self.write(Write::Device(write), ReplyTo::Nobody);
    }
}
