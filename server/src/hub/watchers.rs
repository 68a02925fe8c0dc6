//! Watchers of presence as connections: what a slow one missed is made up for when its socket has room. Only the last
//! frame about a user counts, so that never more than the present state is owed.

use std::sync::Arc;

use bytes::Bytes;
use wsc_core::frame::HubFrame;

use super::presence::in_frames;
use super::shard::{Address, Shard};
use super::state::Connection;

impl Shard {
    /// A watched user's presence changed.
    pub(crate) fn to_watcher(&self, address: Address, user: &Arc<str>, frame: &Bytes) {
        let mut state = self.state.borrow_mut();
        let Some(connection) = state.connection(address.connection, address.generation) else { return };
        if connection.push_volatile(frame) {
            self.tell_missed(connection, address.connection);
        } else if !connection.closing {
            connection.rare().missed.insert(Arc::clone(user));
        }
        self.touch(connection, address.connection);
    }

    /// Tells a connection that has room again how those are whose changes it missed. What it is told of later changes
    /// comes after it.
    pub(crate) fn tell_missed(&self, connection: &mut Connection, place: u32) {
        let Some(rare) = connection.rare.as_mut().filter(|rare| !rare.missed.is_empty()) else { return };
        let missed = std::mem::take(&mut rare.missed);
        let users: Vec<Arc<str>> = missed.into_iter().filter(|user| rare.watching.contains(user)).collect();
        if users.is_empty() || connection.closing {
            return;
        }
        let found = self.node.presence.describe(&connection.identity.user.scope, &users);
        for data in in_frames(&found, &self.node.settings) {
            let message_type = "user_status_response".into();
            connection.say(&HubFrame::Presence { message_type, data: data.into() });
        }
        self.touch(connection, place);
    }
}
