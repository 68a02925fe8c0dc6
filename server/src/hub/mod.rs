//! The hub: connections of users, streams between them, and what an application may do with both.

mod allowance;
pub(crate) mod arrival;
mod bare;
pub(crate) mod clock;
mod deliver;
#[cfg(feature = "echo")]
mod echo;
pub(crate) mod failure;
mod feed;
mod groups;
pub(crate) mod hooks;
mod inbound;
mod kick;
mod lifecycle;
mod maintenance;
mod marks;
pub(crate) mod node;
mod notes;
mod observers;
mod plan;
mod positions;
mod presence;
mod readings;
mod receipts;
mod requests;
mod resume;
mod run;
pub(crate) mod send;
mod service;
pub(crate) mod shard;
pub(crate) mod state;
mod volatile;
pub(crate) mod waiters;
mod watchers;
mod wheel;

pub use run::{Builder, StartError};
pub use service::{Connection, Recipient, SendError, Sent};

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use self::node::Node;
use self::run::Ending;

/// A running hub. Clones are handles to the same one.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    node: Arc<Node>,
    draining: watch::Sender<bool>,
    /// Ends when the log has.
    log: Ending,
    /// Ends when all shards have.
    shards: Ending,
}

impl Hub {
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.shared.node
    }

    /// Whether nobody new is let in any more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.node.draining.load(Ordering::Relaxed)
    }

    /// Changes to `true` when the hub begins to drain.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.shared.draining.subscribe()
    }

    /// Why the hub should get no new connections now; `None` when it is ready.
    #[must_use]
    pub fn not_ready(&self) -> Option<&'static str> {
        if self.is_draining() {
            Some("draining\n")
        } else if self.shared.node.log.is_broken() {
            Some("the store cannot write: reads go on, nothing new is accepted; see the log\n")
        } else if self.shared.node.maintenance_failures.load(Ordering::Relaxed) >= maintenance::FAILURES {
            Some("the store cannot forget what is too old: its disk will fill; see the log\n")
        } else {
            None
        }
    }

    /// The hub's name, `node_id` in `connected`.
    #[must_use]
    pub fn node_id(&self) -> &str {
        &self.shared.node.id
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.node.connections.load(Ordering::Relaxed)
    }
}
