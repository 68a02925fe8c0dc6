//! The hubs that live, as the store told at this hub's last sign of life.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::log::key::Scope;
use crate::log::store::{Claim, Nodes};

/// How often a hub gives a sign of life.
pub(crate) const PERIOD: Duration = Duration::from_secs(2);
/// How long a hub counts as living after one.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// A store that has not answered for so long is away: nobody new should come to this hub.
const AWAY: Duration = Duration::from_secs(4);

/// The hubs of a cluster.
#[derive(Default)]
pub(crate) struct Members(Mutex<Known>);

#[derive(Default)]
struct Known {
    nodes: Option<Nodes>,
    /// When the store answered last, by this hub's clock; `None`: never yet.
    answered: Option<Instant>,
}

/// What a sign of life has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Other hubs live than before.
    pub(crate) changed: bool,
    /// A hub that lived has gone.
    pub(crate) is_gone: bool,
}

impl Members {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store has answered.
    pub(crate) fn update(&self, nodes: Nodes) -> Shown {
        let mut known = self.lock();
        known.answered = Some(Instant::now());
        let lives = |nodes: &Nodes, hub: u128| nodes.alive.iter().any(|(other, _)| *other == hub);
        let before = known.nodes.as_ref().map(|nodes| &*nodes.alive).unwrap_or_default();
        let is_gone = before.iter().any(|(hub, _)| !lives(&nodes, *hub));
        let came = nodes.alive.iter().any(|(hub, _)| !before.iter().any(|(other, _)| other == hub));
        let shown = Shown { changed: is_gone || came, is_gone };
        known.nodes = Some(nodes);
        shown
    }

    /// Whether the hub that has a claim lives.
    pub(crate) fn counts(&self, claim: &Claim) -> bool {
        let known = self.lock();
        known.nodes.as_ref().is_some_and(|nodes| nodes.alive.iter().any(|(hub, _)| *hub == claim.incarnation))
    }

    /// Whether a group is observed on some hub.
    pub(crate) fn observe(&self, scope: &Scope, group: &str) -> bool {
        let known = self.lock();
        let observed =
            known.nodes.iter().flat_map(|nodes| &nodes.alive).flat_map(|(_, facts)| &facts.observed);
        let mut of_scope = observed.filter(|(of, _)| of == scope);
        of_scope.any(|(_, observed)| observed.is_empty() || **observed == *group)
    }

    /// Whether the store has not answered for some time.
    pub(crate) fn is_store_away(&self) -> bool {
        self.lock().answered.is_none_or(|at| at.elapsed() > AWAY)
    }
}
