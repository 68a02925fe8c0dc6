//! Sends: accepted from the application, sent in order, sent again after each connect, settled once.

use alloc::borrow::Cow;
use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::event::{Event, Outcome, SendId};
use super::saved::{Change, SavedFrame, SavedSend};
use super::{Action, Client, Phase, Storage, Timer};
use crate::codes::ErrorCode;
use crate::frame::{encode_client_binary, encode_message};
use crate::limits;
use crate::message::{Destination, FieldError, Message, take_string};
use crate::time::Timestamp;

/// Room for `expires_in_ms` in a frame, in bytes.
const LIFE: usize = 40;
/// Volatile sends that wait for an `ack` at most.
const VOLATILE: usize = 256;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Too many unsettled sends, or too many bytes of them.
    #[error("outbox full")]
    OutboxFull,
    /// The frame would be longer than the hub takes.
    #[error("message too large: {size} bytes, at most {limit}")]
    TooLarge {
        /// Its length.
        size: usize,
        /// What the hub takes.
        limit: usize,
    },
    /// A field is wrong.
    #[error("invalid message: {0}")]
    Invalid(FieldError),
    /// A message with this id is not settled yet.
    #[error("a message with this message_id is not settled yet")]
    Repeated,
    /// The client is closed.
    #[error("client closed")]
    Closed,
}

/// A volatile send that wants an `ack`.
#[derive(Debug)]
pub(super) struct Volatile {
    send: SendId,
    message_id: String,
    until: Timestamp,
}

impl Client {
    /// Takes a message. It is sent as soon as there is a connection, again after each connect, until it is settled:
    /// exactly one [`Event::Settled`] comes for each. A `message_id` is made when it is empty.
    ///
    /// A volatile message is sent now or never.
    pub fn send(&mut self, now: Timestamp, message: Message<'static>) -> Result<SendId, SendError> {
        self.send_named(now, message).map(|(send, _)| send)
    }

    /// As [`Client::send`]; also gives the `message_id`, which of a volatile message is not known afterwards.
    pub fn send_named(
        &mut self,
        now: Timestamp,
        message: Message<'static>,
    ) -> Result<(SendId, String), SendError> {
        // Boxed as it is everywhere else, so that there is one function that lets go of a message.
        self.accept(now, &mut Box::new(message))
    }

    /// By reference, so that the message is let go of in one place.
    fn accept(
        &mut self,
        now: Timestamp,
        message: &mut Message<'static>,
    ) -> Result<(SendId, String), SendError> {
        if matches!(self.phase, Phase::Closed(_)) {
            return Err(SendError::Closed);
        }
        if message.message_id.is_empty() {
            message.message_id = Cow::Owned(self.make_id(now));
        } else if self.outbox.contains(&message.message_id) {
            return Err(SendError::Repeated);
        }
        message.validate().map_err(SendError::Invalid)?;
        let life = message.expires_in_ms.take();
        let volatile = message.is_volatile();
        if volatile {
            message.expires_in_ms = life;
        }
        let frame = encode(message);
        let (size, limit) = (frame.len() + if life.is_some() { LIFE } else { 0 }, self.session.frame_limit);
        if size > limit {
            return Err(SendError::TooLarge { size, limit });
        }
        let message_id = take_string(&mut message.message_id);
        if volatile {
            let send = self.send_volatile(now, message_id.clone(), message.require_ack, frame);
            return Ok((send, message_id));
        }
        let receipts = message.require_ack && matches!(message.destination(), Ok(Destination::User(_)));
        let mut send = SavedSend {
            id: SendId(0),
            message_id: message_id.clone(),
            first_sent: None,
            deadline: life.map(|ms| now.saturating_add(ms)),
            receipts,
            frame,
        };
        if self.outbox.len() >= self.config.outbox_count
            || self.outbox.bytes().saturating_add(send.cost()) > self.config.outbox_bytes
        {
            return Err(SendError::OutboxFull);
        }
        let id = self.outbox.next_id();
        send.id = id;
        if self.config.storage != Storage::None {
            self.persist(Change::Put(send.clone()));
        }
        if let Some(at) = send.deadline {
            let first = self.timers.get(Timer::Expiry).map_or(at, |first| first.min(at));
            self.timers.set(Timer::Expiry, first);
        }
        self.outbox.push(send);
        if self.config.storage != Storage::Durable {
            self.outbox.stored(id);
        }
        self.pump(now);
        Ok((id, message_id))
    }

    /// Takes back a send that never went out. False when it did, or is settled.
    pub fn cancel(&mut self, now: Timestamp, send: SendId) -> bool {
        let Some(index) = self.outbox.find(send) else { return false };
        if self.outbox.get(index).is_none_or(|send| send.first_sent.is_some()) {
            return false;
        }
        self.settle(now, index, Outcome::Cancelled);
        self.pump(now);
        true
    }

    /// All sends up to this one are stored ([`Storage::Durable`]).
    pub fn handle_stored(&mut self, now: Timestamp, up_to: SendId) {
        self.outbox.stored(up_to);
        self.pump(now);
    }

    /// The `message_id` of an unsettled send.
    #[must_use]
    pub fn message_id(&self, send: SendId) -> Option<&str> {
        let send = self.outbox.get(self.outbox.find(send)?)?;
        Some(&send.message_id)
    }

    /// The order of unsettled sends.
    pub fn unsettled(&self) -> impl Iterator<Item = (SendId, &str)> {
        self.outbox.iter().map(|send| (send.id, send.message_id.as_str()))
    }

    fn send_volatile(
        &mut self,
        now: Timestamp,
        message_id: String,
        require_ack: bool,
        frame: SavedFrame,
    ) -> SendId {
        let send = self.outbox.next_id();
        let outcome =
            if !self.is_live() || self.volatile.len() >= VOLATILE { Outcome::Dropped } else { Outcome::Sent };
        if outcome == Outcome::Sent && require_ack {
            let until = now + limits::SEND_TIMEOUT_MS;
            self.volatile.push(Volatile { send, message_id, until });
            self.timers.start(Timer::Volatile, until);
            self.transmit_saved(now, frame);
            return send;
        }
        let sent = outcome == Outcome::Sent;
        self.event(Event::Settled { send, message_id, outcome });
        if sent {
            self.transmit_saved(now, frame);
        }
        send
    }

    fn transmit_saved(&mut self, now: Timestamp, frame: SavedFrame) {
        match frame {
            SavedFrame::Text(text) => self.transmit(now, text),
            SavedFrame::Binary(bytes) => self.transmit_binary(now, bytes),
        }
    }

    /// Sends what may go out now, in order.
    pub(super) fn pump(&mut self, now: Timestamp) {
        if !self.is_live() {
            return;
        }
        let (begin, mut first_sent) = (self.actions.end(), None);
        while let Some(next) = self.outbox.candidate() {
            let index = self.outbox.flying();
            if let Some(outcome) = self.too_late(now, next) {
                self.settle(now, index, outcome);
                continue;
            }
            let (id, size) = (next.id, next.cost());
            if !self.outbox.has_room(size, self.config.flight_count, self.config.flight_bytes) {
                break;
            }
            let frame = next.frame_at(now);
            if frame.len() > self.session.frame_limit {
                // The hub takes less than the one before it.
                let reason = ErrorCode::MessageTooLarge.text().to_owned();
                let refused =
                    Outcome::Refused { code: ErrorCode::MessageTooLarge, reason, retry_after_ms: None };
                self.settle(now, index, refused);
                continue;
            }
            if self.outbox.launch(now) {
                first_sent = Some(id);
            }
            self.transmit_saved(now, frame);
        }
        if let (Some(up_to), true) = (first_sent, self.config.storage != Storage::None) {
            // Before the frames: a process that dies between must not take them for unsent for ever.
            self.actions.insert(begin, Action::Persist(Change::Sent { up_to, at: now }));
        }
        if self.outbox.flying() > 0 {
            self.timers.start(Timer::Sends, now + limits::SEND_TIMEOUT_MS);
        }
    }

    /// How a send ends that must not go out any more.
    fn too_late(&self, now: Timestamp, send: &SavedSend) -> Option<Outcome> {
        let old = match (send.first_sent, self.session.dedupe_ms) {
            (Some(at), Some(dedupe)) => now.saturating_sub(at) >= resend_ms(dedupe),
            _ => false,
        };
        let expired = send.deadline.is_some_and(|at| at <= now);
        match (old, expired, send.first_sent) {
            (true, _, _) | (_, true, Some(_)) => Some(Outcome::Unknown),
            (_, true, None) => Some(Outcome::Expired),
            _ => None,
        }
    }

    fn settle(&mut self, now: Timestamp, index: usize, outcome: Outcome) {
        let Some(send) = self.outbox.remove(index) else { return };
        self.persist(Change::Settled { send: send.id });
        let duplicate = matches!(outcome, Outcome::Accepted { duplicate: true, .. });
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        self.event(Event::Settled { send: send.id, message_id: send.message_id.clone(), outcome });
        if accepted && send.receipts {
            self.follow(now, send.id, send.message_id, duplicate);
        }
    }

    /// Settles a send by the hub's answer; false when none waits for it.
    pub(super) fn answer_send(&mut self, now: Timestamp, message_id: &str, outcome: Outcome) -> bool {
        if let Some(index) = self.outbox.find_flying(message_id) {
            self.settle(now, index, outcome);
            self.timers.stop(Timer::Sends);
            self.pump(now);
            return true;
        }
        let Some(index) = self.volatile.iter().position(|volatile| volatile.message_id == message_id) else {
            return false;
        };
        let Volatile { send, message_id, .. } = self.volatile.remove(index);
        self.event(Event::Settled { send, message_id, outcome });
        self.watch_volatile();
        true
    }

    pub(super) fn detach_sends(&mut self) {
        self.outbox.ground();
        self.timers.stop(Timer::Sends);
        self.end_volatile(self.volatile.len());
        self.watch_expiry();
        self.watch_unknown();
    }

    fn watch_volatile(&mut self) {
        self.timers.stop(Timer::Volatile);
        if let Some(oldest) = self.volatile.first() {
            self.timers.set(Timer::Volatile, oldest.until);
        }
    }

    pub(super) fn volatile_timed_out(&mut self, now: Timestamp) {
        let waits = self.volatile.iter().position(|volatile| volatile.until > now);
        self.end_volatile(waits.unwrap_or(self.volatile.len()));
    }

    /// The oldest were not answered.
    fn end_volatile(&mut self, count: usize) {
        let rest = self.volatile.split_off(count);
        for Volatile { send, message_id, .. } in core::mem::replace(&mut self.volatile, rest) {
            self.event(Event::Settled { send, message_id, outcome: Outcome::Unknown });
        }
        self.watch_volatile();
    }

    pub(super) fn watch_expiry(&mut self) {
        self.timers.stop(Timer::Expiry);
        if let Some(at) = self.outbox.next_expiry() {
            self.timers.set(Timer::Expiry, at);
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some(index) = self.outbox.expired(now) {
            let sent = self.outbox.get(index).is_some_and(|send| send.first_sent.is_some());
            self.settle(now, index, if sent { Outcome::Unknown } else { Outcome::Expired });
        }
        self.watch_expiry();
        self.pump(now);
    }

    /// Without a connection the oldest send may become too old to be sent again.
    fn watch_unknown(&mut self) {
        self.timers.stop(Timer::Unknown);
        if let (Some(at), Some(dedupe)) = (self.outbox.oldest_sent(), self.session.dedupe_ms) {
            self.timers.set(Timer::Unknown, at.saturating_add(resend_ms(dedupe)));
        }
    }

    pub(super) fn give_up_old(&mut self, now: Timestamp) {
        if self.is_live() {
            return;
        }
        while let Some(outcome) = self.outbox.get(0).and_then(|oldest| self.too_late(now, oldest)) {
            self.settle(now, 0, outcome);
        }
        self.watch_unknown();
    }

    /// A UUIDv7 by shape: the time, then randomness from the seed.
    fn make_id(&mut self, now: Timestamp) -> String {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let (high, low) = (self.random.next(), self.random.next());
        let words = [
            now << 16 | 0x7000 | high & 0x0fff,
            (0x8000 | high >> 16 & 0x3fff) << 48 | low & 0xffff_ffff_ffff,
        ];
        let (mut id, mut nibble) = ([b'-'; 36], 0);
        for (at, digit) in id.iter_mut().enumerate() {
            if !matches!(at, 8 | 13 | 18 | 23) {
                let word = if nibble < 16 { words[0] } else { words[1] };
                *digit = HEX[(word >> (60 - nibble % 16 * 4) & 0xf) as usize];
                nibble += 1;
            }
        }
        core::str::from_utf8(&id).unwrap_or_default().to_owned()
    }
}

/// How long a message may be sent again.
fn resend_ms(dedupe: u64) -> u64 {
    dedupe - dedupe / 10
}

fn encode(message: &Message<'_>) -> SavedFrame {
    if message.payload.is_some() {
        let mut bytes = Vec::new();
        encode_client_binary(message, &mut bytes);
        return SavedFrame::Binary(bytes);
    }
    let mut text = String::new();
    encode_message(message, &mut text);
    SavedFrame::Text(text)
}
