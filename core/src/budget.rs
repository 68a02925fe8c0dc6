//! Budgets per second: a bucket that fills evenly and holds one second's worth.

use crate::time::Timestamp;

/// How much may still be done now.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// In thousandths.
    left: u64,
    per_second: u32,
    at: Timestamp,
}

impl Budget {
    /// A full bucket. `per_second` 0 means: no limit.
    #[must_use]
    pub const fn new(per_second: u32, now: Timestamp) -> Self {
        Self { left: per_second as u64 * 1000, per_second, at: now }
    }

    /// Takes `count`; or says how many milliseconds from now they will be there, and takes nothing. More than a
    /// second's worth is taken when the bucket is full, and paid off before the next.
    pub fn take(&mut self, count: u64, now: Timestamp) -> Result<(), u64> {
        let wait = self.wait(count, now);
        if wait > 0 {
            return Err(wait);
        }
        let (rate, wanted) = (u64::from(self.per_second), count.saturating_mul(1000));
        if let (true, Some(owed)) = (rate > 0, wanted.checked_sub(self.left)) {
            // The rest is owed: the clock of the bucket stands in the future until it is paid.
            self.at = self.at.saturating_add(owed / rate);
        }
        self.left = self.left.saturating_sub(wanted);
        Ok(())
    }

    /// How many milliseconds from now `count` can be taken; 0: now. Takes nothing.
    pub fn wait(&mut self, count: u64, now: Timestamp) -> u64 {
        if self.per_second == 0 {
            return 0;
        }
        let rate = u64::from(self.per_second);
        let full = rate * 1000;
        let filled = now.saturating_sub(self.at).saturating_mul(rate);
        self.left = self.left.saturating_add(filled).min(full);
        self.at = self.at.max(now);
        let wanted = count.saturating_mul(1000).min(full);
        match wanted.checked_sub(self.left) {
            None | Some(0) => 0,
            Some(missing) => missing.div_ceil(rate).max(1).saturating_add(self.at.saturating_sub(now)),
        }
    }

    /// When the bucket is full again, if nothing more is taken.
    #[must_use]
    pub fn full_at(&self) -> Timestamp {
        let rate = u64::from(self.per_second);
        let missing = (rate * 1000).saturating_sub(self.left);
        if missing == 0 { self.at } else { self.at.saturating_add(missing.div_ceil(rate)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_may_be_taken_at_once_and_then_evenly() {
        let mut budget = Budget::new(10, 0);
        for _ in 0..10 {
            assert_eq!(budget.take(1, 0), Ok(()));
        }
        assert_eq!(budget.take(1, 0), Err(100));
        assert_eq!(budget.take(1, 100), Ok(()));
        assert_eq!(budget.take(11, 5000), Ok(()));
        assert_eq!(budget.take(1, 5000), Err(200));
        assert_eq!(budget.take(1, 5200), Ok(()));
    }

    #[test]
    fn asking_how_long_to_wait_takes_nothing() {
        let mut budget = Budget::new(10, 0);
        assert_eq!((budget.wait(10, 0), budget.wait(10, 0)), (0, 0));
        assert_eq!(budget.take(10, 0), Ok(()));
        assert_eq!((budget.wait(1, 0), budget.wait(5, 0), budget.full_at()), (100, 500, 1000));
        assert_eq!(budget.take(5, 500), Ok(()));
        assert_eq!(budget.full_at(), 1500);
    }

    #[test]
    fn no_limit_is_no_limit() {
        assert_eq!(Budget::new(0, 0).take(u64::MAX, 0), Ok(()));
    }
}
