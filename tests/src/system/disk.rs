//! The hub's disk: the production memory store behind the time a flush takes, and what is left of it after a crash.
//! Readers see a batch when it is flushed, never before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use wsc_core::backoff::Random;
use wsc_server::MemoryStore;
use wsc_server::log::conformance::{Between, Read, Wrapped};
use wsc_server::log::memory::State;
use wsc_server::log::store::{Answers, Retention, Store, StoreError, StoreFuture, Write};

/// What a crash leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Everything that was answered for.
    Flushed,
    /// What was there at some moment before, in a new epoch.
    Lossy,
}

#[derive(Debug)]
struct Inner {
    /// What is on the disk, read by the hub that runs or ran last.
    memory: Arc<MemoryStore>,
    durability: Durability,
    /// What a lossy crash goes back to.
    snapshot: State,
    /// The batch that is being flushed.
    under_way: Vec<Write>,
    random: Random,
    /// Milliseconds a flush takes at most.
    flush: u64,
    full: bool,
    epochs: u64,
}

impl Inner {
    /// What is there now.
    fn state(&self) -> State {
        self.memory.state().unwrap_or_else(|| self.snapshot.clone())
    }
}

/// A disk, which outlives the hubs on it.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    pub(super) fn new(retention: Retention, durability: Durability, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let snapshot = State::new(retention);
        let flush = random.up_to(30);
        Self(Arc::new(Mutex::new(Inner {
            memory: Arc::new(MemoryStore::with_state(snapshot.clone())),
            durability,
            snapshot,
            under_way: Vec::new(),
            random,
            flush,
            full: false,
            epochs: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A store on this disk for a hub that starts.
    pub(super) fn open(&self) -> Wrapped<DiskStore> {
        let mut inner = self.lock();
        inner.full = false;
        inner.memory = Arc::new(MemoryStore::with_state(inner.state()));
        Wrapped(DiskStore { memory: Arc::clone(&inner.memory), disk: self.clone() })
    }

    /// The hub was killed.
    pub(super) fn crash(&self) {
        let mut inner = self.lock();
        let batch = std::mem::take(&mut inner.under_way);
        let state = match inner.durability {
            Durability::Flushed => {
                // Of the batch being flushed anything up to all of it is there: no answer has been given yet.
                let mut state = inner.state();
                let kept = usize::try_from(inner.random.up_to(batch.len() as u64)).unwrap_or(0);
                for write in &batch[..kept] {
                    state.apply(write);
                }
                state
            }
            Durability::Lossy => {
                inner.epochs += 1;
                let mut state = inner.snapshot.clone();
                state.begin_epoch(&format!("generation-{}", inner.epochs), true);
                inner.snapshot = state.clone();
                state
            }
        };
        inner.memory = Arc::new(MemoryStore::with_state(state));
    }

    /// No more can be written until a hub is started again.
    pub(super) fn fill(&self) {
        self.lock().full = true;
    }

    /// A flush takes this long at most from now on.
    pub(super) fn slow(&self, flush: u64) {
        self.lock().flush = flush;
    }

    /// A lossy crash goes back to what is there now.
    pub(super) fn settle(&self) {
        let mut inner = self.lock();
        inner.snapshot = inner.state();
    }
}

/// A hub's store on a [`Disk`].
pub(super) struct DiskStore {
    memory: Arc<MemoryStore>,
    disk: Disk,
}

impl Between for DiskStore {
    fn store(&self) -> &dyn Store {
        &*self.memory
    }

    fn write<'a>(&'a self, lane: usize, batch: &'a [Write]) -> Answers<'a> {
        Box::pin(async move {
            let wait = {
                let mut inner = self.disk.lock();
                let inner = &mut *inner;
                if inner.full {
                    return vec![Err(StoreError::Full("the disk is full".into())); batch.len()];
                }
                match inner.durability {
                    Durability::Flushed => {
                        inner.under_way = batch.to_vec();
                        inner.random.up_to(inner.flush)
                    }
                    Durability::Lossy => 0,
                }
            };
            sleep(Duration::from_millis(wait)).await;
            self.disk.lock().under_way.clear();
            self.memory.write(lane, batch).await
        })
    }

    /// The state at the time of the request, answered a little later.
    fn read<'a, T: Send + 'a>(
        &'a self,
        _which: Read,
        ask: impl FnOnce(&'a dyn Store) -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        let answer = ask(self.store());
        let delay = self.disk.lock().random.up_to(3);
        Box::pin(async move {
            if delay > 0 {
                sleep(Duration::from_millis(delay)).await;
            }
            answer.await
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        // In order: nothing can be lost any more.
        self.disk.settle();
        self.memory.close()
    }
}
