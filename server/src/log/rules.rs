//! The decisions every store takes alike: what is too old, who may join, how a device's place moves. Pure functions;
//! they never read or write anything.

use std::collections::HashSet;
use std::time::Duration;

use super::key::StreamKey;
use super::store::{DeviceWrite, JoinBy, Milliseconds, RequestId, Retention};

/// How many earlier epochs a stream remembers.
pub(super) const LINEAGE: usize = 8;

/// Whether something from `since` is older than `keep`.
pub(super) fn outlived(since: Milliseconds, now: Milliseconds, keep: Duration) -> bool {
    u128::from(now.saturating_sub(since)) > keep.as_millis()
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
pub(super) fn tombstone_life(retention: &Retention) -> Duration {
    retention.age.max(retention.device)
}

/// How the members of a group changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// How often: the version of the group.
    pub(super) version: u64,
    /// The request that last disbanded the group; 0: none.
    pub(super) disbanded: u64,
}

impl Changes {
    /// The answer to disbanding, when memberships `ended` by it. That the same request did it already means: the write is
    /// repeated.
    pub(super) fn disband(&mut self, ended: bool, request: RequestId) -> Option<u64> {
        if ended {
            *self = Self { version: self.version + 1, disbanded: request.0 };
        }
        (ended || request.is_again(self.disbanded)).then_some(self.version)
    }
}

/// The seconds in which a membership ended, the newest of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tombstone {
    /// By the member's own wish.
    pub(super) left: Option<u64>,
    /// By somebody else.
    pub(super) removed: Option<u64>,
    /// The request that ended the last membership: a write that is repeated is known by it. 0: none.
    pub(super) ended: u64,
}

impl Tombstone {
    /// Remembers an ending at `now`; `request`: of a membership, not only of the right to one.
    pub(super) fn record(&mut self, removed: bool, request: Option<RequestId>, now: Milliseconds) {
        let second = Some(now / 1000);
        if let Some(request) = request {
            self.ended = request.0;
        }
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
    pub(super) fn expired(&self, now: Milliseconds, life: Duration) -> bool {
        self.left.max(self.removed).is_none_or(|second| outlived(second.saturating_mul(1000), now, life))
    }
}

/// A device's cursor after a write that names one. `present` is the cursor before, in the present epoch or (then
/// `carried`) brought over from an earlier one, which the one written replaces.
pub(super) fn moved(present: Option<u64>, carried: bool, cursor: u64) -> u64 {
    present.filter(|_| !carried).map_or(cursor, |present| present.max(cursor))
}

/// Whether a device's write may make the user's devices too many, or leave a device that may go.
pub(super) fn makes_room(is_known: bool, write: &DeviceWrite) -> bool {
    !is_known || !write.connected.contains(&write.device)
}

/// Which of a user's devices go when there are too many: the longest unseen, by id among equals, never the one that is
/// written nor one that is connected.
pub(super) fn surplus<'a, D: AsRef<str> + 'a>(
    devices: impl Iterator<Item = (&'a D, Milliseconds)>,
    write: &DeviceWrite,
) -> Vec<&'a D> {
    let devices: Vec<(&D, Milliseconds)> = devices.collect();
    let surplus = devices.len().saturating_sub(write.max_devices.max(1));
    if surplus == 0 {
        return Vec::new();
    }
    let stay: HashSet<&str> = write.connected.iter().chain([&write.device]).map(|device| &**device).collect();
    let mut may_go: Vec<(&D, Milliseconds)> =
        devices.into_iter().filter(|(device, _)| !stay.contains(device.as_ref())).collect();
    may_go.sort_unstable_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.as_ref().cmp(b.0.as_ref())));
    may_go.into_iter().take(surplus).map(|(device, _)| device).collect()
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
