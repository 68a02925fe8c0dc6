//! The hub as an application holds it: started, asked to send, drained.

mod builder;
mod drain;
mod heartbeat;
mod maintenance;
mod service;

pub use builder::{Builder, StartError};
pub use service::{Recipient, SendError, Sent};

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use self::builder::Ending;
use crate::flow::node::Node;

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
    ///
    /// ```
    /// # let hub = wsc_server::Hub::builder(wsc_server::MemoryStore::new(Default::default())).start()?;
    /// assert!(!hub.is_draining());
    /// # Ok::<(), wsc_server::StartError>(())
    /// ```
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.node.draining.load(Ordering::Relaxed)
    }

    /// Changes to `true` when the hub begins to drain.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.shared.draining.subscribe()
    }

    /// Why the hub should get no new connections now; `None` when it is ready.
    ///
    /// ```
    /// # let hub = wsc_server::Hub::builder(wsc_server::MemoryStore::new(Default::default())).start()?;
    /// if let Some(reason) = hub.not_ready() {
    ///     println!("send clients elsewhere: {reason}");
    /// }
    /// # Ok::<(), wsc_server::StartError>(())
    /// ```
    #[must_use]
    pub fn not_ready(&self) -> Option<&'static str> {
        if self.is_draining() {
            Some("draining\n")
        } else if self.shared.node.log.is_broken() {
            Some("the store cannot write: reads go on, nothing new is accepted; see the log\n")
        } else if self.shared.node.maintenance_failures.load(Ordering::Relaxed) >= maintenance::FAILURES {
            Some("the store cannot forget what is too old: its disk will fill; see the log\n")
        } else if self
            .shared
            .node
            .router
            .cluster
            .as_ref()
            .is_some_and(|cluster| cluster.members.is_store_away())
        {
            Some("the store does not answer: connections wait, nothing new is accepted; see the log\n")
        } else {
            None
        }
    }

    /// The hub's name, `node_id` in `connected`.
    ///
    /// ```
    /// # let hub = wsc_server::Hub::builder(wsc_server::MemoryStore::new(Default::default())).start()?;
    /// println!("this is {}", hub.node_id());
    /// # Ok::<(), wsc_server::StartError>(())
    /// ```
    #[must_use]
    pub fn node_id(&self) -> &str {
        &self.shared.node.id
    }

    /// How many failures no handler of [`Builder::on_failure`] heard of, because too many waited for it.
    #[must_use]
    pub fn dropped_failures(&self) -> u64 {
        self.shared.node.failures.dropped()
    }

    /// How many connections there are.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, bob| {
    /// assert_eq!(hub.connections(), 1);
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.node.connections.load(Ordering::Relaxed)
    }
}
