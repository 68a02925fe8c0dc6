//! Events as a kind, numbers, texts and bytes: how they cross to other languages, and the numbers that stand for names
//! there. The one table for every bridge; `cargo tool tables` writes it for TypeScript and Java. Never decides anything.

use super::event::{Entry, Event, Fault, Outcome, RequestError};
use super::send::SendError;
use super::state::{Closed, State};
use super::{Client, Sync};
use crate::frame::Frame;

/// Names with numbers, and a list of both for the tables of other languages.
macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant = $number,)* }
        impl $name {
            /// Every name with its number.
            pub const ALL: &'static [(&'static str, u8)] = &[$((stringify!($variant), $number),)*];
        }
    };
}

numbered! {
    /// What something flat is about. The numbers and texts are those named, in their order. The first are the machine's
    /// events; what follows are its actions, and what the bridges add. A number never changes its meaning.
    Kind {
        /// [`StateCode`], until (ms) or why it is closed ([`ClosedCode`], else the hub's close code), attempts that failed in a
        /// row; reason, user
        State = 0,
        /// Nothing more.
        CaughtUp = 1,
        /// generation, position; stream, -, message; payload
        Message = 2,
        /// -; -, -, message; payload
        Volatile = 3,
        /// generation, from, to; stream, reason
        Gap = 4,
        /// generation, from, head; stream
        StreamOpened = 5,
        /// -; stream, reason
        StreamClosed = 6,
        /// send, [`OutcomeCode`], position or code, retry after (ms); message id, stream or reason, time
        Settled = 7,
        /// send or 0, [`Stage`](super::Stage); message id, receiver, device
        Receipt = 8,
        /// send; message id
        ReceiptEnded = 9,
        /// request; -, -, message; payload
        Fetched = 10,
        /// request; -, -, frame
        Answer = 11,
        /// request, [`RequestFault`], code, retry after (ms); reason
        RequestFailed = 12,
        /// code; stream, peer
        MarkRefused = 13,
        /// -; -, -, frame
        GroupChanged = 14,
        /// -; -, -, frame
        Presence = 15,
        /// -; -, -, frame
        Notice = 16,
        /// [`FaultCode`], code; what, message id, detail
        Fault = 17,
        /// A token is wanted.
        FetchToken = 18,
        /// send to be confirmed or 0; -; the bytes of a change to be stored
        Persist = 19,
        /// A send is kept: on the disk, where there is an outbox file. send; message id
        Saved = 20,
        /// A message was not taken. [`Rejection`]; message id, what is wrong
        Rejected = 21,
        /// How far sends and streams are. unsaved, saved, under way, whether all is caught up (0 or 1); the device, at first
        Sync = 22,
        /// Nobody read these for [`UNREAD_MS`](crate::limits::UNREAD_MS): they count as handed over. from, to; stream
        Unread = 23,
        /// A socket did not open, or is gone. whether it had been connected (0 or 1), close code or 0; reason
        SocketClosed = 24,
        /// The client is closed; nothing more comes.
        Ended = 25,
        /// A socket is to be opened. link
        Open = 26,
        /// A frame is to be sent. link; -, -, frame; payload
        Write = 27,
        /// A socket is to be closed. link, code; reason
        CloseSocket = 28,
    }
}

numbered! {
    /// What goes into a session that takes everything by one call. The numbers and texts are those named, in their order.
    Input {
        /// [`Client::connect`]
        Connect = 0,
        /// [`Client::close`]
        Close = 1,
        /// [`Client::send_object`]. -; message; payload
        Send = 2,
        /// [`Client::cancel`]. send
        Cancel = 3,
        /// [`Client::acknowledge`]. generation, position; stream
        Acknowledge = 4,
        /// [`Client::request_object`]. -; frame
        Request = 5,
        /// [`Client::mark_read`]. position; stream, peer
        MarkRead = 6,
        /// [`Client::supply_token`], and [`Client::set_owner`] before. -; token, owner
        Token = 7,
        /// [`Client::supply_token`]: not now. -; why
        TokenFailed = 8,
        /// [`Client::supply_token`]: never.
        NoToken = 9,
        /// [`Client::handle_stored`]. send
        Stored = 10,
        /// [`Client::handle_network`]. whether it is there (0 or 1)
        Network = 11,
        /// [`Client::handle_timeout`]
        Timeout = 12,
        /// [`Client::handle_open`]. link
        Opened = 13,
        /// [`Client::handle_text`]. link; frame
        Text = 14,
        /// [`Client::handle_binary`]. link; -; frame
        Binary = 15,
        /// [`Client::handle_close`]. link, code or 1006; reason
        Closed = 16,
    }
}

numbered! {
    /// The first number of [`Kind::State`].
    StateCode {
        /// [`State::Idle`]
        Idle = 0,
        /// [`State::Connecting`]
        Connecting = 1,
        /// [`State::Connected`]
        Connected = 2,
        /// [`State::Waiting`]
        Waiting = 3,
        /// [`State::Closed`]
        Closed = 4,
    }
}

numbered! {
    /// The second number of [`Kind::State`] of a client that is closed; any other is the hub's close code.
    ClosedCode {
        /// [`Closed::Application`]
        Application = 0,
        /// [`Closed::NoToken`]
        NoToken = 1,
    }
}

numbered! {
    /// The second number of [`Kind::Settled`].
    OutcomeCode {
        /// [`Outcome::Accepted`]
        Accepted = 0,
        /// [`Outcome::Accepted`], and it had been before.
        Duplicate = 1,
        /// [`Outcome::Refused`]
        Refused = 2,
        /// [`Outcome::Unknown`]
        Unknown = 3,
        /// [`Outcome::Expired`]
        Expired = 4,
        /// [`Outcome::Cancelled`]
        Cancelled = 5,
        /// [`Outcome::Dropped`]
        Dropped = 6,
        /// [`Outcome::Sent`]
        Sent = 7,
    }
}

numbered! {
    /// The second number of [`Kind::RequestFailed`].
    RequestFault {
        /// [`RequestError::Refused`]
        Refused = 0,
        /// [`RequestError::Disconnected`]
        Disconnected = 1,
        /// [`RequestError::Timeout`]
        Timeout = 2,
        /// [`RequestError::TooMany`]
        TooMany = 3,
    }
}

numbered! {
    /// The first number of [`Kind::Fault`].
    FaultCode {
        /// [`Fault::Frame`]
        Frame = 0,
        /// [`Fault::Unexpected`]
        Unexpected = 1,
        /// [`Fault::Hub`]
        Hub = 2,
        /// [`Fault::Saved`]
        Saved = 3,
        /// [`Fault::Token`]
        Token = 4,
    }
}

numbered! {
    /// The first number of [`Kind::Rejected`]: why a message was not taken.
    Rejection {
        /// [`SendError::OutboxFull`]
        OutboxFull = 1,
        /// [`SendError::TooLarge`]
        TooLarge = 2,
        /// [`SendError::Invalid`]
        Invalid = 3,
        /// [`SendError::Unreadable`]
        Unreadable = 4,
        /// [`SendError::Repeated`]
        Repeated = 5,
        /// [`SendError::Closed`]
        Closed = 6,
        /// It could not be saved.
        Storage = 7,
    }
}

impl Rejection {
    /// The number of an error.
    #[must_use]
    pub const fn of(error: &SendError) -> Self {
        match error {
            SendError::OutboxFull => Self::OutboxFull,
            SendError::TooLarge { .. } => Self::TooLarge,
            SendError::Invalid(_) => Self::Invalid,
            SendError::Unreadable(_) => Self::Unreadable,
            SendError::Repeated => Self::Repeated,
            SendError::Closed => Self::Closed,
        }
    }
}

numbered! {
    /// Bits of the settings that a session in a browser is made with.
    Flag {
        /// [`Config::token_provider`](super::Config::token_provider)
        TokenProvider = 1,
        /// [`Config::groups`](super::Config::groups) are given.
        ChosenGroups = 2,
        /// [`Config::start_at_head`](super::Config::start_at_head)
        StartAtHead = 4,
        /// [`Config::auto_acknowledge`](super::Config::auto_acknowledge)
        AutoAcknowledge = 8,
        /// The device of the record, where it names one, in place of the one given.
        KeptDevice = 16,
    }
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
    /// One with these numbers and texts.
    #[inline(never)]
    #[must_use]
    pub fn new(kind: Kind, given: &[u64], texts: [&'a str; 3]) -> Self {
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

impl Flat<'static> {
    /// How far sends and streams are, as [`Kind::Sync`].
    #[must_use]
    pub fn sync(sync: Sync) -> Self {
        let numbers = [sync.unsaved, sync.saved, sync.under_way, usize::from(sync.caught_up)];
        Self::new(Kind::Sync, &numbers.map(|number| number as u64), [""; 3])
    }
}

impl Event {
    /// The event of a client, flat.
    #[must_use]
    pub fn flat<'a>(&'a self, client: &'a Client) -> Flat<'a> {
        match self {
            Self::StateChanged(state) => flat_state(state, client),
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

fn flat_state<'a>(state: &'a State, client: &'a Client) -> Flat<'a> {
    let (code, detail, reason) = match state {
        State::Idle => (StateCode::Idle, 0, ""),
        State::Connecting => (StateCode::Connecting, 0, ""),
        State::Connected => (StateCode::Connected, 0, ""),
        State::Waiting { until } => (StateCode::Waiting, *until, ""),
        State::Closed(Closed::Application) => (StateCode::Closed, ClosedCode::Application as u64, ""),
        State::Closed(Closed::NoToken) => (StateCode::Closed, ClosedCode::NoToken as u64, ""),
        State::Closed(Closed::Hub { code, reason }) => {
            (StateCode::Closed, code.number().into(), reason.as_str())
        }
    };
    let numbers = [code as u64, detail, client.attempts().into()];
    Flat::new(Kind::State, &numbers, [reason, client.user_id(), ""])
}

fn flat_outcome<'a>(send: u64, message_id: &'a str, outcome: &'a Outcome) -> Flat<'a> {
    let plain = |code| (code, [0; 2], "", "");
    let (code, [number, retry_after], place, at) = match outcome {
        Outcome::Accepted { stream, position, duplicate, create_at } => {
            let stream = stream.as_ref().map(|stream| stream.as_str()).unwrap_or_default();
            let code = if *duplicate { OutcomeCode::Duplicate } else { OutcomeCode::Accepted };
            (code, [*position, 0], stream, create_at.as_str())
        }
        Outcome::Refused { code, reason, retry_after_ms } => {
            let numbers = [code.number().into(), retry_after_ms.unwrap_or(0)];
            (OutcomeCode::Refused, numbers, reason.as_str(), "")
        }
        Outcome::Unknown => plain(OutcomeCode::Unknown),
        Outcome::Expired => plain(OutcomeCode::Expired),
        Outcome::Cancelled => plain(OutcomeCode::Cancelled),
        Outcome::Dropped => plain(OutcomeCode::Dropped),
        Outcome::Sent => plain(OutcomeCode::Sent),
    };
    Flat::new(Kind::Settled, &[send, code as u64, number, retry_after], [message_id, place, at])
}

fn flat_failure(request: u64, error: &RequestError) -> Flat<'_> {
    let (fault, code, retry, reason) = match error {
        RequestError::Refused { code, reason, retry_after_ms } => {
            (RequestFault::Refused, code.number().into(), retry_after_ms.unwrap_or(0), reason.as_str())
        }
        RequestError::Disconnected => (RequestFault::Disconnected, 0, 0, ""),
        RequestError::Timeout => (RequestFault::Timeout, 0, 0, ""),
        RequestError::TooMany => (RequestFault::TooMany, 0, 0, ""),
    };
    Flat::new(Kind::RequestFailed, &[request, fault as u64, code, retry], [reason, "", ""])
}

fn flat_fault(fault: &Fault) -> Flat<'_> {
    let (which, code, texts) = match fault {
        Fault::Frame(error) => {
            (FaultCode::Frame, 0, ["", error.message_id.as_deref().unwrap_or_default(), ""])
        }
        Fault::Unexpected(what) => (FaultCode::Unexpected, 0, [*what, "", ""]),
        Fault::Hub { code, reason, message_id } => {
            (FaultCode::Hub, code.number().into(), [reason.as_str(), message_id.as_str(), ""])
        }
        Fault::Saved(what) => (FaultCode::Saved, 0, [*what, "", ""]),
        Fault::Token { what, detail } => (FaultCode::Token, 0, [*what, "", detail.as_str()]),
    };
    Flat::new(Kind::Fault, &[which as u64, code], texts)
}
