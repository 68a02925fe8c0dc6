//! A store that is slow, panics, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use wsc_server::log::conformance::{Between, Read, Wrapped};
use wsc_server::log::store::{Answers, Store, StoreFuture, Write};
use wsc_server::{Hub, MemoryStore, Settings};

use super::Server;

/// What a store suffers from.
#[derive(Default)]
pub struct Illness {
    pub open_ms: AtomicU64,
    pub write_ms: AtomicU64,
    pub members_ms: AtomicU64,
    pub panics_at_write: AtomicBool,
    pub panics_at_read: AtomicBool,
    /// How often it was asked for what was delivered, for headers, and to write.
    pub delivered: AtomicU64,
    pub headers: AtomicU64,
    pub writes: AtomicU64,
}

/// A memory store with an illness.
struct Ill {
    well: MemoryStore,
    illness: Arc<Illness>,
}

impl Between for Ill {
    fn store(&self) -> &dyn Store {
        &self.well
    }

    fn write<'a>(&'a self, lane: usize, batch: &'a [Write]) -> Answers<'a> {
        self.illness.writes.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Box::pin(async move {
            assert!(!self.illness.panics_at_write.load(Ordering::Relaxed), "the store panics as it was told");
            tokio::time::sleep(Duration::from_millis(self.illness.write_ms.load(Ordering::Relaxed))).await;
            self.well.write(lane, batch).await
        })
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        which: Read,
        ask: impl FnOnce(&'a dyn Store) -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        let illness = &*self.illness;
        let wait = match which {
            Read::Open => illness.open_ms.load(Ordering::Relaxed),
            Read::Members => illness.members_ms.load(Ordering::Relaxed),
            Read::Read => {
                assert!(!illness.panics_at_read.load(Ordering::Relaxed), "the store panics as it was told");
                0
            }
            _ => 0,
        };
        match which {
            Read::Headers => illness.headers.fetch_add(1, Ordering::Relaxed),
            Read::Delivered => illness.delivered.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        let answer = ask(self.store());
        if wait == 0 {
            return answer;
        }
        Box::pin(async move {
            let answer = answer.await;
            tokio::time::sleep(Duration::from_millis(wait)).await;
            answer
        })
    }
}

/// A hub of one shard over such a store.
pub async fn ill() -> (Server, Arc<Illness>) {
    ill_with(|_| {}).await
}

pub async fn ill_with(change: impl FnOnce(&mut Settings)) -> (Server, Arc<Illness>) {
    let mut settings = Settings::default();
    settings.shards = 1;
    settings.drain = Duration::from_secs(3);
    change(&mut settings);
    let illness = Arc::new(Illness::default());
    let store = Ill { well: MemoryStore::new(settings.retention), illness: Arc::clone(&illness) };
    (Server::over(Hub::builder(Wrapped(store)).settings(settings)).await, illness)
}
