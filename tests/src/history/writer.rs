//! Writing histories down and reading them again: one JSON object a line, or in memory. Never judges one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Event, Fact};

/// Where facts are written down, later ones with later times. Each is with the operating system when [`Writer::write`]
/// returns, so that it outlives a killed process.
#[derive(Debug)]
pub struct Writer {
    inner: Mutex<Inner>,
    now: fn() -> u64,
}

#[derive(Debug)]
struct Inner {
    sink: Sink,
    last: u64,
}

#[derive(Debug)]
enum Sink {
    File {
        file: File,
        buffer: Vec<u8>,
        /// Bytes gathered before they are written; 0: none.
        gather: usize,
    },
    Memory(Vec<Event>),
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
        Ok(Self::new(Sink::File { file, buffer: Vec::new(), gather: 0 }, now))
    }

    /// Keeps the facts in memory, by a clock of microseconds.
    #[must_use]
    pub fn in_memory(now: fn() -> u64) -> Self {
        Self::new(Sink::Memory(Vec::new()), now)
    }

    fn new(sink: Sink, now: fn() -> u64) -> Self {
        Self { inner: Mutex::new(Inner { sink, last: 0 }), now }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes many facts at once; for processes that nobody kills.
    #[must_use]
    pub fn gathering(self) -> Self {
        if let Sink::File { gather, .. } = &mut self.lock().sink {
            *gather = 64 * 1024;
        }
        self
    }

    /// Writes a fact down.
    pub fn write(&self, fact: Fact) -> io::Result<()> {
        let mut inner = self.lock();
        inner.last = (self.now)().max(inner.last + 1);
        let event = Event { at: inner.last, fact };
        match &mut inner.sink {
            Sink::Memory(events) => events.push(event),
            Sink::File { buffer, gather, .. } => {
                serde_json::to_writer(&mut *buffer, &event)?;
                buffer.push(b'\n');
                if buffer.len() >= *gather {
                    inner.sink.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Writes what was gathered.
    pub fn flush(&self) -> io::Result<()> {
        self.lock().sink.flush()
    }

    /// Takes what was kept in memory.
    #[must_use]
    pub fn take(&self) -> Vec<Event> {
        match &mut self.lock().sink {
            Sink::Memory(events) => std::mem::take(events),
            Sink::File { .. } => Vec::new(),
        }
    }
}

impl Sink {
    fn flush(&mut self) -> io::Result<()> {
        let Self::File { file, buffer, .. } = self else { return Ok(()) };
        let written = file.write_all(buffer);
        buffer.clear();
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
