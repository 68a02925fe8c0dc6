//! The form of the outbox file, and what of a damaged one is still good. Never touches a disk.
//!
//! A record is a length, a checksum and bytes. The file begins with its head (device, owner, number of the last send, and
//! a salt), twice; each later record is one change. An earlier version wrote one head that held everything, and no salt.
//!
//! Damage costs the records that it touches and no others: reading goes on at the next place where length, checksum and
//! form of a record are right. The checksum of a change begins with the salt of its file, so that an outbox that is
//! itself the payload of a message is never read as a part of this one.

use wsc_core::client::{Change, Saved};

/// Bytes of a record before its own.
pub(super) const HEADER: usize = 8;
/// A record is never longer, in bytes: the outbox limit with room to spare.
const LONGEST: usize = 1 << 30;
/// What a head begins with, whatever its version.
const MARK: &[u8] = b"wsc";
/// The second head begins within this many bytes of the file.
const HEADS: usize = 4096;
/// The name of the salt among the changes of a head, which a reader of those passes over, and its length.
const SALT: [u8; 2] = [b'~', 4];

/// The file is another program's, or another version's, or both its heads are damaged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAnOutbox;

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// `None`: nothing was ever confirmed.
    pub(super) saved: Option<Saved>,
    pub(super) salt: u32,
    /// Where the last good record ends.
    pub(super) end: usize,
    /// Damaged bytes. What a crash tore off at the end is not damage: it was never confirmed.
    pub(super) damaged: usize,
}

impl Log {
    /// Reads a file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, NotAnOutbox> {
        let mut log = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            if let Some((body, end)) = record_at(bytes, at, log.salt) {
                // One that is whole and cannot be read is of a later version.
                log.take(body)?;
                (at, log.end) = (end, end);
            } else if let Some(next) = (at + 1..bytes.len()).find(|next| log.resumes(bytes, *next)) {
                log.damaged += next - at;
                at = next;
            } else {
                break;
            }
        }
        let rest = &bytes[log.end..];
        if log.saved.is_none() && !rest.is_empty() {
            // It is written elsewhere and put in its place: a torn one is damaged. Anything else may be precious to others.
            let body = rest.get(HEADER..).unwrap_or_default();
            if body_at(rest, 0).is_some() || !(body.starts_with(MARK) || MARK.starts_with(body)) {
                return Err(NotAnOutbox);
            }
            log.damaged = rest.len();
        } else if !is_torn(rest, log.salt) {
            log.damaged += rest.len();
        }
        Ok(log)
    }

    fn take(&mut self, body: &[u8]) -> Result<(), NotAnOutbox> {
        if body.starts_with(MARK) {
            let head = Saved::decode(body).ok_or(NotAnOutbox)?;
            if self.saved.is_none() {
                self.saved = Some(head);
                self.salt = salt_of(body);
            }
            return Ok(());
        }
        let read = self.saved.as_mut().is_some_and(|saved| saved.replay(body));
        read.then_some(()).ok_or(NotAnOutbox)
    }

    /// Whether reading can go on here after damage.
    fn resumes(&self, bytes: &[u8], at: usize) -> bool {
        // The form first: it costs less than the checksum, and hardly any other bytes have it.
        let Some(body) = body_at(bytes, at) else { return false };
        let is_wanted = if self.saved.is_some() {
            is_change(body)
        } else {
            at < HEADS && body.starts_with(MARK) && Saved::decode(body).is_some()
        };
        is_wanted && record_at(bytes, at, self.salt).is_some()
    }
}

/// A file that says just this.
pub(super) fn write(saved: &Saved, salt: u32) -> Vec<u8> {
    let head = Saved {
        device_id: saved.device_id.clone(),
        owner: saved.owner.clone(),
        last_send: saved.last_send,
        ..Saved::default()
    };
    let mut body = head.encode();
    body.extend(SALT);
    body.extend(salt.to_le_bytes());
    let mut out = Vec::new();
    record(&mut out, &body, 0);
    record(&mut out, &body, 0);
    let sends = saved.sends.iter().cloned().map(Change::Put);
    let cursors = saved.cursors.iter().cloned().map(Change::Cursor);
    let marks = saved.marks.iter().cloned().map(Change::Mark);
    for change in sends.chain(cursors).chain(marks) {
        add(&mut out, &change, salt);
    }
    out
}

/// Appends a change.
pub(super) fn add(out: &mut Vec<u8>, change: &Change, salt: u32) {
    let mut body = Vec::new();
    change.encode(&mut body);
    record(out, &body, salt);
}

pub(super) fn record(out: &mut Vec<u8>, body: &[u8], salt: u32) {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(body, salt).to_le_bytes());
    out.extend_from_slice(body);
}

/// What a header promises, if as much is there.
fn body_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::try_from(number(bytes, at)?).ok().filter(|length| (1..=LONGEST).contains(length))?;
    bytes.get(at + HEADER..)?.get(..length)
}

/// The record that begins here, and where it ends.
fn record_at(bytes: &[u8], at: usize, salt: u32) -> Option<(&[u8], usize)> {
    let body = body_at(bytes, at)?;
    let salt = if body.starts_with(MARK) { 0 } else { salt };
    (checksum(body, salt) == number(bytes, at + 4)?).then_some((body, at + HEADER + body.len()))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// Whether this is as much of a record as a crash leaves: a part of it, or nothing in the place that it got. A whole one
/// whose length alone is wrong is damaged.
fn is_torn(rest: &[u8], salt: u32) -> bool {
    let is_whole = rest.get(HEADER..).is_some_and(|body| number(rest, 4) == Some(checksum(body, salt)));
    rest.iter().all(|byte| *byte == 0) || body_at(rest, 0).is_none() && !is_whole
}

/// Whether this has the form of one change: a letter, a length in LEB128, and as many bytes.
fn is_change(body: &[u8]) -> bool {
    let Some((letter, rest)) = body.split_first() else { return false };
    let mut length = 0;
    for (index, byte) in rest.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return letter.is_ascii_alphabetic() && length == (rest.len() - index - 1) as u64;
        }
    }
    false
}

/// The salt of a head; 0: it has none.
fn salt_of(head: &[u8]) -> u32 {
    match head.split_last_chunk() {
        // That it can be read without says that these bytes are not the end of something else.
        Some((before, &[name, length, a, b, c, d])) if [name, length] == SALT => {
            Saved::decode(before).map_or(0, |_| u32::from_le_bytes([a, b, c, d]))
        }
        _ => 0,
    }
}

/// CRC-32 (IEEE), begun with a salt.
fn checksum(bytes: &[u8], salt: u32) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0_u32;
        while index < 256 {
            let mut value = index;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[index as usize] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(!salt, |sum, byte| TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize] ^ (sum >> 8))
}

#[cfg(test)]
mod tests;
