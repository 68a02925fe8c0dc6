//! The number of connections on a hub, and its maximum, which is never exceeded.

use crate::sync::atomic::{AtomicUsize, Ordering};

/// A maximum of things in use at the same time.
pub(crate) struct Quota {
    /// 0: no maximum.
    maximum: usize,
    used: AtomicUsize,
}

impl Quota {
    pub(crate) fn new(maximum: usize) -> Self {
        Self { maximum, used: AtomicUsize::new(0) }
    }

    /// Takes one, to be given back with [`Quota::release`]. `false`: all are in use.
    pub(crate) fn take(&self) -> bool {
        // In one step: between a load and a store another thread may take the last one.
        let one_more = |used| (used < self.maximum).then_some(used + 1);
        self.maximum == 0 || self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    pub(crate) fn release(&self) {
        if self.maximum != 0 {
            self.used.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
