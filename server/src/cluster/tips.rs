//! Asking where streams stand: after every subscription, and now and then, because a hint may be lost without a sign.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::interests::Interests;
use crate::log::key::StreamKey;
use crate::log::store::Store;

/// Streams asked about at once.
const STREAMS: usize = 500;
/// How often everything is asked about.
const PERIOD: Duration = Duration::from_secs(40);
/// What is added for each hub another part of: those that began together drift apart.
const JITTER: Duration = Duration::from_secs(20);
/// Before the store is asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks, until the hub ends.
pub(super) async fn run(interests: &Interests, store: &dyn Store) {
    let period = PERIOD + JITTER * u32::from(interests.origin.to_le_bytes()[0]) / 256;
    let mut all_at = Instant::now() + period;
    loop {
        let asked = match timeout_at(all_at, interests.streams.take()).await {
            Ok(Some(asked)) => asked,
            Ok(None) => return,
            Err(_) => {
                interests.look_at_all();
                all_at = Instant::now() + period;
                continue;
            }
        };
        let asked: Vec<StreamKey> = asked.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        for streams in asked.chunks(STREAMS) {
            match store.tips(streams).await {
                Ok(tips) => {
                    interests.tell_tips(streams.iter().cloned().zip(tips).collect(), true);
                }
                Err(error) => {
                    tracing::debug!(%error, "the store did not tell where streams stand; it is asked again");
                    let _ = interests.streams.put(streams.iter().cloned());
                    sleep(PAUSE).await;
                }
            }
        }
    }
}
