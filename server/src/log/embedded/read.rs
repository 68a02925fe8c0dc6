//! Reads of the embedded store, each in one consistent view: it shows whole batches, and only durable ones.

use std::sync::Arc;

use bytes::Bytes;
use fjall::Readable;

use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::store::{
    Conversation, Device, Entry, Found, Members, Membership, Page, Person, Ranges, StoreError, Target, Tip,
    WaitingMark,
};
use super::engine::{Source, Stream, View, damaged, unreadable};
use super::layout;
use super::opening::Opening as _;
use super::record::{
    DeliveredRecord, DeviceRecord, GroupRecord, IdRecord, LogRecord, MemberRecord, MessageRecord, Number,
    Record, UserRecord, WaitingRecord,
};

/// How a page is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) from: u64,
    pub(super) limit: usize,
    pub(super) max_bytes: usize,
    pub(super) back: bool,
    pub(super) bodies: bool,
}

impl View<'_> {
    pub(super) fn page(&self, name: &StreamKey, reading: Reading) -> Result<Page, StoreError> {
        let stream = self.stream(name)?;
        let (floor, head) = stream.as_ref().map_or((1, 0), |stream| (stream.record.floor, stream.head));
        let from = if reading.back { reading.from.min(head) } else { reading.from.max(floor) };
        let version = self.version(name, stream.as_ref().map(|stream| stream.number))?;
        let mut page = Page { floor, head, epoch: self.epoch(), version, entries: Vec::new(), next: from };
        let Some(stream) = stream else { return Ok(page) };
        let (first, last) = if reading.back { (floor, from) } else { (from, head) };
        if first > last {
            return Ok(page);
        }
        let range = layout::entry(stream.number, first)..=layout::entry(stream.number, last);
        let mut range = self.snapshot.range(&self.engine.log, range);
        let mut bytes = 0_usize;
        loop {
            let guard = if reading.back { range.next_back() } else { range.next() };
            let Some(guard) = guard else {
                // What is missing at the end was looked at too.
                page.next = if reading.back { first - 1 } else { last + 1 };
                break;
            };
            if page.entries.len() >= reading.limit {
                break;
            }
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            let seq = layout::entry_seq(&key).map_err(|invalid| damaged(invalid, &key))?;
            let record = LogRecord::decode(&value).map_err(|invalid| damaged(invalid, &key))?;
            let entry = match record {
                LogRecord::Message(message) => Some(entry(seq, target(name), &message, reading.bodies)),
                LogRecord::Copy(copy) => match self.entry(copy.stream, copy.seq)? {
                    Some(value) => match LogRecord::decode(&value) {
                        Ok(LogRecord::Message(message)) => {
                            let receiver = UserKey::new(name.scope(), copy.receiver);
                            Some(entry(seq, Target::User(receiver), &message, reading.bodies))
                        }
                        _ => return Err(damaged(super::codec::Invalid, &key)),
                    },
                    // Lost by a damage: the position is left out.
                    None => None,
                },
            };
            if let Some(entry) = entry {
                bytes = bytes.saturating_add(entry.body.len());
                if !page.entries.is_empty() && bytes > reading.max_bytes {
                    break;
                }
                page.entries.push(entry);
            }
            page.next = if reading.back { seq - 1 } else { seq + 1 };
        }
        Ok(page)
    }

    pub(super) fn tip(&self, name: &StreamKey) -> Result<Tip, StoreError> {
        let stream = self.stream(name)?;
        let head = stream.as_ref().map_or(0, |stream| stream.head);
        let version = self.version(name, stream.as_ref().map(|stream| stream.number))?;
        Ok(Tip { epoch: self.epoch(), head, version })
    }

    pub(super) fn devices(&self, user: &UserKey) -> Result<Vec<Device>, StoreError> {
        let Some(user) = self.number(&StreamKey::Inbox(user.clone()))? else { return Ok(Vec::new()) };
        let mut devices = Vec::new();
        for (key, value) in self.scan(&layout::numbered(layout::DEVICE, user), None, usize::MAX)? {
            let device = layout::id_of(&key).map_err(|invalid| damaged(invalid, &key))?;
            let record = DeviceRecord::decode(&value).map_err(|invalid| damaged(invalid, &key))?;
            devices.push(self.read_device(user, device, record)?);
        }
        Ok(devices)
    }

    pub(super) fn person(&self, user: &UserKey) -> Result<Person, StoreError> {
        let inbox = StreamKey::Inbox(user.clone());
        let version = self.version(&inbox, self.number(&inbox)?)?;
        let last_seen = self.last_seen(user)?;
        Ok(self.engine.claims().person(user, last_seen, version))
    }

    pub(super) fn last_seen(&self, user: &UserKey) -> Result<u64, StoreError> {
        let Some(user) = self.number(&StreamKey::Inbox(user.clone()))? else { return Ok(0) };
        let record = self.record::<UserRecord>(&layout::numbered(layout::USER, user))?;
        Ok(record.map_or(0, |record| record.last_seen))
    }

    pub(super) fn marks(&self, user: &UserKey) -> Result<Vec<(Conversation, u64)>, StoreError> {
        let Some(user) = self.number(&StreamKey::Inbox(user.clone()))? else { return Ok(Vec::new()) };
        let marks = self.scan(&layout::numbered(layout::MARK, user), None, usize::MAX)?;
        let marks = marks.iter().map(|(key, value)| {
            let conversation = layout::mark_conversation(key).map_err(|invalid| damaged(invalid, key))?;
            let seq = Number::decode(value).map_err(|invalid| damaged(invalid, key))?.value;
            Ok((conversation, seq))
        });
        marks.collect()
    }

    pub(super) fn waiting_marks(&self, limit: usize) -> Result<Vec<WaitingMark>, StoreError> {
        let mut found = Vec::new();
        for (key, value) in self.scan(&[layout::WAITING_MARK], None, limit)? {
            let invalid = |invalid| damaged(invalid, &key);
            let WaitingRecord { seq, device } = WaitingRecord::decode(&value).map_err(invalid)?;
            let conversation = layout::mark_conversation(&key).map_err(invalid)?;
            let user = self.stream_name(layout::number(&key).map_err(invalid)?)?;
            if let Some(StreamKey::Inbox(user)) = user {
                found.push(WaitingMark { user, conversation, seq, device });
            }
        }
        Ok(found)
    }

    pub(super) fn delivered(&self, user: &UserKey, name: &StreamKey) -> Result<Ranges, StoreError> {
        let user = self.number(&StreamKey::Inbox(user.clone()))?;
        let (Some(user), Some(stream)) = (user, self.stream(name)?) else { return Ok(Ranges::default()) };
        let key = layout::pair(layout::DELIVERED, user, stream.number);
        let record = self.record::<DeliveredRecord>(&key)?.unwrap_or_default();
        let present = self.epochs.present();
        Ok(record.carried(present, &Stream::lineage(&stream.record, stream.head, present)))
    }

    pub(super) fn find(&self, sender: &UserKey, message_id: &str) -> Result<Option<Found>, StoreError> {
        let Some(sender) = self.number(&StreamKey::Inbox(sender.clone()))? else { return Ok(None) };
        let prefix = layout::id_prefix(sender, message_id);
        let mut newest: Option<(u64, IdRecord)> = None;
        for guard in self.snapshot.prefix(&self.engine.ids, &prefix) {
            let (key, value) = guard.into_inner().map_err(unreadable)?;
            let stream = layout::id_target(&key).map_err(|invalid| damaged(invalid, &key))?;
            let record = IdRecord::decode(&value).map_err(|invalid| damaged(invalid, &key))?;
            if newest.is_none_or(|(_, newest)| newest.create_at <= record.create_at) {
                newest = Some((stream, record));
            }
        }
        let Some((stream, record)) = newest else { return Ok(None) };
        let Some(name) = self.stream_name(stream)? else { return Ok(None) };
        let seq = record.seq;
        let only = Reading { from: seq, limit: 1, max_bytes: usize::MAX, back: false, bodies: false };
        let entry = self.page(&name, only)?.entries.pop().filter(|entry| entry.seq == seq);
        Ok(Some(Found { target: target(&name), seq, entry }))
    }

    pub(super) fn members(
        &self,
        group: &GroupKey,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Members, StoreError> {
        let Some(group) = self.number(&StreamKey::Group(group.clone()))? else {
            return Ok(Members::default());
        };
        let total = self.group(group)?.members;
        let mut members = Members { users: Vec::new(), total, more: false };
        let prefix = layout::numbered(layout::MEMBER, group);
        let mut after = after.map(|user| layout::with_id(layout::MEMBER, group, user));
        loop {
            let page = self.scan(&prefix, after.as_deref(), 1_000)?;
            let Some((last, _)) = page.last() else { return Ok(members) };
            after = Some(last.to_vec());
            for (key, value) in &page {
                let record = MemberRecord::decode(value).map_err(|invalid| damaged(invalid, key))?;
                if record.start == 0 {
                    continue;
                }
                if members.users.len() >= limit {
                    members.more = true;
                    return Ok(members);
                }
                members.users.push(layout::id_of(key).map_err(|invalid| damaged(invalid, key))?.into());
            }
        }
    }

    fn group(&self, number: u64) -> Result<GroupRecord, StoreError> {
        Ok(self.record(&layout::numbered(layout::GROUP, number))?.unwrap_or_default())
    }

    pub(super) fn member_count(&self, group: &GroupKey) -> Result<u64, StoreError> {
        let number = self.number(&StreamKey::Group(group.clone()))?;
        number.map_or(Ok(0), |number| Ok(self.group(number)?.members))
    }

    pub(super) fn memberships(
        &self,
        group: &GroupKey,
        users: &[Arc<str>],
    ) -> Result<Vec<Option<Membership>>, StoreError> {
        let Some(group) = self.number(&StreamKey::Group(group.clone()))? else {
            return Ok(vec![None; users.len()]);
        };
        let membership = |user: &Arc<str>| {
            let record = self.record::<MemberRecord>(&layout::with_id(layout::MEMBER, group, user))?;
            let member = record.filter(|record| record.start > 0);
            Ok(member.map(|record| Membership { start: record.start - 1, since: record.since }))
        };
        users.iter().map(membership).collect()
    }
}

fn target(name: &StreamKey) -> Target {
    match name {
        StreamKey::Inbox(user) => Target::User(user.clone()),
        StreamKey::Group(group) => Target::Group(group.clone()),
        StreamKey::Broadcast(scope) => Target::Broadcast(scope.clone()),
    }
}

fn entry(seq: u64, target: Target, message: &MessageRecord<'_>, body: bool) -> Entry {
    Entry {
        seq,
        target,
        sender: message.sender.into(),
        device: message.device.into(),
        message_id: Arc::from(message.message_id),
        flags: message.flags,
        only_device: message.only_device.into(),
        expires_at: message.expires_at,
        create_at: message.create_at,
        body: if body { Bytes::copy_from_slice(message.body) } else { Bytes::new() },
    }
}
