//! Kicking: a notice, then a close, on every connection of a user or on one device.

use wsc_core::CloseCode;
use wsc_core::frame::{HubFrame, ObjectWriter};

use super::node::Node;
use super::shard::Letter;
use crate::log::key::UserKey;

/// Kicks a user, or one device; an empty device stands for all.
pub(crate) fn kick(node: &Node, user: &UserKey, device: &str, reason: &str) {
    let (whose, device, reason) = (user.clone(), device.to_owned(), reason.to_owned());
    let call = Letter::Call(Box::new(move |shard| {
        let mut kicked = Vec::new();
        {
            let mut state = shard.state.borrow_mut();
            for place in state.connections_of(&whose) {
                let connection = &mut state.connections[place as usize];
                if !device.is_empty() && *connection.device != *device {
                    continue;
                }
                let mut data = String::new();
                ObjectWriter::new(&mut data).text("reason", &reason).end();
                let notice = HubFrame::Notice {
                    message_type: "kick_out".into(),
                    data: data.into(),
                    content: "".into(),
                };
                match &connection.bare {
                    Some(bare) => bare.notice(&connection.wire, &notice),
                    None => connection.say(&notice),
                }
                kicked.push((place, connection.generation));
            }
        }
        for (place, generation) in kicked {
            shard.close(place, generation, CloseCode::Kicked, &reason);
        }
    }));
    node.shards.send(node.shards.home(user), call);
}
