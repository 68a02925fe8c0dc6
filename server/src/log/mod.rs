//! The log: streams, and what is kept about who has read them.
//!
//! `Log` is the one writer. Shards hand it batches of writes; it joins what has gathered into one batch, has the
//! store keep it (one flush for all), and hands the answers and what was committed to a `Sink`, in the order of the
//! log. It does not know who asked, nor who reads.

pub mod attach;
mod claims;
pub(crate) mod commit;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod embedded;
mod index;
pub mod key;
pub mod memory;
mod queue;
mod ranges;
pub(crate) mod resume;
mod rules;
pub mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use self::commit::Published;
use self::queue::{Batch, Queue};
use self::store::{Store, StoreError, Write};

/// The answer to one write.
pub(crate) type Outcome = store::Answer;

/// Gets what the log has made.
pub(crate) trait Sink<R> {
    /// A batch was made: the answer for each who asked, and what readers want to know of it.
    fn made(&self, answers: Vec<(R, Outcome)>, published: Vec<Published>);
}

/// Maximum of waiting writes; beyond, connections are made to wait.
const BUSY_WRITES: usize = 16 * 1024;
/// Maximum of writes in one batch of the store, so that the first of them does not wait too long.
const BATCH_WRITES: usize = 4 * 1024;

/// The one writer of the store, and the way to read it. `R` says who asked for a write.
pub(crate) struct Log<R> {
    /// Reads go straight to the store.
    pub(crate) store: Arc<dyn Store>,
    queue: Queue<(Write, R)>,
    broken: AtomicBool,
}

impl<R> Log<R> {
    /// A log over a store; [`Log::run`] must run somewhere.
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, queue: Queue::default(), broken: AtomicBool::new(false) }
    }

    /// Hands over writes, to be made in this order. When the log is closed it gives them back: there will be no answer.
    pub(crate) fn submit(&self, writes: Vec<(Write, R)>) -> Vec<(Write, R)> {
        self.queue.submit(writes)
    }

    /// Makes one write and waits for its answer. Handed over at once: whoever waits does not carry the write about.
    pub(crate) fn write(&self, write: Write) -> impl Future<Output = Outcome> + use<R>
    where
        R: From<oneshot::Sender<Outcome>>,
    {
        let (reply, answer) = oneshot::channel();
        // Refused, the reply is dropped, and so the answer.
        drop(self.submit(vec![(write, reply.into())]));
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

    /// Fails the log: drops the writes that wait; whoever waits for one gets [`StoreError::Closed`].
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
    pub(crate) async fn run(&self, sink: &impl Sink<R>) {
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
                        commit::publish(write, written, &mut published);
                    }
                }
                sink.made(replies.into_iter().zip(outcomes).collect(), published);
                drop(settled);
            }
        }
    }
}
