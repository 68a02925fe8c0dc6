//! The hub's clocks: one for liveness, which never jumps, and the wall clock for what is written down.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wsc_core::Timestamp;

use crate::log::store::Milliseconds;

/// A step longer than this was a suspended process, not silent clients: the rest of it does not count.
const LONGEST_STEP_MS: u64 = 5_000;

/// Milliseconds for deadlines: monotonic, and blind to the time the process was stopped.
pub(crate) struct Clock {
    last: Instant,
    now: Timestamp,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { last: Instant::now(), now: 1 }
    }

    /// Reads the clock.
    pub(crate) fn tick(&mut self) -> Timestamp {
        let instant = Instant::now();
        let step = u64::try_from(instant.duration_since(self.last).as_millis()).unwrap_or(u64::MAX);
        if step > 0 {
            self.last = instant;
            self.now += step.min(LONGEST_STEP_MS);
        }
        self.now
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn wall() -> Milliseconds {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}
