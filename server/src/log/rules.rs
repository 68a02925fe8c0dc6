//! The decisions every store takes alike: what is too old, who may join, how a device's place moves. Pure functions;
//! they never read or write anything.

use super::key::StreamKey;
use super::store::{JoinBy, Milliseconds, Retention};

/// How many earlier epochs a stream remembers.
pub(super) const LINEAGE: usize = 8;

/// Whether something from `since` is older than `keep`.
pub(super) fn outlived(since: Milliseconds, now: Milliseconds, keep: Milliseconds) -> bool {
    now.saturating_sub(since) > keep
}

impl StreamKey {
    /// How many entries are kept in such a stream.
    pub(super) fn most(&self, retention: &Retention) -> u64 {
        match self {
            Self::Inbox(_) => retention.inbox_entries,
            Self::Group(_) => retention.group_entries,
            Self::Broadcast(_) => retention.broadcast_entries,
        }
    }
}

/// How long it is remembered that a membership ended. A token older than this may join again, so the longer of the
/// two is taken.
pub(super) fn tombstone_life(retention: &Retention) -> Milliseconds {
    retention.age.max(retention.device)
}

/// The seconds in which a membership ended, the newest of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tombstone {
    /// By the member's own wish.
    pub(super) left: Option<u64>,
    /// By somebody else.
    pub(super) removed: Option<u64>,
}

impl Tombstone {
    /// Remembers an ending at `now`.
    pub(super) fn record(&mut self, removed: bool, now: Milliseconds) {
        let second = Some(now / 1000);
        if removed {
            self.removed = self.removed.max(second);
        } else {
            self.left = self.left.max(second);
        }
    }

    /// Whether the ending forbids a join on this word.
    pub(super) fn forbids(&self, by: JoinBy) -> bool {
        match by {
            JoinBy::Application => false,
            JoinBy::Claim { issued_at } => {
                self.left.max(self.removed).is_some_and(|second| second >= issued_at)
            }
            JoinBy::Request { issued_at } => self.removed.is_some_and(|second| second >= issued_at),
        }
    }

    /// Whether it can be forgotten.
    pub(super) fn expired(&self, now: Milliseconds, life: Milliseconds) -> bool {
        self.left.max(self.removed).is_none_or(|second| outlived(second.saturating_mul(1000), now, life))
    }
}

/// A device's numbers in one stream, without the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// All up to here is covered.
    pub(super) seq: u64,
    /// It got nothing up to here as an entry.
    pub(super) start: u64,
}

impl Place {
    /// The place after a write that names a cursor, a start or both. `present` is the place before, in the present
    /// epoch or (then `carried`) brought over from an earlier one, whose cursor is replaced by the one written.
    pub(super) fn moved(
        present: Option<Self>,
        carried: bool,
        cursor: Option<u64>,
        start: Option<u64>,
    ) -> Self {
        let start = present.map_or(0, |place| place.start).max(start.unwrap_or(0));
        let seq = match (present, cursor) {
            (Some(place), Some(cursor)) if !carried => place.seq.max(cursor),
            (_, Some(cursor)) => cursor,
            (Some(place), None) => place.seq,
            // A start alone places a new device there and moves no known one.
            (None, None) => start,
        };
        Self { seq, start }
    }

    /// A place of an earlier epoch as far as it survived into the present one: neither number may point at positions
    /// which have been given anew.
    pub(super) fn carry(self, survived: u64) -> Self {
        Self { seq: self.seq.min(survived), start: self.start.min(survived) }
    }
}

/// Which of a user's devices goes when there are too many: the longest unseen, by id among equals, never `except`.
pub(super) fn longest_unseen<'a, D: AsRef<str> + 'a>(
    devices: impl Iterator<Item = (&'a D, Milliseconds)>,
    except: &str,
) -> Option<&'a D> {
    devices
        .filter(|(device, _)| device.as_ref() != except)
        .min_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.as_ref().cmp(b.0.as_ref())))
        .map(|(device, _)| device)
}

/// A short random name for a generation of the store.
pub(super) fn new_epoch() -> String {
    let mut bytes = [0; 6];
    if getrandom::fill(&mut bytes).is_err() {
        // No entropy: the time still makes it different from the epochs before it.
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        bytes.copy_from_slice(&time.as_nanos().to_be_bytes()[10..]);
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
