//! The broker: tells hubs what was committed. A copy as a hint; the log is the truth.

mod local;

pub(crate) use local::LocalBroker;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use wsc_core::StreamName;
use wsc_core::frame::finish_entry;

use crate::connection::frame;
use crate::log::key::{GroupKey, StreamKey};
use crate::log::store::{Append, Flags};

/// Something that was committed and that readers want to know.
#[derive(Debug)]
pub(crate) enum Published {
    /// A message took a position.
    Entry(Commit),
    /// A user joined a group; its first own position is `head + 1`.
    Joined {
        /// The group.
        group: GroupKey,
        /// The user.
        user: Arc<str>,
        /// The group's head at that moment.
        head: u64,
    },
    /// A membership ended.
    Left {
        /// The group.
        group: GroupKey,
        /// The users.
        users: Vec<Arc<str>>,
        /// `left`, `removed` or `disbanded`.
        action: &'static str,
    },
}

/// A message at a position of one stream.
#[derive(Debug)]
pub(crate) struct Commit {
    /// The stream.
    pub(crate) stream: StreamKey,
    /// The position.
    pub(crate) seq: u64,
    /// The message.
    pub(crate) append: Arc<Append>,
    frame: OnceLock<Bytes>,
}

impl Commit {
    pub(crate) fn new(stream: StreamKey, seq: u64, append: Arc<Append>) -> Self {
        Self { stream, seq, append, frame: OnceLock::new() }
    }

    /// The frame every live reader gets, made by the first that wants it.
    pub(crate) fn frame(&self) -> &Bytes {
        self.frame.get_or_init(|| {
            entry_frame(
                &self.stream,
                self.seq,
                &self.append.body,
                self.append.flags.has(Flags::BINARY),
                "",
                "",
            )
        })
    }
}

/// The WebSocket frame of an entry; empty when the body is damaged.
pub(crate) fn entry_frame(
    stream: &StreamKey,
    seq: u64,
    body: &[u8],
    binary: bool,
    source: &str,
    request_id: &str,
) -> Bytes {
    let name = stream_name(stream);
    let mut payload = Vec::with_capacity(body.len() + 96);
    if finish_entry(&mut payload, body, binary, Some((&name, seq)), source, request_id) {
        frame::data(&payload, binary)
    } else {
        Bytes::new()
    }
}

/// A stream as its readers name it.
pub(crate) fn stream_name(stream: &StreamKey) -> StreamName<'_> {
    match stream {
        StreamKey::Inbox(_) => StreamName::Inbox,
        StreamKey::Broadcast(_) => StreamName::Broadcast,
        StreamKey::Group(group) => StreamName::group(&group.group),
    }
}

/// Carries what was committed to those who read it.
pub(crate) trait Broker: Send + Sync {
    /// Tells of a batch, in the order of the log.
    fn publish(&self, batch: Vec<Published>);
}
