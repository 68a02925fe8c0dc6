//! What the embedded store forgets, a bounded amount per call. Driven by timers that lie in order of time, so that
//! nothing looks at streams which have nothing to forget. Never moves a head.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use fjall::Slice;

use super::super::key::StreamKey;
use super::super::rules;
use super::super::store::{Milliseconds, StoreError};
use super::engine::{Source, damaged, unreadable};
use super::layout::{self, timer};
use super::record::{DeviceRecord, IdRecord, LogRecord, MemberRecord, MessageRecord, StreamRecord};
use super::work::Work;

/// How many keys one call looks at.
const KEYS: usize = 2_000;
/// How long one call takes.
const TIME: Duration = Duration::from_millis(15);

/// What is left of one call.
struct Budget {
    keys: usize,
    until: Instant,
    /// Copies removed in this batch, which the engine still shows.
    removed: HashSet<[u8; 16]>,
}

impl Budget {
    /// Never before something was done, however long the search for it took: each call gets on.
    fn spent(&self) -> bool {
        self.keys == 0 || (self.keys < KEYS && Instant::now() >= self.until)
    }

    fn take(&mut self, keys: usize) {
        self.keys = self.keys.saturating_sub(keys);
    }
}

impl Work<'_> {
    /// Forgets some of what is due; `true`: there is more.
    pub(super) fn retain(&mut self, now: Milliseconds) -> Result<bool, StoreError> {
        let mut budget = Budget { keys: KEYS, until: Instant::now() + TIME, removed: HashSet::new() };
        while let Some(stream) = self.memory.over.first().copied() {
            if budget.spent() {
                return Ok(true);
            }
            if self.trim(stream, now, &mut budget)? {
                self.memory.over.remove(&stream);
            }
        }
        let retention = self.engine.retention;
        for (kind, keep) in [
            (timer::STREAM, retention.age),
            (timer::DEVICE, retention.device),
            (timer::MEMBER, rules::tombstone_life(&retention)),
            (timer::ID, retention.dedupe),
        ] {
            loop {
                if budget.spent() {
                    return Ok(true);
                }
                let due = self.timers(kind, 64)?;
                let full = due.len() == 64;
                for (key, _) in due {
                    let (time, about) =
                        layout::timer_parts(&key).map_err(|invalid| damaged(invalid, &key))?;
                    if !rules::outlived(time, now, keep) {
                        break;
                    }
                    if budget.spent() {
                        return Ok(true);
                    }
                    budget.take(1);
                    if !self.fire(kind, about, now, &mut budget)? {
                        // Not done: the timer stays.
                        return Ok(true);
                    }
                    self.remove_timer(&key, kind, about)?;
                }
                let next = self.timers(kind, 1)?;
                let next =
                    next.first().map(|(key, _)| layout::timer_parts(key).map(|(time, _)| time)).transpose();
                let next = next.map_err(|invalid| damaged(invalid, &[kind]))?;
                if !full || !next.is_some_and(|time| rules::outlived(time, now, keep)) {
                    break;
                }
            }
        }
        Ok(false)
    }

    /// The next timers of a kind. Not from the beginning: there lie the marks of those removed before.
    fn timers(&self, kind: u8, limit: usize) -> Result<Vec<(Slice, Slice)>, StoreError> {
        self.scan(&[layout::TIMER, kind], self.memory.passed.get(&kind).map(Vec::as_slice), limit)
    }

    /// Removes a timer that has fired and sets the next one for the same thing.
    fn remove_timer(&mut self, key: &Slice, kind: u8, about: &[u8]) -> Result<(), StoreError> {
        self.remove(key.to_vec());
        self.memory.passed.insert(kind, key.to_vec());
        let invalid = |invalid| damaged(invalid, key);
        match kind {
            timer::STREAM => {
                let number = layout::last_number(about).map_err(invalid)?;
                let Some(name) = self.stream_name(number)? else { return Ok(()) };
                let Some(slot) = self.existing(&name)? else { return Ok(()) };
                let stream = self.known(slot);
                let (floor, timed) = (stream.floor, stream.head >= stream.floor);
                stream.timed = timed;
                if timed
                    && let Some(value) =
                        self.engine.log.get(layout::entry(number, floor)).map_err(unreadable)?
                {
                    let oldest = LogRecord::decode(&value).map_err(invalid)?.create_at();
                    self.put_timer(kind, oldest, about);
                }
            }
            timer::DEVICE => {
                let mut device = vec![layout::DEVICE];
                device.extend_from_slice(about);
                if let Some(record) = self.record::<DeviceRecord>(&device)? {
                    self.put_timer(kind, record.last_seen, about);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether all that the timer is about was done.
    fn fire(
        &mut self,
        kind: u8,
        about: &[u8],
        now: Milliseconds,
        budget: &mut Budget,
    ) -> Result<bool, StoreError> {
        let invalid = |invalid| damaged(invalid, about);
        let retention = self.engine.retention;
        match kind {
            timer::STREAM => return self.trim(layout::last_number(about).map_err(invalid)?, now, budget),
            timer::DEVICE => {
                let mut key = vec![layout::DEVICE];
                key.extend_from_slice(about);
                let record = self.record::<DeviceRecord>(&key)?;
                if record.is_some_and(|record| rules::outlived(record.last_seen, now, retention.device)) {
                    let user = layout::number(&key).map_err(invalid)?;
                    let device = layout::id_of(&key).map_err(invalid)?;
                    let keys = self.remove_device(user, device)?;
                    budget.take(keys);
                }
            }
            timer::MEMBER => {
                let mut key = vec![layout::MEMBER];
                key.extend_from_slice(about);
                let record = self.record::<MemberRecord>(&key)?;
                let life = rules::tombstone_life(&retention);
                if record.is_some_and(|record| record.start == 0 && record.tombstone().expired(now, life)) {
                    self.remove(key);
                }
            }
            _ => {
                if self
                    .id(about)?
                    .is_some_and(|record| rules::outlived(record.create_at, now, retention.dedupe))
                    && self.entry_is_gone(about)?
                {
                    self.remove_id(about);
                }
            }
        }
        Ok(true)
    }

    fn entry_is_gone(&mut self, id: &[u8]) -> Result<bool, StoreError> {
        let stream = layout::id_target(id).map_err(|invalid| damaged(invalid, id))?;
        let record = self.id(id)?.unwrap_or_default();
        Ok(self.floor(stream)? > record.seq)
    }

    fn stream_name(&mut self, number: u64) -> Result<Option<StreamKey>, StoreError> {
        let record = self.record::<StreamRecord>(&layout::numbered(layout::STREAM, number))?;
        Ok(record.map(|record| record.name))
    }

    fn floor(&mut self, number: u64) -> Result<u64, StoreError> {
        let record = self.record::<StreamRecord>(&layout::numbered(layout::STREAM, number))?;
        Ok(record.map_or(1, |record| record.floor))
    }

    /// Trims a stream as far as it has to be; `false`: there is more to trim.
    fn trim(&mut self, number: u64, now: Milliseconds, budget: &mut Budget) -> Result<bool, StoreError> {
        let Some(name) = self.stream_name(number)? else { return Ok(true) };
        let Some(slot) = self.existing(&name)? else { return Ok(true) };
        let stream = self.known(slot);
        let (floor, head) = (stream.floor, stream.head);
        let retention = self.engine.retention;
        let limit = name.most(&retention);
        let mut next = floor;
        let mut done = true;
        let range = layout::entry(number, floor)..=layout::entry(number, head);
        let view = self.view();
        for guard in fjall::Readable::range(&view.snapshot, &self.engine.log, range) {
            if budget.spent() {
                done = false;
                break;
            }
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            let seq = layout::entry_seq(&key).map_err(|invalid| damaged(invalid, &key))?;
            // One that makes no sense goes when its time by count has come: it must not keep the others for ever.
            let record = LogRecord::decode(&value);
            let too_many = head - seq + 1 > limit;
            if !too_many
                && record
                    .as_ref()
                    .is_ok_and(|record| !rules::outlived(record.create_at(), now, retention.age))
            {
                break;
            }
            budget.take(1);
            match record {
                Ok(LogRecord::Message(message)) => self.trim_message(number, seq, &message, now, budget)?,
                Ok(LogRecord::Copy(copy)) => {
                    self.remove_entry(number, seq);
                    budget.removed.insert(layout::entry(number, seq));
                    budget.take(1);
                    // The receiver's inbox was trimmed before and kept the message for this copy.
                    if self.floor(copy.stream)? > copy.seq
                        && let Some(value) =
                            self.engine.log.get(layout::entry(copy.stream, copy.seq)).map_err(unreadable)?
                        && let Ok(LogRecord::Message(message)) = LogRecord::decode(&value)
                    {
                        self.remove_message(copy.stream, copy.seq, &message, now, budget)?;
                    }
                }
                Err(_) => self.remove_entry(number, seq),
            }
            next = seq + 1;
        }
        if next > head {
            self.remove(layout::numbered(layout::INDEX, number));
        }
        let stream = self.known(slot);
        stream.floor = next;
        let record = stream.record();
        if next > floor {
            self.put(layout::numbered(layout::STREAM, number), &record);
        }
        Ok(done)
    }

    fn trim_message(
        &mut self,
        stream: u64,
        seq: u64,
        message: &MessageRecord<'_>,
        now: Milliseconds,
        budget: &mut Budget,
    ) -> Result<(), StoreError> {
        if message.own_seq > 0 {
            let copy = layout::entry(message.sender_number, message.own_seq);
            budget.take(1);
            if !budget.removed.contains(&copy) && self.engine.log.contains_key(copy).map_err(unreadable)? {
                // The sender's copy still needs the body: below the floor no reader of this stream sees it.
                return Ok(());
            }
        }
        self.remove_message(stream, seq, message, now, budget)
    }

    fn remove_message(
        &mut self,
        stream: u64,
        seq: u64,
        message: &MessageRecord<'_>,
        now: Milliseconds,
        budget: &mut Budget,
    ) -> Result<(), StoreError> {
        self.remove_entry(stream, seq);
        if !message.dedupe {
            return Ok(());
        }
        budget.take(1);
        let key = layout::id(message.sender_number, message.message_id, stream);
        let Some(IdRecord { seq: newest, create_at, .. }) = self.id(&key)? else { return Ok(()) };
        if newest != seq {
            // The id was used again after its time.
            return Ok(());
        }
        if rules::outlived(create_at, now, self.engine.retention.dedupe) {
            self.remove_id(&key);
        } else {
            self.put_timer(timer::ID, create_at, &key);
        }
        Ok(())
    }
}
