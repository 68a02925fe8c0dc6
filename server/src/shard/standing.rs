//! What a shard knows of a stream that other hubs write to as well, and whether it is being looked up again.

use std::collections::HashMap;
use std::sync::Arc;

/// What is known of a stream beside its head.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The epoch that its readers are in.
    pub(crate) epoch: Arc<str>,
    /// What is known of its readers is true at least up to this version. An entry that was read at a later one is handed
    /// out when they were looked at again: one of them may have been removed before it.
    pub(crate) version: u64,
    /// Where those of its readers start who were looked at; of a group alone.
    pub(crate) starts: HashMap<Arc<str>, u64>,
    pub(crate) check: Check,
    /// Changes that this hub has made, and of which its readers have not heard.
    pub(crate) changes: Vec<Change>,
    /// Why a claim was ended last, as far as it was told; of an inbox alone.
    pub(crate) kicked: Option<Arc<str>>,
}

/// Whether the store is being asked about the readers of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Check {
    #[default]
    Idle,
    Running,
    /// It is, and must be asked once more: something has changed since.
    Again,
}

/// A change of a membership that this hub has made.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) group: Arc<str>,
    /// `joined`, `left`, `removed` or `disbanded`.
    pub(crate) action: &'static str,
}

/// What an attach, or a look at the store, says of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) epoch: Arc<str>,
    pub(crate) version: u64,
    /// Where the user starts.
    pub(crate) start: u64,
}

impl Standing {
    pub(super) fn new(seen: &Seen) -> Self {
        Self {
            epoch: Arc::clone(&seen.epoch),
            version: seen.version,
            starts: HashMap::new(),
            check: Check::Idle,
            changes: Vec::new(),
            kicked: None,
        }
    }

    /// Somebody reads it from now on, of whom this is known.
    pub(super) fn admit(&mut self, user: &Arc<str>, is_group: bool, seen: &Seen) {
        self.version = self.version.min(seen.version);
        if is_group {
            self.starts.insert(Arc::clone(user), seen.start);
        }
        // The answer under way says nothing of this reader.
        if self.check == Check::Running {
            self.check = Check::Again;
        }
    }

    /// Something has changed. Whether to ask the store now, rather than when it has answered.
    pub(crate) fn doubt(&mut self) -> bool {
        let is_idle = self.check == Check::Idle;
        self.check = if is_idle { Check::Running } else { Check::Again };
        is_idle
    }

    /// The store has answered as of a version. Whether it must be asked once more.
    pub(crate) fn settle(&mut self, version: u64) -> bool {
        let again = std::mem::take(&mut self.check) == Check::Again;
        if !again {
            self.version = self.version.max(version);
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_does_not_count_for_who_came_after_the_question() {
        let seen = |version| Seen { epoch: "e".into(), version, start: 0 };
        let mut standing = Standing::new(&seen(5));
        assert!(standing.doubt());
        standing.admit(&"bob".into(), true, &seen(4));
        assert!(!standing.doubt());
        assert!(standing.settle(7));
        assert_eq!(standing.version, 4);
        assert!(standing.doubt());
        assert!(!standing.settle(7));
        assert_eq!(standing.version, 7);
    }
}
