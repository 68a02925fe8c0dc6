//! Who is in which group, in a batch. Small records of their own, so that no write rewrites a big one.

use std::sync::Arc;

use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::rules::Tombstone;
use super::super::store::{Join, Joined, Milliseconds, StoreError};
use super::engine::{Source, damaged};
use super::layout;
use super::record::{MemberRecord, Number, Record};
use super::work::Work;

/// How many members are taken at a time.
const PAGE: usize = 1_000;

impl Work<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<Joined, StoreError> {
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

    pub(super) fn leave(
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

    pub(super) fn disband(
        &mut self,
        group: &GroupKey,
        now: Milliseconds,
    ) -> Result<Vec<Arc<str>>, StoreError> {
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
