//! Appends to the memory store's state.

use super::super::key::{StreamKey, UserKey};
use super::super::rules;
use super::super::store::{Append, Appended, Entry, Target};
use super::state::{Known, State};

impl State {
    pub(super) fn append(&mut self, append: &Append) -> Appended {
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
            if known.digest != append.digest {
                return Appended::Conflict;
            }
            let (seq, mut own_seq, create_at) = (known.seq, known.own_seq, known.create_at);
            if self.unfinished.remove(&id) {
                own_seq = Some(self.push(&StreamKey::Inbox(id.0.clone()), append));
                let sent =
                    self.ids.get_mut(&id).and_then(|list| list.iter_mut().find(|(t, _)| *t == append.target));
                sent.into_iter().for_each(|(_, known)| known.own_seq = own_seq);
            }
            return Appended::Duplicate { seq, own_seq, create_at };
        }
        if let Target::Group(group) = &append.target
            && append.require_member
            && self.membership(group, &append.sender).is_none()
        {
            return Appended::NotMember;
        }
        if let (Some(passed), Target::User(user)) = (&append.passes_on, &append.target) {
            let mark = (user.clone(), passed.0.clone());
            if self.waiting_marks.get(&mark).is_none_or(|(waiting, _)| *waiting != passed.1) {
                return Appended::Obsolete;
            }
            self.waiting_marks.remove(&mark);
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

    /// The first of two steps of a message to another user: its sender has no copy until it is sent again.
    #[cfg(any(test, feature = "testing"))]
    pub fn append_to_receiver(&mut self, append: &Append) -> Appended {
        let appended = self.append(&Append { copy_to_sender: false, ..append.clone() });
        if matches!(appended, Appended::Stored { .. }) && append.copy_to_sender {
            let sender =
                UserKey { scope: append.target.stream().scope().clone(), user: append.sender.clone() };
            self.unfinished.insert((sender, append.message_id.clone()));
        }
        appended
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
}
