//! Every clock of the client in one table. Never reads a clock: it only keeps and compares times.

use crate::time::Timestamp;

/// The clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The token provider has to answer.
    Token,
    /// The socket has to open, then the hub has to answer `connect`.
    Open,
    /// The next attempt to connect.
    Retry,
    /// Silence: a ping is due.
    Heartbeat,
    /// Something has to come after the ping.
    Pong,
    /// Acknowledgements and cursors that waited are written.
    Acknowledge,
    /// Some send has to be answered.
    Sends,
    /// Some request has to be answered.
    Requests,
    /// The oldest volatile send that wants an `ack` is given up.
    Volatile,
    /// The life of a waiting send ends.
    Expiry,
    /// The oldest unanswered send may not be sent again any more.
    Unknown,
    /// The draining hub wants to be left.
    Drain,
    /// A fresh token is due.
    Refresh,
    /// Read marks that could not be stored are tried again.
    Marks,
}

impl Timer {
    pub(super) const ALL: [Self; 14] = [
        Self::Token,
        Self::Open,
        Self::Retry,
        Self::Heartbeat,
        Self::Pong,
        Self::Acknowledge,
        Self::Sends,
        Self::Requests,
        Self::Volatile,
        Self::Expiry,
        Self::Unknown,
        Self::Drain,
        Self::Refresh,
        Self::Marks,
    ];
}

/// A clock that stands.
const NEVER: Timestamp = Timestamp::MAX;

/// When each clock is due.
#[derive(Clone, Debug)]
pub(super) struct Timers {
    due: [Timestamp; Timer::ALL.len()],
}

impl Default for Timers {
    fn default() -> Self {
        Self { due: [NEVER; Timer::ALL.len()] }
    }
}

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.due[timer as usize] = at;
    }

    /// Sets it unless it runs already.
    pub(super) fn start(&mut self, timer: Timer, at: Timestamp) {
        if self.get(timer).is_none() {
            self.set(timer, at);
        }
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.set(timer, NEVER);
    }

    pub(super) fn get(&self, timer: Timer) -> Option<Timestamp> {
        Some(self.due[timer as usize]).filter(|at| *at != NEVER)
    }

    /// Whether it is due; then it stops.
    pub(super) fn take(&mut self, timer: Timer, now: Timestamp) -> bool {
        let due = self.get(timer).is_some_and(|at| at <= now);
        if due {
            self.stop(timer);
        }
        due
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.iter().copied().min().filter(|at| *at != NEVER)
    }
}
