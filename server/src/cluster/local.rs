//! The broker of a hub that is alone: there is nobody else to tell.

use std::sync::Arc;

use super::broker::Broker;
use crate::log::commit::Published;
use crate::log::key::StreamKey;
use crate::shard::hint::Hint;

/// Tells nobody.
pub(crate) struct LocalBroker;

impl Broker for LocalBroker {
    fn publish(&self, _: &[Arc<Published>]) {}

    fn tell(&self, _: &Hint) {}

    fn has_others(&self) -> bool {
        false
    }

    fn subscribe(&self, _: usize, _: &StreamKey) {}

    fn unsubscribe(&self, _: usize, _: &StreamKey) {}
}
