//! Entries of the log as the frames that readers get.

use std::sync::Arc;

use bytes::Bytes;
use wsc_core::StreamName;
use wsc_core::frame::finish_entry;

use super::encode;
use crate::log::commit::Commit;
use crate::log::key::StreamKey;
use crate::log::store::Flags;

/// What handing a message out may add to what is encoded when it is accepted, in bytes: stream, position, source and
/// request at most 464, `observed` 16, what bare clients always get at most 900.
pub(crate) const ADDED: usize = 1536;

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
        encode::data(&payload, binary)
    } else {
        Bytes::new()
    }
}

/// The frame of a committed entry, the same for every live reader: encoded by the first that wants it.
pub(crate) fn committed_frame(commit: &Commit) -> &Bytes {
    commit.frame(|commit| {
        let binary = commit.append.flags.has(Flags::BINARY);
        entry_frame(&commit.stream, commit.seq, &commit.append.body, binary, "", "")
    })
}

/// A stream as its readers name it.
pub(crate) fn stream_name(stream: &StreamKey) -> StreamName<'_> {
    match stream {
        StreamKey::Inbox(_) => StreamName::Inbox,
        StreamKey::Broadcast(_) => StreamName::Broadcast,
        StreamKey::Group(group) => StreamName::group(&group.group),
    }
}

/// The group of a stream; `None`: an inbox or a broadcast.
pub(crate) fn group_of(stream: &StreamKey) -> Option<Arc<str>> {
    match stream {
        StreamKey::Group(group) => Some(Arc::clone(&group.group)),
        StreamKey::Inbox(_) | StreamKey::Broadcast(_) => None,
    }
}
