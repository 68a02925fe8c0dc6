//! Connections that the application looks for.

use std::sync::Arc;

use super::Turn;
use crate::registry::hooks::guarded;
use crate::shard::letter::{Address, ConnectionInfo, Predicate};

impl Turn<'_> {
    /// The attached connections that satisfy a predicate of the application.
    pub(super) fn find(&self, predicate: &Predicate) -> Vec<(ConnectionInfo, Address)> {
        let attached = self.state.connections.iter().filter(|connection| connection.is_attached());
        let described = attached.map(|connection| {
            let user = &connection.identity.user;
            let info = ConnectionInfo {
                id: Arc::clone(&connection.name),
                user: user.clone(),
                user_type: Arc::clone(&connection.identity.user_type),
                device: Arc::clone(&connection.device),
                groups: self.state.users.get(user).map(|user| user.groups.clone()).unwrap_or_default(),
            };
            (info, self.cx.address(connection.id))
        });
        described.filter(|(info, _)| guarded(|| predicate(info)) == Some(true)).collect()
    }
}
