//! Entries as the log keeps them: encoded once when the message is accepted, finished with a position when read.
//!
//! The same body stands at two positions when a message goes to a user, so what differs between them is not
//! part of it: the JSON is kept without its closing brace, and [`finish_entry`] adds the rest.

use alloc::string::String;
use alloc::vec::Vec;

use super::message::{write_members, write_place};
use super::write::ObjectWriter;
use crate::message::Message;
use crate::names::StreamName;

/// The body of an entry: what the log keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryBody {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether it is finished into a binary frame.
    pub binary: bool,
}

impl EntryBody {
    /// Encodes a message without `stream`, `seq_no`, `source` and `request_id`.
    #[must_use]
    pub fn of(message: &Message<'_>) -> Self {
        let mut text = String::with_capacity(message.size_hint());
        write_members(&mut ObjectWriter::new(&mut text), message);
        let Some(payload) = message.payload.as_deref() else {
            return Self { bytes: text.into_bytes(), binary: false };
        };
        let mut bytes = Vec::with_capacity(4 + text.len() + payload.len());
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(payload);
        Self { bytes, binary: true }
    }
}

/// Appends the frame of an entry: the body and its position. A damaged body gives `false` and leaves `out` as it was.
pub fn finish_entry(
    out: &mut Vec<u8>,
    body: &[u8],
    binary: bool,
    position: Option<(&StreamName<'_>, u64)>,
    source: &str,
    request_id: &str,
) -> bool {
    let mut end = String::with_capacity(64);
    let mut writer = ObjectWriter::resume(&mut end);
    let (stream, seq) = position.map_or((None, 0), |(stream, seq)| (Some(stream), seq));
    write_place(&mut writer, stream, seq, source, request_id);
    writer.end();
    if !binary {
        out.extend_from_slice(body);
        out.extend_from_slice(end.as_bytes());
        return true;
    }
    let Some((length, rest)) = body.split_first_chunk::<4>() else { return false };
    let Some((header, payload)) =
        usize::try_from(u32::from_be_bytes(*length)).ok().and_then(|at| rest.split_at_checked(at))
    else {
        return false;
    };
    let Ok(length) = u32::try_from(header.len() + end.len()) else { return false };
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(header);
    out.extend_from_slice(end.as_bytes());
    out.extend_from_slice(payload);
    true
}
