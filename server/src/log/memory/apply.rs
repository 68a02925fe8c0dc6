//! Writes to the memory store's state, one at a time. A write either happens wholly or changes nothing.

use std::sync::Arc;

use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::rules;
use super::super::store::{
    Append, Appended, Conversation, Delivered, DeviceWrite, Entry, Join, Joined, Membership, Milliseconds,
    Target, Write, Written,
};
use super::state::{Known, State};

impl State {
    /// Applies one write.
    pub fn apply(&mut self, write: &Write) -> Written {
        match write {
            Write::Append(append) => Written::Append(self.append(append)),
            Write::See { user, visible } => {
                self.see(user, *visible);
                Written::Done
            }
            Write::Join(join) => Written::Join(self.join(join)),
            Write::Leave { group, user, removed, now } => {
                Written::Leave(self.leave(group, user, *removed, *now))
            }
            Write::Disband { group, now } => Written::Disband(self.disband(group, *now)),
            Write::Mark { user, device, conversation, seq } => {
                let (from, to) = self.mark(user, device, conversation, *seq);
                Written::Mark { from, to }
            }
            Write::Delivered(delivered) => Written::Delivered(self.delivered_to(delivered)),
            Write::Device(device) => {
                self.device(device);
                Written::Done
            }
        }
    }

    fn append(&mut self, append: &Append) -> Appended {
        let scope = match &append.target {
            Target::User(user) => &user.scope,
            Target::Group(group) => &group.scope,
            Target::Broadcast(scope) => scope,
        };
        let sender = UserKey { scope: scope.clone(), user: append.sender.clone() };
        let id = (sender, append.message_id.clone());
        if append.dedupe
            && let Some((_, known)) =
                self.ids.get(&id).and_then(|list| list.iter().find(|(t, _)| *t == append.target))
            && !rules::outlived(known.create_at, append.now, self.retention.dedupe)
        {
            return if known.digest == append.digest {
                Appended::Duplicate { seq: known.seq, own_seq: known.own_seq, create_at: known.create_at }
            } else {
                Appended::Conflict
            };
        }
        if let Target::Group(group) = &append.target
            && append.require_member
            && self.membership(group, &append.sender).is_none()
        {
            return Appended::NotMember;
        }
        if let (Some(passed), Target::User(user)) = (&append.passes_on, &append.target) {
            let mark = (user.clone(), passed.0.clone());
            if self.waiting_marks.get(&mark).is_some_and(|(waiting, _)| *waiting <= passed.1) {
                self.waiting_marks.remove(&mark);
            }
        }
        let stream = append.target.stream();
        let seq = self.push(&stream, append);
        let own_seq = match &append.target {
            Target::User(user) if append.copy_to_sender && user.user != append.sender => {
                Some(self.push(&StreamKey::Inbox(id.0.clone()), append))
            }
            _ => None,
        };
        if append.dedupe {
            let known = Known { digest: append.digest, seq, own_seq, create_at: append.now };
            self.id_times.push_back((append.now, id.0.clone(), id.1.clone()));
            let list = self.ids.entry(id).or_default();
            list.retain(|(target, _)| *target != append.target);
            list.push((append.target.clone(), known));
        }
        Appended::Stored { seq, own_seq }
    }

    fn push(&mut self, stream: &StreamKey, append: &Append) -> u64 {
        let stream = self.stream_mut(stream);
        let seq = stream.head() + 1;
        stream.entries.push_back(Entry {
            seq,
            target: append.target.clone(),
            sender: append.sender.clone(),
            device: append.device.clone(),
            message_id: append.message_id.clone(),
            flags: append.flags,
            only_device: append.only_device.clone(),
            expires_at: append.expires_at,
            create_at: append.now,
            body: append.body.clone(),
        });
        seq
    }

    fn see(&mut self, user: &UserKey, visible: Milliseconds) {
        let head = self.head(&StreamKey::Broadcast(user.scope.clone()));
        let user = self.users.entry(user.clone()).or_default();
        user.broadcast_start.get_or_insert(head);
        user.last_seen = user.last_seen.max(visible);
    }

    fn join(&mut self, join: &Join) -> Joined {
        let user = UserKey { scope: join.group.scope.clone(), user: join.user.clone() };
        if let Some((membership, tombstone)) =
            self.groups.get(&join.group).and_then(|group| group.users.get(&join.user))
        {
            if membership.is_some() {
                return Joined::Already;
            }
            if tombstone.forbids(join.by) {
                return Joined::Refused;
            }
        }
        if self.users.get(&user).map_or(0, |user| user.groups.len()) >= join.max_groups {
            return Joined::TooMany;
        }
        // The stream exists from the first join on, so that its lineage does.
        let head = self.stream_mut(&StreamKey::Group(join.group.clone())).head();
        let group = self.groups.entry(join.group.clone()).or_default();
        group.members += 1;
        group.users.entry(join.user.clone()).or_default().0 =
            Some(Membership { start: head, since: join.now });
        self.users.entry(user).or_default().groups.insert(join.group.group.clone());
        Joined::New { head }
    }

    fn leave(&mut self, key: &GroupKey, user: &Arc<str>, removed: bool, now: Milliseconds) -> bool {
        let known = self.groups.get(key).is_some_and(|group| group.users.contains_key(user));
        // A removal is remembered even of one who is no member: an older token may still claim the group.
        if !known && !removed {
            return false;
        }
        let group = self.groups.entry(key.clone()).or_default();
        let (membership, tombstone) = group.users.entry(user.clone()).or_default();
        let was_member = membership.take().is_some();
        if was_member || removed {
            tombstone.record(removed, now);
        }
        if was_member {
            group.members -= 1;
            let user = UserKey { scope: key.scope.clone(), user: user.clone() };
            if let Some(user) = self.users.get_mut(&user) {
                user.groups.remove(&key.group);
                user.delivered.remove(&StreamKey::Group(key.clone()));
            }
        }
        was_member
    }

    fn disband(&mut self, key: &GroupKey, now: Milliseconds) -> Vec<Arc<str>> {
        let Some(group) = self.groups.get(key) else { return Vec::new() };
        let members: Vec<Arc<str>> = group
            .users
            .iter()
            .filter(|(_, (member, _))| member.is_some())
            .map(|(user, _)| user.clone())
            .collect();
        for user in &members {
            self.leave(key, user, true, now);
        }
        members
    }

    fn mark(
        &mut self,
        user: &UserKey,
        device: &Arc<str>,
        conversation: &Conversation,
        seq: u64,
    ) -> (u64, u64) {
        let before = self.users.get(user).and_then(|user| user.marks.get(conversation)).copied().unwrap_or(0);
        if seq > before {
            self.users.entry(user.clone()).or_default().marks.insert(conversation.clone(), seq);
            let waits = (user.clone(), conversation.clone());
            self.waiting_marks.insert(waits, (seq, device.clone()));
        }
        (before, before.max(seq))
    }

    fn delivered_to(&mut self, write: &Delivered) -> Vec<u64> {
        let inbox = StreamKey::Inbox(write.user.clone());
        let (before, user) = (self.delivered(&write.user, &inbox), self.users.get(&write.user));
        let read = |sender: &Arc<str>| {
            user.and_then(|user| user.marks.get(&Conversation::Peer(Arc::clone(sender))))
                .copied()
                .unwrap_or(0)
        };
        let fresh = |(seq, sender): &&(u64, Arc<str>)| !before.contains(*seq) && *seq > read(sender);
        let fresh = write.asked.iter().filter(fresh).map(|(seq, _)| *seq).collect();
        for (stream, after, to) in &write.ranges {
            let mut ranges = self.delivered(&write.user, stream);
            ranges.insert(*after, *to);
            let user = self.users.entry(write.user.clone()).or_default();
            user.delivered.insert(stream.clone(), (self.epoch.clone(), ranges));
        }
        fresh
    }

    fn device(&mut self, write: &DeviceWrite) {
        let epoch = self.epoch.clone();
        let user = self.users.entry(write.user.clone()).or_default();
        user.last_seen = user.last_seen.max(write.visible);
        let known = user.devices.contains_key(&write.device);
        let device = user.devices.entry(write.device.clone()).or_default();
        device.attempts = write.attempts;
        device.last_seen = device.last_seen.max(write.now);
        for (stream, cursor) in &write.cursors {
            let kept = device.places.get(stream);
            let carried = kept.is_some_and(|(of, _)| *of != epoch);
            let seq = rules::moved(kept.map(|(_, seq)| *seq), carried, *cursor);
            device.places.insert(stream.clone(), (epoch.clone(), seq));
        }
        for stream in &write.forget {
            device.places.remove(stream);
        }
        if rules::makes_room(known, write) {
            let devices = user.devices.iter().map(|(id, device)| (id, device.last_seen));
            let surplus: Vec<Arc<str>> = rules::surplus(devices, write).into_iter().cloned().collect();
            for device in surplus {
                user.devices.remove(&device);
            }
        }
    }
}
