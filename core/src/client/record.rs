//! How a record is written: a mark, what is saved, then changes, each a letter, a length and as many bytes, so that a reader
//! passes over what a later version adds. Numbers are LEB128. Whatever the bytes are, reading them does not panic.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use super::Client;
use super::event::SendId;
use super::saved::{Change, Owner, Saved, SavedCursor, SavedMark, SavedSend};
use crate::frame::Frame;
use crate::names::{StreamName, is_id};
use crate::time::Timestamp;

/// The first bytes of an encoding, and its version.
const MAGIC: &[u8] = b"wsc\x03";

impl Saved {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut record = Record::begin(&self.device_id, self.last_send, &self.owner);
        for send in &self.sends {
            record.add(|body| put_send(body, send, send.first_sent));
        }
        for SavedCursor { stream, epoch, seq } in &self.cursors {
            record.add(|body| put_cursor(body, stream, epoch, *seq));
        }
        for mark in &self.marks {
            record.add(|body| put_mark(body, mark));
        }
        record.bytes
    }

    /// Reads the bytes, and those of changes appended to them; `None` when they are not what [`Saved::encode`] and
    /// [`Change::encode`] wrote.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (saved, whole) = Self::salvage(bytes);
        whole.then_some(saved)
    }

    /// Reads everything up to the first damage, and whether there is none. The device is read also of another version.
    #[must_use]
    pub fn salvage(bytes: &[u8]) -> (Self, bool) {
        let mut saved = Self::default();
        let whole = saved.read(bytes).unwrap_or(false);
        (saved, whole)
    }

    fn read(&mut self, bytes: &[u8]) -> Option<bool> {
        let (mark, mut rest) = bytes.split_at_checked(MAGIC.len())?;
        if mark[..3] != MAGIC[..3] {
            return None;
        }
        self.device_id = text(&mut rest).filter(|device| device.is_empty() || is_id(device))?;
        if mark != MAGIC {
            return None;
        }
        self.last_send = number(&mut rest)?;
        Some(self.replay(rest))
    }

    /// Applies the changes in the bytes. False when they are not what [`Change::encode`] wrote; those before are applied
    /// then. What a later version says besides is passed over.
    pub fn replay(&mut self, mut bytes: &[u8]) -> bool {
        while let Some(letter) = byte(&mut bytes) {
            let Some(mut body) = slice(&mut bytes) else { return false };
            match Change::read(letter, &mut body) {
                Ok(change) => self.apply(change),
                Err(Unread::Unknown) => {}
                Err(Unread::Damaged) => return false,
            }
        }
        true
    }
}

impl Client {
    /// As [`Client::snapshot`] and [`Saved::encode`], without a copy of everything in between.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut record = Record::begin(&self.config.device_id, self.outbox.last(), &self.owner);
        for (send, first_sent) in self.outbox.saved() {
            record.add(|body| put_send(body, send, first_sent));
        }
        for inbox in self.inboxes.iter() {
            let (epoch, seq) = inbox.resume_point();
            record.add(|body| put_cursor(body, &inbox.name, epoch, seq));
        }
        for mark in self.marks.saved() {
            record.add(|body| put_mark(body, mark));
        }
        record.bytes
    }
}

/// A record that is being written.
struct Record {
    bytes: Vec<u8>,
    /// Of one change, used again for each.
    body: Vec<u8>,
}

impl Record {
    fn begin(device_id: &str, last_send: u64, owner: &Owner) -> Self {
        let mut record = Self { bytes: MAGIC.to_vec(), body: Vec::new() };
        put_bytes(&mut record.bytes, device_id.as_bytes());
        put_number(&mut record.bytes, last_send);
        if !owner.0.is_empty() {
            record.add(|body| put_owner(body, owner));
        }
        record
    }

    /// A change: what writes its body, and gives its letter.
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>) -> u8) {
        let letter = write(&mut self.body);
        self.bytes.push(letter);
        put_bytes(&mut self.bytes, &self.body);
        self.body.clear();
    }
}

/// Why a change was not read.
enum Unread {
    /// A later version wrote it.
    Unknown,
    Damaged,
}

impl Change {
    /// Appends its bytes: a letter, a length, and as much.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        out.push(self.write(&mut body));
        put_bytes(out, &body);
    }

    /// What comes after the length; gives the letter.
    fn write(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Self::Put(send) => put_send(out, send, send.first_sent),
            Self::Sent { up_to, at } => {
                put_number(out, up_to.0);
                put_number(out, *at);
                b'S'
            }
            Self::Settled { send } => {
                put_number(out, send.0);
                b'E'
            }
            Self::Cursor(SavedCursor { stream, epoch, seq }) => put_cursor(out, stream, epoch, *seq),
            Self::Forget { stream } => {
                put_stream(out, stream);
                b'F'
            }
            Self::Mark(mark) => put_mark(out, mark),
            Self::Marked(mark) => {
                put_mark(out, mark);
                b'K'
            }
            Self::Owner(owner) => put_owner(out, owner),
        }
    }

    fn read(letter: u8, body: &mut &[u8]) -> Result<Self, Unread> {
        let read = match letter {
            b'P' => put(body).map(Self::Put),
            b'S' => sent(body),
            b'E' => number(body).map(|send| Self::Settled { send: SendId(send) }),
            b'C' => cursor(body).map(Self::Cursor),
            b'F' => stream(body).map(|stream| Self::Forget { stream }),
            b'M' => mark(body).map(Self::Mark),
            b'K' => mark(body).map(Self::Marked),
            b'O' => text(body).map(|owner| Self::Owner(Owner(owner))),
            _ => return Err(Unread::Unknown),
        };
        read.ok_or(Unread::Damaged)
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_stream(out: &mut Vec<u8>, stream: &StreamName<'_>) {
    put_bytes(out, stream.as_str().as_bytes());
}

fn put_send(out: &mut Vec<u8>, send: &SavedSend, first_sent: Option<Timestamp>) -> u8 {
    let (binary, frame) = match &send.frame {
        Frame::Text(text) => (false, text.as_bytes()),
        Frame::Binary(bytes) => (true, &bytes[..]),
    };
    let flags = u8::from(binary)
        | u8::from(send.receipts) << 1
        | u8::from(first_sent.is_some()) << 2
        | u8::from(send.deadline.is_some()) << 3;
    out.push(flags);
    put_number(out, send.id.0);
    for at in [first_sent, send.deadline].into_iter().flatten() {
        put_number(out, at);
    }
    put_bytes(out, send.message_id.as_bytes());
    put_bytes(out, frame);
    b'P'
}

fn put_cursor(out: &mut Vec<u8>, stream: &StreamName<'_>, epoch: &str, seq: u64) -> u8 {
    put_stream(out, stream);
    put_bytes(out, epoch.as_bytes());
    put_number(out, seq);
    b'C'
}

fn put_mark(out: &mut Vec<u8>, mark: &SavedMark) -> u8 {
    put_stream(out, &mark.stream);
    put_bytes(out, mark.peer.as_bytes());
    put_number(out, mark.seq);
    b'M'
}

fn put_owner(out: &mut Vec<u8>, owner: &Owner) -> u8 {
    put_bytes(out, owner.0.as_bytes());
    b'O'
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let next = byte(rest)?;
        value |= u64::from(next & 0x7f).checked_shl(shift)?;
        if next & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn slice<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (taken, others) = rest.split_at_checked(length)?;
    *rest = others;
    Some(taken)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    core::str::from_utf8(slice(rest)?).ok().map(str::to_owned)
}

fn stream(rest: &mut &[u8]) -> Option<StreamName<'static>> {
    StreamName::parse(text(rest)?)
}

fn put(rest: &mut &[u8]) -> Option<SavedSend> {
    let flags = byte(rest)?;
    let id = SendId(number(rest)?);
    let first_sent = if flags & 4 == 0 { None } else { Some(number(rest)?) };
    let deadline = if flags & 8 == 0 { None } else { Some(number(rest)?) };
    let message_id = text(rest)?;
    let frame = if flags & 1 == 0 { Frame::Text(text(rest)?) } else { Frame::Binary(slice(rest)?.to_vec()) };
    Some(SavedSend { id, message_id, first_sent, deadline, receipts: flags & 2 != 0, frame })
}

fn sent(rest: &mut &[u8]) -> Option<Change> {
    Some(Change::Sent { up_to: SendId(number(rest)?), at: number(rest)? })
}

fn cursor(rest: &mut &[u8]) -> Option<SavedCursor> {
    Some(SavedCursor { stream: stream(rest)?, epoch: text(rest)?, seq: number(rest)? })
}

fn mark(rest: &mut &[u8]) -> Option<SavedMark> {
    Some(SavedMark { stream: stream(rest)?, peer: text(rest)?, seq: number(rest)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::saved::tests::saved;

    #[test]
    fn what_is_saved_reads_back_and_no_part_of_it_panics() {
        let bytes = saved().encode();
        assert_eq!(Saved::decode(&bytes), Some(saved()));
        let mut known = 0;
        for end in 0..bytes.len() {
            let (part, _) = Saved::salvage(&bytes[..end]);
            assert!(part.sends.len() >= known, "what stands before the damage is read");
            known = part.sends.len();
        }
        assert_eq!(known, 3);
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 0x55;
            let _ = Saved::decode(&bent);
        }
    }

    #[test]
    fn the_device_is_read_from_a_record_of_another_version_or_a_damaged_one() {
        let mut bytes = saved().encode();
        bytes[3] = 9;
        bytes.truncate(7);
        assert_eq!(Saved::salvage(&bytes), (Saved { device_id: "d1".to_owned(), ..Saved::default() }, false));
        for other in [
            &b""[..],
            b"wsc",
            b"wsc\x03",
            b"wsc\x03\x00",
            b"wsc\x03\x01\x00",
            b"wsx\x03\x01a",
            b"wsc\x03\x05a",
        ] {
            assert_eq!(Saved::salvage(other), (Saved::default(), false));
        }
    }

    #[test]
    fn what_a_later_version_says_besides_is_passed_over() {
        let mut bytes = saved().encode();
        bytes.extend_from_slice(b"Z\x03abc");
        Change::Settled { send: SendId(1) }.encode(&mut bytes);
        assert_eq!(Saved::decode(&bytes).map(|saved| saved.sends.len()), Some(2));
        // A field more at the end of a change.
        bytes.extend_from_slice(b"E\x02\x02\x07");
        assert_eq!(Saved::decode(&bytes).map(|saved| saved.sends.len()), Some(1));
        bytes.extend_from_slice(b"Z\x03ab");
        assert_eq!(Saved::decode(&bytes), None);
    }
}
