//! A client for other languages: orders in, reports out, many at a time, both flat. The bridges to Node and the JVM stand on
//! it; Rust programs use [`Client`](crate::Client).
//!
//! Reports come in the order things happened. What the application was given counts against a limit until it is
//! acknowledged, so that a slow one holds back the hub and not the memory, however eagerly reports are fetched.

use std::sync::Arc;

use wsc_core::client::{Kind, TokenError};

/// What the application asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Connects, and keeps connected; while waiting, tries at once.
    Connect,
    /// The platform says that the network is back (or gone).
    Network {
        /// Whether it is there.
        online: bool,
    },
    /// Takes a message. Answered by [`Kind::Taken`] once it is kept, or [`Kind::NotTaken`].
    Send {
        /// The message as JSON; it must have a `message_id`.
        object: String,
        /// The bytes beside it.
        payload: Option<Vec<u8>>,
    },
    /// Takes back the unsettled message of this id, if it never went out. [`Kind::Settled`] tells what became of it.
    Cancel {
        /// Its `message_id`.
        message_id: String,
    },
    /// Asks the hub: the frame of a request without `message_id`. Answered by [`Kind::Answer`] (after its
    /// [`Kind::Fetched`]) or [`Kind::RequestFailed`].
    Request {
        /// What the answer is called by; the caller's own numbering.
        ticket: u64,
        /// The frame as JSON.
        object: String,
    },
    /// Everything of a conversation up to here was read.
    MarkRead {
        /// The stream.
        stream: String,
        /// Whose messages; empty for a group.
        peer: String,
        /// The position.
        seq: u64,
    },
    /// The application has everything of a stream up to here.
    Acknowledge {
        /// The stream.
        stream: String,
        /// Its numbering, as the entry had it.
        generation: u32,
        /// The position.
        seq: u64,
    },
    /// The streams that somebody reads, in place of those said before; `*`: all. Entries of others wait 20 s for a
    /// reader, then count as handed over, and [`Kind::Unread`] names them.
    Read {
        /// Their names.
        streams: Vec<String>,
    },
    /// The token that [`Kind::FetchToken`] asked for.
    Token {
        /// It, or why there is none.
        token: Result<String, TokenError>,
    },
    /// Closes: waits up to 5 s until what is under way is settled, then says goodbye. [`Kind::Ended`] is the last report.
    Close,
}

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is about. A `State` has two things more: attempts that failed in a row (number 2), the user (text 1).
    pub kind: Kind,
    /// Its numbers; 0 where there are fewer.
    pub numbers: [u64; 4],
    /// Its texts; empty where there are fewer.
    pub texts: [String; 3],
    /// Bytes beside a message.
    pub bytes: Option<Vec<u8>>,
}

/// How things stood when a session was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// This installation's id; empty for a passing device.
    pub device: String,
    /// Per stream, the last position handed over.
    pub places: Vec<(String, u64)>,
    /// Messages that an earlier process left, as JSON, in order, without the bytes beside them.
    pub pending: Vec<String>,
}

/// One device's connection. Clones are the same; it closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Session {
    desk: Arc<()>,
}

impl Session {
    /// Takes orders; never waits.
    pub fn submit(&self, orders: impl IntoIterator<Item = Order>) {
        let _ = orders.into_iter().count();
    }

    /// Up to `limit` reports, once there is one; empty after the end.
    pub async fn next(&self, limit: usize) -> Vec<Report> {
        let _ = limit;
        Vec::new()
    }
}
