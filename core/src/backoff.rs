//! Waiting between attempts: exponential with full jitter. Never reads a clock and never sleeps; randomness is a seed.

/// A small pseudo-random sequence (splitmix64): spreads clients out, is no secret.
///
/// ```
/// use wsc_core::backoff::Random;
/// let (mut one, mut two) = (Random::new(7), Random::new(7));
/// assert_eq!(one.next(), two.next());
/// assert!(one.up_to(10) <= 10);
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Begins at a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "an endless sequence needs no Option")]
    pub const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `last`, both included.
    pub const fn up_to(&mut self, last: u64) -> u64 {
        match last.checked_add(1) {
            Some(count) => self.next() % count,
            None => self.next(),
        }
    }
}

/// How the waits grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The first upper bound, in milliseconds.
    pub base_ms: u64,
    /// What each bound is to the one before.
    pub factor: u64,
    /// No bound is above this, in milliseconds.
    pub max_ms: u64,
}

impl Growth {
    /// For attempts that go to several addresses in turn: each address is tried as often as a single one would be, and the
    /// next one after a part of the wait.
    ///
    /// ```
    /// use wsc_core::backoff::Growth;
    /// let spread = Growth::default().spread(2);
    /// assert_eq!((spread.base_ms, spread.max_ms), (250, 15_000));
    /// ```
    #[must_use]
    pub const fn spread(self, addresses: u32) -> Self {
        let addresses = if addresses > 1 { addresses as u64 } else { 1 };
        // Rounded up: from 0 no wait ever grows.
        Self { base_ms: self.base_ms.div_ceil(addresses), max_ms: self.max_ms.div_ceil(addresses), ..self }
    }
}

impl Default for Growth {
    fn default() -> Self {
        Self { base_ms: 500, factor: 2, max_ms: 30_000 }
    }
}

/// Counts failed attempts and says how long to wait before the next.
///
/// ```
/// use wsc_core::backoff::{Backoff, Growth, Random};
/// let (mut backoff, mut random) = (Backoff::new(Growth::default()), Random::new(1));
/// assert!(backoff.delay(&mut random) <= 500);
/// assert!(backoff.delay(&mut random) <= 1000);
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    growth: Growth,
    bound: u64,
    attempts: u32,
}

impl Backoff {
    /// Begins with no failed attempt.
    #[must_use]
    pub const fn new(growth: Growth) -> Self {
        Self { growth, bound: growth.base_ms, attempts: 0 }
    }

    /// The wait after one more failure: anything from nothing to the present bound.
    pub fn delay(&mut self, random: &mut Random) -> u64 {
        let Growth { factor, max_ms, .. } = self.growth;
        let bound = self.bound.min(max_ms);
        self.bound = if factor > 0 && bound > max_ms / factor { max_ms } else { bound * factor };
        self.attempts = self.attempts.wrapping_add(1);
        random.up_to(bound)
    }

    /// How many failures there were since the last reset.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Forgets the failures.
    pub const fn reset(&mut self) {
        self.bound = self.growth.base_ms;
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn the_bound_doubles_to_the_maximum_and_a_reset_begins_again() {
        let mut backoff = Backoff::new(Growth::default());
        let mut random = Random::new(3);
        for bound in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            assert_eq!(backoff.bound.min(30_000), bound);
            assert!(backoff.delay(&mut random) <= bound);
        }
        backoff.reset();
        assert_eq!((backoff.bound, backoff.attempts()), (500, 0));
    }

    #[test]
    fn waits_use_the_whole_range() {
        let mut random = Random::new(11);
        let waits: Vec<u64> = (0..1000).map(|_| Backoff::new(Growth::default()).delay(&mut random)).collect();
        assert!(waits.iter().any(|wait| *wait < 50) && waits.iter().any(|wait| *wait > 450));
    }

    #[test]
    fn waits_grow_however_many_addresses_there_are() {
        for addresses in [0, 1, 2, 7, 1000, u32::MAX] {
            let Growth { base_ms, max_ms, .. } = Growth::default().spread(addresses);
            assert!((1..=500).contains(&base_ms) && (1..=30_000).contains(&max_ms), "{addresses}");
        }
    }

    #[test]
    fn extreme_growth_does_not_overflow() {
        let mut backoff = Backoff::new(Growth { base_ms: u64::MAX, factor: u64::MAX, max_ms: u64::MAX });
        let mut random = Random::new(5);
        for _ in 0..5 {
            let _ = backoff.delay(&mut random);
        }
    }
}
