//! What bare clients say, brought into the hub's own terms.

use std::rc::Rc;

use wsc_core::codes::ErrorCode;
use wsc_core::frame::{ClientFrame, Fault, Query, decode_client};
use wsc_core::peer::TrackId;
use wsc_core::{CloseCode, Message, limits};

use super::clock;
use super::inbound::Refusal;
use super::send::digest;
use super::shard::Shard;
use crate::connection::bare::{Key, Repetition};

impl Shard {
    /// Takes a text frame of a bare connection.
    pub(crate) fn bare_text(self: &Rc<Self>, place: u32, generation: u32, text: &str) -> Result<(), Refusal> {
        match decode_client(text) {
            Ok(ClientFrame::Message(message)) => self.bare_message(place, generation, *message),
            Ok(ClientFrame::AcknowledgeMessage { message_id }) => {
                let settled = self.with_bare(place, generation, |bare, _| bare.acknowledge(&message_id));
                self.settle_all(place, generation, settled)
            }
            Ok(ClientFrame::Request(request)) if request.query == Query::Ping => {
                self.with_bare(place, generation, |bare, wire| bare.heartbeat(wire));
                Ok(())
            }
            // What does not even begin as a frame is what somebody typed.
            Err(error) if is_typed(text, &error.fault) => {
                let message =
                    Message { message_type: "text".into(), content: text.into(), ..Message::default() };
                self.bare_message(place, generation, message)
            }
            Ok(_) => self.bare_problem(place, generation, "", "not to be had without the subprotocol wsc.v1"),
            Err(error) => {
                let now = self.now();
                let mut state = self.state.borrow_mut();
                let Some(connection) = state.connection(place, generation) else { return Ok(()) };
                let many = connection.peer.misunderstood(now).is_err();
                drop(state);
                if many {
                    let reason = "too many frames that could not be understood";
                    return Err(Refusal::Close(CloseCode::Violation, reason));
                }
                let id = error.message_id.as_deref().unwrap_or("");
                self.bare_problem(place, generation, id, &error.fault.to_string())
            }
        }
    }

    fn bare_message(
        self: &Rc<Self>,
        place: u32,
        generation: u32,
        mut message: Message<'_>,
    ) -> Result<(), Refusal> {
        let groups = std::mem::take(&mut message.group_ids);
        if groups.len() > limits::GROUPS {
            return self.bare_problem(place, generation, &message.message_id, "group_ids: at most 1000");
        }
        let id = match message.message_id.as_ref() {
            "" => uuid::Uuid::now_v7().to_string(),
            id => id.to_owned(),
        };
        // A frame that had to wait is tried again: it was remembered then.
        let again = self.is_waiting(place, generation);
        let groups = groups.into_iter().map(|group| vec![group]);
        // Without groups it is one message all the same.
        let targets: Vec<_> = groups.collect();
        let targets = if targets.is_empty() { vec![Vec::new()] } else { targets };
        for (index, group_ids) in targets.into_iter().enumerate() {
            let id = if index == 0 { id.clone() } else { numbered(&id, index) };
            let one = Message { message_id: id.clone().into(), group_ids, ..message.clone() };
            let (key, wall) = (Key::of_message(&one), clock::wall());
            let keep_ms = self.node.settings.retention.dedupe;
            let repetition = self
                .with_bare(place, generation, |bare, _| bare.own.remember(key, digest(&one), wall, keep_ms));
            match repetition {
                Some(Repetition::Same) if !again || index > 0 => continue,
                Some(Repetition::Conflict) => {
                    self.with_bare(place, generation, |bare, wire| {
                        let code = ErrorCode::MessageIdReused;
                        bare.problem(wire, &id, code, code.text());
                    });
                    continue;
                }
                _ => {}
            }
            match self.send(place, generation, one) {
                // Beyond the first nothing may wait, or the first would be sent twice.
                Err(Refusal::Wait(_)) if index > 0 => {
                    self.with_bare(place, generation, |bare, wire| {
                        bare.own.forget(&key);
                        bare.problem(wire, &id, ErrorCode::RateLimited, ErrorCode::RateLimited.text());
                    });
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// A pong: on a bare connection it acknowledges what was written before its ping.
    pub(crate) fn pong(self: &Rc<Self>, place: u32, generation: u32, payload: &[u8]) -> Result<(), Refusal> {
        let settled = self.with_bare(place, generation, |bare, _| bare.pong(payload));
        self.settle_all(place, generation, settled)
    }

    fn settle_all(
        self: &Rc<Self>,
        place: u32,
        generation: u32,
        settled: Option<Vec<(TrackId, u64)>>,
    ) -> Result<(), Refusal> {
        settled.into_iter().flatten().try_for_each(|(track, seq)| self.settle(place, generation, track, seq))
    }

    fn bare_problem(&self, place: u32, generation: u32, id: &str, reason: &str) -> Result<(), Refusal> {
        self.with_bare(place, generation, |bare, wire| {
            bare.problem(wire, id, ErrorCode::InvalidFormat, reason);
        });
        Ok(())
    }

    fn is_waiting(&self, place: u32, generation: u32) -> bool {
        let mut state = self.state.borrow_mut();
        state.connection(place, generation).is_some_and(|connection| connection.waiting_since.is_some())
    }

    fn with_bare<T>(
        &self,
        place: u32,
        generation: u32,
        act: impl FnOnce(&mut crate::connection::bare::Bare, &crate::connection::wire::SharedWire) -> T,
    ) -> Option<T> {
        let mut state = self.state.borrow_mut();
        let connection = state.connection(place, generation)?;
        let wire = connection.wire.clone();
        connection.bare.as_mut().map(|bare| act(bare, &wire))
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
