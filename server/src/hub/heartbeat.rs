//! A hub among others: it gives a sign of life, and hears who lives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join3;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock;
use crate::cluster::members::{LEASE, PERIOD};
use crate::cluster::router::Cluster;
use crate::flow::marks;
use crate::flow::node::Node;
use crate::log::store::{Beat, Facts};
use crate::settings::ms;

/// After so many signs of life it is looked for read marks that nobody has passed on: a hub that died, or a store that was
/// away, may have left some.
const LEFT: u32 = 10;
/// How long the last sign of life may take, with which a hub leaves.
const LEAVE: Duration = Duration::from_secs(1);

/// What a hub of several does beside its own connections, until it ends.
pub(super) async fn run(node: &Node) {
    let Some(cluster) = &node.router.cluster else { return std::future::pending().await };
    let store = &*node.log.store;
    let looks = node.presence.run_looks(cluster, &node.router, store);
    join3(beat(node, cluster), cluster.ask_for_tips(store), looks).await;
}

async fn beat(node: &Node, cluster: &Cluster) {
    let mut period = interval(PERIOD);
    let mut beats: u32 = 0;
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        match node.log.store.beat(&sign(node, cluster, false)).await {
            Ok(nodes) => {
                let shown = cluster.members.update(nodes);
                if shown.changed {
                    cluster.interests.look_at_watched();
                }
                beats = if shown.is_gone { 0 } else { beats + 1 };
                if beats.is_multiple_of(LEFT) {
                    marks::pass_on_left(node).await;
                }
            }
            Err(error) => tracing::warn!(%error, "no sign of life could be given; it is tried again"),
        }
    }
}

/// This hub leaves the others: its claims count no more.
pub(super) async fn leave(node: &Node) {
    let Some(cluster) = &node.router.cluster else { return };
    let left = tokio::time::timeout(LEAVE, node.log.store.beat(&sign(node, cluster, true))).await;
    if !matches!(left, Ok(Ok(_))) {
        tracing::warn!("the other hubs could not be told that this one leaves; they notice within {LEASE:?}");
    }
}

fn sign(node: &Node, cluster: &Cluster, leave: bool) -> Beat {
    Beat {
        incarnation: cluster.incarnation,
        now: clock::wall().ms(),
        lease: ms(LEASE),
        facts: Facts {
            name: Arc::clone(&node.id),
            release: env!("CARGO_PKG_VERSION").into(),
            is_draining: node.draining.load(Ordering::Relaxed),
            connections: node.connections.load(Ordering::Relaxed) as u64,
            observed: node.observers.observed(),
        },
        leave,
    }
}
