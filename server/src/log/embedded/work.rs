//! One batch in the making: what was written so far lies over what the engine has, so that each write sees those before
//! it. Nothing reaches the engine before [`Work::commit`]; dropping it undoes everything but the caller's caches.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use fjall::{OwnedWriteBatch as WriteBatch, PersistMode, Slice};

use super::super::key::StreamKey;
use super::super::rules::LINEAGE;
use super::super::store::StoreError;
use super::engine::{Engine, Source, Stream, View, between, damaged, unreadable};
use super::layout;
use super::recent::Recent;
use super::record::{IdRecord, Number, Record, StreamRecord};

/// A stream as the writer knows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: StreamKey,
    pub(super) number: u64,
    pub(super) floor: u64,
    pub(super) head: u64,
    generation: u64,
    lineage: Vec<(u64, u64)>,
    /// Whether there is a timer for its oldest entry.
    pub(super) timed: bool,
    /// Of an inbox: an id not below any its user has sent, in order of (length, id). What is above is new. `None`: not
    /// read yet.
    pub(super) last_id: Option<Arc<str>>,
}

impl Known {
    pub(super) fn record(&self) -> StreamRecord {
        StreamRecord {
            name: self.name.clone(),
            floor: self.floor,
            generation: self.generation,
            lineage: self.lineage.clone(),
        }
    }

    /// The lineage as of now, oldest first.
    pub(super) fn lineage(&self, present: u64) -> Vec<(u64, u64)> {
        Stream::lineage(&self.record(), self.head, present)
    }
}

/// Where a known stream is, for the length of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(usize);

/// The streams used lately.
#[derive(Debug)]
pub(super) struct Streams {
    slots: Recent<StreamKey, Slot>,
    known: Vec<Known>,
    free: Vec<Slot>,
}

impl Streams {
    fn new(half: usize) -> Self {
        Self { slots: Recent::new(half), known: Vec::new(), free: Vec::new() }
    }

    fn add(&mut self, known: Known) -> Slot {
        let name = known.name.clone();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.known[slot.0] = known;
                slot
            }
            None => {
                self.known.push(known);
                Slot(self.known.len() - 1)
            }
        };
        self.slots.insert(name, slot);
        slot
    }

    /// Forgets the longest unused when there are too many. Slots are no longer valid.
    pub(super) fn trim(&mut self) {
        self.free.extend(self.slots.trim());
    }

    fn clear(&mut self) {
        self.slots.clear();
        self.known.clear();
        self.free.clear();
    }
}

/// What outlives a batch.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) streams: Streams,
    pub(super) next_number: u64,
    /// Streams with more entries than they may have.
    pub(super) over: BTreeSet<u64>,
    pub(super) batches: u64,
    /// By kind of timer: a key with no timer up to it.
    pub(super) passed: BTreeMap<u8, Vec<u8>>,
}

impl Memory {
    pub(super) fn load(engine: &Engine, streams: usize) -> Result<Self, StoreError> {
        let view = engine.view();
        let last = engine.state.prefix([layout::STREAM]).next_back();
        let last = last.map(|guard| guard.key().map_err(unreadable)).transpose()?;
        let last =
            last.map(|key| layout::number(&key).map_err(|invalid| damaged(invalid, &key))).transpose()?;
        Ok(Self {
            streams: Streams::new(streams),
            next_number: last.map_or(1, |last| last + 1),
            over: BTreeSet::new(),
            passed: BTreeMap::new(),
            batches: view.record::<Number>(&[layout::BATCHES])?.map_or(0, |count| count.value),
        })
    }

    /// Forgets what a batch that was not committed may have changed.
    pub(super) fn forget(&mut self) {
        self.streams.clear();
        self.over.clear();
        self.passed.clear();
    }
}

/// A batch in the making.
pub(super) struct Work<'a> {
    pub(super) engine: &'a Engine,
    pub(super) memory: &'a mut Memory,
    state: BTreeMap<Vec<u8>, Option<Slice>>,
    ids: HashMap<Vec<u8>, IdRecord>,
    batch: WriteBatch,
    /// Whether anything in it must not be lost once it is answered.
    pub(super) must_flush: bool,
}

impl Source for Work<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        match self.state.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.engine.state.get(key).map_err(unreadable),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Slice, Slice)>, StoreError> {
        let end = layout::after(prefix);
        let range = between(prefix, after, &end);
        let mut written = self.state.range::<[u8], _>(range).peekable();
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        for guard in self.engine.state.range::<&[u8], _>(range) {
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            let mut replaced = false;
            while let Some((over, value)) = written.next_if(|(over, _)| over.as_slice() <= &*key) {
                replaced = over.as_slice() == &*key;
                if let Some(value) = value {
                    found.push((Slice::from(over.as_slice()), value.clone()));
                }
            }
            if !replaced {
                found.push((key, value));
            }
            if found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
        for (key, value) in written {
            if found.len() >= limit {
                break;
            }
            if let Some(value) = value {
                found.push((Slice::from(key.as_slice()), value.clone()));
            }
        }
        Ok(found)
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(engine: &'a Engine, memory: &'a mut Memory) -> Self {
        let batch = engine.database.batch();
        Self { engine, memory, state: BTreeMap::new(), ids: HashMap::new(), batch, must_flush: false }
    }

    pub(super) fn put(&mut self, key: Vec<u8>, record: &impl Record) {
        self.put_bytes(key, record.encode());
    }

    pub(super) fn put_bytes(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.state.insert(key, Some(value.into()));
    }

    pub(super) fn put_timer(&mut self, kind: u8, time: u64, about: &[u8]) {
        let key = layout::timer(kind, time, about);
        if let Some(passed) = self.memory.passed.get_mut(&kind)
            && *passed >= key
        {
            // No other timer can lie between: all are above the old bound.
            *passed = key[..key.len() - 1].to_vec();
        }
        self.state.insert(key, Some(Slice::from([])));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.state.insert(key, None);
    }

    pub(super) fn put_entry(&mut self, stream: u64, seq: u64, value: Vec<u8>) {
        self.batch.insert(&self.engine.log, layout::entry(stream, seq), value);
    }

    pub(super) fn remove_entry(&mut self, stream: u64, seq: u64) {
        self.batch.remove(&self.engine.log, layout::entry(stream, seq));
    }

    pub(super) fn id(&self, key: &[u8]) -> Result<Option<IdRecord>, StoreError> {
        if let Some(record) = self.ids.get(key) {
            return Ok(Some(*record));
        }
        let value = self.engine.ids.get(key).map_err(unreadable)?;
        value.map(|value| IdRecord::decode(&value)).transpose().map_err(|invalid| damaged(invalid, key))
    }

    pub(super) fn put_id(&mut self, key: Vec<u8>, record: IdRecord) {
        self.batch.insert(&self.engine.ids, key.as_slice(), record.encode());
        self.ids.insert(key, record);
    }

    pub(super) fn remove_id(&mut self, key: &[u8]) {
        self.batch.remove(&self.engine.ids, key);
    }

    pub(super) fn known(&mut self, slot: Slot) -> &mut Known {
        &mut self.memory.streams.known[slot.0]
    }

    /// A stream that exists.
    pub(super) fn existing(&mut self, name: &StreamKey) -> Result<Option<Slot>, StoreError> {
        if let Some(slot) = self.memory.streams.slots.get(name) {
            return Ok(Some(slot));
        }
        let Some(stream) = self.engine.view().stream(name)? else { return Ok(None) };
        Ok(Some(self.memory.streams.add(Known {
            number: stream.number,
            floor: stream.record.floor,
            head: stream.head,
            generation: stream.record.generation,
            timed: stream.head >= stream.record.floor,
            name: stream.record.name,
            lineage: stream.record.lineage,
            last_id: None,
        })))
    }

    /// A stream, made when it does not exist.
    pub(super) fn stream(&mut self, name: &StreamKey) -> Result<Slot, StoreError> {
        if let Some(slot) = self.existing(name)? {
            return Ok(slot);
        }
        let number = self.memory.next_number;
        self.memory.next_number += 1;
        let present = self.engine.present();
        let known = Known {
            name: name.clone(),
            number,
            floor: 1,
            head: 0,
            generation: present,
            // It was empty in all generations before.
            lineage: (present.saturating_sub(LINEAGE as u64)..present)
                .map(|generation| (generation, 0))
                .collect(),
            timed: false,
            last_id: None,
        };
        self.put(layout::name(name), &Number { value: number });
        self.put(layout::numbered(layout::STREAM, number), &known.record());
        Ok(self.memory.streams.add(known))
    }

    pub(super) fn number(&mut self, name: &StreamKey) -> Result<u64, StoreError> {
        let slot = self.stream(name)?;
        Ok(self.known(slot).number)
    }

    pub(super) fn existing_number(&mut self, name: &StreamKey) -> Result<Option<u64>, StoreError> {
        let slot = self.existing(name)?;
        Ok(slot.map(|slot| self.known(slot).number))
    }

    /// Records the generations since a stream was last written, before its head moves in the present one.
    pub(super) fn touch(&mut self, slot: Slot) {
        let present = self.engine.present();
        let stream = self.known(slot);
        if stream.generation < present {
            stream.lineage = stream.lineage(present);
            stream.generation = present;
            let (number, record) = (stream.number, stream.record());
            self.put(layout::numbered(layout::STREAM, number), &record);
        }
    }

    /// The name of the present epoch.
    pub(super) fn epoch(&self) -> Arc<str> {
        let epochs = self.engine.epochs();
        epochs.name(epochs.present())
    }

    /// The engine as it is without this batch.
    pub(super) fn view(&self) -> View<'a> {
        self.engine.view()
    }

    /// Writes everything at once; when it returns, it is kept as `mode` says (`None`: in the process only).
    pub(super) fn commit(mut self, mode: Option<PersistMode>) -> fjall::Result<()> {
        if self.batch.is_empty() && self.state.is_empty() {
            return Ok(());
        }
        self.memory.batches += 1;
        self.put(vec![layout::BATCHES], &Number { value: self.memory.batches });
        for (key, value) in std::mem::take(&mut self.state) {
            match value {
                Some(value) => self.batch.insert(&self.engine.state, key, value),
                None => self.batch.remove(&self.engine.state, key),
            }
        }
        self.batch.durability(mode).commit()
    }
}
