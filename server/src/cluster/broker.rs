//! The broker: carries hints between hubs. It may lose all of them; the log is the truth.

use std::sync::Arc;

use crate::log::commit::Published;
use crate::log::key::StreamKey;
use crate::shard::hint::Hint;

/// Carries hints to other hubs. What concerns this hub alone never comes here: the [`Router`](super::router::Router)
/// has told its shards already.
pub(crate) trait Broker: Send + Sync {
    /// This hub committed these, in the order of the log.
    fn publish(&self, batch: &[Arc<Published>]);

    /// Something without a position, for readers on other hubs.
    fn tell(&self, hint: &Hint);

    /// Whether there are other hubs, so that it must know which streams are read here.
    fn has_others(&self) -> bool;

    /// A shard of this hub has its first reader of a stream.
    fn subscribe(&self, shard: usize, stream: &StreamKey);

    /// It has none any more.
    fn unsubscribe(&self, shard: usize, stream: &StreamKey);
}
