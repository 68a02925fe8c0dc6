//! Epochs of partitions, and what became of a stream in earlier ones. Pure. Scripts keep the same: see `lineage` in
//! `scripts/write/begin.lua`.

use std::sync::Arc;

use super::super::rules::LINEAGE;
use super::super::store::Earlier;

/// The present epoch of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Epoch {
    pub(super) epoch: Arc<str>,
    /// How many epochs there were.
    pub(super) number: u64,
    /// Earlier ones, newest first, and whether they are proven.
    earlier: Vec<(Arc<str>, bool)>,
}

impl Epoch {
    /// As it is kept: the name, its number, and earlier ones as `name:1,name:0`.
    pub(super) fn new(epoch: &str, number: &str, names: &str) -> Self {
        let earlier = names.split(',').filter_map(|name| name.split_once(':'));
        let earlier = earlier.map(|(name, proven)| (name.into(), proven == "1")).collect();
        Self { epoch: epoch.into(), number: number.parse().unwrap_or(0), earlier }
    }

    /// Earlier epochs of a stream, newest first: those that began since its last entry kept all of it. `number`: the
    /// epoch of that entry, if there was one; `kept`: what was noted then, as `name:1:position,`.
    pub(super) fn lineage(&self, head: u64, number: Option<u64>, kept: &str) -> Vec<Earlier> {
        let missed =
            usize::try_from(self.number - number.unwrap_or(0).min(self.number)).unwrap_or(usize::MAX);
        let since = self.earlier.iter().take(missed).map(|(epoch, is_proven)| Earlier {
            epoch: Arc::clone(epoch),
            survived: head,
            is_proven: *is_proven,
        });
        let before = kept.split(',').filter_map(|one| {
            let (epoch, rest) = one.split_once(':')?;
            let (is_proven, survived) = rest.split_once(':')?;
            Some(Earlier {
                epoch: epoch.into(),
                survived: survived.parse().ok()?,
                is_proven: is_proven == "1",
            })
        });
        since.chain(before).take(LINEAGE).collect()
    }
}

/// The last position of an earlier epoch that is still the same message.
pub(super) fn survived(lineage: &[Earlier], epoch: &str) -> u64 {
    match lineage.iter().find(|earlier| &*earlier.epoch == epoch) {
        Some(earlier) => earlier.survived,
        // Forgotten: no more survived from it than from the oldest that is remembered.
        None => lineage.last().map_or(0, |earlier| earlier.survived),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_the_epochs_since_its_last_entry_and_those_noted_before() {
        let epoch = Epoch::new("e5", "5", "e4:1,e3:0,e2:1,e1:1");
        let names = |lineage: Vec<Earlier>| {
            lineage
                .into_iter()
                .map(|one| format!("{}:{}:{}", one.epoch, u8::from(one.is_proven), one.survived))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(names(epoch.lineage(7, Some(5), "e4:1:6,e3:0:2")), "e4:1:6,e3:0:2");
        assert_eq!(names(epoch.lineage(7, Some(3), "e2:1:2")), "e4:1:7,e3:0:7,e2:1:2");
        assert_eq!(names(epoch.lineage(0, None, "")), "e4:1:0,e3:0:0,e2:1:0,e1:1:0");
        let lineage = epoch.lineage(7, Some(3), "e2:1:2");
        assert_eq!((survived(&lineage, "e3"), survived(&lineage, "e0")), (7, 2));
        assert_eq!(survived(&[], "e0"), 0);
    }
}
