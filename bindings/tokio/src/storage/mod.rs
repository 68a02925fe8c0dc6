//! The outbox file: an append-only log of changes. Never interprets a message.
//!
//! When the log has grown far beyond what it says, it is written anew beside the old one and put in its place. What a
//! crash tore off at the end is cut off; it was never confirmed. A file with damage is kept beside as it was, and the
//! client goes on with what is whole in it.

mod log;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use wsc_core::client::{Change, Saved};

use crate::error::BuildError;
use log::Log;

/// A log smaller than this is left alone, in bytes.
const SMALL: u64 = 256 * 1024;

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
    /// What the checksums of this file begin with.
    salt: u32,
    buffer: Vec<u8>,
}

/// What an outbox holds when it is opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) storage: Storage,
    /// `None`: the outbox is new.
    pub(crate) saved: Option<Saved>,
    /// The file was damaged: where it is kept as it was.
    pub(crate) damaged: Option<PathBuf>,
}

impl Storage {
    /// Opens or creates an outbox.
    pub(crate) fn open(path: &Path) -> Result<Opened, BuildError> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(beside(path, ".lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(BuildError::Locked),
            Err(std::fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).append(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let Log { saved, salt, end, damaged } = Log::read(&bytes).map_err(|_| BuildError::NotAnOutbox)?;
        let base = saved.as_ref().map_or(0, |saved| log::write(saved, salt).len() as u64);
        let (size, buffer) = (end as u64, Vec::new());
        let mut storage = Self { path: path.to_owned(), file, _lock: lock, size, base, salt, buffer };
        let mut kept = None;
        if damaged > 0 {
            kept = Some(keep(path, &bytes)?);
            if let Some(saved) = &saved {
                storage.rewrite(saved)?;
            }
        } else if end < bytes.len() {
            storage.file.set_len(size)?;
            storage.file.sync_all()?;
        }
        Ok(Opened { storage, saved, damaged: kept })
    }

    /// Adds a change; on its way to the disk only after [`Storage::write`].
    pub(crate) fn add(&mut self, change: &Change) {
        log::add(&mut self.buffer, change, self.salt);
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
        let mut salt = [0; 4];
        getrandom::fill(&mut salt).map_err(|_| io::Error::other("no randomness"))?;
        let salt = u32::from_le_bytes(salt);
        let bytes = log::write(saved, salt);
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
        self.salt = salt;
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

/// Keeps a damaged file's bytes beside it, under a name that nothing has yet.
fn keep(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let suffix = if number == 1 { ".damaged".to_owned() } else { format!(".damaged.{number}") };
        let kept = beside(path, &suffix);
        match OpenOptions::new().create_new(true).write(true).open(&kept) {
            Ok(mut file) => {
                let written = file.write_all(bytes).and_then(|()| file.sync_all());
                if written.is_err() {
                    // A part is of no use, and on a full disk each start would leave one more.
                    let _ = std::fs::remove_file(&kept);
                }
                return written.map(|()| kept);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
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
        let Opened { mut storage, saved, .. } = Storage::open(path).expect("opens");
        assert!(saved.is_none());
        storage.rewrite(&Saved { device_id: "d".into(), ..Saved::default() }).expect("written");
        storage
    }

    fn ids(saved: Option<Saved>) -> Vec<u64> {
        saved.expect("saved").sends.iter().map(|send| send.id.0).collect()
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
        std::fs::write(&path, &whole[..whole.len() - 1]).expect("written");
        let Opened { mut storage, saved, damaged } = Storage::open(&path).expect("opens");
        assert_eq!((ids(saved), damaged), (vec![1, 2, 3], None));
        storage.add(&put(9));
        storage.write().expect("written");
        drop(storage);
        assert_eq!(ids(Storage::open(&path).expect("opens").saved), [1, 2, 3, 9]);
        std::fs::write(&path, &whole).expect("written");
        assert_eq!(ids(Storage::open(&path).expect("opens").saved), [1, 3]);
    }

    #[test]
    fn a_damaged_file_is_kept_beside_and_mended_each_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outbox");
        let mut storage = fresh(&path);
        for id in 1..=3 {
            storage.add(&put(id));
        }
        storage.write().expect("written");
        drop(storage);
        // A record has 200 bytes of text: the second one from the end, then the last one.
        let damages = [(300, vec![1, 3], "outbox.damaged"), (100, vec![1], "outbox.damaged.2")];
        for (from_end, left, name) in damages {
            let mut bytes = std::fs::read(&path).expect("read");
            let at = bytes.len() - from_end;
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).expect("written");
            let Opened { saved, damaged, storage } = Storage::open(&path).expect("opens");
            assert_eq!((ids(saved), damaged), (left, Some(folder.path().join(name))));
            drop(storage);
            assert_eq!(std::fs::read(folder.path().join(name)).expect("kept"), bytes);
            assert_eq!(Storage::open(&path).expect("opens").damaged, None, "it is mended");
        }
    }

    /// Where this is set a test runs again as a process that may write small files only.
    #[cfg(unix)]
    const SMALL_FILES: &str = "WSC_TEST_SMALL_FILES";

    #[cfg(unix)]
    #[test]
    fn a_copy_of_a_damaged_file_that_does_not_fit_is_not_left() {
        if let Some(path) = std::env::var_os(SMALL_FILES) {
            assert!(matches!(Storage::open(Path::new(&path)), Err(BuildError::Outbox(_))));
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outbox");
        let mut storage = fresh(&path);
        for id in 1..=1000 {
            storage.add(&put(id));
        }
        storage.write().expect("written");
        drop(storage);
        let mut bytes = std::fs::read(&path).expect("read");
        bytes[50_000] ^= 1;
        std::fs::write(&path, &bytes).expect("written");
        for _ in 0..2 {
            // As on a full disk: a write gives less than was asked for, then fails.
            let limited = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
            let name = "storage::tests::a_copy_of_a_damaged_file_that_does_not_fit_is_not_left";
            let status = std::process::Command::new("sh")
                .args(["-c", limited])
                .arg(std::env::current_exe().expect("this program"))
                .args(["--exact", name])
                .env(SMALL_FILES, &path)
                .status();
            assert!(status.expect("run").success());
        }
        assert_eq!(std::fs::read(&path).expect("read"), bytes);
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["outbox", "outbox.lock"]);
    }

    #[test]
    fn a_second_user_is_refused_and_a_foreign_file_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outbox");
        let storage = fresh(&path);
        assert!(matches!(Storage::open(&path), Err(BuildError::Locked)));
        drop(storage);
        // A whole record that cannot be read is not a torn tail.
        let mut storage = Storage::open(&path).expect("opens").storage;
        log::record(&mut storage.buffer, b"E", storage.salt);
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
        assert_eq!(Storage::open(&path).expect("opens").saved, Some(saved));
    }
}
