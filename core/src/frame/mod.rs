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
    /// The application has everything of a stream up to a position, or it was skipped.
    Acknowledge {
        /// As the client names it.
        stream: StreamName<'a>,
        /// The last position, inclusive.
        seq: u64,
    },
    /// Compatibility mode (`bare`): the application has that entry and all written before it.
    AcknowledgeMessage {
        /// The `message_id` of the entry.
        message_id: Text<'a>,
    },
    /// A request; the hub answers requests in order.
    Request(Request<'a>),
}

/// `connect`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connect<'a> {
    /// The version of the protocol: 1.
    pub protocol: u64,
    /// The token; empty: it stood in the upgrade request.
    pub token: Text<'a>,
    /// The device, 1 to 128 bytes; empty: the token's, or an ephemeral device.
    pub device_id: Text<'a>,
    /// The client's name and version, such as `wsc-js/0.1.0`.
    pub client: Text<'a>,
    /// The device's cursors.
    pub cursors: Vec<StreamCursor<'a>>,
    /// Which groups to read; `None`: all.
    pub groups: Option<Vec<Text<'a>>>,
    /// `head`: a new device starts at the heads instead of at the user's first positions.
    pub start: Text<'a>,
    /// When it was sent, by the client's clock, in milliseconds; 0: unknown. Of two connections of a device the one
    /// sent earlier is the older, even if it arrives later.
    pub sent_ms: u64,
    /// User id to connect as (only on a hub without authentication).
    pub user_id: Text<'a>,
    /// User type, likewise.
    pub user_type: Text<'a>,
    /// Application id, likewise.
    pub app_id: Text<'a>,
    /// Namespace, likewise.
    pub namespace: Text<'a>,
    /// Groups to join, separated by commas, likewise.
    pub group_id: Text<'a>,
}

/// A device's cursor in a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamCursor<'a> {
    /// As the client names it.
    pub stream: StreamName<'a>,
    /// The epoch that the position belongs to.
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
        /// The positions.
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
        /// Its type on the wire.
        message_type: Text<'a>,
        /// A JSON object.
        data: Text<'a>,
    },
    /// `kick_out`, `force_offline`, `server_status`, `config_update`, `welcome`, and types of later versions.
    Notice {
        /// Its type on the wire.
        message_type: Text<'a>,
        /// A JSON object; empty: none.
        data: Text<'a>,
        /// Human-readable text; empty: none.
        content: Text<'a>,
    },
}

/// `connected`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connected<'a> {
    /// The version of the protocol: 1.
    pub protocol: u64,
    /// Id of this connection, unique on all hubs.
    pub connection_id: Text<'a>,
    /// Id of the authenticated user.
    pub user_id: Text<'a>,
    /// The user's type, such as `visitor`.
    pub user_type: Text<'a>,
    /// The device; for an ephemeral device the connection's id.
    pub device_id: Text<'a>,
    /// The tenant's application.
    pub app_id: Text<'a>,
    /// The tenant's namespace.
    pub namespace: Text<'a>,
    /// Name of the hub.
    pub node_id: Text<'a>,
    /// The hub's clock, in milliseconds since the Unix epoch.
    pub server_time_ms: u64,
    /// After this much silence, in milliseconds, the client pings.
    pub heartbeat_ms: u64,
    /// Maximum of unacknowledged entries on the connection.
    pub window: u64,
    /// How long an acknowledgement may wait, in milliseconds.
    pub ack_ms: u64,
    /// How long the hub remembers a message id, in milliseconds.
    pub dedupe_ms: u64,
    /// `limits.frame`: maximum bytes of a frame from the client.
    pub frame_limit: u64,
    /// The streams that this connection reads.
    pub streams: Vec<OpenStream<'a>>,
}

/// A stream that a connection reads.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenStream<'a> {
    /// As the client names it.
    pub stream: StreamName<'a>,
    /// The epoch of its positions.
    pub epoch: Text<'a>,
    /// The first position that will be covered.
    pub from: u64,
    /// The newest position, 0 in an empty stream.
    pub head: u64,
}

/// Positions of a stream, both ends inclusive; empty when `to` is `from` − 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Range<'a> {
    /// As the client names it.
    pub stream: StreamName<'a>,
    /// The first position.
    pub from: u64,
    /// The last position.
    pub to: u64,
}

/// `ack` of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted<'a> {
    /// Id of the message.
    pub message_id: Text<'a>,
    /// The stream it is in, as the sender names it; `None` for a volatile one.
    pub stream: Option<StreamName<'a>>,
    /// Its position; 0 for a volatile one.
    pub seq_no: u64,
    /// Whether it was accepted before.
    pub duplicate: bool,
    /// When it was stored, RFC 3339.
    pub create_at: Text<'a>,
}

/// `error`.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorFrame<'a> {
    /// Id of the refused message; empty: none.
    pub message_id: Text<'a>,
    /// Id of the refused request; empty: none.
    pub request_id: Text<'a>,
    /// The reason as a number.
    pub code: ErrorCode,
    /// The reason, human-readable.
    pub reason: Text<'a>,
    /// When to try again, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

/// A stage of messages to a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt<'a> {
    /// `read` rather than `delivered`.
    pub read: bool,
    /// The user who got them.
    pub receiver: Text<'a>,
    /// The device that got them; may be empty.
    pub receiver_client: Text<'a>,
    /// Ids of the messages.
    pub message_ids: Vec<Text<'a>>,
}

/// The `status` of a frame whose answer continues in the next.
pub(crate) const PARTIAL: &str = "partial";

/// A frame of an answer, the last unless it is partial.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The list in `data` continues in the next frame of the answer.
    pub partial: bool,
    /// Id of the request.
    pub request_id: Text<'a>,
    /// The answer's type: `ack`, `pong`, `fetched`, `receipts`, …
    pub message_type: Text<'a>,
    /// A JSON object; empty: none.
    pub data: Text<'a>,
    /// `server_time_ms` of a `pong`; 0: none.
    pub server_time_ms: u64,
}

/// `group_changed`.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupChanged<'a> {
    /// Id of the request that it answers; empty: none.
    pub request_id: Text<'a>,
    /// Id of the group.
    pub group: Text<'a>,
    /// `joined`, `left`, `removed` or `disbanded`.
    pub action: Text<'a>,
    /// The user who joined or left.
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
    /// What is wrong with it.
    pub fault: Fault,
    /// The frame's `message_id`, if it could be read.
    pub message_id: Option<String>,
}

/// What can be wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes are not JSON.
    #[error("not JSON at byte {at}")]
    Syntax {
        /// Offset in bytes.
        at: usize,
    },
    /// JSON, but not an object.
    #[error("a frame must be a JSON object")]
    NotAnObject,
    /// Nested deeper than the limit.
    #[error("nested deeper than {} levels", crate::limits::DEPTH)]
    TooDeep,
    /// A known field given twice.
    #[error("{field}: given twice")]
    Twice {
        /// Its name.
        field: &'static str,
    },
    /// A field has the wrong type or a value that cannot be.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A binary frame shorter than it says.
    #[error("a binary frame is a 4-byte length, a JSON object of that many bytes, then raw bytes")]
    Binary,
    /// Longer than a frame may be.
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
