//! What waits for the log: writes of all threads, in the order they were handed over, taken in batches by the one that
//! makes them. It does not know what a write is.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::mailbox::Mailbox;
use crate::sync::atomic::{AtomicUsize, Ordering};

enum Asked<W> {
    Write(W),
    /// To be dropped when all before it is made.
    Settled(oneshot::Sender<()>),
}

/// Writes that wait.
pub(crate) struct Queue<W> {
    asked: Mailbox<Asked<W>>,
    waiting: AtomicUsize,
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self { asked: Mailbox::default(), waiting: AtomicUsize::new(0) }
    }
}

impl<W> Queue<W> {
    /// Hands over writes, to be made in this order. Gives them back when the queue is closed.
    pub(crate) fn submit(&self, writes: impl ExactSizeIterator<Item = W>) -> Vec<W> {
        self.waiting.fetch_add(writes.len(), Ordering::Relaxed);
        let Err(refused) = self.asked.put(writes.map(Asked::Write)) else { return Vec::new() };
        self.waiting.fetch_sub(refused.len(), Ordering::Relaxed);
        let writes = refused.into_iter().filter_map(|asked| match asked {
            Asked::Write(write) => Some(write),
            Asked::Settled(_) => None,
        });
        writes.collect()
    }

    /// Waits until all that was handed over before is made, or will never be.
    pub(crate) async fn settled(&self) {
        let (settled, wait) = oneshot::channel();
        let _ = self.asked.put([Asked::Settled(settled)]);
        let _ = wait.await;
    }

    /// How many writes are not made yet.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes all there is, and waits until there is something. `None` when the queue is closed and empty.
    pub(crate) async fn take(&self) -> Option<Taken<W>> {
        self.asked.take().await.map(Taken)
    }

    /// So many of what was taken are made.
    pub(crate) fn made(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    /// Accepts no more writes; those handed over can still be taken.
    pub(crate) fn close(&self) {
        self.asked.close();
    }

    /// Accepts no more writes and drops those that wait.
    pub(crate) fn abandon(&self) {
        self.asked.abandon();
    }
}

/// What was taken at once.
pub(crate) struct Taken<W>(VecDeque<Asked<W>>);

impl<W> Taken<W> {
    /// The next of it, at most so many. `None`: nothing is left.
    pub(crate) fn batch(&mut self, most: usize) -> Option<Batch<W>> {
        if self.0.is_empty() {
            return None;
        }
        let mut batch = Batch { writes: Vec::new(), settled: Vec::new() };
        for asked in self.0.drain(..self.0.len().min(most)) {
            match asked {
                Asked::Write(write) => batch.writes.push(write),
                Asked::Settled(wait) => batch.settled.push(wait),
            }
        }
        Some(batch)
    }
}

/// Writes to be made together.
pub(crate) struct Batch<W> {
    pub(crate) writes: Vec<W>,
    /// To be dropped when they are made: whoever waits for that goes on then.
    pub(crate) settled: Vec<oneshot::Sender<()>>,
}
