//! Reads of the memory store's state. Nothing here changes anything.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::store::{
    Conversation, Cursor, Device, DeviceStream, Entry, Found, Members, Membership, Opened, OpenedStream,
    Page, Person, Ranges, Tip, WaitingMark,
};
use super::state::{KnownDevice, State, Stream, survived};

impl State {
    /// See [`Store::read`](crate::log::store::Store::read).
    pub fn read(&self, stream: &StreamKey, from: u64, limit: usize, max_bytes: usize) -> Page {
        let mut page = self.page(stream);
        page.next = from.max(page.floor);
        let Some(stream) = self.streams.get(stream) else { return page };
        let from = page.next;
        let mut bytes = 0;
        for entry in stream.entries.iter().skip(usize::try_from(from - stream.floor()).unwrap_or(usize::MAX))
        {
            if !take(&mut page, &mut bytes, entry, limit, max_bytes) {
                break;
            }
            page.next = entry.seq + 1;
        }
        page
    }

    /// See [`Store::read_back`](crate::log::store::Store::read_back).
    pub fn read_back(&self, stream: &StreamKey, from: u64, limit: usize, max_bytes: usize) -> Page {
        let mut page = self.page(stream);
        page.next = from.min(page.head);
        let Some(stream) = self.streams.get(stream) else { return page };
        let from = page.next;
        let mut bytes = 0;
        for entry in
            stream.entries.iter().rev().skip(usize::try_from(stream.head() - from).unwrap_or(usize::MAX))
        {
            if !take(&mut page, &mut bytes, entry, limit, max_bytes) {
                break;
            }
            page.next = entry.seq - 1;
        }
        page
    }

    /// See [`Store::headers`](crate::log::store::Store::headers).
    pub fn headers(&self, stream: &StreamKey, from: u64, limit: usize) -> Page {
        let mut page = self.read(stream, from, limit, usize::MAX);
        for entry in &mut page.entries {
            entry.body = Bytes::new();
        }
        page
    }

    /// See [`Store::open`](crate::log::store::Store::open).
    pub fn open(&self, key: &UserKey, device: Option<&str>) -> Opened {
        let user = self.users.get(key);
        let broadcast = StreamKey::Broadcast(key.scope.clone());
        let broadcast_start =
            user.and_then(|user| user.broadcast_start).unwrap_or_else(|| self.head(&broadcast));
        let mut streams =
            vec![self.opened(StreamKey::Inbox(key.clone()), 0), self.opened(broadcast, broadcast_start)];
        for group in user.iter().flat_map(|user| &user.groups) {
            let group = GroupKey { scope: key.scope.clone(), group: group.clone() };
            let start = self.membership(&group, &key.user).map_or(0, |membership| membership.start);
            streams.push(self.opened(StreamKey::Group(group), start));
        }
        Opened {
            streams,
            device: user.zip(device).and_then(|(user, device)| {
                user.devices.get_key_value(device).map(|(id, device)| told(id, device))
            }),
        }
    }

    fn opened(&self, stream: StreamKey, start: u64) -> OpenedStream {
        let (floor, head, lineage) = match self.streams.get(&stream) {
            Some(kept) => (kept.floor(), kept.head(), kept.lineage.clone()),
            None => (1, 0, self.blank_lineage()),
        };
        let (epoch, version) = (self.epoch.clone(), self.version(&stream));
        OpenedStream { stream, start, floor, head, epoch, version, lineage }
    }

    /// See [`Store::tips`](crate::log::store::Store::tips).
    pub fn tip(&self, stream: &StreamKey) -> Tip {
        Tip { epoch: self.epoch.clone(), head: self.head(stream), version: self.version(stream) }
    }

    pub(super) fn version(&self, stream: &StreamKey) -> u64 {
        match stream {
            StreamKey::Inbox(user) => self.users.get(user).map_or(0, |user| user.version),
            StreamKey::Group(group) => self.groups.get(group).map_or(0, |group| group.changes.version),
            StreamKey::Broadcast(_) => 0,
        }
    }

    /// A page of a stream without entries.
    fn page(&self, stream: &StreamKey) -> Page {
        let Tip { epoch, head, version } = self.tip(stream);
        let floor = self.streams.get(stream).map_or(1, Stream::floor);
        Page { floor, head, epoch, version, entries: Vec::new(), next: 0 }
    }

    /// See [`Store::devices`](crate::log::store::Store::devices).
    pub fn devices(&self, user: &UserKey) -> Vec<Device> {
        let devices = self.users.get(user).into_iter().flat_map(|user| &user.devices);
        devices.map(|(id, device)| told(id, device)).collect()
    }

    /// See [`Store::last_seen`](crate::log::store::Store::last_seen).
    pub fn last_seen(&self, user: &UserKey) -> u64 {
        self.users.get(user).map_or(0, |user| user.last_seen)
    }

    /// See [`Store::people`](crate::log::store::Store::people).
    pub fn person(&self, user: &UserKey) -> Person {
        let version = self.version(&StreamKey::Inbox(user.clone()));
        self.claims.person(user, self.last_seen(user), version)
    }

    /// See [`Store::marks`](crate::log::store::Store::marks).
    pub fn marks(&self, user: &UserKey) -> Vec<(Conversation, u64)> {
        let marks = self.users.get(user).into_iter().flat_map(|user| &user.marks);
        marks.map(|(conversation, seq)| (conversation.clone(), *seq)).collect()
    }

    /// See [`Store::waiting_marks`](crate::log::store::Store::waiting_marks).
    pub fn waiting_marks(&self, limit: usize) -> Vec<WaitingMark> {
        let waiting = self.waiting_marks.iter().take(limit);
        let waiting = waiting.map(|((user, conversation), (seq, device))| WaitingMark {
            user: user.clone(),
            conversation: conversation.clone(),
            seq: *seq,
            device: device.clone(),
        });
        waiting.collect()
    }

    /// See [`Store::delivered`](crate::log::store::Store::delivered).
    pub fn delivered(&self, user: &UserKey, stream: &StreamKey) -> Ranges {
        let kept = self.users.get(user).and_then(|user| user.delivered.get(stream));
        let Some((epoch, mut ranges)) = kept.cloned() else { return Ranges::default() };
        if epoch != self.epoch {
            ranges.truncate(survived(&self.streams, stream, &epoch));
        }
        ranges
    }

    /// See [`Store::find`](crate::log::store::Store::find).
    pub fn find(&self, sender: &UserKey, message_id: &Arc<str>) -> Option<Found> {
        let (target, known) = self.ids.get(&(sender.clone(), message_id.clone()))?.last()?;
        let seq = known.seq;
        let entry = self.headers(&target.stream(), seq, 1).entries.pop().filter(|entry| entry.seq == seq);
        Some(Found { target: target.clone(), seq, entry })
    }

    /// See [`Store::members`](crate::log::store::Store::members).
    pub fn members(&self, group: &GroupKey, after: Option<&str>, limit: usize) -> Members {
        let Some(group) = self.groups.get(group) else { return Members::default() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = group
            .users
            .range::<str, _>((from, Bound::Unbounded))
            .filter(|(_, member)| member.membership.is_some())
            .map(|(user, _)| user.clone());
        let users = rest.by_ref().take(limit).collect();
        Members { users, total: group.members, more: rest.next().is_some() }
    }

    /// See [`Store::member_count`](crate::log::store::Store::member_count).
    pub fn member_count(&self, group: &GroupKey) -> u64 {
        self.groups.get(group).map_or(0, |group| group.members)
    }

    /// See [`Store::memberships`](crate::log::store::Store::memberships).
    pub fn membership(&self, group: &GroupKey, user: &str) -> Option<Membership> {
        self.groups.get(group)?.users.get(user)?.membership
    }
}

fn take(page: &mut Page, bytes: &mut usize, entry: &Entry, limit: usize, max_bytes: usize) -> bool {
    let size = bytes.saturating_add(entry.body.len());
    if page.entries.len() >= limit || (!page.entries.is_empty() && size > max_bytes) {
        return false;
    }
    *bytes = size;
    page.entries.push(entry.clone());
    true
}

fn told(id: &Arc<str>, device: &KnownDevice) -> Device {
    let streams = device.places.iter().map(|(stream, (epoch, seq))| DeviceStream {
        stream: stream.clone(),
        cursor: Cursor { epoch: epoch.clone(), seq: *seq },
    });
    Device {
        device: id.clone(),
        streams: streams.collect(),
        attempts: device.attempts,
        last_seen: device.last_seen,
    }
}

impl Stream {
    /// Whether the oldest entry has to go.
    pub(super) fn oldest(&self) -> Option<&Entry> {
        self.entries.front()
    }
}
