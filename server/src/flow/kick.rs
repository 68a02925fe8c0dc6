//! Kicking: a notice, then a close, on every connection of a user or on one device.

use std::sync::Arc;

use wsc_core::CloseCode;
use wsc_core::frame::{HubFrame, ObjectWriter};

use super::Turn;
use super::node::Node;
use crate::clock;
use crate::log::key::UserKey;
use crate::log::store::{RequestId, StoreError, Write};
use crate::net::id::ConnectionId;
use crate::shard::hint::Hint;

/// Kicks a user, or one device; an empty device stands for all. Where other hubs may have the connections, the store ends
/// their claims first: whichever hub does not hear of it finds it there.
pub(crate) async fn kick(node: &Node, user: UserKey, device: &str, reason: &str) -> Result<(), StoreError> {
    let (device, reason): (Arc<str>, Arc<str>) = (device.into(), reason.into());
    if node.router.cluster.is_some() {
        let only = (!device.is_empty()).then(|| Arc::clone(&device));
        let (user, reason, now) = (user.clone(), Arc::clone(&reason), clock::wall().ms());
        let request = RequestId::new();
        node.log.write(Write::Kick { user, device: only, reason, request, now }).await?;
    }
    node.router.tell(Hint::Kick { user, device, reason }, None);
    Ok(())
}

impl Turn<'_> {
    /// Kicks a user, or one device; an empty device stands for all.
    pub(super) fn kick(&mut self, user: &UserKey, device: &str, reason: &str) {
        for id in self.state.connections_of(user) {
            let Some((connection, _)) = self.with(id) else { continue };
            if device.is_empty() || *connection.device == *device {
                self.kick_one(id, reason);
            }
        }
    }

    /// Kicks one connection.
    pub(super) fn kick_one(&mut self, id: ConnectionId, reason: &str) {
        let mut data = String::new();
        ObjectWriter::new(&mut data).text("reason", reason).end();
        let Some((connection, _)) = self.with(id) else { return };
        connection.write_notice(&HubFrame::Notice {
            message_type: "kick_out".into(),
            data: data.into(),
            content: "".into(),
        });
        self.close(id, CloseCode::Kicked, reason);
    }
}
