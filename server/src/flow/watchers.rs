//! Watchers of presence as connections: what a slow one missed is made up for when its socket has room. Only the last
//! frame about a user counts, so that never more than the present state is owed.

use std::sync::Arc;

use bytes::Bytes;
use wsc_core::frame::HubFrame;

use super::{Context, Turn};
use crate::net::id::ConnectionId;
use crate::registry::presence::in_frames;
use crate::shard::connection::Connection;

impl Turn<'_> {
    /// A watched user's presence changed.
    pub(super) fn tell_watcher(&mut self, id: ConnectionId, user: &Arc<str>, frame: &Bytes) {
        let Some((connection, cx)) = self.with(id) else { return };
        if connection.push_volatile(frame) {
            connection.write_missed(cx);
        } else if connection.is_attached() {
            connection.extras().missed.insert(Arc::clone(user));
        }
        cx.touch(connection);
    }
}

impl Connection {
    /// Tells a connection that has room again how those are whose changes it missed. What it is told of later changes
    /// comes after it.
    pub(super) fn write_missed(&mut self, cx: &mut Context) {
        let Some(extras) = self.extras.as_mut().filter(|extras| !extras.missed.is_empty()) else { return };
        let missed = std::mem::take(&mut extras.missed);
        let users: Vec<Arc<str>> = missed.into_iter().filter(|user| extras.watching.contains(user)).collect();
        if users.is_empty() || !self.is_attached() {
            return;
        }
        let node = cx.node();
        let found = node.presence.describe(&self.identity.user.scope, &users);
        for data in in_frames(&found, &node.settings) {
            let message_type = "user_status_response".into();
            self.write(&HubFrame::Presence { message_type, data: data.into() });
        }
        cx.touch(self);
    }
}
