//! Users, memberships, read marks and devices in a batch. Small records of their own, so that no write rewrites a big
//! one.

use std::sync::Arc;

use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::rules::{self, Tombstone};
use super::super::store::{
    Conversation, Delivered, DeviceWrite, Join, Joined, Milliseconds, Ranges, StoreError, Write, Written,
};
use super::engine::{Source, damaged};
use super::layout;
use super::record::{
    DeliveredRecord, DeviceRecord, MemberRecord, Number, PlaceRecord, Record, UserRecord, WaitingRecord,
};
use super::work::Work;

/// How many members are taken at a time.
const PAGE: usize = 1_000;

impl Work<'_> {
    pub(super) fn apply(&mut self, write: &Write) -> Result<Written, StoreError> {
        Ok(match write {
            Write::Append(append) => Written::Append(self.append(append)?),
            Write::See { user, visible } => {
                self.see(user, *visible)?;
                Written::Done
            }
            Write::Join(join) => Written::Join(self.join(join)?),
            Write::Leave { group, user, removed, now } => {
                Written::Leave(self.leave(group, user, *removed, *now)?)
            }
            Write::Disband { group, now } => Written::Disband(self.disband(group, *now)?),
            Write::Mark { user, device, conversation, seq } => {
                let (from, to) = self.mark(user, device, conversation, *seq)?;
                Written::Mark { from, to }
            }
            Write::Delivered(delivered) => Written::Delivered(self.delivered(delivered)?),
            Write::Device(device) => {
                self.device(device)?;
                Written::Done
            }
        })
    }

    fn user(&mut self, user: &UserKey) -> Result<u64, StoreError> {
        self.number(&StreamKey::Inbox(user.clone()))
    }

    fn see(&mut self, user: &UserKey, visible: Milliseconds) -> Result<(), StoreError> {
        let number = self.user(user)?;
        let broadcast = StreamKey::Broadcast(user.scope.clone());
        let broadcast = self.existing(&broadcast)?;
        let head = broadcast.map_or(0, |slot| self.known(slot).head);
        let key = layout::numbered(layout::USER, number);
        let mut record = self.record::<UserRecord>(&key)?.unwrap_or_default();
        if record.broadcast == 0 {
            record.broadcast = head + 1;
        }
        record.last_seen = record.last_seen.max(visible);
        self.put(key, &record);
        Ok(())
    }

    fn join(&mut self, join: &Join) -> Result<Joined, StoreError> {
        let group = StreamKey::Group(join.group.clone());
        let mut before = MemberRecord::default();
        if let Some(group) = self.existing_number(&group)? {
            let key = layout::with_id(layout::MEMBER, group, &join.user);
            before = self.record(&key)?.unwrap_or_default();
            if before.start > 0 {
                return Ok(Joined::Already);
            }
            if before.tombstone().forbids(join.by) {
                return Ok(Joined::Refused);
            }
        }
        let user = UserKey { scope: join.group.scope.clone(), user: join.user.clone() };
        if let Some(user) = self.existing_number(&StreamKey::Inbox(user.clone()))? {
            let groups = self.scan(&layout::numbered(layout::GROUP, user), None, join.max_groups)?;
            if groups.len() >= join.max_groups {
                return Ok(Joined::TooMany);
            }
        } else if join.max_groups == 0 {
            return Ok(Joined::TooMany);
        }
        let user = self.user(&user)?;
        let slot = self.stream(&group)?;
        let stream = self.known(slot);
        let (number, head) = (stream.number, stream.head);
        let record = MemberRecord { start: head + 1, since: join.now, user, ..before };
        self.put(layout::with_id(layout::MEMBER, number, &join.user), &record);
        self.put(layout::pair(layout::GROUP, user, number), &Number { value: head });
        self.count(number, 1)?;
        Ok(Joined::New { head })
    }

    fn count(&mut self, group: u64, change: i64) -> Result<(), StoreError> {
        let key = layout::numbered(layout::COUNT, group);
        let count = self.record::<Number>(&key)?.unwrap_or_default();
        self.put(key, &Number { value: count.value.saturating_add_signed(change) });
        Ok(())
    }

    fn leave(
        &mut self,
        group: &GroupKey,
        user: &Arc<str>,
        removed: bool,
        now: Milliseconds,
    ) -> Result<bool, StoreError> {
        let group = StreamKey::Group(group.clone());
        // A removal is remembered even of one who is no member: an older token may still claim the group.
        let number = match removed {
            true => self.number(&group)?,
            false => match self.existing_number(&group)? {
                Some(number) => number,
                None => return Ok(false),
            },
        };
        let key = layout::with_id(layout::MEMBER, number, user);
        let record = self.record::<MemberRecord>(&key)?.unwrap_or_default();
        let was_member = record.start > 0;
        if was_member || removed {
            self.end_membership(number, user, record, removed, now);
        }
        if was_member {
            self.count(number, -1)?;
        }
        Ok(was_member)
    }

    fn end_membership(
        &mut self,
        group: u64,
        user: &str,
        record: MemberRecord,
        removed: bool,
        now: Milliseconds,
    ) {
        let mut tombstone = record.tombstone();
        tombstone.record(removed, now);
        let key = layout::with_id(layout::MEMBER, group, user);
        // The time of the tombstone is a whole second.
        self.put_timer(layout::timer::MEMBER, now / 1000 * 1000, &key[1..]);
        self.put(key, &MemberRecord::ended(tombstone));
        if record.start > 0 {
            self.remove(layout::pair(layout::GROUP, record.user, group));
            self.remove(layout::pair(layout::DELIVERED, record.user, group));
        }
    }

    fn disband(&mut self, group: &GroupKey, now: Milliseconds) -> Result<Vec<Arc<str>>, StoreError> {
        let Some(number) = self.existing_number(&StreamKey::Group(group.clone()))? else {
            return Ok(Vec::new());
        };
        let prefix = layout::numbered(layout::MEMBER, number);
        let mut members = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.scan(&prefix, after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.to_vec());
            for (key, value) in &page {
                let record = MemberRecord::decode(value);
                let record = record.map_err(|invalid| damaged(invalid, key))?;
                if record.start > 0 {
                    let user = layout::id_of(key).map_err(|invalid| damaged(invalid, key))?;
                    members.push(Arc::from(user));
                    self.end_membership(number, user, record, true, now);
                }
            }
        }
        self.count(number, -i64::try_from(members.len()).unwrap_or(i64::MAX))?;
        Ok(members)
    }

    fn mark(
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

    /// A read mark was passed on up to a position.
    pub(super) fn passed_on(
        &mut self,
        user: &UserKey,
        conversation: &Conversation,
        seq: u64,
    ) -> Result<(), StoreError> {
        let Some(user) = self.existing_number(&StreamKey::Inbox(user.clone()))? else { return Ok(()) };
        let key = layout::mark(layout::WAITING_MARK, user, conversation);
        if self.record::<WaitingRecord>(&key)?.is_some_and(|waiting| waiting.seq <= seq) {
            self.remove(key);
        }
        Ok(())
    }

    fn delivered(&mut self, write: &Delivered) -> Result<Vec<u64>, StoreError> {
        let present = self.engine.present();
        let inbox = StreamKey::Inbox(write.user.clone());
        let user = self.user(&write.user)?;
        let mut fresh = Vec::new();
        if !write.asked.is_empty() {
            let before = self.ranges(user, &inbox, present)?.1;
            for (seq, sender) in &write.asked {
                let read = self.read_up_to(user, &Conversation::Peer(Arc::clone(sender)))?;
                if !before.contains(*seq) && *seq > read {
                    fresh.push(*seq);
                }
            }
        }
        for (stream, after, to) in &write.ranges {
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

    fn device(&mut self, write: &DeviceWrite) -> Result<(), StoreError> {
        let user = self.user(&write.user)?;
        let user_key = layout::numbered(layout::USER, user);
        let mut record = self.record::<UserRecord>(&user_key)?.unwrap_or_default();
        if record.last_seen < write.visible {
            record.last_seen = write.visible;
            self.put(user_key, &record);
        }

        let key = layout::with_id(layout::DEVICE, user, &write.device);
        let before = self.record::<DeviceRecord>(&key)?;
        let last_seen = before.map_or(write.now, |before| before.last_seen.max(write.now));
        if before.is_none() {
            self.put_timer(layout::timer::DEVICE, write.now, &key[1..]);
        }
        self.put(key, &DeviceRecord { attempts: u64::from(write.attempts), last_seen });

        for (stream, cursor) in &write.cursors {
            self.place(user, &write.device, stream, *cursor)?;
        }
        for stream in &write.forget {
            if let Some(stream) = self.existing_number(stream)? {
                self.remove(layout::place(user, &write.device, stream));
            }
        }
        if rules::makes_room(before.is_some(), write) { self.evict(user, write) } else { Ok(()) }
    }

    fn place(&mut self, user: u64, device: &str, name: &StreamKey, cursor: u64) -> Result<(), StoreError> {
        let present = self.engine.present();
        let number = self.number(name)?;
        let key = layout::place(user, device, number);
        let before = self.record::<PlaceRecord>(&key)?;
        let carried = before.is_some_and(|before| before.generation != present);
        let seq = rules::moved(before.map(|before| before.seq), carried, cursor);
        self.put(key, &PlaceRecord { generation: present, seq });
        Ok(())
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

impl MemberRecord {
    pub(super) fn tombstone(&self) -> Tombstone {
        Tombstone { left: self.left.checked_sub(1), removed: self.removed.checked_sub(1) }
    }

    fn ended(tombstone: Tombstone) -> Self {
        let plus_one = |second: Option<u64>| second.map_or(0, |second| second.saturating_add(1));
        Self { left: plus_one(tombstone.left), removed: plus_one(tombstone.removed), ..Self::default() }
    }
}
