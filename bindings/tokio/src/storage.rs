//! The outbox file: an append-only log of changes with checksums. Never interprets a message.
//!
//! A record is a length, a checksum and bytes. The first record is everything saved so far, each later one a change.
//! When the log has grown far beyond what it says, it is written anew beside the old one and put in its place. What a
//! crash tore off at the end is cut off; it was never confirmed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use wsc_core::client::{Change, Saved};

use crate::error::BuildError;

/// A log smaller than this is left alone, in bytes.
const SMALL: u64 = 256 * 1024;
/// A record is never longer, in bytes: the outbox limit with room to spare.
const LONGEST: usize = 1 << 30;
const HEADER: usize = 8;
/// What the first record begins with, whatever its version.
const MARK: &[u8] = b"wsc";

/// An open outbox.
#[derive(Debug)]
pub(crate) struct Storage {
    path: PathBuf,
    file: File,
    /// Held for its lock, which stands on a file of its own because the log is replaced.
    _lock: File,
    size: u64,
    /// The size it would have, written anew when it last was, or opened.
    base: u64,
    buffer: Vec<u8>,
}

impl Storage {
    /// Opens or creates an outbox; what it holds, and `None` when it is new.
    pub(crate) fn open(path: &Path) -> Result<(Self, Option<Saved>), BuildError> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(beside(path, ".lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(BuildError::Locked),
            Err(std::fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).append(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (saved, whole) = replay(&bytes)?;
        if saved.is_none() && bytes.len() > HEADER {
            // A torn first record means that nothing was ever confirmed; anything else is not ours.
            let length = usize::try_from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
            let body = &bytes[HEADER..];
            let begun = body.starts_with(MARK) || MARK.starts_with(body);
            if !begun || length.is_ok_and(|length| length <= body.len()) {
                return Err(BuildError::NotAnOutbox);
            }
        }
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
            file.sync_all()?;
        }
        let base = saved.as_ref().map_or(0, |saved| HEADER + saved.encode().len());
        let (size, base) = (whole as u64, base as u64);
        let storage = Self { path: path.to_owned(), file, _lock: lock, size, base, buffer: Vec::new() };
        Ok((storage, saved))
    }

    /// Adds a change; on its way to the disk only after [`Storage::write`].
    pub(crate) fn add(&mut self, change: &Change) {
        let mut bytes = Vec::new();
        change.encode(&mut bytes);
        record(&mut self.buffer, &bytes);
    }

    /// Hands everything added to the operating system: it survives the process from here on.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all(&self.buffer)?;
            self.size += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// A handle to bring what was written to the disk with [`File::sync_data`], on a thread where that may take time.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Whether the log says much that is not true any more.
    pub(crate) fn is_bloated(&self) -> bool {
        self.size > SMALL && self.size > self.base.saturating_mul(4)
    }

    /// Writes the log anew with just this. Everything is on the disk when it returns.
    pub(crate) fn rewrite(&mut self, saved: &Saved) -> io::Result<()> {
        let mut bytes = Vec::new();
        record(&mut bytes, &saved.encode());
        let fresh = beside(&self.path, ".new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        if let Some(folder) = self.path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            // Not every system can open a folder; where it can, the new name must last too.
            if let Ok(folder) = File::open(folder) {
                folder.sync_all()?;
            }
        }
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.buffer.clear();
        self.size = bytes.len() as u64;
        self.base = self.size;
        Ok(())
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn record(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(bytes).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What the records say, and how many bytes of them are whole. One that is whole and cannot be read is not ours: to go on
/// without it, and without those after it, would lose what was confirmed.
fn replay(bytes: &[u8]) -> Result<(Option<Saved>, usize), BuildError> {
    let (mut saved, mut whole) = (None::<Saved>, 0);
    while let Some((body, end)) = next_record(bytes, whole) {
        match saved.as_mut() {
            None => match Saved::decode(body) {
                Some(first) => saved = Some(first),
                None => break,
            },
            Some(saved) => {
                if !saved.replay(body) {
                    return Err(BuildError::NotAnOutbox);
                }
            }
        }
        whole = end;
    }
    Ok((saved, whole))
}

fn next_record(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let header = bytes.get(at..at + HEADER)?;
    let number = |at: usize| header[at..at + 4].try_into().map(u32::from_le_bytes).ok();
    let length = usize::try_from(number(0)?).ok().filter(|length| *length <= LONGEST)?;
    let body = bytes.get(at + HEADER..at + HEADER + length)?;
    (checksum(body) == number(4)?).then_some((body, at + HEADER + length))
}

/// CRC-32 (IEEE).
fn checksum(bytes: &[u8]) -> u32 {
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
    !bytes.iter().fold(!0, |sum, byte| TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize] ^ (sum >> 8))
}

#[cfg(test)]
mod tests {
    use wsc_core::client::{SavedSend, SendId};
    use wsc_core::frame::Frame;

    use super::*;

    fn put(id: u64) -> Change {
        Change::Put(SavedSend {
            id: SendId(id),
            message_id: format!("m{id}"),
            first_sent: None,
            deadline: None,
            receipts: false,
            frame: Frame::Text("{}".repeat(100)),
        })
    }

    fn fresh(path: &Path) -> Storage {
        let (mut storage, saved) = Storage::open(path).expect("opens");
        assert!(saved.is_none());
        storage.rewrite(&Saved { device_id: "d".into(), ..Saved::default() }).expect("written");
        storage
    }

    #[test]
    fn the_checksum_is_the_common_one() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_was_written_is_read_and_a_torn_tail_is_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outbox");
        let mut storage = fresh(&path);
        for id in 1..=3 {
            storage.add(&put(id));
        }
        storage.add(&Change::Settled { send: SendId(2) });
        storage.write().expect("written");
        drop(storage);
        let whole = std::fs::read(&path).expect("read");
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("written");
            let (mut storage, saved) = Storage::open(&path).expect("opens whatever was torn off");
            let known = saved.map_or(0, |saved| saved.sends.len());
            assert!(known <= 3);
            if known > 0 {
                storage.add(&put(9));
                storage.write().expect("written");
                drop(storage);
                let (_, saved) = Storage::open(&path).expect("opens");
                assert_eq!(saved.expect("saved").sends.len(), known + 1);
            }
        }
        std::fs::write(&path, &whole).expect("written");
        let (_, saved) = Storage::open(&path).expect("opens");
        let ids: Vec<_> = saved.expect("saved").sends.iter().map(|send| send.id.0).collect();
        assert_eq!(ids, [1, 3]);
    }

    #[test]
    fn a_second_user_is_refused_and_a_foreign_file_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outbox");
        let storage = fresh(&path);
        assert!(matches!(Storage::open(&path), Err(BuildError::Locked)));
        drop(storage);
        // A whole record that cannot be read is no torn tail.
        let (mut storage, _) = Storage::open(&path).expect("opens");
        record(&mut storage.buffer, b"E");
        storage.add(&put(1));
        storage.write().expect("written");
        drop(storage);
        let later = std::fs::read(&path).expect("read");
        assert!(matches!(Storage::open(&path), Err(BuildError::NotAnOutbox)));
        assert_eq!(std::fs::read(&path).expect("read"), later);
        for foreign in ["\u{1}\0\0\0 some other program's precious file", "the notes of somebody else"] {
            std::fs::write(&path, foreign).expect("written");
            assert!(matches!(Storage::open(&path), Err(BuildError::NotAnOutbox)));
            assert_eq!(std::fs::read(&path).expect("read"), foreign.as_bytes());
        }
    }

    #[test]
    fn a_bloated_log_is_written_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outbox");
        let mut storage = fresh(&path);
        let mut saved = Saved { device_id: "d".into(), ..Saved::default() };
        let mut rewritten = 0;
        for id in 1..=5000 {
            for change in [put(id), Change::Settled { send: SendId(id) }] {
                storage.add(&change);
                saved.apply(change);
            }
            storage.write().expect("written");
            if storage.is_bloated() {
                storage.rewrite(&saved).expect("written");
                rewritten += 1;
            }
        }
        assert!(rewritten > 2 && std::fs::metadata(&path).expect("there").len() < 2 * SMALL);
        drop(storage);
        let (_, found) = Storage::open(&path).expect("opens");
        assert_eq!(found.expect("saved"), saved);
    }
}
