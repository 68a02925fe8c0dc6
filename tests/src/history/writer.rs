//! Writing histories down and reading them again: one JSON object a line. Never judges one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::event::{Event, Fact};

/// A file of facts. Each is with the operating system when [`Writer::write`] returns, so that it outlives a killed
/// process, and later ones of a file have later times.
#[derive(Debug)]
pub struct Writer {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    last: u64,
    buffer: Vec<u8>,
    /// Bytes gathered before they are written; 0: none.
    gather: usize,
}

/// The time, in microseconds since 1970.
fn now() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Writer {
    /// Goes on after what the file holds, a torn last line aside.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        let inner = Inner { file, last: 0, buffer: Vec::new(), gather: 0 };
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// Writes many facts at once; for processes that nobody kills.
    #[must_use]
    pub fn gathering(mut self) -> Self {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner).gather = 64 * 1024;
        self
    }

    /// Writes a fact down.
    pub fn write(&self, fact: Fact) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        inner.last = now().max(inner.last + 1);
        serde_json::to_writer(&mut inner.buffer, &Event { at: inner.last, fact })?;
        inner.buffer.push(b'\n');
        if inner.buffer.len() >= inner.gather { inner.flush() } else { Ok(()) }
    }

    /// Writes what was gathered.
    pub fn flush(&self) -> io::Result<()> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl Inner {
    fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// Reads the facts of a file. A line that cannot be read is an error, except where a killed process left it torn.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        match serde_json::from_str(&line) {
            Ok(event) => events.push(event),
            Err(error) if error.is_eof() => {}
            Err(error) => return Err(io::Error::other(format!("{}: {error}: {line}", path.display()))),
        }
    }
    Ok(events)
}

/// Reads every `.jsonl` file of a folder into one history, in the order of time.
pub fn read_all(folder: &Path) -> io::Result<Vec<Event>> {
    let mut paths = Vec::new();
    for file in std::fs::read_dir(folder)? {
        paths.push(file?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    let mut events = Vec::new();
    for path in paths {
        events.extend(read(&path)?);
    }
    events.sort_by_key(|event| event.at);
    Ok(events)
}
