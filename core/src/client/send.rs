//! Sends: accepted from the application, sent in order, sent again after each connect, settled once.

use alloc::borrow::ToOwned as _;
use alloc::string::String;

use super::event::{Event, Outcome, SendId};
use super::saved::{Change, SavedSend};
use super::written::{check, is_volatile, with_id};
use super::{Client, Phase, Storage, Timer};
use crate::codes::ErrorCode;
use crate::frame::{Fault, Fields, Flags, Frame, HEX, Numbers, Texts, encode_message};
use crate::limits;
use crate::message::{FieldError, Message};
use crate::time::Timestamp;

/// Maximum of volatile sends that wait for an `ack`.
const VOLATILE: usize = 256;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Too many unsettled sends, or too many bytes of them.
    #[error("outbox full")]
    OutboxFull,
    /// The frame would be longer than the hub takes.
    #[error("message too large: {size} bytes, maximum {limit}")]
    TooLarge {
        /// Its length in bytes.
        size: usize,
        /// What the hub takes, in bytes.
        limit: usize,
    },
    /// A field is wrong.
    #[error("invalid message: {0}")]
    Invalid(#[source] FieldError),
    /// It is not a JSON object, or one that no hub would read.
    #[error("invalid message: {0}")]
    Unreadable(#[source] Fault),
    /// A message with this id is not settled yet.
    #[error("a message with this message_id is not settled yet")]
    Repeated,
    /// The client is closed.
    #[error("client closed")]
    Closed,
}

impl From<Fault> for SendError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Field(error) => Self::Invalid(error),
            fault => Self::Unreadable(fault),
        }
    }
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
    pub fn send(&mut self, now: Timestamp, message: &Message<'_>) -> Result<SendId, SendError> {
        self.send_named(now, message).map(|(send, _)| send)
    }

    /// As [`Client::send`]; also gives the `message_id`, which of a volatile message is not known afterwards.
    pub fn send_named(
        &mut self,
        now: Timestamp,
        message: &Message<'_>,
    ) -> Result<(SendId, String), SendError> {
        let mut object = String::with_capacity(message.size_hint());
        encode_message(message, &mut object);
        self.send_object(now, object, message.payload.as_deref())
    }

    /// As [`Client::send_named`], for a message that is written already: a JSON object with the fields of one, and the
    /// bytes that go beside it. A `message_id` is made when there is none. The object goes out as it is, whatever else
    /// stands in it.
    pub fn send_object(
        &mut self,
        now: Timestamp,
        object: String,
        payload: Option<&[u8]>,
    ) -> Result<(SendId, String), SendError> {
        if matches!(self.phase, Phase::Closed(_)) {
            return Err(SendError::Closed);
        }
        let mut fields = Fields::new();
        fields.read(&object).map_err(|error| SendError::from(error.fault))?;
        let named = fields.has(Texts::MessageId);
        let message_id = if named { fields.string(Texts::MessageId) } else { self.make_id(now) };
        if named && self.outbox.contains(&message_id) {
            return Err(SendError::Repeated);
        }
        check(&fields, &message_id).map_err(SendError::Invalid)?;
        let life = fields.optional(Numbers::ExpiresIn);
        let require_ack = fields.flag(Flags::RequireAck);
        let receipts = require_ack && !fields.is_empty(Texts::Receiver);
        let volatile = is_volatile(&fields);
        let object = if named { object } else { with_id(&object, &message_id) };
        let frame = Frame::new(object, payload);
        let (size, limit) = (frame.len(), self.session.frame_limit);
        if size > limit {
            return Err(SendError::TooLarge { size, limit });
        }
        if volatile {
            let send = self.send_volatile(now, message_id.clone(), require_ack, frame);
            return Ok((send, message_id));
        }
        let deadline = life.map(|ms| now.saturating_add(ms));
        let mut send = SavedSend {
            id: SendId(0),
            message_id: message_id.clone(),
            first_sent: None,
            deadline,
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
        // Whoever takes up the record cannot know whether it went out.
        let marked = self.is_live().then_some(now);
        if self.config.storage != Storage::None {
            self.persist(Change::Put(SavedSend { first_sent: marked, ..send.clone() }));
        }
        if let Some(at) = send.deadline {
            let first = self.timers.get(Timer::Expiry).map_or(at, |first| first.min(at));
            self.timers.set(Timer::Expiry, first);
        }
        self.outbox.push(send, marked);
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
        frame: Frame,
    ) -> SendId {
        let send = self.outbox.next_id();
        let outcome =
            if !self.is_live() || self.volatile.len() >= VOLATILE { Outcome::Dropped } else { Outcome::Sent };
        if outcome == Outcome::Sent && require_ack {
            let until = now + limits::SEND_TIMEOUT_MS;
            self.volatile.push(Volatile { send, message_id, until });
            self.timers.start(Timer::Volatile, until);
            self.transmit(now, frame);
            return send;
        }
        let sent = outcome == Outcome::Sent;
        self.tell_settled(send, message_id, outcome);
        if sent {
            self.transmit(now, frame);
        }
        send
    }

    /// There is a connection: what waited for one may go out once it is stored that it may have.
    pub(super) fn release(&mut self, now: Timestamp) {
        if self.config.storage != Storage::None
            && let Some(up_to) = self.outbox.mark(now)
        {
            self.persist(Change::Sent { up_to, at: now });
            if self.config.storage != Storage::Durable {
                self.outbox.stored(up_to);
            }
        }
        self.pump(now);
    }

    /// Sends what may go out now, in order.
    pub(super) fn pump(&mut self, now: Timestamp) {
        if !self.is_live() {
            return;
        }
        while let Some(next) = self.outbox.candidate() {
            let index = self.outbox.flying();
            if let Some(outcome) = self.too_late(now, next) {
                self.settle(now, index, outcome);
                continue;
            }
            if !self.outbox.has_room(next.cost(), self.config.flight_count, self.config.flight_bytes) {
                break;
            }
            let frame = next.frame_at(now);
            if frame.len() > self.session.frame_limit {
                // The hub takes less than the one before it.
                let (code, reason) = too_large();
                let refused = Outcome::Refused { code, reason, retry_after_ms: None };
                self.settle(now, index, refused);
                continue;
            }
            self.outbox.launch(now);
            self.transmit(now, frame);
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
        self.tell_settled(send.id, send.message_id.clone(), outcome);
        if accepted && send.receipts {
            self.follow(now, send.id, send.message_id, duplicate);
        }
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    fn tell_settled(&mut self, send: SendId, message_id: String, outcome: Outcome) {
        self.event(Event::Settled { send, message_id, outcome });
    }

    /// Settles a send by the hub's answer; false when none waits for it.
    pub(super) fn answer_send(&mut self, now: Timestamp, message_id: &str, outcome: Outcome) -> bool {
        if let Some(index) = self.outbox.find_flying(message_id) {
            self.settle(now, index, outcome);
            self.timers.stop(Timer::Sends);
            self.pump(now);
            return true;
        }
        let index = self.volatile.iter().position(|volatile| volatile.message_id == message_id);
        let Some(volatile) = index.and_then(|index| self.volatile.remove(index)) else { return false };
        let Volatile { send, message_id, .. } = *volatile;
        self.tell_settled(send, message_id, outcome);
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
        for _ in 0..count {
            if let Some(volatile) = self.volatile.remove(0) {
                let Volatile { send, message_id, .. } = *volatile;
                self.tell_settled(send, message_id, Outcome::Unknown);
            }
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
        let (high, low) = (self.random.next(), self.random.next());
        let mut words = [
            now << 16 | 0x7000 | high & 0x0fff,
            (0x8000 | high >> 16 & 0x3fff) << 48 | low & 0xffff_ffff_ffff,
        ];
        let mut id = String::with_capacity(36);
        for at in 0..36 {
            if matches!(at, 8 | 13 | 18 | 23) {
                id.push('-');
            } else {
                let word = &mut words[usize::from(at > 18)];
                id.push(char::from(HEX[(*word >> 60) as usize]));
                *word <<= 4;
            }
        }
        id
    }
}

/// What the hub would say to a frame that is too large.
#[cfg_attr(target_arch = "wasm32", inline(never))]
pub(super) fn too_large() -> (ErrorCode, String) {
    let code = ErrorCode::MessageTooLarge;
    (code, code.text().to_owned())
}

/// How long a message may be sent again.
fn resend_ms(dedupe: u64) -> u64 {
    dedupe - dedupe / 10
}
