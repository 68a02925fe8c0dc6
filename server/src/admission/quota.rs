//! How many connections there are on a hub, and that there are never more than it has places for.

use crate::sync::atomic::{AtomicUsize, Ordering};

/// Places of a hub.
pub(crate) struct Places {
    /// 0: any number.
    most: usize,
    taken: AtomicUsize,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0) }
    }

    /// Takes a place, to be given back with [`Places::leave`]. `false`: there is none.
    pub(crate) fn enter(&self) -> bool {
        // In one step: between a look and a step others come in.
        let one_more = |taken| (taken < self.most).then_some(taken + 1);
        self.most == 0 || self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    pub(crate) fn leave(&self) {
        if self.most != 0 {
            self.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
