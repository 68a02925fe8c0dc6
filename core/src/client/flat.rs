//! Events as a kind, numbers, texts and bytes: how they cross to other languages. One table for every bridge.

use super::event::{Entry, Event, Fault, Outcome, RequestError};
use super::state::{Closed, State};
use crate::frame::Frame;

/// What something flat is about. The numbers and texts are those named, in their order. The first are the machine's events;
/// what follows are its actions, and what the bridges add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// state (0 idle, 1 connecting, 2 connected, 3 waiting, 4 closed), until (ms) or why it is closed (0 application,
    /// 1 no token, else the hub's close code); reason
    State,
    /// Nothing more.
    CaughtUp,
    /// generation, position; stream, -, message; payload
    Message,
    /// -; -, -, message; payload
    Volatile,
    /// generation, from, to; stream, reason
    Gap,
    /// generation, from, head; stream
    StreamOpened,
    /// -; stream, reason
    StreamClosed,
    /// send, outcome (0 accepted, 1 accepted before, 2 refused, 3 unknown, 4 expired, 5 cancelled, 6 dropped, 7 sent),
    /// position or code, retry after (ms); message id, stream or reason, time
    Settled,
    /// send or 0, stage (0 accepted, 1 delivered, 2 read); message id, receiver, device
    Receipt,
    /// send; message id
    ReceiptEnded,
    /// request; -, -, message; payload
    Fetched,
    /// request; -, -, frame
    Answer,
    /// request, why (0 refused, 1 disconnected, 2 timeout, 3 too many), code, retry after (ms); reason
    RequestFailed,
    /// code; stream, peer
    MarkRefused,
    /// -; -, -, frame
    GroupChanged,
    /// -; -, -, frame
    Presence,
    /// -; -, -, frame
    Notice,
    /// which (0 frame, 1 unexpected, 2 hub, 3 saved), code; reason, message id
    Fault,
    /// A token is wanted.
    FetchToken,
    /// send to be confirmed or 0; -; the bytes of a change to be stored
    Persist,
    /// A send is kept: on the disk, where there is an outbox file. send; message id
    Taken,
    /// A message was not taken. why (1 outbox full, 2 too large, 3 a field is wrong, 4 unreadable, 5 repeated, 6 closed,
    /// 7 not saved); message id, what is wrong
    NotTaken,
    /// How far sends and streams are. unsaved, saved, under way, whether all is caught up (0 or 1)
    Sync,
    /// Nobody read these for 20 s: they count as handed over. from, to; stream
    Unread,
    /// A socket did not open, or is gone. whether it had been connected (0 or 1), close code or 0; reason
    Parted,
    /// The client is closed; nothing more comes.
    Ended,
    /// A socket is to be opened. link
    Open,
    /// A frame is to be sent. link; -, -, frame; payload
    Write,
    /// A socket is to be closed. link, code; reason
    Shut,
}

/// One event, flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flat<'a> {
    /// What it is about.
    pub kind: Kind,
    /// Its numbers; 0 where there are fewer. All stay below 2^53.
    pub numbers: [u64; 4],
    /// Its texts; empty where there are fewer.
    pub texts: [&'a str; 3],
    /// Bytes beside a message.
    pub bytes: Option<&'a [u8]>,
}

impl<'a> Flat<'a> {
    #[inline(never)]
    fn new(kind: Kind, given: &[u64], texts: [&'a str; 3]) -> Self {
        let mut numbers = [0; 4];
        for (slot, number) in numbers.iter_mut().zip(given) {
            *slot = *number;
        }
        Self { kind, numbers, texts, bytes: None }
    }

    /// The machine gives out no frame that has no parts.
    #[inline(never)]
    fn frame(kind: Kind, given: &[u64], stream: &'a str, frame: &'a Frame) -> Self {
        let (object, bytes) = frame.parts().unwrap_or_default();
        Self { bytes, ..Self::new(kind, given, [stream, "", object]) }
    }
}

impl Event {
    /// The event, flat.
    #[must_use]
    pub fn flat(&self) -> Flat<'_> {
        match self {
            Self::StateChanged(state) => flat_state(state),
            Self::CaughtUp => Flat::new(Kind::CaughtUp, &[], [""; 3]),
            Self::Message(Entry { stream, generation, seq_no, frame }) => {
                Flat::frame(Kind::Message, &[(*generation).into(), *seq_no], stream.as_str(), frame)
            }
            Self::Volatile(frame) => Flat::frame(Kind::Volatile, &[], "", frame),
            Self::Gap(gap) => {
                let numbers = [gap.generation.into(), gap.from, gap.to];
                Flat::new(Kind::Gap, &numbers, [gap.stream.as_str(), &gap.reason, ""])
            }
            Self::StreamOpened { stream, generation, from, head } => Flat::new(
                Kind::StreamOpened,
                &[(*generation).into(), *from, *head],
                [stream.as_str(), "", ""],
            ),
            Self::StreamClosed { stream, reason } => {
                Flat::new(Kind::StreamClosed, &[], [stream.as_str(), reason, ""])
            }
            Self::Settled { send, message_id, outcome } => flat_outcome(send.0, message_id, outcome),
            Self::Receipt { send, message_id, stage, receiver, device } => {
                let numbers = [send.map_or(0, |send| send.0), *stage as u64];
                Flat::new(Kind::Receipt, &numbers, [message_id, receiver, device])
            }
            Self::ReceiptEnded { send, message_id } => {
                Flat::new(Kind::ReceiptEnded, &[send.0], [message_id, "", ""])
            }
            Self::Fetched { request, frame } => Flat::frame(Kind::Fetched, &[request.0], "", frame),
            Self::Answer { request, answer } => Flat::frame(Kind::Answer, &[request.0], "", &answer.frame),
            Self::RequestFailed { request, error } => flat_failure(request.0, error),
            Self::MarkRefused { stream, peer, code } => {
                Flat::new(Kind::MarkRefused, &[code.number().into()], [stream.as_str(), peer, ""])
            }
            Self::GroupChanged(frame) => Flat::frame(Kind::GroupChanged, &[], "", frame),
            Self::Presence(presence) => Flat::frame(Kind::Presence, &[], "", &presence.frame),
            Self::Notice(frame) => Flat::frame(Kind::Notice, &[], "", frame),
            Self::Fault(fault) => flat_fault(fault),
        }
    }
}

fn flat_state(state: &State) -> Flat<'_> {
    let (numbers, reason) = match state {
        State::Idle => ([0, 0], ""),
        State::Connecting => ([1, 0], ""),
        State::Connected => ([2, 0], ""),
        State::Waiting { until } => ([3, *until], ""),
        State::Closed(Closed::Application) => ([4, 0], ""),
        State::Closed(Closed::NoToken) => ([4, 1], ""),
        State::Closed(Closed::Hub { code, reason }) => ([4, code.number().into()], reason.as_str()),
    };
    Flat::new(Kind::State, &numbers, [reason, "", ""])
}

fn flat_outcome<'a>(send: u64, message_id: &'a str, outcome: &'a Outcome) -> Flat<'a> {
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
    Flat::new(Kind::Settled, &numbers, [message_id, place, at])
}

fn flat_failure(request: u64, error: &RequestError) -> Flat<'_> {
    let (which, code, retry, reason) = match error {
        RequestError::Refused { code, reason, retry_after_ms } => {
            (0, code.number().into(), retry_after_ms.unwrap_or(0), reason.as_str())
        }
        RequestError::Disconnected => (1, 0, 0, ""),
        RequestError::Timeout => (2, 0, 0, ""),
        RequestError::TooMany => (3, 0, 0, ""),
    };
    Flat::new(Kind::RequestFailed, &[request, which, code, retry], [reason, "", ""])
}

fn flat_fault(fault: &Fault) -> Flat<'_> {
    let (numbers, reason, id) = match fault {
        Fault::Frame(error) => ([0, 0], "", error.message_id.as_deref().unwrap_or_default()),
        Fault::Unexpected(what) => ([1, 0], *what, ""),
        Fault::Hub { code, reason, message_id } => {
            ([2, code.number().into()], reason.as_str(), message_id.as_str())
        }
        Fault::Saved(what) => ([3, 0], *what, ""),
    };
    Flat::new(Kind::Fault, &numbers, [reason, id, ""])
}
