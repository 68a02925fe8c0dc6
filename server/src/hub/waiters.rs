//! Sends of the application that are waited for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::log::key::Scope;

const CLEAN_FROM: usize = 64;

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

/// By tenant and message id.
type Stages = HashMap<(Scope, Arc<str>), watch::Sender<Stage>>;

/// Messages whose stages are waited for, while somebody waits.
#[derive(Default)]
pub(crate) struct Waiters {
    stages: Mutex<Stages>,
}

impl Waiters {
    /// Begins to wait; ends when the receiver is dropped.
    pub(crate) fn expect(&self, scope: &Scope, message_id: &Arc<str>) -> watch::Receiver<Stage> {
        let (sender, receiver) = watch::channel(Stage::Accepted);
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        // Now and then those are let go for whom nobody waits any more.
        if stages.len() >= CLEAN_FROM && stages.len().is_power_of_two() {
            stages.retain(|_, sender| sender.receiver_count() > 0);
        }
        stages.insert((scope.clone(), Arc::clone(message_id)), sender);
        receiver
    }

    pub(crate) fn delivered(&self, scope: &Scope, message_id: &Arc<str>) {
        self.reach(scope, message_id, Stage::Delivered);
    }

    pub(crate) fn read(&self, scope: &Scope, message_id: &Arc<str>) {
        self.reach(scope, message_id, Stage::Read);
    }

    fn reach(&self, scope: &Scope, message_id: &Arc<str>, stage: Stage) {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if stages.is_empty() {
            return;
        }
        if let Some(sender) = stages.get(&(scope.clone(), Arc::clone(message_id))) {
            sender.send_if_modified(|now| {
                let forward = stage > *now;
                *now = stage.max(*now);
                forward
            });
        }
    }
}
