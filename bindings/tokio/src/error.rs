//! What can go wrong, per operation.

use wsc_core::client as core;
use wsc_core::frame::DecodeError;

/// Why a client was not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The address is no `ws://` or `wss://` URL.
    #[error("not a websocket address: {0}")]
    Address(String),
    /// The address is `wss://` and this build has no TLS.
    #[error("built without the feature \"tls\"")]
    NoTls,
    /// The authorities are no PEM file with certificates.
    #[error("authorities: {0}; give the text of a PEM file")]
    Authorities(String),
    /// Another process uses the outbox.
    #[error("the outbox is in use by another process")]
    Locked,
    /// The outbox file is no outbox, or a version wrote it that this one does not know.
    #[error("the file is no outbox, or one of another version")]
    NotAnOutbox,
    /// The outbox belongs to another device.
    #[error("the outbox belongs to device {0}")]
    OtherDevice(String),
    /// The outbox belongs to another user, or to the same one of another tenant. It stays as it is.
    #[error("the outbox belongs to {owner}, not to {other}: give each user a file of their own")]
    OtherUser {
        /// Whose it is.
        owner: core::Owner,
        /// Who the settings say this is.
        other: core::Owner,
    },
    /// The outbox could not be read or written.
    #[error("outbox: {0}")]
    Outbox(#[from] std::io::Error),
    /// The system gave no randomness.
    #[error("no randomness")]
    Entropy,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message is wrong, or the outbox full.
    #[error(transparent)]
    Refused(#[from] core::SendError),
    /// It could not be saved, and is not sent.
    #[error("not saved: {0}")]
    Storage(String),
    /// The client is gone.
    #[error("client closed")]
    Closed,
}

/// Why a message did not reach the stage waited for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The hub refused it for good.
    #[error("refused: {reason} ({})", code.number())]
    Refused {
        /// Why.
        code: wsc_core::ErrorCode,
        /// Why, for people.
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
    /// Volatile, and there was no connection.
    #[error("volatile, and not connected")]
    Dropped,
    /// Its receipts are not followed: it did not ask for them, or too many are waited for.
    #[error("receipts are not followed")]
    Unfollowed,
    /// The client is gone; the message may still be in the outbox.
    #[error("client closed")]
    Closed,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The hub refused it, or there is no connection.
    #[error(transparent)]
    Failed(#[from] core::RequestError),
    /// The answer was not understood.
    #[error("answer not understood: {0}")]
    Answer(#[from] DecodeError),
    /// The hub answered something else.
    #[error("another answer than asked for: {0}")]
    Unexpected(String),
    /// The client is gone.
    #[error("client closed")]
    Closed,
}

/// The connection is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("closed: {0:?}")]
pub struct ClosedError(pub core::Closed);
