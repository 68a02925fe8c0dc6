//! Sends on their way to the disk: written at once, synced many at a time on a thread of their own, then answered.

use std::io;

use tokio::task::JoinHandle;
use wsc_core::Timestamp;
use wsc_core::client::{Change, SendId};

use super::{Driver, Frontend};
use crate::storage::Storage;

pub(super) struct RecordWriter {
    storage: Option<Storage>,
    /// The last send written and not yet being synced.
    written: Option<SendId>,
    syncing: Option<(SendId, JoinHandle<io::Result<()>>)>,
}

impl RecordWriter {
    pub(super) fn new(storage: Option<Storage>) -> Self {
        Self { storage, written: None, syncing: None }
    }

    /// Whether sends outlive the process.
    pub(super) fn is_durable(&self) -> bool {
        self.storage.is_some()
    }

    pub(super) fn add(&mut self, change: &Change) {
        if let Some(storage) = self.storage.as_mut() {
            storage.add(change);
            self.written = change.confirm().or(self.written);
        }
    }

    /// Begins to sync what was written, unless that is under way.
    pub(super) fn begin(&mut self) {
        if self.syncing.is_some() {
            return;
        }
        if let (Some(up_to), Some(storage)) = (self.written.take(), self.storage.as_ref()) {
            let handle = storage.handle();
            let task = tokio::task::spawn_blocking(move || handle?.sync_data());
            self.syncing = Some((up_to, task));
        }
    }

    pub(super) fn syncing(&mut self) -> Option<&mut JoinHandle<io::Result<()>>> {
        self.syncing.as_mut().map(|(_, task)| task)
    }

    /// Brings everything to the disk before the end.
    pub(super) async fn finish(&mut self) {
        if let Some((_, task)) = self.syncing.take() {
            let _ = task.await;
        }
        if let Some(mut storage) = self.storage.take() {
            let last = move || storage.write().and_then(|()| storage.handle()?.sync_data());
            let _ = tokio::task::spawn_blocking(last).await;
        }
    }
}

impl<A: Frontend> Driver<A> {
    /// Hands changes to the operating system.
    pub(super) fn save(&mut self) {
        let written = self.writer.storage.as_mut().map_or(Ok(()), Storage::write);
        if let Err(error) = written {
            return self.storage_failed(error);
        }
        // Who sends nothing has cursors and read marks all the same.
        if self.writer.syncing.is_none() {
            self.shorten();
        }
    }

    /// Writes a long log anew.
    fn shorten(&mut self) {
        let Some(storage) = self.writer.storage.as_mut().filter(|storage| storage.is_bloated()) else {
            return;
        };
        if let Err(error) = storage.rewrite(&self.machine.snapshot()) {
            self.storage_failed(error);
        }
    }

    /// A sync ended.
    pub(super) fn saved(&mut self, now: Timestamp, outcome: io::Result<()>) {
        let Some((up_to, _)) = self.writer.syncing.take() else { return };
        if let Err(error) = outcome {
            return self.storage_failed(error);
        }
        self.frontend.stored(up_to);
        self.machine.handle_stored(now, up_to);
        self.shorten();
    }

    /// Nothing can be saved any more: what is not saved is not sent.
    fn storage_failed(&mut self, error: io::Error) {
        self.writer.storage = None;
        self.writer.written = None;
        let now = self.clock.now();
        self.frontend.unsaved(&mut self.machine, now, error);
        // What lies there already goes out all the same.
        self.machine.handle_stored(now, SendId(u64::MAX));
    }
}
