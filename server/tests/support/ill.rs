//! A store that is slow, panics, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use wsc_server::log::store::{
    Conversation, Device, Found, Members, Membership, Milliseconds, Opened, Page, Ranges, Store, StoreFuture,
    WaitingMark, Write, Written,
};
use wsc_server::{GroupKey, Hub, MemoryStore, Settings, StreamKey, UserKey};

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

impl Store for Ill {
    fn write<'a>(&'a self, batch: &'a [Write]) -> StoreFuture<'a, Vec<Written>> {
        self.illness.writes.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Box::pin(async {
            assert!(!self.illness.panics_at_write.load(Ordering::Relaxed), "the store panics as it was told");
            tokio::time::sleep(Duration::from_millis(self.illness.write_ms.load(Ordering::Relaxed))).await;
            self.well.write(batch).await
        })
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page> {
        assert!(!self.illness.panics_at_read.load(Ordering::Relaxed), "the store panics as it was told");
        self.well.read(stream, from, limit, max_bytes)
    }

    fn read_back<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page> {
        self.well.read_back(stream, from, limit, max_bytes)
    }

    fn headers<'a>(&'a self, stream: &'a StreamKey, from: u64, limit: usize) -> StoreFuture<'a, Page> {
        self.illness.headers.fetch_add(1, Ordering::Relaxed);
        self.well.headers(stream, from, limit)
    }

    fn open<'a>(&'a self, user: &'a UserKey, device: Option<&'a str>) -> StoreFuture<'a, Opened> {
        Box::pin(async move {
            let opened = self.well.open(user, device).await;
            tokio::time::sleep(Duration::from_millis(self.illness.open_ms.load(Ordering::Relaxed))).await;
            opened
        })
    }

    fn devices<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<Device>> {
        self.well.devices(user)
    }

    fn last_seen<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Milliseconds> {
        self.well.last_seen(user)
    }

    fn marks<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<(Conversation, u64)>> {
        self.well.marks(user)
    }

    fn waiting_marks(&self, limit: usize) -> StoreFuture<'_, Vec<WaitingMark>> {
        self.well.waiting_marks(limit)
    }

    fn delivered<'a>(&'a self, user: &'a UserKey, stream: &'a StreamKey) -> StoreFuture<'a, Ranges> {
        self.illness.delivered.fetch_add(1, Ordering::Relaxed);
        self.well.delivered(user, stream)
    }

    fn find<'a>(&'a self, sender: &'a UserKey, ids: &'a [Arc<str>]) -> StoreFuture<'a, Vec<Option<Found>>> {
        self.well.find(sender, ids)
    }

    fn members<'a>(
        &'a self,
        group: &'a GroupKey,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Members> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(self.illness.members_ms.load(Ordering::Relaxed))).await;
            self.well.members(group, after, limit).await
        })
    }

    fn membership<'a>(&'a self, group: &'a GroupKey, user: &'a str) -> StoreFuture<'a, Option<Membership>> {
        self.well.membership(group, user)
    }

    fn maintain(&self, now: Milliseconds) -> StoreFuture<'_, bool> {
        self.well.maintain(now)
    }

    fn epoch(&self) -> Arc<str> {
        self.well.epoch()
    }

    fn begin_epoch(&self) -> StoreFuture<'_, ()> {
        self.well.begin_epoch()
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.well.close()
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
    (Server::over(Hub::builder(store).settings(settings)).await, illness)
}
