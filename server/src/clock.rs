//! The hub's clocks, each with a type of its own: [`Tick`] for liveness, which never jumps, and [`Wall`] for what is
//! written down. A simulation stops both: the first with tokio's clock, the second with `simulate_wall`.

#[cfg(feature = "testing")]
use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use wsc_core::Timestamp;

use crate::log::store::Milliseconds;

/// A step longer than this was a suspended process, not silent clients: the rest of it does not count.
const LONGEST_STEP_MS: u64 = 5_000;

/// A moment of one shard's liveness clock, in milliseconds. Moments of different shards cannot be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(Timestamp);

impl Tick {
    /// As `core` counts: milliseconds.
    pub(crate) const fn ms(self) -> Timestamp {
        self.0
    }

    pub(crate) const fn from_ms(ms: Timestamp) -> Self {
        Self(ms)
    }

    /// This many milliseconds later.
    pub(crate) const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from an earlier moment to this one.
    pub(crate) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A moment of the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wall(Milliseconds);

impl Wall {
    /// Milliseconds since the Unix epoch, as the store keeps them.
    pub(crate) const fn ms(self) -> Milliseconds {
        self.0
    }
}

/// Ticks: monotonic, and blind to the time the process was stopped.
pub(crate) struct Clock {
    last: Instant,
    now: Tick,
    was_stopped: bool,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { last: Instant::now(), now: Tick(1), was_stopped: false }
    }

    /// Reads the clock.
    pub(crate) fn tick(&mut self) -> Tick {
        let instant = Instant::now();
        let step = milliseconds(instant.duration_since(self.last));
        if step > LONGEST_STEP_MS {
            self.last = instant;
            self.now.0 += LONGEST_STEP_MS;
            self.was_stopped = true;
        } else {
            // What is left of a millisecond counts next time, or a clock that is read often would be slow.
            self.last += Duration::from_millis(step);
            self.now.0 += step;
        }
        self.now
    }

    /// Whether the process was stopped since this was last asked.
    pub(crate) fn was_stopped(&mut self) -> bool {
        std::mem::take(&mut self.was_stopped)
    }
}

#[cfg(feature = "testing")]
thread_local! {
    /// What a simulated wall clock showed, and when.
    static SIMULATED: Cell<Option<(Milliseconds, Instant)>> = const { Cell::new(None) };
}

/// The wall clock now.
pub(crate) fn wall() -> Wall {
    #[cfg(feature = "testing")]
    if let Some((shown, at)) = SIMULATED.get() {
        return Wall(shown.saturating_add(milliseconds(at.elapsed())));
    }
    Wall(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds))
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
        let counted = clock.tick().since(from);
        assert!(counted + 5 >= real, "{counted} of {real} ms");
    }
}
