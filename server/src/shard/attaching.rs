//! What a shard remembers while memberships change.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::log::key::UserKey;

/// A request that is answered when the log publishes the change it made.
pub(crate) struct PendingMembership {
    pub(crate) group: Arc<str>,
    pub(crate) request_id: Arc<str>,
    pub(crate) published: oneshot::Sender<()>,
}

/// Users who attach, and how often their memberships changed meanwhile. Changes of others are no reason to look again:
/// there may always be some.
#[derive(Default)]
pub(crate) struct Attaching {
    users: HashMap<UserKey, (u32, u64)>,
    /// Which attach of a device is the newest, and when its `connect` was sent.
    devices: HashMap<(UserKey, Arc<str>), (u64, u64)>,
    turns: u64,
}

impl Attaching {
    /// A connection of a user begins to attach.
    pub(crate) fn begin(&mut self, user: &UserKey) {
        self.users.entry(user.clone()).or_default().0 += 1;
    }

    /// It has ended to attach.
    pub(crate) fn end(&mut self, user: &UserKey) {
        if let Some((count, _)) = self.users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
    }

    /// Users who attach.
    pub(crate) fn users(&self) -> impl Iterator<Item = &UserKey> {
        self.users.keys()
    }

    /// Whether nobody attaches.
    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// A membership of a user changed.
    pub(crate) fn membership_changed(&mut self, user: &UserKey) {
        if let Some((_, changes)) = self.users.get_mut(user) {
            *changes += 1;
        }
    }

    /// How often the memberships of a user who attaches have changed.
    pub(crate) fn changes(&self, user: &UserKey) -> u64 {
        self.users.get(user).map_or(0, |(_, changes)| *changes)
    }

    /// Takes a number for an attach of a device; a later one makes it void.
    pub(crate) fn take_turn(&mut self, user: &UserKey, device: &Arc<str>, sent_ms: u64) -> u64 {
        self.turns += 1;
        if !device.is_empty() {
            self.devices.insert((user.clone(), Arc::clone(device)), (self.turns, sent_ms));
        }
        self.turns
    }

    /// Whether an attach is still the newest of its device; if so, it ends with this.
    pub(crate) fn end_turn(&mut self, user: &UserKey, device: &Arc<str>, turn: u64) -> bool {
        if device.is_empty() {
            return true;
        }
        let key = (user.clone(), Arc::clone(device));
        let newest = self.devices.get(&key).is_some_and(|(newest, _)| *newest == turn);
        if newest {
            self.devices.remove(&key);
        }
        newest
    }

    /// When the newest attach of a device sent its `connect`; 0: there is none, or unknown.
    pub(crate) fn sent_ms(&self, user: &UserKey, device: &Arc<str>) -> u64 {
        self.devices.get(&(user.clone(), Arc::clone(device))).map_or(0, |(_, sent)| *sent)
    }
}
