//! What bare clients say, brought into the hub's own terms.

use wsc_core::codes::ErrorCode;
use wsc_core::frame::{ClientFrame, Fault, Query, decode_client};
use wsc_core::peer::TrackId;
use wsc_core::{Message, limits};

use super::Turn;
use super::reply::Refusal;
use super::send::digest;
use crate::net::bare::{Bare, Key, Repetition};
use crate::net::id::ConnectionId;
use crate::net::wire::Wire;
use crate::settings::ms;
use crate::shard::connection::Intake;

impl Turn<'_> {
    /// Takes a text frame of a bare connection.
    pub(super) fn bare_text(&mut self, id: ConnectionId, text: &str) -> Result<(), Refusal> {
        match decode_client(text) {
            Ok(ClientFrame::Message(message)) => self.bare_message(id, *message),
            Ok(ClientFrame::AcknowledgeMessage { message_id }) => {
                let settled = self.with_bare(id, |bare, _| bare.acknowledge(&message_id));
                self.settle_all(id, settled)
            }
            Ok(ClientFrame::Request(request)) if request.query == Query::Ping => {
                self.with_bare(id, |bare, wire| bare.heartbeat(wire));
                Ok(())
            }
            // What does not even begin as a frame is what somebody typed.
            Err(error) if is_typed(text, &error.fault) => {
                let message =
                    Message { message_type: "text".into(), content: text.into(), ..Message::default() };
                self.bare_message(id, message)
            }
            Ok(_) => self.bare_problem(id, "", "not to be had without the subprotocol wsc.v1"),
            Err(error) => {
                let Some((connection, cx)) = self.with(id) else { return Ok(()) };
                connection.misunderstood(cx)?;
                let message_id = error.message_id.as_deref().unwrap_or("");
                self.bare_problem(id, message_id, &error.fault.to_string())
            }
        }
    }

    fn bare_message(&mut self, id: ConnectionId, mut message: Message<'_>) -> Result<(), Refusal> {
        let groups = std::mem::take(&mut message.group_ids);
        if groups.len() > limits::GROUPS {
            let reason = format!("group_ids: at most {}", limits::GROUPS);
            return self.bare_problem(id, &message.message_id, &reason);
        }
        let message_id = match message.message_id.as_ref() {
            "" => uuid::Uuid::now_v7().to_string(),
            message_id => message_id.to_owned(),
        };
        // A frame that had to wait is tried again: it was remembered then.
        let again = self.is_retrying(id);
        let groups = groups.into_iter().map(|group| vec![group]);
        // Without groups it is one message all the same.
        let targets: Vec<_> = groups.collect();
        let targets = if targets.is_empty() { vec![Vec::new()] } else { targets };
        for (index, group_ids) in targets.into_iter().enumerate() {
            let one_id = if index == 0 { message_id.clone() } else { numbered(&message_id, index) };
            let one = Message { message_id: one_id.clone().into(), group_ids, ..message.clone() };
            let (key, wall) = (Key::of_message(&one), self.cx.wall.ms());
            let keep_ms = ms(self.cx.node().settings.retention.dedupe);
            let repetition =
                self.with_bare(id, |bare, _| bare.own.remember(key, digest(&one), wall, keep_ms));
            match repetition {
                Some(Repetition::Same) if !again || index > 0 => continue,
                Some(Repetition::Conflict) => {
                    self.with_bare(id, |bare, wire| {
                        let code = ErrorCode::MessageIdReused;
                        bare.problem(wire, &one_id, code, code.text());
                    });
                    continue;
                }
                _ => {}
            }
            match self.send(id, one) {
                // Beyond the first nothing may wait, or the first would be sent twice.
                Err(Refusal::Wait(_)) if index > 0 => {
                    self.with_bare(id, |bare, wire| {
                        bare.own.forget(&key);
                        bare.problem(wire, &one_id, ErrorCode::RateLimited, ErrorCode::RateLimited.text());
                    });
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// A pong: on a bare connection it acknowledges what was written before its ping.
    pub(super) fn pong(&mut self, id: ConnectionId, payload: &[u8]) -> Result<(), Refusal> {
        let settled = self.with_bare(id, |bare, _| bare.pong(payload));
        self.settle_all(id, settled)
    }

    fn settle_all(&mut self, id: ConnectionId, settled: Option<Vec<(TrackId, u64)>>) -> Result<(), Refusal> {
        settled.into_iter().flatten().try_for_each(|(track, seq)| self.settle(id, track, seq))
    }

    fn bare_problem(&mut self, id: ConnectionId, message_id: &str, reason: &str) -> Result<(), Refusal> {
        self.with_bare(id, |bare, wire| bare.problem(wire, message_id, ErrorCode::InvalidFormat, reason));
        Ok(())
    }

    fn is_retrying(&self, id: ConnectionId) -> bool {
        let connection = self.state.connections.get(id);
        connection.is_some_and(|connection| matches!(connection.intake, Intake::Retrying(_)))
    }

    fn with_bare<T>(&mut self, id: ConnectionId, act: impl FnOnce(&mut Bare, &mut Wire) -> T) -> Option<T> {
        let connection = self.state.connections.get_mut(id)?;
        connection.bare.as_mut().map(|bare| act(bare, &mut connection.wire))
    }
}

/// Whether a text that is not a frame is meant for people: a broken object is a frame that lost something on its way, and
/// nobody should have to read it.
fn is_typed(text: &str, fault: &Fault) -> bool {
    let begins_object = text.trim_ascii_start().starts_with('{');
    matches!(fault, Fault::Syntax { .. } | Fault::NotAnObject) && !begins_object
}

/// The id of a message's copy to a further group: the message's with a number, made of a hash when that is too long.
fn numbered(id: &str, number: usize) -> String {
    let numbered = format!("{id}.{number}");
    if wsc_core::names::is_message_id(&numbered) {
        return numbered;
    }
    format!("{:032x}.{number}", xxhash_rust::xxh3::xxh3_128(id.as_bytes()))
}
