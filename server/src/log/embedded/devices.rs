//! Users and their devices, in a batch.

use std::sync::Arc;

use super::super::claims::Changed;
use super::super::key::{StreamKey, UserKey};
use super::super::rules;
use super::super::store::{ClaimChange, DeviceWrite, Milliseconds, StoreError};
use super::engine::{Source, damaged};
use super::layout;
use super::record::{DeviceRecord, PlaceRecord, Record, UserRecord};
use super::work::Work;

impl Work<'_> {
    /// Counts a change of what is true of a user; the version of the inbox.
    pub(super) fn changed(&mut self, user: &UserKey) -> Result<u64, StoreError> {
        let number = self.user(user)?;
        self.changed_of(number)
    }

    /// The same, by the number of the inbox.
    pub(super) fn changed_of(&mut self, user: u64) -> Result<u64, StoreError> {
        let key = layout::numbered(layout::USER, user);
        let mut record = self.record::<UserRecord>(&key)?.unwrap_or_default();
        record.version += 1;
        self.put(key, &record);
        Ok(record.version)
    }

    /// The turn of the claim; `None`: a newer connection has it.
    pub(super) fn claim(
        &mut self,
        user: &UserKey,
        device: &Arc<str>,
        change: &ClaimChange,
        now: Milliseconds,
    ) -> Result<Option<u64>, StoreError> {
        let changed = self.engine.claims().change(user, device, change, now);
        Ok(match changed {
            Changed::Overtaken => None,
            Changed::No(turn) => Some(turn),
            Changed::Yes(turn) => {
                self.changed(user)?;
                Some(turn)
            }
        })
    }

    /// Whether the user was not known before.
    pub(super) fn see(&mut self, user: &UserKey, visible: Milliseconds) -> Result<bool, StoreError> {
        let number = self.user(user)?;
        let broadcast = StreamKey::Broadcast(user.scope.clone());
        let broadcast = self.existing(&broadcast)?;
        let head = broadcast.map_or(0, |slot| self.known(slot).head);
        let key = layout::numbered(layout::USER, number);
        let mut record = self.record::<UserRecord>(&key)?.unwrap_or_default();
        let is_new = record.broadcast == 0;
        if is_new {
            record.broadcast = head + 1;
        }
        record.last_seen = record.last_seen.max(visible);
        self.put(key, &record);
        Ok(is_new)
    }

    /// Whether more changed than when it was last seen.
    pub(super) fn device(&mut self, write: &DeviceWrite) -> Result<bool, StoreError> {
        let user = self.user(&write.user)?;
        let user_key = layout::numbered(layout::USER, user);
        let mut record = self.record::<UserRecord>(&user_key)?.unwrap_or_default();
        if record.last_seen < write.visible {
            record.last_seen = write.visible;
            self.put(user_key, &record);
        }
        if write.device.is_empty() {
            return Ok(false);
        }

        let key = layout::with_id(layout::DEVICE, user, &write.device);
        let before = self.record::<DeviceRecord>(&key)?;
        let last_seen = before.map_or(write.now, |before| before.last_seen.max(write.now));
        if before.is_none() {
            self.put_timer(layout::timer::DEVICE, write.now, &key[1..]);
        }
        let attempts = u64::from(write.attempts);
        self.put(key, &DeviceRecord { attempts, last_seen });
        let mut changed = !write.forget.is_empty() || before.is_none_or(|before| before.attempts != attempts);

        for (stream, cursor) in &write.cursors {
            if write.epochs.are_past(stream, &self.engine.epoch()) {
                continue;
            }
            changed |= self.place(user, &write.device, stream, *cursor)?;
        }
        for stream in &write.forget {
            if let Some(stream) = self.existing_number(stream)? {
                self.remove(layout::place(user, &write.device, stream));
            }
        }
        if rules::makes_room(before.is_some(), write) {
            self.evict(user, write)?;
        }
        Ok(changed)
    }

    /// Whether the place is another than before.
    fn place(&mut self, user: u64, device: &str, name: &StreamKey, cursor: u64) -> Result<bool, StoreError> {
        let present = self.engine.present();
        let number = self.number(name)?;
        let key = layout::place(user, device, number);
        let before = self.record::<PlaceRecord>(&key)?;
        let carried = before.is_some_and(|before| before.generation != present);
        let seq = rules::moved(before.map(|before| before.seq), carried, cursor);
        let place = PlaceRecord { generation: present, seq };
        if before == Some(place) {
            return Ok(false);
        }
        self.put(key, &place);
        Ok(true)
    }

    /// Lets the longest unseen devices of a user go when there are too many.
    fn evict(&mut self, user: u64, write: &DeviceWrite) -> Result<(), StoreError> {
        let mut devices = Vec::new();
        for (key, value) in self.scan(&layout::numbered(layout::DEVICE, user), None, usize::MAX)? {
            let record = DeviceRecord::decode(&value);
            let device = layout::id_of(&key).map_err(|invalid| damaged(invalid, &key))?;
            devices.push((device.to_owned(), record.map_err(|invalid| damaged(invalid, &key))?.last_seen));
        }
        for device in rules::surplus(devices.iter().map(|(device, seen)| (device, *seen)), write) {
            self.remove_device(user, device)?;
        }
        Ok(())
    }

    /// Forgets a device and its places; says how many keys that were.
    pub(super) fn remove_device(&mut self, user: u64, device: &str) -> Result<usize, StoreError> {
        let places = self.scan(&layout::places(user, device), None, usize::MAX)?;
        for (key, _) in &places {
            self.remove(key.to_vec());
        }
        self.remove(layout::with_id(layout::DEVICE, user, device));
        Ok(places.len() + 1)
    }
}
