//! The store's directory: who may open it, what format it has, how it was left, its generations. All in one small text
//! file that is replaced as a whole; it never holds messages.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::rules;
use super::super::store::Durability;

/// The format this code reads and writes.
pub const FORMAT: u32 = 1;

const MARKER: &str = "wsc-store";
const MARKER_NEXT: &str = "wsc-store.next";
const LOCK: &str = "lock";
/// A process that ends, or one that was just made by another, may hold the lock for a moment.
const LOCK_TIME: Duration = Duration::from_millis(500);
const DATA: &str = "data";
const TITLE: &str = "wsc store";
/// Generations named in the marker; older ones are known by number only.
const EPOCHS: usize = 64;

/// Why a store could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The path is a file.
    #[error("{0} is not a directory; name a directory for the store")]
    NotADirectory(PathBuf),
    /// The directory holds something else.
    #[error("{0} is not empty and holds no wsc store; name an empty or new directory")]
    Foreign(PathBuf),
    /// Written by a newer wsc.
    #[error(
        "the store in {path} has format {found}, this wsc reads up to {FORMAT}; start the newer wsc again, or name another directory"
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The marker file cannot be understood.
    #[error(
        "the file {0} is damaged; restore the whole directory from a copy and start once with --restored"
    )]
    DamagedMarker(PathBuf),
    /// Another process has it open.
    #[error("the store in {0} is in use by another process; stop that one, or name another directory")]
    InUse(PathBuf),
    /// The system does not allow it.
    #[error("no permission for {path}: {cause}; give the directory to the user wsc runs as")]
    NoPermission {
        /// What could not be opened or made.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// The disk is full.
    #[error("no space left for {0}; free some space and start again")]
    Full(PathBuf),
    /// The data cannot be read.
    #[error(
        "the store in {path} is damaged: {cause}; restore the directory from a copy and start once with --restored, or name another one"
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What was found.
        cause: String,
    },
    /// Anything else the system said.
    #[error("cannot use {path}: {cause}; look after the disk, then start again")]
    System {
        /// What could not be used.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
}

impl OpenError {
    pub(super) fn system(path: &Path, cause: std::io::Error) -> Self {
        let path = path.to_path_buf();
        match cause.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::NoPermission { path, cause },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full(path),
            ErrorKind::NotADirectory => Self::NotADirectory(path),
            _ => Self::System { path, cause },
        }
    }
}

/// How a store was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Made, and never written to.
    New,
    /// Open, and every write was flushed to the disk.
    Flushed,
    /// Open, and writes may be missing.
    Unflushed,
    /// Closed after so many batches.
    Closed(u64),
}

impl Left {
    /// How a store is left by a process that ends without a word.
    pub(super) fn open(durability: Durability) -> Self {
        if durability == Durability::Fsync { Self::Flushed } else { Self::Unflushed }
    }
}

/// The generations of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Epochs {
    /// The number of the first one named.
    first: u64,
    /// Oldest first; never empty.
    names: Vec<Arc<str>>,
    /// By their names: those whose cursors prove nothing when a client names them.
    distrusted: Vec<Arc<str>>,
}

/// Stands in the marker before the name of a generation that is distrusted.
const DISTRUSTED: char = '!';

/// What the file system alone knows of a file and no copy of it shares: its number, and when that was given, in
/// nanoseconds; 0 where that cannot be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp {
    number: u64,
    born: u64,
}

impl Stamp {
    #[cfg(unix)]
    fn of(file: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let born = file.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let born = born.and_then(|born| u64::try_from(born.as_nanos()).ok()).unwrap_or(0);
        Self { number: file.ino(), born }
    }

    #[cfg(not(unix))]
    fn of(_: &fs::Metadata) -> Self {
        Self::default()
    }

    /// Whether both may be of the same file.
    fn agrees(self, other: Self) -> bool {
        let same = |one: u64, other: u64| one == 0 || other == 0 || one == other;
        same(self.number, other.number) && same(self.born, other.born)
    }
}

impl Epochs {
    fn new() -> Self {
        Self { first: 0, names: vec![rules::new_epoch().into()], distrusted: Vec::new() }
    }

    /// The number of the present generation.
    pub(super) fn present(&self) -> u64 {
        self.first + self.names.len() as u64 - 1
    }

    /// The name of a generation; empty when it is too old to be known.
    pub(super) fn name(&self, generation: u64) -> Arc<str> {
        let index = generation.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.names.get(index)).cloned().unwrap_or_default()
    }

    /// Begins a new generation.
    pub(super) fn begin(&mut self) {
        self.names.push(rules::new_epoch().into());
        if self.names.len() > EPOCHS {
            let oldest = self.names.remove(0);
            self.distrusted.retain(|name| *name != oldest);
            self.first += 1;
        }
    }

    /// From now on nobody's word proves anything about the present generation.
    pub(super) fn distrust(&mut self) {
        self.distrusted.extend(self.names.last().cloned());
    }

    /// Whether what clients name in a generation means what the store meant.
    pub(super) fn is_proven(&self, generation: u64) -> bool {
        !self.distrusted.contains(&self.name(generation))
    }
}

/// What was found in a store's directory.
pub(super) struct Found {
    pub(super) directory: Directory,
    pub(super) left: Left,
    pub(super) epochs: Epochs,
    /// It is a copy of the directory, and other things may have happened in the original since.
    pub(super) is_copy: bool,
}

/// The locked directory of an open store.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held for as long as the store is open.
    _lock: File,
}

impl Directory {
    /// Takes a directory, new or known, for this process.
    pub(super) fn open(path: &Path) -> Result<Found, OpenError> {
        if path.exists() && !path.is_dir() {
            return Err(OpenError::NotADirectory(path.to_path_buf()));
        }
        fs::create_dir_all(path).map_err(|cause| OpenError::system(path, cause))?;
        if !path.join(MARKER).exists() {
            for entry in fs::read_dir(path).map_err(|cause| OpenError::system(path, cause))? {
                let name = entry.map_err(|cause| OpenError::system(path, cause))?.file_name();
                // What an opening that was cut off leaves, or a file system's own.
                if ![LOCK, MARKER_NEXT, MARKER, "lost+found"].iter().any(|own| name == *own) {
                    return Err(OpenError::Foreign(path.to_path_buf()));
                }
            }
        }
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(|cause| OpenError::system(&lock_path, cause))?;
        let until = Instant::now() + LOCK_TIME;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(LOCK_TIME / 20),
                Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_path_buf())),
                Err(TryLockError::Error(cause)) => return Err(OpenError::system(&lock_path, cause)),
            }
        }
        let directory = Self { path: path.to_path_buf(), _lock: lock };
        let marker = path.join(MARKER);
        let mut is_copy = false;
        let (left, epochs) = match fs::read(&marker) {
            Ok(text) => {
                let (left, epochs, stamp) = parse(&text).map_err(|found| match found {
                    Some(found) => OpenError::Newer { path: path.to_path_buf(), found },
                    None => OpenError::DamagedMarker(marker.clone()),
                })?;
                let file = fs::metadata(&marker).map_err(|cause| OpenError::system(&marker, cause))?;
                is_copy = !stamp.agrees(Stamp::of(&file));
                (left, epochs)
            }
            Err(cause) if cause.kind() == ErrorKind::NotFound => {
                let epochs = Epochs::new();
                directory.write(Left::New, &epochs).map_err(|cause| OpenError::system(path, cause))?;
                // A new folder can be lost with all that is in it until the one above is on the disk. Some of those
                // may not be opened by this user; they were there before.
                for above in std::path::absolute(path).iter().flat_map(|path| path.ancestors().skip(1)) {
                    let _ = sync_folder(above);
                }
                (Left::New, epochs)
            }
            Err(cause) => return Err(OpenError::system(&marker, cause)),
        };
        if left != Left::New && !directory.data().join("version").exists() {
            let cause = "its data is missing".to_owned();
            return Err(OpenError::Damaged { path: path.to_path_buf(), cause });
        }
        Ok(Found { directory, left, epochs, is_copy })
    }

    /// Where the engine keeps its files.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join(DATA)
    }

    /// Tries whether anything can be written.
    pub(super) fn probe(&self) -> std::io::Result<()> {
        let path = self.path.join(MARKER_NEXT);
        let mut file = File::create(&path)?;
        let written = file.write_all(&[0; 64 * 1024]).and_then(|()| file.sync_all());
        fs::remove_file(&path).and(written)
    }

    /// Replaces the marker; when it returns, the new one is on the disk.
    pub(super) fn write(&self, left: Left, epochs: &Epochs) -> std::io::Result<()> {
        let next = self.path.join(MARKER_NEXT);
        // A file of its own: what is written over keeps its number.
        let _ = fs::remove_file(&next);
        let mut file = File::create(&next)?;
        file.write_all(render(left, epochs, Stamp::of(&file.metadata()?)).as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, self.path.join(MARKER))?;
        sync_folder(&self.path)
    }
}

/// Puts the names in a folder on the disk.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    // Elsewhere a folder cannot be opened like a file, and renaming is durable by itself.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

fn render(left: Left, epochs: &Epochs, stamp: Stamp) -> String {
    let left = match left {
        Left::New => "new".to_owned(),
        Left::Flushed => "open-flushed".to_owned(),
        Left::Unflushed => "open-unflushed".to_owned(),
        Left::Closed(batches) => format!("closed {batches}"),
    };
    let names = epochs.names.iter().map(|name| match epochs.distrusted.contains(name) {
        true => format!("{DISTRUSTED}{name}"),
        false => name.to_string(),
    });
    let names = names.collect::<Vec<_>>().join(" ");
    let stamp = match stamp {
        Stamp { number: 0, .. } => String::new(),
        Stamp { number, born } => format!("stamp {number} {born}\n"),
    };
    let text = format!("{TITLE}\nformat {FORMAT}\nleft {left}\nepochs {} {names}\n{stamp}", epochs.first);
    let check = check(text.as_bytes());
    format!("{text}check {check:08x}\n")
}

/// What a marker says; `Err(Some(format))` for one of another format, `Err(None)` for one that makes no sense.
fn parse(bytes: &[u8]) -> Result<(Left, Epochs, Stamp), Option<u32>> {
    let text = std::str::from_utf8(bytes).map_err(|_| None)?;
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(None);
    }
    let format: u32 = lines
        .next()
        .and_then(|line| line.strip_prefix("format "))
        .and_then(|n| n.parse().ok())
        .ok_or(None)?;
    if format > FORMAT {
        return Err(Some(format));
    }
    let left = lines.next().and_then(|line| line.strip_prefix("left ")).ok_or(None)?;
    let left = match left.split_once(' ') {
        Some(("closed", batches)) => Left::Closed(batches.parse().map_err(|_| None)?),
        None if left == "new" => Left::New,
        None if left == "open-flushed" => Left::Flushed,
        None if left == "open-unflushed" => Left::Unflushed,
        _ => return Err(None),
    };
    let epochs = lines.next().and_then(|line| line.strip_prefix("epochs ")).ok_or(None)?;
    let (first, names) = epochs.split_once(' ').ok_or(None)?;
    let mut epochs =
        Epochs { first: first.parse().map_err(|_| None)?, names: Vec::new(), distrusted: Vec::new() };
    for name in names.split(' ') {
        let name: Arc<str> = match name.strip_prefix(DISTRUSTED) {
            Some(name) => {
                epochs.distrusted.push(name.into());
                name.into()
            }
            None => name.into(),
        };
        epochs.names.push(name);
    }
    let stamp = match lines.next().and_then(|line| line.strip_prefix("stamp ")) {
        Some(stamp) => {
            let (number, born) = stamp.split_once(' ').ok_or(None)?;
            Stamp { number: number.parse().map_err(|_| None)?, born: born.parse().map_err(|_| None)? }
        }
        // Written by an earlier version, or where files have no numbers.
        None => Stamp::default(),
    };
    // Bounded, so that counting on from it cannot overflow.
    if epochs.first > u64::from(u32::MAX) || text != render(left, &epochs, stamp) {
        return Err(None);
    }
    Ok((left, epochs, stamp))
}

/// A checksum against flipped and lost bytes (FNV-1a).
fn check(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
