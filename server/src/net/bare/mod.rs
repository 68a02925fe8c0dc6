//! Bare mode: what clients of go-wsc say and expect, translated at the edge. Inside the hub a bare connection is like
//! any other.

mod form;
mod own;

use std::collections::VecDeque;
use std::sync::Arc;

use wsc_core::codes::ErrorCode;
use wsc_core::frame::{HubFrame, ObjectWriter, decode_hub, decode_hub_binary};
use wsc_core::peer::TrackId;
use wsc_core::{Message, StreamName, time};

pub(crate) use self::own::{Key, Own, Repetition};
use super::encode;
use super::wire::Wire;
use crate::clock;
use crate::log::key::Scope;

/// The state of a bare connection.
pub(crate) struct Bare {
    /// It is one of several connections of the user's shared device.
    pub(crate) shared: bool,
    client_id: Arc<str>,
    scope: Scope,
    /// Entries written and not acknowledged, in the order of writing.
    written: VecDeque<Written>,
    count: u64,
    /// The newest ping covers entries up to here.
    pinged: u64,
    /// The client acknowledges by itself what asks for it.
    acknowledges: bool,
    /// What was sent on it.
    pub(crate) own: Own,
}

struct Written {
    number: u64,
    track: TrackId,
    seq: u64,
    message_id: Arc<str>,
    /// It asks for an acknowledgement.
    asks: bool,
}

impl Bare {
    pub(crate) fn new(shared: bool, client_id: Arc<str>, scope: Scope) -> Self {
        Self {
            shared,
            client_id,
            scope,
            written: VecDeque::new(),
            count: 0,
            pinged: 0,
            acknowledges: false,
            own: Own::default(),
        }
    }

    /// Writes an entry, given as its WebSocket frame.
    pub(crate) fn entry(&mut self, wire: &mut Wire, track: TrackId, seq: u64, id: &Arc<str>, frame: &[u8]) {
        self.count += 1;
        let mut asks = false;
        if let Some(HubFrame::Message(message)) = decode(frame) {
            asks = message.require_ack;
            self.message(wire, &message);
        }
        let message_id = Arc::clone(id);
        self.written.push_back(Written { number: self.count, track, seq, message_id, asks });
    }

    /// Whether a ping should ask if the entries arrived.
    pub(crate) fn owes_ping(&self) -> bool {
        self.pinged < self.count && self.written.front().is_some_and(|written| self.is_pong_enough(written))
    }

    /// Whether a pong acknowledges an entry. Clients acknowledge what asks for it, and only that: what does not would
    /// never be acknowledged once a client has begun to.
    fn is_pong_enough(&self, written: &Written) -> bool {
        !(self.acknowledges && written.asks)
    }

    /// Asks whether what was written arrived: the pong brings the number back.
    pub(crate) fn ping(&mut self, wire: &mut Wire) {
        self.pinged = self.count;
        wire.push(encode::ping(self.count));
    }

    /// A pong came: what was written before its ping has arrived. Returns the positions this settles.
    pub(crate) fn pong(&mut self, payload: &[u8]) -> Vec<(TrackId, u64)> {
        let Ok(number) = payload.try_into().map(u64::from_be_bytes) else { return Vec::new() };
        if number > self.pinged {
            return Vec::new();
        }
        let held = self.written.iter().find(|written| !self.is_pong_enough(written));
        let number = held.map_or(number, |held| number.min(held.number - 1));
        self.settle(number)
    }

    /// The client acknowledged a message, and all written before it.
    pub(crate) fn acknowledge(&mut self, message_id: &str) -> Vec<(TrackId, u64)> {
        self.acknowledges = true;
        let number = self.written.iter().rev().find(|written| *written.message_id == *message_id);
        number.map(|written| written.number).map_or_else(Vec::new, |number| self.settle(number))
    }

    fn settle(&mut self, number: u64) -> Vec<(TrackId, u64)> {
        let mut settled: Vec<(TrackId, u64)> = Vec::new();
        while let Some(written) = self.written.pop_front_if(|written| written.number <= number) {
            match settled.iter_mut().find(|(track, _)| *track == written.track) {
                Some((_, seq)) => *seq = written.seq,
                None => settled.push((written.track, written.seq)),
            }
        }
        settled
    }

    /// Writes a frame that may be dropped, given as its WebSocket frame.
    pub(crate) fn volatile(&self, wire: &mut Wire, frame: &[u8]) {
        match decode(frame) {
            Some(HubFrame::Message(message)) => self.message(wire, &message),
            Some(HubFrame::Receipt(receipt)) => {
                for id in &receipt.message_ids {
                    self.message(
                        wire,
                        &Message {
                            message_type: if receipt.read { "read" } else { "delivered" }.into(),
                            message_id: id.clone(),
                            sender: receipt.receiver.clone(),
                            sender_client: receipt.receiver_client.clone(),
                            ..Message::default()
                        },
                    );
                }
            }
            Some(notice @ HubFrame::Notice { .. }) => self.notice(wire, &notice),
            _ => {}
        }
    }

    /// Writes a notice of the hub.
    pub(crate) fn notice(&self, wire: &mut Wire, notice: &HubFrame<'_>) {
        let HubFrame::Notice { message_type, data, content } = notice else { return };
        self.say(wire, message_type, content, data, "");
    }

    /// Tells of positions that are gone.
    pub(crate) fn gap(&self, wire: &mut Wire, stream: &StreamName<'_>, from: u64, to: u64, reason: &str) {
        let mut data = String::new();
        ObjectWriter::new(&mut data)
            .object("gap", |gap| {
                gap.text("stream", &stream.to_string())
                    .count("from", from)
                    .count("to", to)
                    .text("reason", reason);
            })
            .end();
        self.say(wire, "notice", "messages are missing", &data, "");
    }

    /// Tells why a message was refused.
    pub(crate) fn problem(&self, wire: &mut Wire, message_id: &str, code: ErrorCode, reason: &str) {
        let mut data = String::new();
        ObjectWriter::new(&mut data).count("code", u64::from(code.number())).end();
        self.say(wire, "error", reason, &data, message_id);
    }

    /// Answers a heartbeat.
    pub(crate) fn heartbeat(&self, wire: &mut Wire) {
        self.say(wire, "pong", "", "", "");
    }

    /// The first frame, where it is configured.
    pub(crate) fn registered(&self, wire: &mut Wire, user: &str, user_type: &str, node_id: &str) {
        let mut data = String::new();
        ObjectWriter::new(&mut data)
            .text("client_id", &self.client_id)
            .text("node_id", node_id)
            .text("status", "ok")
            .count("timestamp", clock::wall().ms() / 1000)
            .text("user_id", user)
            .text("user_type", user_type)
            .end();
        self.say(wire, "client_registered", "Client registered successfully", &data, "");
    }

    fn say(&self, wire: &mut Wire, message_type: &str, content: &str, data: &str, message_id: &str) {
        self.message(
            wire,
            &Message {
                message_type: message_type.into(),
                message_id: message_id.into(),
                sender: "system".into(),
                sender_type: "system".into(),
                content: content.into(),
                data: data.into(),
                create_at: time::format(clock::wall().ms()).into(),
                ..Message::default()
            },
        );
    }

    /// Writes a message with the fields go-wsc always has.
    fn message(&self, wire: &mut Wire, message: &Message<'_>) {
        let frame = form::frame_of(message, &self.scope, clock::wall().ms());
        wire.push_frame(frame.as_bytes(), false);
    }
}

/// The hub frame inside a WebSocket frame of the hub.
fn decode(frame: &[u8]) -> Option<HubFrame<'_>> {
    let length = match frame.get(1)? {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let payload = frame.get(length..)?;
    if frame.first()? & 15 == 2 {
        return decode_hub_binary(payload).ok();
    }
    decode_hub(std::str::from_utf8(payload).ok()?).ok()
}
