//! The log: streams, and what is kept about who has read them.
//!
//! `Log` is the one writer. Shards hand it batches of writes; it joins what has gathered into one batch, has the
//! store keep it (one flush for all), tells the broker in the order of the log, and answers whoever asked.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod embedded;
pub mod key;
pub mod memory;
mod queue;
mod ranges;
mod rules;
pub mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use self::key::{StreamKey, UserKey};
use self::queue::{Batch, Queue};
use self::store::{Appended, Joined, Store, StoreError, Write, Written};
use crate::broker::{Broker, Commit, Published};
use crate::hub::node::Node;
use crate::hub::shard::{Letter, Shards, Ticket};

/// The answer to one write.
pub(crate) type Outcome = store::Answer;

/// Who wants the answer to a write.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    /// Nobody.
    Nobody,
    /// A connection of a shard.
    Shard(usize, Ticket),
    /// A waiting task.
    Task(oneshot::Sender<Outcome>),
}

/// At most so many writes may wait before connections are made to wait.
const BUSY_WRITES: usize = 16 * 1024;
/// At most so many writes in one batch of the store, so that the first of them does not wait too long.
const BATCH_WRITES: usize = 4 * 1024;

/// The one writer of the store, and the way to read it.
pub(crate) struct Log {
    /// Reads go straight to the store.
    pub(crate) store: Arc<dyn Store>,
    queue: Queue<(Write, ReplyTo)>,
    broken: AtomicBool,
}

impl Log {
    /// A log over a store; [`Log::run`] must run somewhere.
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, queue: Queue::default(), broken: AtomicBool::new(false) }
    }

    /// Hands over writes, to be made in this order. When the log is closed the answers are dropped, which whoever waits
    /// for one sees.
    pub(crate) fn submit(&self, writes: Vec<(Write, ReplyTo)>) {
        self.queue.submit(writes);
    }

    /// Makes one write and waits for its answer. Handed over at once: whoever waits does not carry the write about.
    pub(crate) fn write(&self, write: Write) -> impl Future<Output = Outcome> + use<> {
        let (reply, answer) = oneshot::channel();
        self.submit(vec![(write, ReplyTo::Task(reply))]);
        async move { answer.await.unwrap_or(Err(StoreError::Closed)) }
    }

    /// Waits until all that was handed over before is made, or will never be.
    pub(crate) async fn settled(&self) {
        self.queue.settled().await;
    }

    /// How many writes are not made yet.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Whether so much waits that connections should be made to wait too.
    pub(crate) fn is_busy(&self) -> bool {
        self.waiting() > BUSY_WRITES
    }

    /// Whether the store can no longer write.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Accepts no more writes; those handed over are still made.
    pub(crate) fn close(&self) {
        self.queue.close();
    }

    /// The log has broken off: what waits is dropped, and whoever waits for it sees that.
    pub(crate) fn abandon(&self) {
        self.broken.store(true, Ordering::Relaxed);
        self.queue.abandon();
    }

    /// Has the store make a batch of writes.
    async fn make(&self, writes: &[Write]) -> Vec<Outcome> {
        let outcomes = self.store.write(0, writes).await;
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            if error.is_of_one_write() {
                tracing::error!(%error, "a write is left out");
            } else if error.is_permanent() && !self.broken.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "the store refused to write; the hub accepts nothing more");
            }
        }
        outcomes
    }

    /// Makes the writes, until the log is closed and all are made.
    pub(crate) async fn run(&self, node: &Node, broker: &dyn Broker) {
        let shards = &node.shards;
        while let Some(mut taken) = self.queue.take().await {
            while let Some(Batch { writes, settled }) = taken.batch(BATCH_WRITES) {
                let (writes, replies): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
                if writes.is_empty() {
                    continue;
                }
                let outcomes = self.make(&writes).await;
                self.queue.made(writes.len());
                let mut published = Vec::with_capacity(writes.len());
                for (write, outcome) in writes.into_iter().zip(&outcomes) {
                    if let Ok(written) = outcome {
                        publish(node, write, written, &mut published);
                    }
                }
                // Senders first: a receiver may be so quick that its receipt would come before their `ack`.
                let tasks = answer(shards, replies, outcomes);
                broker.publish(published);
                for (task, outcome) in tasks {
                    // The task may have gone; its answer is nobody's then.
                    let _ = task.send(outcome);
                }
                drop(settled);
            }
        }
    }
}

/// Answers connections; returns the tasks that wait, which may rely on what is published.
fn answer(
    shards: &Shards,
    replies: Vec<ReplyTo>,
    outcomes: Vec<Outcome>,
) -> Vec<(oneshot::Sender<Outcome>, Outcome)> {
    let mut tasks = Vec::new();
    let mut letters: Vec<Vec<(Ticket, Outcome)>> = (0..shards.len()).map(|_| Vec::new()).collect();
    for (reply, outcome) in replies.into_iter().zip(outcomes) {
        match reply {
            ReplyTo::Nobody => {}
            ReplyTo::Shard(shard, ticket) => letters[shard].push((ticket, outcome)),
            ReplyTo::Task(task) => tasks.push((task, outcome)),
        }
    }
    for (shard, letter) in letters.into_iter().enumerate() {
        if !letter.is_empty() {
            shards.send(shard, Letter::Outcomes(letter));
        }
    }
    tasks
}

/// What readers want to know of a write that was made.
fn publish(node: &Node, write: Write, written: &Written, published: &mut Vec<Published>) {
    match (write, written) {
        (Write::Append(append), Written::Append(Appended::Stored { seq, own_seq })) => {
            node.observers.copy_stored(node, &append);
            let append = Arc::new(append);
            let stream = append.target.stream();
            if let Some(own) = own_seq {
                let inbox = StreamKey::Inbox(UserKey {
                    scope: stream.scope().clone(),
                    user: Arc::clone(&append.sender),
                });
                published.push(Published::Entry(Commit::new(inbox, *own, Arc::clone(&append))));
            }
            published.push(Published::Entry(Commit::new(stream, *seq, append)));
        }
        (Write::Join(join), Written::Join(Joined::New { head })) => {
            published.push(Published::Joined { group: join.group, user: join.user, head: *head });
        }
        (Write::Leave { group, user, removed, .. }, Written::Leave(true)) => {
            let action = if removed { "removed" } else { "left" };
            published.push(Published::Left { group, users: vec![user], action });
        }
        (Write::Disband { group, .. }, Written::Disband(users)) if !users.is_empty() => {
            published.push(Published::Left { group, users: users.clone(), action: "disbanded" });
        }
        _ => {}
    }
}
