//! Kicking: a notice, then a close, on every connection of a user or on one device.

use wsc_core::CloseCode;
use wsc_core::frame::{HubFrame, ObjectWriter};

use super::Turn;
use crate::log::key::UserKey;

impl Turn<'_> {
    /// Kicks a user, or one device; an empty device stands for all.
    pub(super) fn kick(&mut self, user: &UserKey, device: &str, reason: &str) {
        let mut data = String::new();
        ObjectWriter::new(&mut data).text("reason", reason).end();
        let notice =
            HubFrame::Notice { message_type: "kick_out".into(), data: data.into(), content: "".into() };
        for id in self.state.connections_of(user) {
            let Some((connection, _)) = self.with(id) else { continue };
            if device.is_empty() || *connection.device == *device {
                connection.write_notice(&notice);
                self.close(id, CloseCode::Kicked, reason);
            }
        }
    }
}
