//! The hub's clocks: one for liveness, which never jumps, and the wall clock for what is written down. A simulation
//! stops both: the first with tokio's, the second with `simulate_wall`.

#[cfg(feature = "testing")]
use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
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
        let step = milliseconds(instant.duration_since(self.last));
        if step > LONGEST_STEP_MS {
            self.last = instant;
            self.now += LONGEST_STEP_MS;
        } else {
            // What is left of a millisecond counts next time, or a clock that is read often would be slow.
            self.last += Duration::from_millis(step);
            self.now += step;
        }
        self.now
    }
}

#[cfg(feature = "testing")]
thread_local! {
    /// What a simulated wall clock showed, and when.
    static SIMULATED: Cell<Option<(Milliseconds, Instant)>> = const { Cell::new(None) };
}

/// Milliseconds since the Unix epoch.
pub(crate) fn wall() -> Milliseconds {
    #[cfg(feature = "testing")]
    if let Some((shown, at)) = SIMULATED.get() {
        return shown.saturating_add(milliseconds(at.elapsed()));
    }
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds)
}

/// Sets this thread's wall clock, which goes on from there with tokio's clock. For simulations.
#[cfg(feature = "testing")]
pub fn simulate_wall(shown: Milliseconds) {
    SIMULATED.set(Some((shown, Instant::now())));
}

fn milliseconds(time: Duration) -> Milliseconds {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_read_often_is_not_slow() {
        let (mut clock, begin) = (Clock::new(), Instant::now());
        let from = clock.tick();
        while begin.elapsed() < Duration::from_millis(150) {
            std::thread::sleep(Duration::from_micros(1500));
            clock.tick();
        }
        let real = u64::try_from(begin.elapsed().as_millis()).unwrap();
        assert!(clock.tick() - from + 5 >= real, "{} of {real} ms", clock.tick() - from);
    }
}
