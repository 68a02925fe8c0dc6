//! The broker of one hub: hands what was committed to the shards, one letter per shard and batch.

use std::sync::Arc;

use super::{Broker, Published};
use crate::hub::shard::{Letter, Shards};
use crate::log::key::StreamKey;

/// Publishes to the shards of this process.
pub(crate) struct LocalBroker {
    shards: Arc<Shards>,
}

impl LocalBroker {
    pub(crate) fn new(shards: Arc<Shards>) -> Self {
        Self { shards }
    }
}

impl Broker for LocalBroker {
    fn publish(&self, batch: Vec<Published>) {
        let mut letters: Vec<Vec<Arc<Published>>> = vec![Vec::new(); self.shards.len()];
        for event in batch {
            let event = Arc::new(event);
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
