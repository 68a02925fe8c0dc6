//! How far a user got, in the memory store's state: read marks, and what was delivered.

use std::sync::Arc;

use super::super::key::{StreamKey, UserKey};
use super::super::store::{Conversation, Delivered};
use super::state::State;

impl State {
    pub(super) fn mark(
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

    pub(super) fn delivered_to(&mut self, write: &Delivered) -> Vec<u64> {
        let inbox = StreamKey::Inbox(write.user.clone());
        let (before, user) = (self.delivered(&write.user, &inbox), self.users.get(&write.user));
        let read = |sender: &Arc<str>| {
            user.and_then(|user| user.marks.get(&Conversation::Peer(Arc::clone(sender))))
                .copied()
                .unwrap_or(0)
        };
        let fresh = |(seq, sender): &&(u64, Arc<str>)| !before.contains(*seq) && *seq > read(sender);
        let is_past = write.epochs.are_past(&inbox, &self.epoch);
        let fresh = write.asked.iter().filter(|_| !is_past).filter(fresh).map(|(seq, _)| *seq).collect();
        for (stream, after, to) in &write.ranges {
            if write.epochs.are_past(stream, &self.epoch) {
                continue;
            }
            let mut ranges = self.delivered(&write.user, stream);
            ranges.insert(*after, *to);
            let user = self.users.entry(write.user.clone()).or_default();
            user.delivered.insert(stream.clone(), (self.epoch.clone(), ranges));
        }
        fresh
    }
}
