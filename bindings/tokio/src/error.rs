//! What can go wrong, per operation.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use wsc_core::client as core;
use wsc_core::frame::DecodeError;

use crate::conversation::InvalidConversation;

/// A cause whose type may change.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// A client was not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// This address is not a URL of `ws`, `wss`, `http` or `https`.
    #[error("`{0}` is not a valid address of a hub: give ws://host:port or wss://host")]
    Address(String),
    /// The list of addresses is empty.
    #[error("no address of a hub is given: give ws://host:port or wss://host")]
    NoAddress,
    /// The address is `wss://` and this build has no TLS.
    #[error("built without the feature \"tls\"")]
    NoTls,
    /// The authorities are not a PEM file with certificates.
    #[error("authorities: {0}; give the text of a PEM file")]
    Authorities(#[source] Cause),
    /// Another client uses the outbox.
    #[error("the outbox is in use by another client")]
    Locked,
    /// The file is another program's, was written by a later version, or is damaged at its beginning. It stays as it is.
    #[error("the file is not an outbox that this version can read; move it away to begin a new one")]
    NotAnOutbox,
    /// The outbox belongs to another device.
    #[error("the outbox belongs to device {0}")]
    OtherDevice(String),
    /// The outbox belongs to another user, or to the same one of another tenant. It stays as it is.
    #[error("the outbox belongs to {owner}, not to {other}: give each user a file of their own")]
    OtherUser {
        /// Who has it.
        owner: core::Owner,
        /// Who the settings say this is.
        other: core::Owner,
    },
    /// The outbox could not be read or written.
    #[error("outbox: {}", trouble(.0))]
    Outbox(#[from] std::io::Error),
    /// The system gave no randomness.
    #[error("no randomness: {0}")]
    Entropy(#[source] Cause),
}

/// What keeps an outbox from being opened.
fn trouble(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "the folder does not exist: make it first".to_owned(),
        _ => error.to_string(),
    }
}

/// A message was not taken: nothing of it is kept, nothing was sent.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Too many messages, or too many bytes of them, are not settled yet.
    #[error("the outbox is full: send again when messages are settled")]
    OutboxFull,
    /// The message is longer than the hub takes.
    #[error("the message is too large: {size} bytes, maximum {limit}")]
    TooLarge {
        /// Its length, in bytes.
        size: usize,
        /// What the hub takes, in bytes.
        limit: usize,
    },
    /// A field is wrong; the text names it.
    #[error("{0}")]
    Invalid(String),
    /// A message with this `message_id` is not settled yet.
    #[error("a message with this message_id is not settled yet")]
    Repeated,
    /// The outbox could not be written.
    #[error("not saved: {0}")]
    Storage(#[source] Arc<std::io::Error>),
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

impl From<core::SendError> for SendError {
    fn from(error: core::SendError) -> Self {
        match error {
            core::SendError::OutboxFull => Self::OutboxFull,
            core::SendError::TooLarge { size, limit } => Self::TooLarge { size, limit },
            core::SendError::Invalid(_) | core::SendError::Unreadable(_) => Self::Invalid(error.to_string()),
            core::SendError::Repeated => Self::Repeated,
            core::SendError::Closed => Self::Closed,
        }
    }
}

/// A message that was taken did not reach the stage waited for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The hub refused it for good.
    #[error("refused: {reason} ({})", code.number())]
    Refused {
        /// Why.
        code: wsc_core::ErrorCode,
        /// Why, human-readable.
        reason: String,
    },
    /// It was sent, no answer came, and it is too late to send it again: it was stored or not.
    #[error("sent, but never answered")]
    Unknown,
    /// Its life ended before it could be sent.
    #[error("expired before it was sent")]
    Expired,
    /// It was taken back.
    #[error("cancelled")]
    Cancelled,
    /// It was volatile, and there was no connection.
    #[error("volatile, and not connected")]
    Dropped,
    /// Its receipts are not followed: it did not ask for them, or too many are waited for.
    #[error("receipts are not followed")]
    NotFollowed,
    /// The client is closed; the message may still be in the outbox.
    #[error("the client is closed")]
    Closed,
}

/// A request got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The hub refused it.
    #[error("refused: {reason} ({})", code.number())]
    Refused {
        /// Why.
        code: wsc_core::ErrorCode,
        /// Why, human-readable.
        reason: String,
        /// When to try again, if the hub said so.
        retry_after: Option<Duration>,
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
    /// The text names no conversation.
    #[error(transparent)]
    Conversation(#[from] InvalidConversation),
    /// The answer was not understood.
    #[error("the answer was not understood: {0}")]
    Answer(#[from] DecodeError),
    /// The hub answered something else.
    #[error("another answer than asked for: {0}")]
    Unexpected(String),
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

impl From<core::RequestError> for RequestError {
    fn from(error: core::RequestError) -> Self {
        match error {
            core::RequestError::Refused { code, reason, retry_after_ms } => {
                Self::Refused { code, reason, retry_after: retry_after_ms.map(Duration::from_millis) }
            }
            core::RequestError::Disconnected => Self::Disconnected,
            core::RequestError::Timeout => Self::Timeout,
            core::RequestError::TooMany => Self::TooMany,
        }
    }
}

/// The client is closed, until [`Client::connect`](crate::Client::connect) is called again.
///
/// ```
/// use wsc_client::{Closed, ClosedError, CloseCode};
/// let kicked = Closed::Hub { code: CloseCode::Kicked, reason: "spam".to_owned() };
/// assert_eq!(ClosedError(kicked).to_string(), "closed by the hub: spam (4010)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedError(pub core::Closed);

impl Error for ClosedError {}

impl std::fmt::Display for ClosedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            core::Closed::Application => f.write_str("closed by the application"),
            core::Closed::NoToken => f.write_str("closed: the token provider has no token"),
            core::Closed::Hub { code, reason } => {
                let reason = if reason.is_empty() { code.text() } else { reason };
                write!(f, "closed by the hub: {reason} ({})", code.number())
            }
        }
    }
}
