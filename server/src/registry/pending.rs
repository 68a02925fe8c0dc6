//! Sends of the application that are waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::log::key::UserKey;
use crate::shard::hint::Receipt;

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Stored at the configured durability.
    Accepted,
    /// A device of the receiver acknowledged it.
    Delivered,
    /// The receiver has read it.
    Read,
}

/// A message: whose, from whom, which. Another sender's or to somebody else may have the same id.
type Key = (UserKey, Arc<str>, Arc<str>);

/// Messages whose stages are waited for, while somebody waits.
#[derive(Default)]
pub(crate) struct PendingReceipts {
    waiting: Mutex<Stages>,
}

#[derive(Default)]
struct Stages {
    stages: HashMap<Key, watch::Sender<Stage>>,
    /// With so many it is time to forget those nobody waits for any more.
    sweep_at: usize,
}

/// Fewer than this are not worth a sweep.
const SWEPT: usize = 64;

impl PendingReceipts {
    /// Begins to wait; ends when the receiver is dropped. What is for no single user reaches no further stage.
    pub(crate) fn expect(
        &self,
        receiver: Option<&UserKey>,
        sender: &str,
        message_id: &Arc<str>,
    ) -> watch::Receiver<Stage> {
        let (stage, wait) = watch::channel(Stage::Accepted);
        let Some(receiver) = receiver else { return wait };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.stages.len() >= waiting.sweep_at {
            waiting.stages.retain(|_, stage| stage.receiver_count() > 0);
            waiting.sweep_at = SWEPT.max(2 * waiting.stages.len());
        }
        let key = (receiver.clone(), sender.into(), Arc::clone(message_id));
        // Sent again while the first is waited for: both wait for the same.
        waiting.stages.entry(key).or_insert(stage).subscribe()
    }

    /// Messages of one sender reached a stage.
    pub(crate) fn reach(&self, receipt: &Receipt, stage: Stage) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.stages.is_empty() {
            return;
        }
        let receiver = UserKey { scope: receipt.sender.scope.clone(), user: Arc::clone(&receipt.receiver) };
        for message_id in &receipt.message_ids {
            let key = (receiver.clone(), Arc::clone(&receipt.sender.user), Arc::clone(message_id));
            let Some(sender) = waiting.stages.get(&key) else { continue };
            sender.send_if_modified(|now| {
                let forward = stage > *now;
                *now = stage.max(*now);
                forward
            });
        }
    }
}
