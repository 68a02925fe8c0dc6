//! Lists of conversations from the memory store's state: a look at all entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::index::COUNTED;
use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::store::{Conversation, Entry, Flags, Milliseconds, Summary, Target};
use super::state::State;

impl State {
    /// See [`Store::conversations`](crate::log::store::Store::conversations).
    pub fn conversations(&self, user: &UserKey, now: Milliseconds) -> Vec<Summary> {
        let known = self.users.get(user);
        let read = |conversation: &Conversation| {
            known.and_then(|known| known.marks.get(conversation)).copied().unwrap_or(0)
        };
        let counts = |entry: &&Entry| !entry.flags.has(Flags::INTERNAL) && !entry.is_expired(now);
        let mut peers: BTreeMap<Arc<str>, Summary> = BTreeMap::new();
        let inbox = self.streams.get(&StreamKey::Inbox(user.clone()));
        for entry in inbox.into_iter().flat_map(|inbox| &inbox.entries).filter(counts) {
            let Target::User(target) = &entry.target else { continue };
            let own = entry.sender == user.user;
            let peer = if own { &target.user } else { &entry.sender };
            let summary = peers.entry(Arc::clone(peer)).or_insert_with(|| {
                let conversation = Conversation::Peer(Arc::clone(peer));
                let read = read(&conversation);
                Summary { conversation, last: 0, at: 0, read, unread: 0 }
            });
            (summary.last, summary.at) = (entry.seq, entry.create_at);
            summary.unread += u64::from(!own && entry.seq > summary.read);
        }
        let mut found: Vec<Summary> = peers.into_values().collect();
        for name in known.into_iter().flat_map(|known| &known.groups) {
            let group = GroupKey { scope: user.scope.clone(), group: Arc::clone(name) };
            let start = self.membership(&group, &user.user).map_or(0, |membership| membership.start);
            let conversation = Conversation::Group(Arc::clone(name));
            let stream = self.streams.get(&StreamKey::Group(group));
            let (last, read) = (stream.map_or(0, |stream| stream.head()), read(&conversation));
            let mut summary = Summary { conversation, last, at: 0, read, unread: 0 };
            let newest = stream.into_iter().flat_map(|stream| &stream.entries);
            for entry in newest.filter(|entry| entry.seq + COUNTED > last).filter(counts) {
                summary.at = entry.create_at;
                summary.unread += u64::from(entry.sender != user.user && entry.seq > read.max(start));
            }
            found.push(summary);
        }
        found
    }
}
