//! The one rule about positions that both halves of a connection keep: each is covered once, in order, without hole.

/// Where a stream stands on one connection: everything below `next` is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    next: u64,
}

/// What a range of positions is to a coverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It begins at `next` and was taken (an empty one too).
    Taken,
    /// It begins below `next`: covered already.
    Old,
    /// It begins above `next`: positions are missing between.
    Hole,
}

impl Coverage {
    /// Begins at a position.
    #[must_use]
    pub const fn new(from: u64) -> Self {
        Self { next: from }
    }

    /// The first position not covered yet.
    #[must_use]
    pub const fn next(self) -> u64 {
        self.next
    }

    /// The last position covered.
    #[must_use]
    pub const fn cursor(self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Covers `first..=last` if it begins exactly at `next`. A range whose end lies before its beginning is empty.
    #[must_use]
    pub const fn take(&mut self, first: u64, last: u64) -> Fit {
        if first > self.next {
            return Fit::Hole;
        }
        if first < self.next {
            return Fit::Old;
        }
        if last >= first {
            self.next = last + 1;
        }
        Fit::Taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_taken_once_in_order_and_without_hole() {
        let mut coverage = Coverage::new(5);
        assert_eq!(coverage.take(6, 7), Fit::Hole);
        assert_eq!(coverage.take(5, 7), Fit::Taken);
        assert_eq!(coverage.take(7, 9), Fit::Old);
        assert_eq!(coverage.take(8, 7), Fit::Taken);
        assert_eq!(coverage.next(), 8);
    }
}
