//! The last file descriptors of the process: when nearly all are in use, a socket is let in for a short request such as
//! `/healthz`, and not for a WebSocket. The store opens its files from what is left too.

use crate::admission::refusals::Throttle;
use std::time::Duration;

/// Kept free of WebSockets: an eighth of all descriptors, within these limits.
const RESERVE: std::ops::RangeInclusive<u64> = 8..=64;
/// Warnings are this far apart at least.
const PERIOD: Duration = Duration::from_secs(60);

/// How many descriptors there are.
pub(super) struct Descriptors {
    /// `None`: as many as are asked for.
    limit: Option<u64>,
    reserve: u64,
    warnings: Throttle,
}

impl Descriptors {
    /// The limit of this process as it is now.
    pub(super) fn of_this_process() -> Self {
        #[cfg(unix)]
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        #[cfg(not(unix))]
        let limit = None;
        Self::new(limit)
    }

    fn new(limit: Option<u64>) -> Self {
        let reserve =
            limit.map_or(0, |limit| (limit / 8).clamp(*RESERVE.start(), *RESERVE.end()).min(limit / 2));
        Self { limit, reserve, warnings: Throttle::new(1, PERIOD) }
    }

    /// Whether a socket got one of the last descriptors. The system gives the lowest that is free: all below are taken.
    #[cfg(unix)]
    pub(super) fn are_scarce(&self, socket: &impl std::os::fd::AsRawFd) -> bool {
        let number = u64::try_from(socket.as_raw_fd()).unwrap_or(0);
        self.limit.is_some_and(|limit| number >= limit - self.reserve)
    }

    #[cfg(not(unix))]
    pub(super) fn are_scarce<S>(&self, _: &S) -> bool {
        false
    }

    /// Says that a connection was not let in, once in a while.
    pub(super) fn warn(&self, what: &dyn std::fmt::Display) {
        let Some(suppressed) = self.warnings.pass() else { return };
        let (limit, reserve) = (self.limit.unwrap_or(0), self.reserve);
        tracing::warn!(
            limit,
            reserve,
            connections = suppressed + 1,
            "connections could not be accepted since the last such line: {what}; give the hub more file descriptors (ulimit -n, LimitNOFILE= of systemd)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_small_part_of_the_limit() {
        let reserve = |limit| Descriptors::new(Some(limit)).reserve;
        assert_eq!([reserve(0), reserve(10), reserve(64), reserve(256), reserve(1 << 20)], [0, 5, 8, 32, 64]);
        assert_eq!(Descriptors::new(None).reserve, 0);
    }
}
