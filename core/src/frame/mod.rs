//! Every frame of the protocol, once, with its direction, and the one codec for them.
//!
//! [`ClientFrame`] goes from a client to the hub, [`HubFrame`] from the hub to a client. Decoding borrows from the
//! text, skips unknown fields, refuses a known field given twice, and never panics or allocates more than the frame.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

mod answer;
mod client;
mod encode;
mod entry;
mod fields;
mod hub;
mod message;
mod object;
mod query;
mod raw;
mod scan;
mod string;
mod write;

pub(crate) use answer::each_stage;
pub use answer::{
    ConversationState, Conversations, Fetched, MemberPage, PresenceOf, ReceiptOf, UserPage,
    parse_conversations, parse_fetched, parse_members, parse_receipts, parse_statuses,
};
pub use client::{decode_client, decode_client_binary, is_request};
pub(crate) use encode::{
    encode_acknowledge, encode_ping, encode_read, encode_receipts, encode_refresh, write_connect,
    write_cursor,
};
pub use encode::{encode_client, encode_client_binary, encode_connect, encode_message, encode_query};
pub use entry::{EntryBody, finish_entry};
pub(crate) use fields::{Fields, Flags, Lists, Numbers, Objects, Read, Texts};
pub(crate) use hub::{Kind, each_stream, error_code, frame_limit, opened, range, read_hub, read_hub_binary};
pub use hub::{decode_hub, decode_hub_binary, encode_hub, encode_hub_binary};
pub use object::{data_object, members_without};
pub use query::{Capability, Query, Request};
pub(crate) use raw::FrameRef;
pub use raw::{Frame, text_of};
pub(crate) use write::HEX;
pub use write::write_number;
pub use write::{ObjectWriter, write_string};

use alloc::borrow::Cow;

use crate::codes::ErrorCode;
use crate::message::{FieldError, Message, Text};
use crate::names::StreamName;

/// A frame from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientFrame<'a> {
    /// The first frame of a connection.
    Connect(Box<Connect<'a>>),
    /// A message to somebody.
    Message(Box<Message<'a>>),
    /// All of `stream` up to `seq` was handed to the application or skipped.
    Acknowledge {
        /// The stream.
        stream: StreamName<'a>,
        /// Up to here.
        seq: u64,
    },
    /// Bare mode: that entry and all written before it were handed over.
    AcknowledgeMessage {
        /// The message's id.
        message_id: Text<'a>,
    },
    /// A question, answered in order.
    Request(Request<'a>),
}

/// `connect`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connect<'a> {
    /// The protocol's number.
    pub protocol: u64,
    /// The token, when it is not in the request.
    pub token: Text<'a>,
    /// The device; empty: a passing device, or the token's.
    pub device_id: Text<'a>,
    /// The client's name and version.
    pub client: Text<'a>,
    /// Where the device stands.
    pub cursors: Vec<StreamCursor<'a>>,
    /// Which groups to read; `None`: all.
    pub groups: Option<Vec<Text<'a>>>,
    /// `head`: start there instead of at the user's start.
    pub start: Text<'a>,
    /// When it was sent, by the client's clock, in milliseconds; 0: not told. Of two connections of a device the one
    /// sent earlier is the older, even if it arrives later.
    pub sent_ms: u64,
    /// Without authentication: the user.
    pub user_id: Text<'a>,
    /// Without authentication: the user's type.
    pub user_type: Text<'a>,
    /// Without authentication: the application.
    pub app_id: Text<'a>,
    /// Without authentication: the namespace.
    pub namespace: Text<'a>,
    /// Without authentication: groups to join, a comma list.
    pub group_id: Text<'a>,
}

/// A device's place in a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamCursor<'a> {
    /// The stream.
    pub stream: StreamName<'a>,
    /// The numbering the position belongs to.
    pub epoch: Text<'a>,
    /// All up to here is covered.
    pub seq: u64,
}

/// A frame from the hub.
#[derive(Clone, Debug, PartialEq)]
pub enum HubFrame<'a> {
    /// The answer to `connect`.
    Connected(Box<Connected<'a>>),
    /// Positions not for this device.
    Skip(Range<'a>),
    /// Positions that were for it and are gone.
    Gap {
        /// Which.
        range: Range<'a>,
        /// `expired`, `trimmed`, `left` or `epoch`.
        reason: Text<'a>,
    },
    /// A message was accepted.
    Accepted(Accepted<'a>),
    /// A message or a request was refused, or a frame not understood.
    Error(ErrorFrame<'a>),
    /// A message: an entry (with `stream` and `seq_no`) or a volatile one.
    Message(Box<Message<'a>>),
    /// A hint that messages reached a stage.
    Receipt(Receipt<'a>),
    /// The end of the answer to a request, or a part of a long one.
    Answer(Answer<'a>),
    /// A group's membership changed; with `opened` a stream opens.
    GroupChanged(Box<GroupChanged<'a>>),
    /// Presence of watched users changed: `user_joined`, `user_left`, `user_status_changed` or an unasked
    /// `user_status_response`. `data` as [`parse_statuses`] reads it.
    Presence {
        /// The type.
        message_type: Text<'a>,
        /// The JSON object.
        data: Text<'a>,
    },
    /// `kick_out`, `force_offline`, `server_status`, `config_update`, `welcome` and what is to come.
    Notice {
        /// The type.
        message_type: Text<'a>,
        /// The JSON object; empty: none.
        data: Text<'a>,
        /// Text for people; empty: none.
        content: Text<'a>,
    },
}

/// `connected`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connected<'a> {
    /// The protocol's number.
    pub protocol: u64,
    /// The connection's id.
    pub connection_id: Text<'a>,
    /// Who was authenticated.
    pub user_id: Text<'a>,
    /// The user's type.
    pub user_type: Text<'a>,
    /// The device; for a passing device the connection's id.
    pub device_id: Text<'a>,
    /// The application.
    pub app_id: Text<'a>,
    /// The namespace.
    pub namespace: Text<'a>,
    /// The hub.
    pub node_id: Text<'a>,
    /// The hub's clock.
    pub server_time_ms: u64,
    /// Silence before a ping.
    pub heartbeat_ms: u64,
    /// Unacknowledged entries under way.
    pub window: u64,
    /// How long an acknowledgement may wait.
    pub ack_ms: u64,
    /// How long a message id is remembered.
    pub dedupe_ms: u64,
    /// `limits.frame`: bytes of a frame.
    pub frame_limit: u64,
    /// What is read on this connection.
    pub streams: Vec<OpenStream<'a>>,
}

/// A stream that is read on a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenStream<'a> {
    /// The stream.
    pub stream: StreamName<'a>,
    /// The numbering.
    pub epoch: Text<'a>,
    /// The first position that will be covered.
    pub from: u64,
    /// The newest position.
    pub head: u64,
}

/// Positions of a stream, both ends inclusive; empty when `to` is `from` − 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Range<'a> {
    /// The stream.
    pub stream: StreamName<'a>,
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// `ack` of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted<'a> {
    /// The message.
    pub message_id: Text<'a>,
    /// Where it stands, as the sender names it; `None` for a volatile one.
    pub stream: Option<StreamName<'a>>,
    /// Its position; 0 for a volatile one.
    pub seq_no: u64,
    /// Whether it was accepted before.
    pub duplicate: bool,
    /// When it was stored.
    pub create_at: Text<'a>,
}

/// `error`.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorFrame<'a> {
    /// The refused message; empty: none.
    pub message_id: Text<'a>,
    /// The refused request; empty: none.
    pub request_id: Text<'a>,
    /// Why.
    pub code: ErrorCode,
    /// Why, for people.
    pub reason: Text<'a>,
    /// When to try again.
    pub retry_after_ms: Option<u64>,
}

/// A stage of messages to a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt<'a> {
    /// `read` rather than `delivered`.
    pub read: bool,
    /// Who got them.
    pub receiver: Text<'a>,
    /// On which device.
    pub receiver_client: Text<'a>,
    /// Which.
    pub message_ids: Vec<Text<'a>>,
}

/// The `status` of a frame whose answer goes on.
pub(crate) const PARTIAL: &str = "partial";

/// A frame of an answer, the last unless it is partial.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The list in `data` goes on in the next frame of the answer.
    pub partial: bool,
    /// The request.
    pub request_id: Text<'a>,
    /// The answer's type: `ack`, `pong`, `fetched`, `receipts`, …
    pub message_type: Text<'a>,
    /// The JSON object; empty: none.
    pub data: Text<'a>,
    /// `server_time_ms` of a `pong`; 0: none.
    pub server_time_ms: u64,
}

/// `group_changed`.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupChanged<'a> {
    /// The request it answers; empty: none.
    pub request_id: Text<'a>,
    /// The group.
    pub group: Text<'a>,
    /// `joined`, `left`, `removed` or `disbanded`.
    pub action: Text<'a>,
    /// Who.
    pub user: Text<'a>,
    /// The group's stream opens on this connection.
    pub opened: Option<OpenStream<'a>>,
    /// The group's stream closes on this connection.
    pub closes: bool,
}

/// Why a frame was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// The frame's `message_id`, if it could be read.
    pub message_id: Option<String>,
}

/// What can be wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes are no JSON.
    #[error("not JSON at byte {at}")]
    Syntax {
        /// Where.
        at: usize,
    },
    /// JSON, but no object.
    #[error("a frame must be a JSON object")]
    NotAnObject,
    /// Nested too deep.
    #[error("nested deeper than {} levels", crate::limits::DEPTH)]
    TooDeep,
    /// A known field given twice.
    #[error("{field}: given twice")]
    Twice {
        /// The field.
        field: &'static str,
    },
    /// A field has the wrong type or a value that cannot be.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A binary frame shorter than it says.
    #[error("a binary frame is a 4-byte length, a JSON object of that many bytes, then raw bytes")]
    Binary,
    /// Longer than the limit.
    #[error("longer than the limit")]
    TooLong,
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        Self { fault, message_id: None }
    }
}

impl From<Fault> for Box<DecodeError> {
    fn from(fault: Fault) -> Self {
        Self::new(fault.into())
    }
}

impl From<FieldError> for DecodeError {
    fn from(error: FieldError) -> Self {
        Fault::Field(error).into()
    }
}

/// Text that outlives its frame.
fn own(text: Text<'_>) -> Text<'static> {
    Cow::Owned(text.into_owned())
}

impl Connected<'_> {
    /// The same frame with its own bytes.
    #[must_use]
    pub fn into_owned(self) -> Connected<'static> {
        Connected {
            connection_id: own(self.connection_id),
            user_id: own(self.user_id),
            user_type: own(self.user_type),
            device_id: own(self.device_id),
            app_id: own(self.app_id),
            namespace: own(self.namespace),
            node_id: own(self.node_id),
            streams: self.streams.into_iter().map(OpenStream::into_owned).collect(),
            protocol: self.protocol,
            server_time_ms: self.server_time_ms,
            heartbeat_ms: self.heartbeat_ms,
            window: self.window,
            ack_ms: self.ack_ms,
            dedupe_ms: self.dedupe_ms,
            frame_limit: self.frame_limit,
        }
    }
}

impl OpenStream<'_> {
    /// The same with its own bytes.
    #[must_use]
    pub fn into_owned(self) -> OpenStream<'static> {
        OpenStream {
            stream: self.stream.into_owned(),
            epoch: own(self.epoch),
            from: self.from,
            head: self.head,
        }
    }
}
