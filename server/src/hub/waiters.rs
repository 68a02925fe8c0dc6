//! Sends of the application that are waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::log::key::UserKey;

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
type Awaited = (UserKey, Arc<str>, Arc<str>);

/// Messages whose stages are waited for, while somebody waits.
#[derive(Default)]
pub(crate) struct Waiters {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    stages: HashMap<Awaited, watch::Sender<Stage>>,
    /// With so many it is time to forget those nobody waits for any more.
    sweep_at: usize,
}

/// Fewer than this are not worth a sweep.
const SWEPT: usize = 64;

impl Waiters {
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

    pub(crate) fn delivered(&self, receiver: &UserKey, sender: &Arc<str>, message_id: &Arc<str>) {
        self.reach(receiver, sender, message_id, Stage::Delivered);
    }

    pub(crate) fn read(&self, receiver: &UserKey, sender: &Arc<str>, message_id: &Arc<str>) {
        self.reach(receiver, sender, message_id, Stage::Read);
    }

    fn reach(&self, receiver: &UserKey, sender: &Arc<str>, message_id: &Arc<str>, stage: Stage) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.stages.is_empty() {
            return;
        }
        let key = (receiver.clone(), Arc::clone(sender), Arc::clone(message_id));
        if let Some(sender) = waiting.stages.get(&key) {
            sender.send_if_modified(|now| {
                let forward = stage > *now;
                *now = stage.max(*now);
                forward
            });
        }
    }
}
