//! Failed and delayed deliveries as typed events of five kinds.

use std::sync::Arc;

use super::node::Node;
use super::state::Connection;
use crate::log::key::UserKey;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// A reader or sender was too slow or too fast: something was dropped or must wait.
    QueueFull,
    /// The receiver has no connection; the message waits in the log.
    UserOffline,
    /// A connection broke without a Close frame.
    ConnectionError,
    /// Entries were not acknowledged in time; they stay in the log.
    Timeout,
    /// A message could not be stored.
    SendFailure,
}

/// A failed or delayed delivery.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// Whose delivery.
    pub user: UserKey,
    /// On which device; empty: any.
    pub device: Arc<str>,
    /// Which message; empty: no particular one.
    pub message_id: Arc<str>,
    /// Failed attempts of the device in a row.
    pub attempts: u32,
    /// What happened.
    pub reason: &'static str,
}

impl Failure {
    pub(crate) fn of(kind: FailureKind, connection: &Connection, reason: &'static str) -> Self {
        Self {
            kind,
            user: connection.identity.user.clone(),
            device: Arc::clone(&connection.device),
            message_id: "".into(),
            attempts: connection.attempts,
            reason,
        }
    }
}

impl Node {
    /// Tells the handlers of a kind of failure.
    #[expect(clippy::needless_pass_by_value, reason = "made for this call; who tells need not keep it")]
    pub(crate) fn failed(&self, failure: Failure) {
        tracing::debug!(kind = ?failure.kind, user = &*failure.user.user, reason = failure.reason, "delivery failure");
        for (kind, handler) in &self.hooks.on_failure {
            if *kind == failure.kind {
                handler(&failure);
            }
        }
    }
}
