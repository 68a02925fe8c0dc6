//! The open engine: its parts, consistent views of it, and its errors in the store's words. Knows bytes and records, not
//! what a message is.

use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, Readable, Slice, Snapshot};

use super::super::claims::Claims;
use super::super::key::StreamKey;
use super::super::rules::LINEAGE;
use super::super::store::{Retention, StoreError};
use super::codec::Invalid;
use super::layout;
use super::marker::Epochs;
use super::recent::Recent;
use super::record::{GroupRecord, Number, Record, StreamRecord, UserRecord};

/// Sealed journals above this make the engine flush its slowest part; it bounds the time a start takes.
const JOURNALS: u64 = 256 * 1024 * 1024;

/// A part's newest data are written out at this size. Writing out holds up the flush of batches: with the engine's own
/// 64 MiB the worst batch of the benchmark takes 450 ms, with this 150 ms, at the same rate.
const UNWRITTEN: u64 = 16 * 1024 * 1024;

/// The engine's parts and what is fixed while they are open.
pub(super) struct Engine {
    pub(super) database: Database,
    /// Entries: stream and position → message or copy.
    pub(super) log: Keyspace,
    /// Message ids of senders.
    pub(super) ids: Keyspace,
    /// Everything else.
    pub(super) state: Keyspace,
    epochs: Mutex<Arc<Epochs>>,
    /// Of this process alone: they end with it.
    claims: Mutex<Claims>,
    pub(super) retention: Retention,
    numbers: Mutex<Recent<StreamKey, u64>>,
}

impl Engine {
    pub(super) fn open(path: &Path, cache: u64, epochs: Epochs, retention: Retention) -> fjall::Result<Self> {
        let database = Database::builder(path)
            .manual_journal_persist(true)
            .cache_size(cache)
            .max_journaling_size(JOURNALS)
            .open()?;
        let bloom =
            |bits| FilterPolicy::all(FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(bits)));
        let options =
            || KeyspaceCreateOptions::default().manual_journal_persist(true).max_memtable_size(UNWRITTEN);
        // Entries are asked for by position and nearly always there: no filter for the last level.
        let log = database.keyspace("log", || options().expect_point_read_hits(true))?;
        // Ids are asked for to hear that they are new: the filter answers it.
        let ids = database.keyspace("ids", || options().filter_policy(bloom(14.0)))?;
        let state = database.keyspace("state", options)?;
        let (epochs, numbers) = (Mutex::new(Arc::new(epochs)), Mutex::new(Recent::new(50_000)));
        let claims = Mutex::default();
        Ok(Self { database, log, ids, state, epochs, claims, retention, numbers })
    }

    /// The store as it is now, unmoved by later writes.
    pub(super) fn view(&self) -> View<'_> {
        View { engine: self, snapshot: self.database.snapshot(), epochs: self.epochs() }
    }

    /// The generations as they are now.
    pub(super) fn epochs(&self) -> Arc<Epochs> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Epochs>> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn claims(&self) -> MutexGuard<'_, Claims> {
        // Changed by code that does not panic halfway.
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the present generation.
    pub(super) fn present(&self) -> u64 {
        self.lock().present()
    }

    /// The name of the present generation.
    pub(super) fn epoch(&self) -> Arc<str> {
        let epochs = self.lock();
        epochs.name(epochs.present())
    }

    pub(super) fn set_epochs(&self, epochs: Epochs) {
        *self.lock() = Arc::new(epochs);
    }
}

/// A stream as it lies there.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) number: u64,
    pub(super) record: StreamRecord,
    pub(super) head: u64,
}

impl Stream {
    /// The record's lineage with the generations in which the stream was not written.
    pub(super) fn lineage(record: &StreamRecord, head: u64, present: u64) -> Vec<(u64, u64)> {
        let mut lineage = record.lineage.clone();
        let untouched = record.generation.max(present.saturating_sub(LINEAGE as u64))..present;
        lineage.extend(untouched.map(|generation| (generation, head)));
        let surplus = lineage.len().saturating_sub(LINEAGE);
        lineage.drain(..surplus);
        lineage
    }
}

/// Where records are read from.
pub(super) trait Source {
    fn get(&self, key: &[u8]) -> Result<Option<Slice>, StoreError>;

    /// Up to `limit` records whose key begins with `prefix` and lies after `after`.
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Slice, Slice)>, StoreError>;

    fn record<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreError> {
        self.get(key)?.map(|value| R::decode(&value)).transpose().map_err(|invalid| damaged(invalid, key))
    }

    /// The version of a stream with this number; `None`: nothing was ever written to it.
    fn version(&self, name: &StreamKey, number: Option<u64>) -> Result<u64, StoreError> {
        let Some(number) = number else { return Ok(0) };
        Ok(match name {
            StreamKey::Inbox(_) => {
                let record = self.record::<UserRecord>(&layout::numbered(layout::USER, number))?;
                record.unwrap_or_default().version
            }
            StreamKey::Group(_) => {
                let record = self.record::<GroupRecord>(&layout::numbered(layout::GROUP, number))?;
                record.unwrap_or_default().version
            }
            StreamKey::Broadcast(_) => 0,
        })
    }
}

/// A consistent view.
pub(super) struct View<'a> {
    pub(super) engine: &'a Engine,
    pub(super) snapshot: Snapshot,
    pub(super) epochs: Arc<Epochs>,
}

impl Source for View<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        self.snapshot.get(&self.engine.state, key).map_err(unreadable)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Slice, Slice)>, StoreError> {
        let end = layout::after(prefix);
        let range = self.snapshot.range::<&[u8], _>(&self.engine.state, between(prefix, after, &end));
        let mut found = Vec::new();
        for guard in range.take(limit) {
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            found.push((key, value));
        }
        Ok(found)
    }
}

impl View<'_> {
    pub(super) fn number(&self, name: &StreamKey) -> Result<Option<u64>, StoreError> {
        let lock = || self.engine.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = lock().get(name) {
            return Ok(Some(number));
        }
        let number = self.record::<Number>(&layout::name(name))?.map(|number| number.value);
        if let Some(number) = number {
            let mut numbers = lock();
            numbers.insert(name.clone(), number);
            drop(numbers.trim());
        }
        Ok(number)
    }

    pub(super) fn stream(&self, name: &StreamKey) -> Result<Option<Stream>, StoreError> {
        self.number(name)?.map_or(Ok(None), |number| self.stream_by_number(number))
    }

    pub(super) fn stream_by_number(&self, number: u64) -> Result<Option<Stream>, StoreError> {
        let Some(record) = self.record::<StreamRecord>(&layout::numbered(layout::STREAM, number))? else {
            return Ok(None);
        };
        let range = layout::entry(number, record.floor)..=layout::entry(number, u64::MAX);
        let newest = self.snapshot.range(&self.engine.log, range).next_back();
        let newest = newest.map(|guard| guard.key().map_err(unreadable)).transpose()?;
        let newest = newest
            .map(|key| layout::entry_seq(&key).map_err(|invalid| damaged(invalid, &key)))
            .transpose()?;
        let head = newest.unwrap_or(record.floor - 1);
        Ok(Some(Stream { number, record, head }))
    }

    /// The name of the present epoch.
    pub(super) fn epoch(&self) -> Arc<str> {
        self.epochs.name(self.epochs.present())
    }

    pub(super) fn stream_name(&self, number: u64) -> Result<Option<StreamKey>, StoreError> {
        let record = self.record::<StreamRecord>(&layout::numbered(layout::STREAM, number))?;
        Ok(record.map(|record| record.name))
    }

    pub(super) fn entry(&self, stream: u64, seq: u64) -> Result<Option<Slice>, StoreError> {
        self.snapshot.get(&self.engine.log, layout::entry(stream, seq)).map_err(unreadable)
    }
}

/// The range of keys with a prefix. It has an end of its own: looking for the next key beyond may cross the marks of many
/// removed ones.
pub(super) fn between<'a>(
    prefix: &'a [u8],
    after: Option<&'a [u8]>,
    end: &'a [u8],
) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    match after.filter(|after| *after > prefix) {
        Some(from) if from < end => (Bound::Excluded(from), Bound::Excluded(end)),
        // One that begins behind its end is an error to a map.
        Some(_) => (Bound::Included(end), Bound::Excluded(end)),
        None => (Bound::Included(prefix), Bound::Excluded(end)),
    }
}

/// A record that is not what was written.
pub(super) fn damaged(_: Invalid, key: &[u8]) -> StoreError {
    StoreError::Damaged(format!("the record {} makes no sense", key.escape_ascii()).into())
}

/// The engine could not read.
#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
pub(super) fn unreadable(error: fjall::Error) -> StoreError {
    StoreError::Damaged(error.to_string().into())
}

/// The system's error inside one of the engine's.
pub(super) fn system_cause(error: &fjall::Error) -> Option<&std::io::Error> {
    match error {
        fjall::Error::Io(cause) | fjall::Error::Storage(fjall::LsmError::Io(cause)) => Some(cause),
        _ => None,
    }
}
