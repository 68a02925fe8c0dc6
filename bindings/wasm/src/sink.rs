//! How things get to JavaScript: one call each, with numbers and texts whose meaning the kind tells. The table stands in
//! `sdk-ts/packages/client/src/engine/events.ts` a second time.

use alloc::vec::Vec;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wsc_core::client::{Change, Closed, Entry, Event, Fault, Outcome, RequestError, State};
use wsc_core::frame::Frame;

#[wasm_bindgen]
extern "C" {
    /// Where everything goes.
    pub type Sink;

    /// One thing that happened.
    #[wasm_bindgen(method)]
    fn tell(this: &Sink, kind: u32, numbers: &[f64], a: &str, b: &str, c: &str, bytes: Option<Uint8Array>);

    /// The machine has said everything.
    #[wasm_bindgen(method)]
    pub(crate) fn flush(this: &Sink);
}

/// What a call is about. The numbers and texts are those named, in their order.
#[derive(Clone, Copy)]
enum Kind {
    /// state, until or close code; reason
    State,
    CaughtUp,
    /// generation, position; stream, -, message; payload
    Message,
    /// -, -, message; payload
    Volatile,
    /// generation, from, to; stream, reason
    Gap,
    /// generation, from, head; stream
    StreamOpened,
    /// stream, reason
    StreamClosed,
    /// send, outcome, position or code, retry after; message id, stream or reason, time
    Settled,
    /// send or 0, stage; message id, receiver, device
    Receipt,
    /// send; message id
    ReceiptEnded,
    /// request; -, -, message; payload
    Fetched,
    /// request; -, -, frame
    Answer,
    /// request, why, code, retry after; reason
    RequestFailed,
    /// code; stream, peer
    MarkRefused,
    /// -, -, frame
    GroupChanged,
    /// -, -, frame
    Presence,
    /// -, -, frame
    Notice,
    /// which, code; reason, message id
    Fault,
    /// A token is wanted.
    FetchToken,
    /// send to be confirmed or 0; the bytes of a change
    Persist,
}

/// The whole number as JavaScript has it; those of the protocol stay below 2^53.
#[allow(clippy::cast_precision_loss, reason = "positions and times stay below 2^53")]
pub(crate) fn number(value: u64) -> f64 {
    value as f64
}

impl Sink {
    /// Sizes matter: most of this module is calls of this.
    #[inline(never)]
    fn call(&self, kind: Kind, numbers: &[u64], texts: &[&str], bytes: Option<&[u8]>) {
        let mut values = [0.0; 4];
        for (slot, value) in values.iter_mut().zip(numbers) {
            *slot = number(*value);
        }
        let text = |index: usize| texts.get(index).copied().unwrap_or_default();
        self.tell(kind as u32, &values, text(0), text(1), text(2), bytes.map(Uint8Array::from));
    }

    #[inline(never)]
    fn frame(&self, kind: Kind, numbers: &[u64], stream: &str, frame: &Frame) {
        // The machine gives out no frame that has no parts.
        if let Ok((object, payload)) = frame.parts() {
            self.call(kind, numbers, &[stream, "", object], payload);
        }
    }

    /// A token is wanted.
    pub(crate) fn fetch_token(&self) {
        self.call(Kind::FetchToken, &[], &[], None);
    }

    /// A change is to be stored.
    pub(crate) fn persist(&self, change: &Change) {
        let mut bytes = Vec::new();
        change.encode(&mut bytes);
        let confirm = if let Change::Put(send) = change { send.id.0 } else { 0 };
        self.call(Kind::Persist, &[confirm], &[], Some(&bytes));
    }

    /// Something happened.
    pub(crate) fn event(&self, event: &Event) {
        match event {
            Event::StateChanged(state) => self.state(state),
            Event::CaughtUp => self.call(Kind::CaughtUp, &[], &[], None),
            Event::Message(Entry { stream, generation, seq_no, frame }) => {
                self.frame(Kind::Message, &[(*generation).into(), *seq_no], stream.as_str(), frame);
            }
            Event::Volatile(frame) => self.frame(Kind::Volatile, &[], "", frame),
            Event::Gap(gap) => {
                let numbers = [gap.generation.into(), gap.from, gap.to];
                self.call(Kind::Gap, &numbers, &[gap.stream.as_str(), &gap.reason], None);
            }
            Event::StreamOpened { stream, generation, from, head } => {
                let numbers = [(*generation).into(), *from, *head];
                self.call(Kind::StreamOpened, &numbers, &[stream.as_str()], None);
            }
            Event::StreamClosed { stream, reason } => {
                self.call(Kind::StreamClosed, &[], &[stream.as_str(), reason], None);
            }
            Event::Settled { send, message_id, outcome } => self.settled(send.0, message_id, outcome),
            Event::Receipt { send, message_id, stage, receiver, device } => {
                let numbers = [send.map_or(0, |send| send.0), *stage as u64];
                self.call(Kind::Receipt, &numbers, &[message_id, receiver, device], None);
            }
            Event::ReceiptEnded { send, message_id } => {
                self.call(Kind::ReceiptEnded, &[send.0], &[message_id], None);
            }
            Event::Fetched { request, frame } => {
                self.frame(Kind::Fetched, &[request.0], "", frame);
            }
            Event::Answer { request, answer } => {
                self.frame(Kind::Answer, &[request.0], "", &answer.frame);
            }
            Event::RequestFailed { request, error } => self.failed(request.0, error),
            Event::MarkRefused { stream, peer, code } => {
                self.call(Kind::MarkRefused, &[code.number().into()], &[stream.as_str(), peer], None);
            }
            Event::GroupChanged(frame) => self.frame(Kind::GroupChanged, &[], "", frame),
            Event::Presence(presence) => self.frame(Kind::Presence, &[], "", &presence.frame),
            Event::Notice(frame) => self.frame(Kind::Notice, &[], "", frame),
            Event::Fault(fault) => self.fault(fault),
        }
    }

    fn state(&self, state: &State) {
        let (numbers, reason) = match state {
            State::Idle => ([0, 0], ""),
            State::Connecting => ([1, 0], ""),
            State::Connected => ([2, 0], ""),
            State::Waiting { until } => ([3, *until], ""),
            State::Closed(Closed::Application) => ([4, 0], ""),
            State::Closed(Closed::NoToken) => ([4, 1], ""),
            State::Closed(Closed::Hub { code, reason }) => ([4, code.number().into()], reason.as_str()),
        };
        self.call(Kind::State, &numbers, &[reason], None);
    }

    fn settled(&self, send: u64, message_id: &str, outcome: &Outcome) {
        let plain = |which| ([send, which, 0, 0], "", "");
        let (numbers, place, at) = match outcome {
            Outcome::Accepted { stream, seq, duplicate, create_at } => {
                let stream = stream.as_ref().map(|stream| stream.as_str()).unwrap_or_default();
                ([send, u64::from(*duplicate), *seq, 0], stream, create_at.as_str())
            }
            Outcome::Refused { code, reason, retry_after_ms } => {
                let numbers = [send, 2, code.number().into(), retry_after_ms.unwrap_or(0)];
                (numbers, reason.as_str(), "")
            }
            Outcome::Unknown => plain(3),
            Outcome::Expired => plain(4),
            Outcome::Cancelled => plain(5),
            Outcome::Dropped => plain(6),
            Outcome::Sent => plain(7),
        };
        self.call(Kind::Settled, &numbers, &[message_id, place, at], None);
    }

    fn failed(&self, request: u64, error: &RequestError) {
        let (which, code, retry, reason) = match error {
            RequestError::Refused { code, reason, retry_after_ms } => {
                (0, code.number().into(), retry_after_ms.unwrap_or(0), reason.as_str())
            }
            RequestError::Disconnected => (1, 0, 0, ""),
            RequestError::Timeout => (2, 0, 0, ""),
            RequestError::TooMany => (3, 0, 0, ""),
        };
        self.call(Kind::RequestFailed, &[request, which, code, retry], &[reason], None);
    }

    fn fault(&self, fault: &Fault) {
        let (numbers, texts) = match fault {
            Fault::Frame(error) => ([0, 0], ["", error.message_id.as_deref().unwrap_or_default()]),
            Fault::Unexpected(what) => ([1, 0], [*what, ""]),
            Fault::Hub { code, reason, message_id } => {
                ([2, code.number().into()], [reason.as_str(), message_id.as_str()])
            }
            Fault::Saved(what) => ([3, 0], [*what, ""]),
        };
        self.call(Kind::Fault, &numbers, &texts, None);
    }
}
