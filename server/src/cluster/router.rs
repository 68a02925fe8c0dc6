//! Picks who is told: shards of this hub, other hubs, or both. Whoever tells something names what it is about and
//! never where its readers are. It is the log's sink, too: what was committed goes from here to the shards.

use std::sync::Arc;

use bytes::Bytes;

use super::broker::Broker;
use crate::log::commit::Published;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::Target;
use crate::log::{Outcome, Sink};
use crate::shard::hint::Hint;
use crate::shard::letter::{Address, Asked, Letter, ReplyTo, Shards};
use crate::shard::subscription::Interest;

/// The way to everybody.
pub(crate) struct Router {
    pub(crate) shards: Shards,
    broker: Box<dyn Broker>,
}

/// Which shards a hint is for.
enum Reach<'h> {
    User(&'h UserKey),
    Everywhere,
}

impl Router {
    pub(crate) fn new(shards: Shards, broker: impl Broker + 'static) -> Self {
        Self { shards, broker: Box::new(broker) }
    }

    /// Tells a hint to whom it is for, wherever they are; not to the connection it came from.
    pub(crate) fn tell(&self, hint: Hint, from: Option<Address>) {
        self.broker.tell(&hint);
        self.tell_here(Arc::new(hint), from);
    }

    /// Tells a hint, of this hub or another, to the shards of this one.
    fn tell_here(&self, hint: Arc<Hint>, from: Option<Address>) {
        match reach(&hint) {
            Reach::User(user) => {
                let home = self.shards.home(user);
                self.shards.send(home, Letter::Hint(hint, from));
            }
            Reach::Everywhere => self.shards.send_all(|| Letter::Hint(Arc::clone(&hint), from)),
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

    /// Whether there are other hubs, which must know what is read on this one.
    pub(crate) fn has_others(&self) -> bool {
        self.broker.has_others()
    }

    /// A shard began or ceased to read streams.
    pub(crate) fn note(&self, shard: usize, interest: Vec<Interest>) {
        for change in interest {
            match change {
                Interest::Begins(stream) => self.broker.subscribe(shard, &stream),
                Interest::Ends(stream) => self.broker.unsubscribe(shard, &stream),
            }
        }
    }

    /// One letter per shard for a batch.
    fn publish(&self, batch: Vec<Published>) {
        let batch: Vec<Arc<Published>> = batch.into_iter().map(Arc::new).collect();
        self.broker.publish(&batch);
        let mut letters: Vec<Vec<Arc<Published>>> = vec![Vec::new(); self.shards.len()];
        for event in batch {
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

fn reach(hint: &Hint) -> Reach<'_> {
    match hint {
        Hint::Volatile(volatile) => match &volatile.target {
            Target::User(user) => Reach::User(user),
            Target::Group(_) | Target::Broadcast(_) => Reach::Everywhere,
        },
        Hint::Receipt(receipt) => Reach::User(&receipt.sender),
        Hint::Kick { user, .. } => Reach::User(user),
        Hint::Observed { .. } => Reach::Everywhere,
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
}
