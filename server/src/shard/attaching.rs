//! Connections on their way in, and requests whose answer is a change of a membership.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::letter::Arrival;
use crate::log::key::UserKey;
use crate::log::store::InboxDelivered;

/// A request that is answered when the log publishes the change it made.
pub(crate) struct PendingMembership {
    pub(crate) group: Arc<str>,
    /// Whether it begins, rather than ends.
    pub(crate) joins: bool,
    pub(crate) request_id: Arc<str>,
    pub(crate) published: oneshot::Sender<()>,
}

/// Arrivals that the log has not answered yet, by a number that grows with each.
#[derive(Default)]
pub(crate) struct Attaching {
    arrivals: HashMap<u64, Pending>,
    /// The newest of each device that has one connection only, and when its `connect` was sent.
    newest: HashMap<(UserKey, Arc<str>), (u64, u64)>,
    numbers: u64,
}

struct Pending {
    arrival: Box<Arrival>,
    retry: Retry,
}

/// What the answers to an arrival's earlier attaches asked for: all of it goes with the next, or the log would ask in turn
/// for one and for the other.
#[derive(Default)]
pub(crate) struct Retry {
    /// Its memberships have begun.
    pub(crate) has_joined: bool,
    /// As [`Attach::begins_anew`](crate::log::store::Attach::begins_anew).
    pub(crate) begins_anew: bool,
    /// As [`Attach::delivered`](crate::log::store::Attach::delivered).
    pub(crate) delivered: Option<InboxDelivered>,
}

/// An arrival whose way in has ended.
pub(crate) struct Arrived {
    pub(crate) arrival: Box<Arrival>,
    /// No other connection of the device has come since.
    pub(crate) is_newest: bool,
}

impl Attaching {
    /// An arrival begins to attach; returns its number.
    pub(crate) fn begin(&mut self, arrival: Box<Arrival>) -> u64 {
        self.numbers += 1;
        if arrival.is_exclusive() {
            self.newest.insert(key(&arrival), (self.numbers, arrival.sent_ms));
        }
        self.arrivals.insert(self.numbers, Pending { arrival, retry: Retry::default() });
        self.numbers
    }

    pub(crate) fn get(&self, number: u64) -> Option<(&Arrival, &Retry)> {
        self.arrivals.get(&number).map(|Pending { arrival, retry }| (&**arrival, retry))
    }

    pub(crate) fn retry(&mut self, number: u64) -> Option<&mut Retry> {
        self.arrivals.get_mut(&number).map(|pending| &mut pending.retry)
    }

    pub(crate) fn end(&mut self, number: u64) -> Option<Arrived> {
        let Pending { arrival, .. } = self.arrivals.remove(&number)?;
        let mut is_newest = true;
        if arrival.is_exclusive() {
            let key = key(&arrival);
            is_newest = self.newest.get(&key).is_some_and(|(newest, _)| *newest == number);
            if is_newest {
                self.newest.remove(&key);
            }
        }
        Some(Arrived { arrival, is_newest })
    }

    /// All that have not ended.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.arrivals.keys().copied().collect()
    }

    /// Whether nobody attaches.
    pub(crate) fn is_empty(&self) -> bool {
        self.arrivals.is_empty()
    }

    /// When the newest arrival of a device sent its `connect`; 0: there is none, or unknown.
    pub(crate) fn sent_ms(&self, user: &UserKey, device: &Arc<str>) -> u64 {
        self.newest.get(&(user.clone(), Arc::clone(device))).map_or(0, |(_, sent)| *sent)
    }
}

fn key(arrival: &Arrival) -> (UserKey, Arc<str>) {
    (arrival.identity.user.clone(), Arc::clone(&arrival.device))
}
