//! Who is in which group, in a batch. Small records of their own, so that no write rewrites a big one.

use std::sync::Arc;

use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::rules::{Changes, Tombstone};
use super::super::store::{Join, Joined, Milliseconds, RequestId, StoreError};
use super::engine::{Source, damaged};
use super::layout;
use super::record::{GroupRecord, MemberRecord, Number, Record};
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
                if !join.request.is_again(before.request) {
                    return Ok(Joined::Already);
                }
                let version = self.group(group)?.version;
                return Ok(Joined::New { head: before.start - 1, epoch: self.epoch(), version });
            }
            if before.tombstone().forbids(join.by) {
                return Ok(Joined::Refused);
            }
        }
        let user = UserKey { scope: join.group.scope.clone(), user: join.user.clone() };
        if let Some(user) = self.existing_number(&StreamKey::Inbox(user.clone()))? {
            let groups = self.scan(&layout::numbered(layout::USER_GROUP, user), None, join.max_groups)?;
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
        let record =
            MemberRecord { start: head + 1, since: join.now, user, request: join.request.0, ..before };
        self.put(layout::with_id(layout::MEMBER, number, &join.user), &record);
        self.put(layout::pair(layout::USER_GROUP, user, number), &Number { value: head });
        self.changed_of(user)?;
        let mut record = self.group(number)?;
        record.members += 1;
        record.version += 1;
        self.put(layout::numbered(layout::GROUP, number), &record);
        Ok(Joined::New { head, epoch: self.epoch(), version: record.version })
    }

    fn group(&self, number: u64) -> Result<GroupRecord, StoreError> {
        Ok(self.record(&layout::numbered(layout::GROUP, number))?.unwrap_or_default())
    }

    pub(super) fn leave(
        &mut self,
        group: &GroupKey,
        user: &Arc<str>,
        removed: bool,
        request: RequestId,
        now: Milliseconds,
    ) -> Result<Option<u64>, StoreError> {
        let group = StreamKey::Group(group.clone());
        // A removal is remembered even of one who is no member: an older token may still claim the group.
        let number = match removed {
            true => self.number(&group)?,
            false => match self.existing_number(&group)? {
                Some(number) => number,
                None => return Ok(None),
            },
        };
        let key = layout::with_id(layout::MEMBER, number, user);
        let record = self.record::<MemberRecord>(&key)?.unwrap_or_default();
        let was_member = record.start > 0;
        if was_member || removed {
            self.end_membership(number, user, record, removed, request, now)?;
        }
        let mut group = self.group(number)?;
        if was_member {
            group.members = group.members.saturating_sub(1);
            group.version += 1;
            self.put(layout::numbered(layout::GROUP, number), &group);
        }
        Ok((was_member || request.is_again(record.tombstone().ended)).then_some(group.version))
    }

    fn end_membership(
        &mut self,
        group: u64,
        user: &str,
        record: MemberRecord,
        removed: bool,
        request: RequestId,
        now: Milliseconds,
    ) -> Result<(), StoreError> {
        let was_member = record.start > 0;
        let mut tombstone = record.tombstone();
        tombstone.record(removed, was_member.then_some(request), now);
        let key = layout::with_id(layout::MEMBER, group, user);
        // The time of the tombstone is a whole second.
        self.put_timer(layout::timer::MEMBER, now / 1000 * 1000, &key[1..]);
        self.put(key, &MemberRecord::ended(tombstone));
        if was_member {
            self.remove(layout::pair(layout::USER_GROUP, record.user, group));
            self.remove(layout::pair(layout::DELIVERED, record.user, group));
            self.changed_of(record.user)?;
        }
        Ok(())
    }

    pub(super) fn disband(
        &mut self,
        group: &GroupKey,
        request: RequestId,
        now: Milliseconds,
    ) -> Result<Option<u64>, StoreError> {
        let Some(number) = self.existing_number(&StreamKey::Group(group.clone()))? else { return Ok(None) };
        let prefix = layout::numbered(layout::MEMBER, number);
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
                    self.end_membership(number, user, record, true, request, now)?;
                }
            }
        }
        let GroupRecord { members, version, disbanded } = self.group(number)?;
        let mut changes = Changes { version, disbanded };
        let answer = changes.disband(members > 0, request);
        if members > 0 {
            let Changes { version, disbanded } = changes;
            let record = GroupRecord { members: 0, version, disbanded };
            self.put(layout::numbered(layout::GROUP, number), &record);
        }
        Ok(answer)
    }
}

impl MemberRecord {
    pub(super) fn tombstone(&self) -> Tombstone {
        let ended = if self.start == 0 { self.request } else { 0 };
        Tombstone { left: self.left.checked_sub(1), removed: self.removed.checked_sub(1), ended }
    }

    fn ended(tombstone: Tombstone) -> Self {
        let plus_one = |second: Option<u64>| second.map_or(0, |second| second.saturating_add(1));
        let Tombstone { left, removed, ended } = tombstone;
        Self { request: ended, left: plus_one(left), removed: plus_one(removed), ..Self::default() }
    }
}
