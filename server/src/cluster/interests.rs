//! What this hub listens to, and for whom: hints that come in go to the shards that read what they are about.

use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use wsc_core::frame::PresenceOf;

use super::topic::Topic;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::{StoreError, Tip};
use crate::mailbox::Mailbox;
use crate::shard::hint::{Envelope, Hint};
use crate::shard::letter::{Letter, Shards};

/// Who listens to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// A shard, whose connections read a stream.
    Shard(usize),
    /// The hub as a whole.
    Hub,
}

/// A question how users appear to others.
pub(crate) struct Look {
    pub(crate) users: Vec<UserKey>,
    /// Who wants to know, if somebody does.
    pub(crate) answer: Option<oneshot::Sender<Result<Vec<PresenceOf>, StoreError>>>,
}

/// The topics that are listened to, and what is to be asked of the store about them.
pub(crate) struct Interests {
    /// This hub, among those that publish.
    pub(super) origin: u128,
    shards: Arc<Shards>,
    topics: Mutex<BTreeMap<Topic, Vec<Listener>>>,
    /// Streams whose tips are to be asked for.
    pub(super) streams: Mailbox<StreamKey>,
    /// Users to be looked at.
    pub(crate) looks: Mailbox<Look>,
}

impl Interests {
    pub(super) fn new(origin: u128, shards: Arc<Shards>) -> Self {
        let topics = Mutex::default();
        Self { origin, shards, topics, streams: Mailbox::default(), looks: Mailbox::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Topic, Vec<Listener>>> {
        // Every critical section leaves the map whole.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody begins to listen. `subscribe` is called for the first, under the lock: what a broker is told is in the order
    /// of what happens here.
    pub(super) fn begin(&self, topic: Topic, listener: Listener, subscribe: impl FnOnce(Topic)) {
        let mut topics = self.lock();
        match topics.entry(topic) {
            Entry::Vacant(vacant) => {
                subscribe(vacant.key().clone());
                vacant.insert(vec![listener]);
            }
            Entry::Occupied(mut occupied) => {
                if !occupied.get().contains(&listener) {
                    occupied.get_mut().push(listener);
                }
                // Hints that came in before were not for this listener.
                self.look_at([occupied.key().clone()]);
            }
        }
    }

    /// Somebody ceases to listen. `unsubscribe` is called for the last.
    pub(super) fn end(&self, topic: &Topic, listener: Listener, unsubscribe: impl FnOnce(Topic)) {
        let mut topics = self.lock();
        let Entry::Occupied(mut occupied) = topics.entry(topic.clone()) else { return };
        occupied.get_mut().retain(|other| *other != listener);
        if occupied.get().is_empty() {
            let (topic, _) = occupied.remove_entry();
            unsubscribe(topic);
        }
    }

    /// Has the store asked about topics: hints may have been lost.
    pub(crate) fn look_at(&self, topics: impl IntoIterator<Item = Topic>) {
        for topic in topics {
            match topic {
                Topic::Stream(stream) => drop(self.streams.put([stream])),
                Topic::Presence(user) => drop(self.looks.put([Look { users: vec![user], answer: None }])),
                Topic::Observed(_) => {}
            }
        }
    }

    /// Has the store asked about everything that is listened to.
    pub(crate) fn look_at_all(&self) {
        let topics: Vec<Topic> = self.lock().keys().cloned().collect();
        self.look_at(topics);
    }

    /// Has the store asked about all users whose presence is listened to.
    pub(crate) fn look_at_watched(&self) {
        let topics: Vec<Topic> =
            self.lock().keys().filter(|topic| matches!(topic, Topic::Presence(_))).cloned().collect();
        self.look_at(topics);
    }

    /// Reads what a hub has published; that may be anything.
    pub(super) fn read(&self, topic: &Topic, message: &[u8]) {
        match Envelope::decode(message) {
            Ok(Envelope { origin, .. }) if origin == self.origin => {}
            Ok(Envelope { hint, .. }) => self.take(topic, hint),
            Err(error) => {
                tracing::debug!(%error, ?topic, "a hint could not be read");
                self.look_at([topic.clone()]);
            }
        }
    }

    fn take(&self, topic: &Topic, hint: Hint) {
        if let Hint::Presence(_) = hint {
            return self.look_at([topic.clone()]);
        }
        let hint = Arc::new(hint);
        let listeners = self.lock().get(topic).cloned().unwrap_or_default();
        for listener in listeners {
            match listener {
                Listener::Shard(shard) => self.shards.send(shard, Letter::Hint(Arc::clone(&hint), None)),
                Listener::Hub => self.shards.send_all(|| Letter::Hint(Arc::clone(&hint), None)),
            }
        }
    }

    pub(super) fn announced(&self, stream: &StreamKey, tip: Tip) {
        self.tell_tips(vec![(stream.clone(), tip)], false);
    }

    /// Tells shards where streams stand; `is_asked`: the store was asked, just now.
    pub(super) fn tell_tips(&self, tips: Vec<(StreamKey, Tip)>, is_asked: bool) {
        let mut letters: BTreeMap<usize, Vec<(StreamKey, Tip)>> = BTreeMap::new();
        let topics = self.lock();
        for (stream, tip) in tips {
            let listeners = topics.get(&Topic::Stream(stream.clone())).into_iter().flatten();
            for listener in listeners {
                if let Listener::Shard(shard) = listener {
                    letters.entry(*shard).or_default().push((stream.clone(), tip.clone()));
                }
            }
        }
        drop(topics);
        for (shard, tips) in letters {
            self.shards.send(shard, Letter::Tips { tips, is_asked });
        }
    }

    /// Nobody asks any more.
    pub(super) fn close(&self) {
        self.streams.close();
        self.looks.close();
    }
}
