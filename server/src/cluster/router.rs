//! Picks who is told: shards of this hub, other hubs, or both. Whoever tells something names what it is about and
//! never where its readers are. It is the log's sink, too: what was committed goes from here to the shards.

use std::sync::Arc;

use bytes::Bytes;

use super::broker::{Broker, Inbox};
use super::interests::{Interests, Listener};
use super::members::Members;
use super::tips;
use super::topic::Topic;
use crate::log::commit::Published;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::{Store, StoreError, Target};
use crate::log::{LaneFailure, Outcome, Sink};
use crate::shard::hint::{Envelope, Hint};
use crate::shard::letter::{Address, Asked, Letter, ReplyTo, Shards};
use crate::shard::subscription::Interest;

/// The way to everybody.
pub(crate) struct Router {
    pub(crate) shards: Arc<Shards>,
    /// The other hubs; `None`: this one is alone.
    pub(crate) cluster: Option<Cluster>,
}

/// This hub as one of several.
pub(crate) struct Cluster {
    /// 128 random bits for each start of a process.
    pub(crate) incarnation: u128,
    pub(crate) members: Members,
    pub(crate) interests: Arc<Interests>,
    broker: Box<dyn Broker>,
}

impl Cluster {
    /// Asks the store where streams stand, when it must be asked, until the hub ends.
    pub(crate) async fn ask_for_tips(&self, store: &dyn Store) {
        tips::run(&self.interests, store).await;
    }

    fn begin(&self, topic: Topic, listener: Listener) {
        self.interests.begin(topic, listener, |topic| self.broker.subscribe(vec![topic]));
    }

    fn end(&self, topic: &Topic, listener: Listener) {
        self.interests.end(topic, listener, |topic| self.broker.unsubscribe(vec![topic]));
    }

    fn tell(&self, hint: &Hint) {
        let envelope = Envelope { origin: self.incarnation, hint: hint.clone() };
        self.broker.publish(topic_of(hint), envelope.encode().into());
    }
}

/// Which shards a hint is for.
enum Reach<'h> {
    User(&'h UserKey),
    Everywhere,
    Nobody,
}

impl Router {
    /// The router of a hub that is alone.
    pub(crate) fn alone(shards: usize) -> Self {
        Self { shards: Arc::new(Shards::new(shards)), cluster: None }
    }

    /// The router of one of several hubs.
    pub(crate) fn shared(shards: usize, incarnation: u128, broker: Box<dyn Broker>) -> Self {
        let shards = Arc::new(Shards::new(shards));
        let interests = Arc::new(Interests::new(incarnation, Arc::clone(&shards)));
        broker.start(Inbox(Arc::clone(&interests)));
        let cluster = Cluster { incarnation, members: Members::default(), interests, broker };
        Self { shards, cluster: Some(cluster) }
    }

    /// Tells a hint to whom it is for, wherever they are; not to the connection it came from.
    pub(crate) fn tell(&self, hint: Hint, from: Option<Address>) {
        if let Some(cluster) = &self.cluster {
            cluster.tell(&hint);
            if let Hint::Presence(user) = &hint {
                cluster.interests.look_at([Topic::Presence(user.clone())]);
            }
        }
        let hint = Arc::new(hint);
        match reach(&hint) {
            Reach::User(user) => {
                let home = self.shards.home(user);
                self.shards.send(home, Letter::Hint(hint, from));
            }
            Reach::Everywhere => self.shards.send_all(|| Letter::Hint(Arc::clone(&hint), from)),
            Reach::Nobody => {}
        }
    }

    /// This hub as a whole begins to listen to a topic.
    pub(crate) fn listen(&self, topic: Topic) {
        if let Some(cluster) = &self.cluster {
            cluster.begin(topic, Listener::Hub);
        }
    }

    /// It ceases to.
    pub(crate) fn unlisten(&self, topic: &Topic) {
        if let Some(cluster) = &self.cluster {
            cluster.end(topic, Listener::Hub);
        }
    }

    /// Ends what asks the store.
    pub(crate) fn close(&self) {
        self.shards.close();
        if let Some(cluster) = &self.cluster {
            cluster.interests.close();
        }
    }

    /// A frame for one connection of this hub.
    pub(crate) fn to_connection(&self, address: Address, frame: Bytes) {
        self.shards.send(address.shard, Letter::ToConnection(address, frame));
    }

    /// A change of a watched user's presence for a connection of this hub.
    pub(crate) fn to_watcher(&self, address: Address, user: &Arc<str>, frame: Bytes) {
        self.shards.send(address.shard, Letter::ToWatcher(address, Arc::clone(user), frame));
    }

    /// A shard began or ceased to read streams.
    pub(crate) fn note(&self, shard: usize, interest: Vec<Interest>) {
        let Some(cluster) = &self.cluster else { return };
        let listener = Listener::Shard(shard);
        for change in interest {
            match change {
                Interest::Begins(stream) => cluster.begin(Topic::Stream(stream), listener),
                Interest::Ends(stream) => cluster.end(&Topic::Stream(stream), listener),
            }
        }
    }

    /// One letter per shard for a batch.
    fn publish(&self, batch: Vec<Published>) {
        let mut letters: Vec<Vec<Arc<Published>>> = vec![Vec::new(); self.shards.len()];
        for event in batch {
            let event = Arc::new(event);
            match &*event {
                // An inbox is read on its user's home shard only.
                Published::Entry(commit) if let StreamKey::Inbox(user) = &commit.stream => {
                    letters[self.shards.home(user)].push(event);
                }
                _ => letters.iter_mut().for_each(|letter| letter.push(Arc::clone(&event))),
            }
        }
        for (shard, letter) in letters.into_iter().enumerate() {
            if !letter.is_empty() {
                self.shards.send(shard, Letter::Published(letter));
            }
        }
    }
}

/// What a hint is about, for other hubs.
fn topic_of(hint: &Hint) -> Topic {
    match hint {
        Hint::Volatile(volatile) => Topic::Stream(volatile.target.stream()),
        Hint::Receipt(receipt) => Topic::Stream(StreamKey::Inbox(receipt.sender.clone())),
        Hint::Kick { user, .. } => Topic::Stream(StreamKey::Inbox(user.clone())),
        Hint::Observed { scope, .. } => Topic::Observed(scope.clone()),
        Hint::Presence(user) => Topic::Presence(user.clone()),
    }
}

fn reach(hint: &Hint) -> Reach<'_> {
    match hint {
        Hint::Volatile(volatile) => match &volatile.target {
            Target::User(user) => Reach::User(user),
            Target::Group(_) | Target::Broadcast(_) => Reach::Everywhere,
        },
        Hint::Receipt(receipt) => Reach::User(&receipt.sender),
        Hint::Kick { user, .. } => Reach::User(user),
        Hint::Observed { .. } => Reach::Everywhere,
        // The hub as a whole looks at it.
        Hint::Presence(_) => Reach::Nobody,
    }
}

impl Sink<ReplyTo> for Router {
    fn made(&self, answers: Vec<(ReplyTo, Outcome)>, published: Vec<Published>) {
        let mut tasks = Vec::new();
        let mut letters: Vec<Vec<(Asked, Outcome)>> = (0..self.shards.len()).map(|_| Vec::new()).collect();
        for (reply, outcome) in answers {
            match reply {
                ReplyTo::Nobody => {}
                ReplyTo::Shard(shard, asked) => letters[shard].push((asked, outcome)),
                ReplyTo::Task(task) => tasks.push((task, outcome)),
            }
        }
        // Who asked hears first: a receiver may be so quick that its receipt would come before the sender's `ack`, and who
        // attaches reads from where the log stood then, so what was committed since must come after.
        for (shard, letter) in letters.into_iter().enumerate() {
            if !letter.is_empty() {
                self.shards.send(shard, Letter::Outcomes(letter));
            }
        }
        self.publish(published);
        // Tasks last: they may rely on what is published. One may have gone; its answer is nobody's then.
        for (task, outcome) in tasks {
            let _ = task.send(outcome);
        }
    }

    fn failed(&self, failure: LaneFailure) {
        self.shards.send_all(|| Letter::LaneFailed(failure.clone()));
        if let (Some(cluster), StoreError::Epoch) = (&self.cluster, &failure.error) {
            cluster.interests.look_at_all();
        }
    }
}
