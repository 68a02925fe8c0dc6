//! Observers: connections that may see copies of what others send. Copies are volatile and marked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wsc_core::Message;
use wsc_core::frame::{HubFrame, decode_hub, decode_hub_binary, finish_entry};

use crate::cluster::router::Router;
use crate::cluster::topic::Topic;
use crate::log::key::Scope;
use crate::log::store::{Append, Flags, Target};
use crate::net::encode;
use crate::net::id::ConnectionId;
use crate::shard::hint::Hint;
use crate::shard::letter::Address;

type ByGroup = HashMap<(Scope, Arc<str>), Vec<Address>>;

/// Who observes what: by tenant and group; the empty group stands for everything.
#[derive(Default)]
pub(crate) struct Observers {
    count: AtomicUsize,
    observers: Mutex<ByGroup>,
}

impl Observers {
    /// Adds an observer; once is enough.
    pub(crate) fn add(&self, scope: &Scope, address: Address, group: &Arc<str>, router: &Router) {
        let mut observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        let list = observers.entry((scope.clone(), Arc::clone(group))).or_default();
        if !list.contains(&address) {
            list.push(address);
            self.count.fetch_add(1, Ordering::Relaxed);
            router.listen(Topic::Observed(scope.clone()));
        }
    }

    /// Removes an observer of some groups.
    pub(crate) fn remove(&self, scope: &Scope, address: Address, groups: &[Arc<str>], router: &Router) {
        if groups.is_empty() {
            return;
        }
        let mut observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        for group in groups {
            let key = (scope.clone(), Arc::clone(group));
            let Some(list) = observers.get_mut(&key) else { continue };
            let before = list.len();
            list.retain(|other| *other != address);
            self.count.fetch_sub(before - list.len(), Ordering::Relaxed);
            if list.is_empty() {
                observers.remove(&key);
            }
        }
        if !observers.keys().any(|(of, _)| of == scope) {
            router.unlisten(&Topic::Observed(scope.clone()));
        }
    }

    /// What is observed here: tenants and groups.
    pub(crate) fn observed(&self) -> Vec<(Scope, Arc<str>)> {
        let observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut observed: Vec<_> = observers.keys().cloned().collect();
        observed.sort_unstable();
        observed
    }

    /// Whether there may be anybody to copy to.
    pub(crate) fn are_any(&self, router: &Router) -> bool {
        self.count.load(Ordering::Relaxed) > 0 || router.cluster.is_some()
    }

    /// Copies a stored message.
    pub(crate) fn copy_stored(&self, router: &Router, append: &Append) {
        if !self.are_any(router) || !self.are_for(router, &append.target) || append.flags.has(Flags::INTERNAL)
        {
            return;
        }
        let mut bytes = Vec::with_capacity(append.body.len() + 1);
        let binary = append.flags.has(Flags::BINARY);
        if !finish_entry(&mut bytes, &append.body, binary, None, "", "") {
            return;
        }
        let text = if binary { "" } else { std::str::from_utf8(&bytes).unwrap_or("") };
        let decoded = if binary { decode_hub_binary(&bytes) } else { decode_hub(text) };
        if let Ok(HubFrame::Message(message)) = decoded {
            self.copy(router, &append.target, &message);
        }
    }

    /// Copies a message.
    pub(crate) fn copy(&self, router: &Router, target: &Target, message: &Message<'_>) {
        if !self.are_any(router) || !self.are_for(router, target) {
            return;
        }
        let (scope, group) = of_target(target);
        let mut message = message.clone();
        message.observed = true;
        let frame = encode::message(&message);
        router.tell(Hint::Observed { scope: scope.clone(), group, frame }, None);
    }

    /// Whether messages to a target are observed, here or on another hub.
    fn are_for(&self, router: &Router, target: &Target) -> bool {
        let (scope, group) = of_target(target);
        let elsewhere = router.cluster.as_ref().is_some_and(|cluster| cluster.members.observe(scope, &group));
        elsewhere || !self.find(scope, &group, |_| true).is_empty()
    }

    /// The connections of a shard that observe a group, or everything.
    pub(crate) fn on_shard(&self, shard: usize, scope: &Scope, group: &Arc<str>) -> Vec<ConnectionId> {
        let found = self.find(scope, group, |address| address.shard == shard);
        found.into_iter().map(|address| address.id).collect()
    }

    fn find(&self, scope: &Scope, group: &Arc<str>, wanted: impl Fn(&Address) -> bool) -> Vec<Address> {
        let observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Address> = Vec::new();
        let everything = Arc::from("");
        for group in if group.is_empty() { vec![&everything] } else { vec![&everything, group] } {
            let list = observers.get(&(scope.clone(), Arc::clone(group))).into_iter().flatten();
            let fresh: Vec<Address> =
                list.filter(|one| wanted(one) && !found.contains(one)).copied().collect();
            found.extend(fresh);
        }
        found
    }
}

/// The tenant and the group that observers of a target name; empty: no group.
fn of_target(target: &Target) -> (&Scope, Arc<str>) {
    match target {
        Target::User(user) => (&user.scope, "".into()),
        Target::Group(group) => (&group.scope, Arc::clone(&group.group)),
        Target::Broadcast(scope) => (scope, "".into()),
    }
}
