//! One stream of one connection, as the hub keeps it: what is covered, what is acknowledged, what is under way.

use alloc::vec::Vec;

use crate::coverage::{Coverage, Fit};

/// A stream being read on a connection.
#[derive(Clone, Debug)]
pub struct Track {
    coverage: Coverage,
    acknowledged: u64,
    /// Entries under way as runs: the last position of each and how many are left in it. Nearly always one.
    under_way: Vec<(u64, u32)>,
}

impl Track {
    pub(super) fn new(from: u64) -> Self {
        Self { coverage: Coverage::new(from), acknowledged: from.saturating_sub(1), under_way: Vec::new() }
    }

    /// The first position not covered yet.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.coverage.next()
    }

    /// All up to here was acknowledged, or lay before the connection.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many entries are under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.under_way.iter().map(|run| run.1).sum()
    }

    pub(super) fn take(&mut self, first: u64, last: u64) -> Fit {
        self.coverage.take(first, last)
    }

    pub(super) fn sent(&mut self, first: u64, last: u64, count: u32) {
        match self.under_way.last_mut() {
            Some(run) if run.0 + 1 == first => *run = (last, run.1 + count),
            _ => self.under_way.push((last, count)),
        }
    }

    /// Moves `acknowledged` up to `seq`; returns how many entries that were under way it settles.
    pub(super) fn acknowledge(&mut self, seq: u64) -> u32 {
        self.acknowledged = seq;
        let mut settled = 0;
        self.under_way.retain_mut(|run| {
            let first = run.0 + 1 - u64::from(run.1);
            if run.0 <= seq {
                settled += run.1;
                return false;
            }
            if first <= seq {
                let part = u32::try_from(seq + 1 - first).unwrap_or(run.1);
                settled += part;
                run.1 -= part;
            }
            true
        });
        if self.under_way.is_empty() {
            self.under_way = Vec::new();
        }
        settled
    }
}
