//! Sets of positions as few ranges: what was delivered of a stream. Pure; knows neither streams nor users.

/// Ranges kept. Beyond, the lowest two become one: what lay between counts as delivered then.
const MOST: usize = 256;

/// A set of positions. Nearly always one range from the beginning; it has holes where no device was handed an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Each from the position after the first number up to the second, ascending and apart from each other.
    parts: Vec<(u64, u64)>,
}

impl Ranges {
    /// Adds the positions after `after` up to `to`.
    pub fn insert(&mut self, after: u64, to: u64) {
        if after >= to {
            return;
        }
        // What touches or overlaps the new one becomes part of it.
        let first = self.parts.partition_point(|part| part.1 < after);
        let last = self.parts.partition_point(|part| part.0 <= to);
        let joined = match self.parts.get(first..last) {
            Some([one, .., other]) => (after.min(one.0), to.max(other.1)),
            Some([one]) => (after.min(one.0), to.max(one.1)),
            _ => (after, to),
        };
        self.parts.splice(first..last, [joined]);
        if self.parts.len() > MOST {
            let lowest = self.parts.remove(0);
            self.parts[0].0 = lowest.0;
        }
    }

    /// Whether a position is in it.
    #[must_use]
    pub fn contains(&self, seq: u64) -> bool {
        let at = self.parts.partition_point(|part| part.1 < seq);
        self.parts.get(at).is_some_and(|part| part.0 < seq)
    }

    /// Takes out what lies beyond a position.
    pub fn truncate(&mut self, to: u64) {
        self.parts.retain(|part| part.0 < to);
        if let Some(last) = self.parts.last_mut() {
            last.1 = last.1.min(to);
        }
    }

    /// The ranges: after the first number, up to the second.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.parts.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_was_put_in_and_nothing_else(
            puts in prop::collection::vec((0..120_u64, 0..12_u64), 0..60),
            cut in 0..140_u64,
        ) {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for (after, count) in puts {
                ranges.insert(after, after + count);
                model.extend(after + 1..=after + count);
                let parts: Vec<_> = ranges.iter().collect();
                prop_assert!(parts.iter().all(|part| part.0 < part.1));
                prop_assert!(parts.windows(2).all(|pair| pair[0].1 < pair[1].0));
            }
            for seq in 0..150 {
                prop_assert_eq!(ranges.contains(seq), model.contains(&seq), "{}", seq);
            }
            ranges.truncate(cut);
            for seq in 0..150 {
                prop_assert_eq!(ranges.contains(seq), seq <= cut && model.contains(&seq), "{}", seq);
            }
        }
    }

    #[test]
    fn many_holes_cost_no_more_than_some() {
        let mut ranges = Ranges::default();
        for seq in 0..10_000 {
            ranges.insert(3 * seq, 3 * seq + 1);
        }
        assert_eq!(ranges.iter().count(), MOST);
        assert!(ranges.contains(29_998) && !ranges.contains(29_999));
        assert!(ranges.contains(1) && ranges.contains(2));
    }
}
