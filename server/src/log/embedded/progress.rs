//! How far a user got, in a batch: read marks, and what was delivered.

use std::sync::Arc;

use super::super::key::{StreamKey, UserKey};
use super::super::store::{Conversation, Delivered, Ranges, StoreError};
use super::engine::Source;
use super::layout;
use super::record::{DeliveredRecord, Number, WaitingRecord};
use super::work::Work;

impl Work<'_> {
    pub(super) fn mark(
        &mut self,
        user: &UserKey,
        device: &Arc<str>,
        conversation: &Conversation,
        seq: u64,
    ) -> Result<(u64, u64), StoreError> {
        let user = self.user(user)?;
        let before = self.read_up_to(user, conversation)?;
        if seq > before {
            self.put(layout::mark(layout::MARK, user, conversation), &Number { value: seq });
            let waiting = WaitingRecord { seq, device: device.clone() };
            self.put(layout::mark(layout::WAITING_MARK, user, conversation), &waiting);
        }
        Ok((before, before.max(seq)))
    }

    fn read_up_to(&self, user: u64, conversation: &Conversation) -> Result<u64, StoreError> {
        let mark = self.record::<Number>(&layout::mark(layout::MARK, user, conversation))?;
        Ok(mark.unwrap_or_default().value)
    }

    /// A read mark is passed on, if just that one waits.
    pub(super) fn passed_on(
        &mut self,
        user: &UserKey,
        conversation: &Conversation,
        seq: u64,
    ) -> Result<bool, StoreError> {
        let Some(user) = self.existing_number(&StreamKey::Inbox(user.clone()))? else { return Ok(false) };
        let key = layout::mark(layout::WAITING_MARK, user, conversation);
        let waits = self.record::<WaitingRecord>(&key)?.is_some_and(|waiting| waiting.seq == seq);
        if waits {
            self.remove(key);
        }
        Ok(waits)
    }

    pub(super) fn delivered(&mut self, write: &Delivered) -> Result<Vec<u64>, StoreError> {
        let present = self.engine.present();
        let inbox = StreamKey::Inbox(write.user.clone());
        let user = self.user(&write.user)?;
        let mut fresh = Vec::new();
        let epoch = self.engine.epoch();
        if !write.asked.is_empty() && !write.epochs.are_past(&inbox, &epoch) {
            let before = self.ranges(user, &inbox, present)?.1;
            for (seq, sender) in &write.asked {
                let read = self.read_up_to(user, &Conversation::Peer(Arc::clone(sender)))?;
                if !before.contains(*seq) && *seq > read {
                    fresh.push(*seq);
                }
            }
        }
        for (stream, after, to) in &write.ranges {
            if write.epochs.are_past(stream, &epoch) {
                continue;
            }
            let (key, mut ranges) = self.ranges(user, stream, present)?;
            ranges.insert(*after, *to);
            self.put(key, &DeliveredRecord { generation: present, ranges });
        }
        Ok(fresh)
    }

    /// What was delivered of a stream, with its key.
    fn ranges(&mut self, user: u64, name: &StreamKey, present: u64) -> Result<(Vec<u8>, Ranges), StoreError> {
        let slot = self.stream(name)?;
        let stream = self.known(slot);
        let (key, lineage) = (layout::pair(layout::DELIVERED, user, stream.number), stream.lineage(present));
        let record = self.record::<DeliveredRecord>(&key)?.unwrap_or_default();
        Ok((key, record.carried(present, &lineage)))
    }
}

impl DeliveredRecord {
    /// The ranges as far as they survived into the present generation.
    pub(super) fn carried(self, present: u64, lineage: &[(u64, u64)]) -> Ranges {
        let Self { generation, mut ranges } = self;
        if generation != present {
            let of = lineage.iter().find(|(earlier, _)| *earlier == generation);
            // Forgotten: no more survived from it than from the oldest that is remembered.
            ranges.truncate(of.or_else(|| lineage.first()).map_or(0, |(_, survived)| *survived));
        }
        ranges
    }
}
