//! The log: streams, and what is kept about who has read them.
//!
//! `Log` is the one writer. Shards hand it batches of writes; it joins what has gathered into one batch per lane, has
//! the store keep it (one flush for all), and hands the answers and what was committed to a `Sink`, in the order of the
//! lane. It does not know who asked, nor who reads.

pub mod attach;
mod claims;
pub(crate) mod commit;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod embedded;
mod index;
pub mod key;
#[cfg(test)]
mod lives;
pub mod memory;
mod queue;
mod ranges;
#[cfg(feature = "redis")]
pub mod redis;
pub(crate) mod resume;
mod rules;
pub mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures_util::future::join_all;
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

    /// The fate of writes of a lane is unknown, or they were not made, so none that was created before this is told is
    /// made any more: a message must not be stored when one before it was not. Comes after the answers.
    fn failed(&self, failure: LaneFailure);
}

/// A lane that failed, and goes on with what is created from now on.
#[derive(Clone, Debug)]
pub(crate) struct LaneFailure {
    pub(crate) lane: usize,
    pub(crate) generation: Generation,
    pub(crate) error: StoreError,
}

/// How often a lane has failed: writes created under an earlier number are not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generation(u32);

/// Maximum of waiting writes of a lane; beyond, connections are made to wait.
const BUSY_WRITES: usize = 16 * 1024;
/// Maximum of writes in one batch of the store, so that the first of them does not wait too long.
const BATCH_WRITES: usize = 4 * 1024;

/// The one writer of the store, and the way to read it. `R` says who asked for a write.
pub(crate) struct Log<R> {
    /// Reads go straight to the store.
    pub(crate) store: Arc<dyn Store>,
    lanes: Vec<Lane<R>>,
    broken: AtomicBool,
}

/// An independent order of writes.
struct Lane<R> {
    queue: Queue<Ordered<R>>,
    generation: AtomicU32,
}

/// A write, who asked, and the generation of its lane that it was created under.
type Ordered<R> = (Write, R, Generation);

impl<R> Lane<R> {
    fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Relaxed))
    }
}

/// The generations of all lanes, as somebody knows them who creates writes that depend on each other.
#[derive(Clone, Debug)]
pub(crate) struct Generations(Vec<Generation>);

impl Generations {
    /// A lane failed, and everything that was created before is answered or given up.
    pub(crate) fn advance(&mut self, failure: &LaneFailure) {
        self.0[failure.lane] = failure.generation;
    }
}

impl<R> Log<R> {
    /// A log over a store; [`Log::run`] must run somewhere.
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let lane = |_| Lane { queue: Queue::default(), generation: AtomicU32::new(0) };
        let lanes = (0..store.lanes().max(1)).map(lane).collect();
        Self { store, lanes, broken: AtomicBool::new(false) }
    }

    /// The present generations.
    pub(crate) fn generations(&self) -> Generations {
        Generations(self.lanes.iter().map(Lane::generation).collect())
    }

    /// Hands over writes, those of a lane to be made in this order, if it has not failed since `known`. When the log is
    /// closed it gives them back: there will be no answer.
    pub(crate) fn submit(&self, writes: Vec<(Write, R)>, known: &Generations) -> Vec<(Write, R)> {
        let mut refused = Vec::new();
        if let [lane] = &*self.lanes {
            let generation = known.0[0];
            let writes = writes.into_iter().map(|(write, reply)| (write, reply, generation));
            refused = lane.queue.submit(writes);
        } else {
            let mut by_lane: Vec<Vec<Ordered<R>>> = self.lanes.iter().map(|_| Vec::new()).collect();
            for (write, reply) in writes {
                let lane = self.store.lane(&write.stream());
                by_lane[lane].push((write, reply, known.0[lane]));
            }
            for (lane, writes) in self.lanes.iter().zip(by_lane).filter(|(_, writes)| !writes.is_empty()) {
                refused.extend(lane.queue.submit(writes.into_iter()));
            }
        }
        refused.into_iter().map(|(write, reply, _)| (write, reply)).collect()
    }

    /// Makes one write and waits for its answer. Handed over at once: whoever waits does not carry the write about.
    pub(crate) fn write(&self, write: Write) -> impl Future<Output = Outcome> + use<R>
    where
        R: From<oneshot::Sender<Outcome>>,
    {
        let (reply, answer) = oneshot::channel();
        // Refused, the reply is dropped, and so the answer.
        drop(self.submit(vec![(write, reply.into())], &self.generations()));
        async move { answer.await.unwrap_or(Err(StoreError::Closed)) }
    }

    /// Waits until all that was handed over before is made, or will never be.
    pub(crate) async fn settled(&self) {
        for lane in &self.lanes {
            lane.queue.settled().await;
        }
    }

    /// How many writes are not made yet.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.queue.waiting()).sum()
    }

    /// Whether so much waits that connections should be made to wait too.
    pub(crate) fn is_busy(&self) -> bool {
        self.lanes.iter().any(|lane| lane.queue.waiting() > BUSY_WRITES)
    }

    /// Whether the store can no longer write.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Accepts no more writes; those handed over are still made.
    pub(crate) fn close(&self) {
        self.lanes.iter().for_each(|lane| lane.queue.close());
    }

    /// Fails the log: drops the writes that wait; whoever waits for one gets [`StoreError::Closed`].
    pub(crate) fn abandon(&self) {
        self.broken.store(true, Ordering::Relaxed);
        self.lanes.iter().for_each(|lane| lane.queue.abandon());
    }

    /// Makes the writes, until the log is closed and all are made.
    pub(crate) async fn run(&self, sink: &impl Sink<R>) {
        join_all((0..self.lanes.len()).map(|lane| self.run_lane(lane, sink))).await;
    }

    /// Makes the writes of one lane.
    async fn run_lane(&self, number: usize, sink: &impl Sink<R>) {
        let lane = &self.lanes[number];
        // What writes of an earlier generation are answered with.
        let mut stale = StoreError::Closed;
        while let Some(mut taken) = lane.queue.take().await {
            while let Some(Batch { writes: batch, settled }) = taken.batch(BATCH_WRITES) {
                if batch.is_empty() {
                    continue;
                }
                let count = batch.len();
                let (mut writes, mut replies) = (Vec::with_capacity(count), Vec::with_capacity(count));
                let mut answers = Vec::with_capacity(count);
                for (write, reply, generation) in batch {
                    if generation == lane.generation() {
                        writes.push(write);
                        replies.push(reply);
                    } else {
                        answers.push((reply, Err(stale.clone())));
                    }
                }
                let outcomes = if writes.is_empty() { Vec::new() } else { self.make(number, &writes).await };
                lane.queue.made(count);
                let mut failed = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
                let failed = failed.find(|error| error.fails_the_lane()).cloned();
                let mut published = Vec::with_capacity(writes.len());
                for (write, outcome) in writes.into_iter().zip(&outcomes) {
                    if let Ok(written) = outcome {
                        commit::publish(write, written, &mut published);
                    }
                }
                answers.extend(replies.into_iter().zip(outcomes));
                if let Some(error) = &failed {
                    // Before anybody hears of it: what is handed over meanwhile is stale.
                    lane.generation.fetch_add(1, Ordering::Relaxed);
                    stale = error.clone();
                }
                sink.made(answers, published);
                if let Some(error) = failed {
                    tracing::warn!(lane = number, %error, "writes failed; their connections are closed");
                    sink.failed(LaneFailure { lane: number, generation: lane.generation(), error });
                }
                drop(settled);
            }
        }
    }

    /// Has the store make a batch of writes.
    async fn make(&self, lane: usize, writes: &[Write]) -> Vec<Outcome> {
        let outcomes = self.store.write(lane, writes).await;
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            if error.is_of_one_write() {
                tracing::error!(%error, "a write is left out");
            } else if error.is_permanent() && !self.broken.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "the store refused to write; the hub accepts nothing more");
            }
        }
        outcomes
    }
}
