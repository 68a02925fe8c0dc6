//! A connection on its way in, step by step.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use wsc_core::StreamName;

use super::{Remote, TestShard, text};
use crate::Settings;
use crate::log::conformance::{Between, Read, Wrapped};
use crate::log::key::{Scope, StreamKey, UserKey};
use crate::log::memory::MemoryStore;
use crate::log::store::{Cursor, Store, StoreFuture};

/// How often the log may be asked for one connection.
const ROUNDS: usize = 10;

impl TestShard {
    /// Lets alice's device acknowledge an entry that no connection of it has written, and go.
    fn leave_an_entry_that_is_not_known_as_delivered(&mut self) {
        let alice = self.connect("alice");
        let bob = self.connect("bob");
        self.say(&bob, &text("1", "alice"));
        self.settle();
        for Remote { id, .. } in [alice, bob] {
            drop(self.turn().end(id));
        }
        self.settle();
    }

    fn cursor(&self, seq: u64) -> Cursor {
        let stream = StreamKey::Broadcast(Scope::default());
        let tips = [stream];
        let tips = self.cx.node().log.store.tips(&tips).now_or_never().unwrap().unwrap();
        Cursor { epoch: Arc::clone(&tips[0].epoch), seq }
    }

    /// Goes on until nobody attaches any more; returns how many writes that took.
    fn attach_all(&mut self) -> usize {
        let mut writes = 0;
        for _ in 0..ROUNDS {
            writes += self.settle().len();
            self.run_tasks();
        }
        assert!(self.state.attaching.is_empty(), "{writes} writes, and no end");
        writes
    }
}

#[test]
fn a_device_that_lies_about_one_stream_and_not_about_another_is_let_in() {
    let mut shard = TestShard::new(Settings::default());
    shard.leave_an_entry_that_is_not_known_as_delivered();
    // An epoch was begun for such a device already.
    shard.cx.node().went_back.store(true, Ordering::Relaxed);
    let cursors = [(StreamName::Inbox, shard.cursor(1)), (StreamName::Broadcast, shard.cursor(9))];
    let _socket = shard.arrive("alice", HashMap::from(cursors));
    assert_eq!(shard.attach_all(), 3);
    assert_eq!(shard.state.connections_of(&UserKey::new(&Scope::default(), "alice")).len(), 1);
}

/// Reads headers only to fall.
struct Falls(MemoryStore);

impl Between for Falls {
    fn store(&self) -> &dyn Store {
        &self.0
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        which: Read,
        ask: impl FnOnce(&'a dyn Store) -> StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        assert_ne!(which, Read::Headers, "as it was told");
        ask(self.store())
    }
}

#[test]
fn a_panic_while_a_connection_is_attached_turns_that_connection_away() {
    let settings = Settings::default();
    let store = Arc::new(Wrapped(Falls(MemoryStore::new(settings.retention))));
    let mut shard = TestShard::with_store(settings, store);
    shard.leave_an_entry_that_is_not_known_as_delivered();
    let cursors = HashMap::from([(StreamName::Inbox, shard.cursor(1))]);
    let _socket = shard.arrive("alice", cursors);
    assert_eq!(shard.attach_all(), 1);
    assert!(shard.state.connections.is_empty());
}
