//! Tells a shard that something happened to one of its connections, once until the shard has looked.

use std::sync::Arc;
use std::task::Wake;

use super::id::ConnectionId;
use crate::mailbox::Mailbox;
use crate::sync::atomic::{AtomicBool, Ordering};

/// The connections of a shard that something happened to.
pub(crate) type Signals = Mailbox<ConnectionId>;

/// Notes that something happened to a connection: its socket can be read or written, or the hub wants it looked at.
pub(crate) struct Signal {
    signals: Arc<Signals>,
    connection: ConnectionId,
    noted: AtomicBool,
}

impl Signal {
    pub(crate) fn new(signals: &Arc<Signals>, connection: ConnectionId) -> Self {
        Self { signals: Arc::clone(signals), connection, noted: AtomicBool::new(false) }
    }

    /// The shard is about to look: what happens from now on is noted again.
    pub(crate) fn look(&self) {
        self.noted.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Once is enough until the shard has looked.
        if !self.noted.swap(true, Ordering::AcqRel) {
            let _ = self.signals.put([self.connection]);
        }
    }
}
