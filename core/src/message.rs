//! The message: go-wsc's envelope with its names, and ours. Borrowed where it was decoded, owned where it is kept.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::mem::take;

use crate::names::{StreamName, is_id, is_message_id};
use crate::{kind, limits};

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
        // By assignment: what struct update leaves over of its base is dropped field by field, in many bytes of code.
        let mut message = Self::blank();
        message.message_type = Cow::Borrowed("text");
        message.content = content.into();
        message
    }

    /// The default, whose many stores stand in one place.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(crate) fn blank() -> Self {
        Self::default()
    }

    /// Whether it is never stored.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.volatile || self.skip_database_storage || self.message_type == "typing"
    }

    /// Where it is going; an error when it names more than one target.
    pub fn destination(&self) -> Result<Destination<'_>, FieldError> {
        let global = self.broadcast_type == "global";
        match (self.receiver.as_ref(), self.group_ids.as_slice(), global) {
            ("", [], false) => Ok(Destination::Application),
            ("", [], true) => Ok(Destination::Broadcast),
            ("", [group], false) => Ok(Destination::Group(group)),
            (user, [], false) => Ok(Destination::User(user)),
            ("", [_, _, ..], _) => {
                Err(FieldError { field: "group_ids", reason: "one message has one target: name one group" })
            }
            _ => Err(FieldError {
                field: "receiver",
                reason: "one message has one target: a receiver, one group or broadcast_type global",
            }),
        }
    }

    /// Checks what a client may send: ids, the type, expiry. The same check on both sides.
    pub fn validate(&self) -> Result<(), FieldError> {
        let fault = |field, reason| Err(FieldError { field, reason });
        if self.message_type.is_empty() || self.message_type.len() > 64 {
            return fault("message_type", "must be 1 to 64 bytes");
        }
        if kind::is_reserved(&self.message_type) {
            return fault("message_type", "is a frame of the protocol, not a message");
        }
        if !is_message_id(&self.message_id) {
            return fault("message_id", "must be 1 to 64 printable ASCII characters");
        }
        for (field, id) in [("receiver", &self.receiver), ("receiver_client", &self.receiver_client)] {
            if !id.is_empty() && !is_id(id) {
                return fault(field, "must be 1 to 128 bytes without control characters");
            }
        }
        if !self.group_ids.iter().all(|id| is_id(id)) {
            return fault("group_ids", "each must be 1 to 128 bytes without control characters");
        }
        if self.expires_in_ms == Some(0) {
            return fault(
                "expires_in_ms",
                "must be above 0; leave it out for a message that does not expire",
            );
        }
        self.destination().map(drop)
    }

    /// A guess from above at the size of its frame, in bytes, without encoding it.
    #[must_use]
    pub fn size_hint(&self) -> usize {
        256 + self.content.len() + self.data.len() + self.payload.as_ref().map_or(0, |payload| payload.len())
    }

    /// Every text but `data`, in the order of the decoder's table. What is done to each is a loop over this, because
    /// the same written out for each would be the largest thing of all in WebAssembly.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(crate) fn texts_mut(&mut self) -> [&mut Text<'a>; 20] {
        [
            &mut self.message_type,
            &mut self.message_id,
            &mut self.sender,
            &mut self.sender_name,
            &mut self.sender_type,
            &mut self.sender_client,
            &mut self.receiver,
            &mut self.receiver_name,
            &mut self.receiver_type,
            &mut self.receiver_client,
            &mut self.session_id,
            &mut self.content,
            &mut self.create_at,
            &mut self.reply_to_msg_id,
            &mut self.priority,
            &mut self.source,
            &mut self.push_type,
            &mut self.broadcast_type,
            &mut self.trace_id,
            &mut self.request_id,
        ]
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

    /// Whether the frame fits; the client checks before it sends.
    #[must_use]
    pub fn fits(encoded: usize, limit: Option<usize>) -> bool {
        encoded <= limit.unwrap_or(limits::FRAME)
    }
}

/// The text with its own bytes.
#[cfg_attr(target_arch = "wasm32", inline(never))]
pub(crate) fn own(text: Text<'_>) -> Text<'static> {
    if text.is_empty() { Cow::Borrowed("") } else { Cow::Owned(text.into_owned()) }
}

/// The text as a string; nothing is left of it.
pub(crate) fn take_string(text: &mut Text<'_>) -> String {
    take(text).into_owned()
}
