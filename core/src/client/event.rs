//! Events: what the application learns from a client.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::state::State;
use crate::codes::ErrorCode;
use crate::frame::{
    Conversations, DecodeError, Fetched, Frame, HubFrame, MemberPage, PresenceOf, ReceiptOf, UserPage,
    parse_conversations, parse_fetched, parse_members, parse_receipts, parse_statuses,
};
use crate::message::{Message, Text};
use crate::names::StreamName;

/// One accepted send: its number in the order of sends, which goes on after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SendId(pub u64);

/// Number of a request, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Number of the present positions of a stream in this process. A new epoch, or leaving and joining again, begins the next
/// one, so that a late acknowledgement of the old one does no harm.
pub type Generation = u32;

/// One thing that happened, in the order it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The connection's state has changed.
    StateChanged(State),
    /// Every stream was read up to the head it had at connect. Once per connection.
    CaughtUp,
    /// An entry of a stream: once, in order.
    Message(Entry),
    /// A message without position: volatile, or an observer's copy. [`Frame::message`] reads it.
    Volatile(Frame),
    /// Positions that were for this device and are gone.
    Gap(Gap),
    /// The connection reads a stream from now on.
    StreamOpened {
        /// Its name.
        stream: StreamName<'static>,
        /// For [`super::Client::acknowledge`].
        generation: Generation,
        /// The first position that will come.
        from: u64,
        /// The newest position, 0 in an empty stream.
        head: u64,
    },
    /// The connection no longer reads a stream, and its cursor is forgotten.
    StreamClosed {
        /// Its name.
        stream: StreamName<'static>,
        /// `left`, `removed`, `disbanded`, or `unreadable` when the hub did not open it at connect.
        reason: String,
    },
    /// A send ended. Once per send.
    Settled {
        /// As [`super::Client::send`] returned it.
        send: SendId,
        /// Id of its message.
        message_id: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// A message reached a stage.
    Receipt {
        /// The send, when it was made by this client and is still followed.
        send: Option<SendId>,
        /// Id of the message.
        message_id: String,
        /// The stage.
        stage: Stage,
        /// The user who got it; empty when it was asked for.
        receiver: String,
        /// The device that got it; may be empty.
        device: String,
    },
    /// The client no longer waits for receipts of a message: the hub does not know it, or they are too many.
    ReceiptEnded {
        /// As [`super::Client::send`] returned it.
        send: SendId,
        /// Id of the message.
        message_id: String,
    },
    /// One entry of the answer to `fetch`.
    Fetched {
        /// As [`super::Client::request`] returned it.
        request: RequestId,
        /// The entry; [`Frame::message`] reads it.
        frame: Frame,
    },
    /// A request was answered.
    Answer {
        /// As [`super::Client::request`] returned it.
        request: RequestId,
        /// [`Answer::body`] reads it.
        answer: Answer,
    },
    /// A request was not answered.
    RequestFailed {
        /// As [`super::Client::request`] returned it.
        request: RequestId,
        /// The reason.
        error: RequestError,
    },
    /// A read mark was refused.
    MarkRefused {
        /// Its name.
        stream: StreamName<'static>,
        /// The user whose messages they are; empty for a group.
        peer: String,
        /// The reason as a number.
        code: ErrorCode,
    },
    /// A group's membership changed: a [`HubFrame::GroupChanged`](crate::frame::HubFrame::GroupChanged).
    GroupChanged(Frame),
    /// Presence of watched users changed.
    Presence(Presence),
    /// A notice of the hub: `kick_out`, `force_offline`, `server_status`, `config_update`, `welcome` or a new one; a
    /// [`HubFrame::Notice`](crate::frame::HubFrame::Notice).
    Notice(Frame),
    /// Something is wrong that the client deals with itself.
    Fault(Fault),
}

/// A message with a position. The machine reads only what it needs; [`Entry::message`] reads all, so that a program that
/// passes the JSON on does not carry the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub stream: StreamName<'static>,
    /// For [`super::Client::acknowledge`].
    pub generation: Generation,
    /// Its position in the stream.
    pub seq_no: u64,
    /// The message as it came: JSON without a fault, its known fields of the types they should have.
    pub frame: Frame,
}

impl Entry {
    /// Reads the message. What cannot be read does not become an entry: it is a [`Fault::Frame`] and leaves a hole.
    pub fn message(&self) -> Result<Box<Message<'_>>, DecodeError> {
        self.frame.message()
    }
}

/// Positions that are gone. To be acknowledged like an entry, at `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its name.
    pub stream: StreamName<'static>,
    /// For [`super::Client::acknowledge`].
    pub generation: Generation,
    /// The first position.
    pub from: u64,
    /// The last; `from` − 1 when it is not known which, if any.
    pub to: u64,
    /// `expired`, `trimmed`, `left`, `epoch`, or `unexplained` when the hub continued beyond the cursor without a `gap`.
    pub reason: String,
}

/// How a send ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The hub stored it.
    Accepted {
        /// The stream, as the sender names it; `None` for a volatile one, which was passed on.
        stream: Option<StreamName<'static>>,
        /// Its position; 0 for a volatile one.
        position: u64,
        /// Whether it had been accepted before.
        duplicate: bool,
        /// When it was stored, RFC 3339.
        create_at: String,
    },
    /// The hub refused it for good.
    Refused {
        /// The reason as a number.
        code: ErrorCode,
        /// The reason, human-readable.
        reason: String,
        /// When to try again, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// It was sent, no answer came, and it is too late to send it again: it was stored or not.
    Unknown,
    /// It expired before it could be sent.
    Expired,
    /// Cancelled before it was sent.
    Cancelled,
    /// Volatile, and there was no connection: never sent.
    Dropped,
    /// Volatile without `require_ack`: written to the socket; nothing more will be known.
    Sent,
}

/// How far a message got; a later one includes the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Stored.
    Accepted = 0,
    /// A device of the receiver acknowledged it.
    Delivered = 1,
    /// The receiver's read mark passed it.
    Read = 2,
}

impl Stage {
    /// The stage of its name on the wire; `None` for `unknown` and names to come.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "accepted" => Some(Self::Accepted),
            "delivered" => Some(Self::Delivered),
            "read" => Some(Self::Read),
            _ => None,
        }
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

/// The last frame of an answer. [`Answer::body`] reads it, so that a program that passes the JSON on does not carry
/// the readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As it came: a [`HubFrame::Answer`], or the [`HubFrame::GroupChanged`] that answers a request.
    pub frame: Frame,
}

/// An answer, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `ack`, or `group_changed`: done.
    Done,
    /// `pong`.
    Pong {
        /// The hub's clock, in milliseconds since the Unix epoch.
        server_time_ms: u64,
    },
    /// `group_members`.
    Members(MemberPage),
    /// `fetched`; its entries came before it.
    Fetched(Fetched),
    /// `receipts`.
    Receipts(Vec<ReceiptOf>),
    /// `conversations`.
    Conversations(Conversations),
    /// `user_status_response`.
    Statuses(Vec<PresenceOf>),
    /// `online_users_list`.
    Users(UserPage),
    /// Another type: see [`Answer::parts`].
    Other,
}

impl Answer {
    /// Its type on the wire, and its JSON object; empty: none.
    pub fn parts(&self) -> Result<(Text<'_>, Text<'_>), DecodeError> {
        Ok(match self.frame.decode()? {
            HubFrame::Answer(answer) => (answer.message_type, answer.data),
            _ => ("group_changed".into(), "".into()),
        })
    }

    /// Reads it.
    pub fn body(&self) -> Result<Body, DecodeError> {
        let answer = match self.frame.decode()? {
            HubFrame::Answer(answer) => answer,
            HubFrame::GroupChanged(_) => return Ok(Body::Done),
            _ => return Ok(Body::Other),
        };
        Ok(match answer.message_type.as_ref() {
            "ack" => Body::Done,
            "pong" => Body::Pong { server_time_ms: answer.server_time_ms },
            "group_members" => Body::Members(parse_members(&answer.data)?),
            "fetched" => Body::Fetched(parse_fetched(&answer.data)?),
            "receipts" => Body::Receipts(parse_receipts(&answer.data)?),
            "conversations" => Body::Conversations(parse_conversations(&answer.data)?),
            "user_status_response" => Body::Statuses(parse_statuses(&answer.data)?),
            "online_users_list" => Body::Users(parse_members(&answer.data)?),
            _ => Body::Other,
        })
    }
}

/// A change of presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// As it came: a [`HubFrame::Presence`].
    pub frame: Frame,
}

impl Presence {
    /// Reads it. A missing status follows from the type.
    pub fn users(&self) -> Result<Vec<PresenceOf>, DecodeError> {
        let HubFrame::Presence { message_type, data } = self.frame.decode()? else { return Ok(Vec::new()) };
        let mut users = parse_statuses(&data)?;
        for user in users.iter_mut().filter(|user| user.status.is_empty()) {
            user.status = if message_type == "user_left" { "offline" } else { "online" }.to_owned();
        }
        Ok(users)
    }
}

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The hub refused it.
    #[error("refused: {reason} ({})", code.number())]
    Refused {
        /// The reason as a number.
        code: ErrorCode,
        /// The reason, human-readable.
        reason: String,
        /// When to try again, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// There is no connection, or it ended before the answer.
    #[error("not connected, or disconnected before the answer")]
    Disconnected,
    /// No answer came in time.
    #[error("no answer in time")]
    Timeout,
    /// Too many requests are under way.
    #[error("too many requests under way")]
    TooMany,
}

/// Something is wrong that the client deals with itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A frame of the hub was not understood.
    #[error("frame not understood: {0}")]
    Frame(#[source] DecodeError),
    /// A frame of the hub came where it does not belong.
    #[error("unexpected frame: {0}")]
    Unexpected(&'static str),
    /// The hub reported an error that belongs to no waiting send and no request.
    #[error("the hub reported: {reason} ({})", code.number())]
    Hub {
        /// The reason as a number.
        code: ErrorCode,
        /// The reason, human-readable.
        reason: String,
        /// Id of the message it is about; empty: none.
        message_id: String,
    },
    /// Saved state could not be read.
    #[error("saved state: {0}")]
    Saved(&'static str),
    /// A token could not be had, or was refused. The provider is asked again.
    #[error("{what}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Token {
        /// The fault.
        what: &'static str,
        /// The text of the provider or the hub; may be empty.
        detail: String,
    },
}
