//! The client's clock: milliseconds since the Unix epoch that never go back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wsc_core::Timestamp;

/// Follows the system's clock forwards (a laptop that slept), and goes on at an even pace when that is set back.
#[derive(Debug)]
pub(crate) struct Clock {
    last: Timestamp,
    at: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { last: system(), at: Instant::now() }
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        let passed = self.at.elapsed().as_millis();
        let even = self.last.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX));
        let now = system().max(even);
        if now != self.last {
            self.last = now;
            self.at = Instant::now();
        }
        now
    }

    /// The moment of a time to come on tokio's clock.
    pub(crate) fn moment(&mut self, at: Timestamp) -> tokio::time::Instant {
        // A far time needs no exact moment: the driver looks again.
        let wait = at.saturating_sub(self.now()).min(3_600_000);
        tokio::time::Instant::now() + Duration::from_millis(wait)
    }
}

fn system() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
