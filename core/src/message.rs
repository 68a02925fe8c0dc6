//! The message: go-wsc's envelope with its names, and ours. Borrowed where it was decoded, owned where it is kept.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use crate::kind;
use crate::names::{StreamName, is_id, is_message_id};

/// Text that is borrowed from a frame or owned.
pub type Text<'a> = Cow<'a, str>;

/// One message. Empty texts and lists, zero and `false` are left out on the wire.
///
/// ```
/// use wsc_core::Message;
/// let message = Message { require_ack: true, ..Message::to_user("bob", "hello") };
/// assert_eq!(message.message_type, "text");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message<'a> {
    /// What it is: one of [`crate::MessageType`] or the application's own.
    pub message_type: Text<'a>,
    /// Its id, unique per sender, kept over every resend.
    pub message_id: Text<'a>,
    /// The user who sent it. Set by the hub.
    pub sender: Text<'a>,
    /// A name for the sender.
    pub sender_name: Text<'a>,
    /// The sender's user type. Set by the hub.
    pub sender_type: Text<'a>,
    /// The device that sent it. Set by the hub.
    pub sender_client: Text<'a>,
    /// The user it is for.
    pub receiver: Text<'a>,
    /// A name for the receiver.
    pub receiver_name: Text<'a>,
    /// The receiver's user type.
    pub receiver_type: Text<'a>,
    /// Only this device of the receiver.
    pub receiver_client: Text<'a>,
    /// The application's session.
    pub session_id: Text<'a>,
    /// The content as text.
    pub content: Text<'a>,
    /// A JSON object, kept byte for byte; empty: none.
    pub data: Text<'a>,
    /// When it was stored, RFC 3339. Set by the hub.
    pub create_at: Text<'a>,
    /// The message this one answers, edits or recalls.
    pub reply_to_msg_id: Text<'a>,
    /// The position in `stream`; 0: none. Set by the hub.
    pub seq_no: u64,
    /// One of [`crate::Priority`]. Informative.
    pub priority: Text<'a>,
    /// `offline` or `history` for an entry that was not live. Set by the hub.
    pub source: Text<'a>,
    /// Informative.
    pub push_type: Text<'a>,
    /// `global` addresses everybody.
    pub broadcast_type: Text<'a>,
    /// The group it is for.
    pub group_ids: Vec<Text<'a>>,
    /// Whether the sender wants receipts (and for a volatile message, an `ack`).
    pub require_ack: bool,
    /// go-wsc's name for volatile.
    pub skip_database_storage: bool,
    /// Store only: kept for `fetch`, not handed over.
    pub skip_send_to_client: bool,
    /// The application's trace id.
    pub trace_id: Text<'a>,
    /// The stream it stands in, as the reader names it. Set by the hub.
    pub stream: Option<StreamName<'a>>,
    /// What is left of its life, in milliseconds.
    pub expires_in_ms: Option<u64>,
    /// Never stored, no position, dropped when a reader is slow.
    pub volatile: bool,
    /// A copy for an observer. Set by the hub.
    pub observed: bool,
    /// The request this message answers (an entry of `fetch`). Set by the hub.
    pub request_id: Text<'a>,
    /// Raw bytes beside the envelope: what `content` is for text. `Some` makes it a binary frame.
    pub payload: Option<Cow<'a, [u8]>>,
}

/// Where a message is going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    /// To a user, perhaps to one device only.
    User(&'a str),
    /// To a group.
    Group(&'a str),
    /// To everybody.
    Broadcast,
    /// To the application.
    Application,
}

/// What is wrong with a message, and in which field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// The field's name on the wire.
    pub field: &'static str,
    /// What a correct one looks like.
    pub reason: &'static str,
}

impl<'a> Message<'a> {
    /// A text message to a user. The client gives it an id when it is sent.
    pub fn to_user(user: impl Into<Text<'a>>, content: impl Into<Text<'a>>) -> Self {
        let mut message = Self::text(content);
        message.receiver = user.into();
        message
    }

    /// A text message to a group.
    pub fn to_group(group: impl Into<Text<'a>>, content: impl Into<Text<'a>>) -> Self {
        let mut message = Self::text(content);
        message.group_ids = vec![group.into()];
        message
    }

    /// A text message to everybody.
    pub fn to_everybody(content: impl Into<Text<'a>>) -> Self {
        let mut message = Self::text(content);
        message.broadcast_type = Cow::Borrowed("global");
        message
    }

    fn text(content: impl Into<Text<'a>>) -> Self {
        Self { message_type: Cow::Borrowed("text"), content: content.into(), ..Self::default() }
    }

    /// Whether it is never stored.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.volatile || self.skip_database_storage || self.message_type == "typing"
    }

    /// Where it is going; an error when it names more than one target.
    pub fn destination(&self) -> Result<Destination<'_>, FieldError> {
        self.facts().check_target()?;
        Ok(match (self.receiver.as_ref(), self.group_ids.first()) {
            ("", Some(group)) => Destination::Group(group),
            ("", None) if self.broadcast_type == "global" => Destination::Broadcast,
            ("", None) => Destination::Application,
            (user, _) => Destination::User(user),
        })
    }

    /// Checks what a client may send: ids, the type, expiry. The same check on both sides.
    pub fn validate(&self) -> Result<(), FieldError> {
        self.facts().check()
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            message_type: &self.message_type,
            message_id: &self.message_id,
            receiver: Id::of(&self.receiver),
            receiver_client: Id::of(&self.receiver_client),
            groups: self.group_ids.len(),
            groups_are_ids: self.group_ids.iter().all(|id| is_id(id)),
            global: self.broadcast_type == "global",
            expires_in_ms: self.expires_in_ms,
        }
    }

    /// A guess from above at the size of its frame, in bytes, without encoding it.
    #[must_use]
    pub fn size_hint(&self) -> usize {
        256 + self.content.len() + self.data.len() + self.payload.as_ref().map_or(0, |payload| payload.len())
    }

    /// The same message with its own bytes.
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        Message {
            message_type: own(self.message_type),
            message_id: own(self.message_id),
            sender: own(self.sender),
            sender_name: own(self.sender_name),
            sender_type: own(self.sender_type),
            sender_client: own(self.sender_client),
            receiver: own(self.receiver),
            receiver_name: own(self.receiver_name),
            receiver_type: own(self.receiver_type),
            receiver_client: own(self.receiver_client),
            session_id: own(self.session_id),
            content: own(self.content),
            data: own(self.data),
            create_at: own(self.create_at),
            reply_to_msg_id: own(self.reply_to_msg_id),
            seq_no: self.seq_no,
            priority: own(self.priority),
            source: own(self.source),
            push_type: own(self.push_type),
            broadcast_type: own(self.broadcast_type),
            group_ids: self.group_ids.into_iter().map(own).collect(),
            require_ack: self.require_ack,
            skip_database_storage: self.skip_database_storage,
            skip_send_to_client: self.skip_send_to_client,
            trace_id: own(self.trace_id),
            stream: self.stream.map(StreamName::into_owned),
            expires_in_ms: self.expires_in_ms,
            volatile: self.volatile,
            observed: self.observed,
            request_id: own(self.request_id),
            payload: self.payload.map(|payload| Cow::Owned(payload.into_owned())),
        }
    }
}

/// The text with its own bytes.
fn own(text: Text<'_>) -> Text<'static> {
    if text.is_empty() { Cow::Borrowed("") } else { Cow::Owned(text.into_owned()) }
}

/// What decides whether a client may send a message, and to whom: of a [`Message`], or of a frame that nobody made into
/// one.
pub(crate) struct Facts<'f> {
    pub(crate) message_type: &'f str,
    pub(crate) message_id: &'f str,
    pub(crate) receiver: Id,
    pub(crate) receiver_client: Id,
    /// How many groups there are, and whether all are ids.
    pub(crate) groups: usize,
    pub(crate) groups_are_ids: bool,
    pub(crate) global: bool,
    pub(crate) expires_in_ms: Option<u64>,
}

/// A field that may name somebody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id {
    Absent,
    Right,
    Wrong,
}

impl Id {
    pub(crate) fn of(text: &str) -> Self {
        if text.is_empty() {
            Self::Absent
        } else if is_id(text) {
            Self::Right
        } else {
            Self::Wrong
        }
    }
}

impl Facts<'_> {
    pub(crate) fn check(&self) -> Result<(), FieldError> {
        const ID: &str = "must be 1 to 128 bytes without control characters";
        let (field, reason) = if !matches!(self.message_type.len(), 1..=64) {
            ("message_type", "must be 1 to 64 bytes")
        } else if kind::is_reserved(self.message_type) {
            ("message_type", "is a frame of the protocol, not a message")
        } else if !is_message_id(self.message_id) {
            ("message_id", "must be 1 to 64 printable ASCII characters")
        } else if self.receiver == Id::Wrong {
            ("receiver", ID)
        } else if self.receiver_client == Id::Wrong {
            ("receiver_client", ID)
        } else if !self.groups_are_ids {
            ("group_ids", ID)
        } else if self.expires_in_ms == Some(0) {
            ("expires_in_ms", "must be above 0, or left out")
        } else {
            return self.check_target();
        };
        Err(FieldError { field, reason })
    }

    /// One target at most.
    fn check_target(&self) -> Result<(), FieldError> {
        let targets = usize::from(self.receiver != Id::Absent) + self.groups + usize::from(self.global);
        if targets < 2 {
            return Ok(());
        }
        let field = if self.groups > 1 { "group_ids" } else { "receiver" };
        let reason = "one message has one target: a receiver, one group or broadcast_type global";
        Err(FieldError { field, reason })
    }
}
