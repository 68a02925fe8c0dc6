//! Everything a shard knows. Each part keeps its own order; what must change together in several of them is here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use slab::Slab;
use wsc_core::peer::TrackId;

use super::allowance::{Allowance, Resting};
use super::attaching::Attaching;
use super::connection::{Beginning, Connection};
use super::marks::Mark;
use super::notes::Notes;
use super::reading::Reading;
use super::stages::Stages;
use super::standing::Seen;
use super::subscription::{Streams, Subscriber, Subscription};
use super::wheel::Wheel;
use crate::Settings;
use crate::clock::{Clock, Tick};
use crate::log::key::{GroupKey, StreamKey, UserKey};
use crate::log::store::Conversation;
use crate::net::entry::group_of;
use crate::net::id::ConnectionId;
use crate::net::reader::FrameReader;

/// Everything of one shard.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) wheel: Wheel,
    pub(crate) connections: Connections,
    pub(crate) users: HashMap<UserKey, Box<User>>,
    /// What users without connections have left to send.
    pub(crate) resting: Resting,
    pub(crate) streams: Streams,
    /// Reads for connections that are between two messages.
    pub(crate) reader: Option<Box<FrameReader>>,
    pub(crate) attaching: Attaching,
    /// Pages of the log that connections wait for.
    pub(crate) reading: Reading,
    /// Read marks that were passed on, or wait to be.
    pub(crate) marks: HashMap<(UserKey, Conversation), Mark>,
    /// Nobody new is let in any more.
    pub(crate) is_draining: bool,
    /// Other hubs write to the same store.
    pub(crate) is_shared: bool,
    /// Receipts of messages that users here sent; where other hubs write, too.
    pub(crate) stages: Stages,
    /// Users who must be looked at before any connection is read: the process was stopped, and others went on.
    pub(crate) suspects: HashSet<UserKey>,
}

/// Maximum of a user's connected devices that keep their record in the store although there are too many. They go with
/// every write of a device: without a limit, a user with very many would have the store do nothing else.
const CONNECTED: usize = 256;

/// A user with connections on this shard.
pub(crate) struct User {
    pub(crate) connections: Vec<ConnectionId>,
    /// The groups the user is in, as last published.
    pub(crate) groups: HashSet<Arc<str>>,
    pub(crate) allowance: Allowance,
}

impl State {
    /// `is_shared`: other hubs write to the same store.
    pub(crate) fn new(is_shared: bool) -> Self {
        let mut streams = Streams::default();
        if is_shared {
            streams.note_interest();
        }
        Self {
            clock: Clock::new(),
            wheel: Wheel::new(Tick::default()),
            connections: Connections::default(),
            users: HashMap::new(),
            resting: Resting::default(),
            streams,
            reader: None,
            attaching: Attaching::default(),
            reading: Reading::default(),
            marks: HashMap::new(),
            is_draining: false,
            is_shared,
            stages: Stages::default(),
            suspects: HashSet::new(),
        }
    }

    /// When the newest connection of a device sent its `connect`, by the device's clock; 0: there is none, or unknown.
    pub(crate) fn sent_ms(&self, user: &UserKey, device: &Arc<str>) -> u64 {
        let same = self.of_user(user).filter(|found| !found.is_ephemeral && found.device == *device);
        same.map(|found| found.sent_ms).fold(self.attaching.sent_ms(user, device), u64::max)
    }

    /// The devices of a user that are connected, but for ephemeral ones: the first [`CONNECTED`] of them.
    pub(crate) fn connected_devices(&self, user: &UserKey) -> Vec<Arc<str>> {
        let kept = self.of_user(user).filter(|found| found.is_attached() && !found.is_ephemeral);
        kept.map(|connection| Arc::clone(&connection.device)).take(CONNECTED).collect()
    }

    /// The connections of a user.
    pub(crate) fn of_user(&self, user: &UserKey) -> impl Iterator<Item = &Connection> {
        let ids = self.users.get(user).into_iter().flat_map(|user| &user.connections);
        ids.filter_map(|id| self.connections.get(*id))
    }

    /// The users here who are in a group, in order.
    pub(crate) fn members(&self, group: &GroupKey) -> Vec<UserKey> {
        let known = self.users.iter().filter(|(_, user)| user.groups.contains(&group.group));
        let known = known.map(|(key, _)| key).filter(|key| key.scope == group.scope);
        let mut users: Vec<UserKey> = known.cloned().collect();
        users.sort_unstable();
        users
    }

    /// The connections of a user, as ids.
    pub(crate) fn connections_of(&self, user: &UserKey) -> Vec<ConnectionId> {
        self.users.get(user).map(|user| user.connections.clone()).unwrap_or_default()
    }

    /// Who reads a stream.
    pub(crate) fn subscribers_of(&self, key: &StreamKey) -> Vec<ConnectionId> {
        let Some(number) = self.streams.number(key) else { return Vec::new() };
        let subscribers = self.streams.get(number).subscribers.iter();
        subscribers.map(|subscriber| self.connections.at(subscriber.slot).id).collect()
    }

    /// Lets a connection count: it is among its user's.
    pub(crate) fn attach(
        &mut self,
        user: &UserKey,
        id: ConnectionId,
        groups: HashSet<Arc<str>>,
        settings: &Settings,
        now: Tick,
    ) {
        let Self { users, resting, .. } = self;
        let known = users.entry(user.clone()).or_insert_with(|| {
            Box::new(User {
                connections: Vec::with_capacity(1),
                groups: HashSet::new(),
                allowance: resting.take(user, settings, now),
            })
        });
        known.connections.push(id);
        known.groups = groups;
    }

    /// The connection counts no more: its streams close, and its user may have none left.
    pub(crate) fn detach(&mut self, user: &UserKey, id: ConnectionId, now: Tick) {
        if let Some(connection) = self.connections.get(id) {
            for track in connection.subscriptions.tracks() {
                self.unsubscribe(id, track);
            }
        }
        let Some(known) = self.users.get_mut(user) else { return };
        known.connections.retain(|other| *other != id);
        if known.connections.is_empty()
            && let Some(left) = self.users.remove(user)
        {
            self.resting.keep(user, left.allowance, now);
        }
    }

    /// Opens a stream on a connection. What is published from now on comes after `head`. `seen`: where other hubs write
    /// to it, too.
    pub(crate) fn subscribe(
        &mut self,
        id: ConnectionId,
        key: &StreamKey,
        from: u64,
        head: u64,
        seen: Option<&Seen>,
    ) -> Option<TrackId> {
        let connection = self.connections.get_mut(id)?;
        let track = connection.peer.open(from);
        let subscriber = Subscriber { slot: id.slot, track };
        let seen = seen.map(|seen| (&connection.identity.user.user, seen));
        let (stream, index) = self.streams.subscribe(key, head, subscriber, seen);
        connection.subscriptions.push(Subscription {
            group: group_of(key),
            stream,
            index,
            is_live: from > self.streams.get(stream).head,
            is_held: false,
            is_closed: false,
            offline_to: head,
            skip_to: 0,
            notes: Notes::new(from - 1),
        });
        Some(track)
    }

    /// Ends a stream on a connection.
    pub(crate) fn unsubscribe(&mut self, id: ConnectionId, track: TrackId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let subscription = &mut connection.subscriptions[track];
        if std::mem::replace(&mut subscription.is_closed, true) {
            return;
        }
        (subscription.is_live, subscription.skip_to) = (false, 0);
        subscription.notes.clear();
        let (stream, index) = (subscription.stream, subscription.index);
        connection.peer.close(track);
        if let Some(moved) = self.streams.unsubscribe(stream, index) {
            self.connections.at_mut(moved.slot).subscriptions[moved.track].index = index;
        }
    }
}

/// The connections of a shard. Boxed, as users are: what grows by doubling holds pointers only.
#[derive(Default)]
pub(crate) struct Connections {
    slots: Slab<Box<Connection>>,
    /// A number that no earlier connection had.
    generation: u32,
}

impl Connections {
    /// The id of the next connection, to be inserted before another is asked for.
    pub(crate) fn next_id(&mut self) -> ConnectionId {
        self.generation = self.generation.wrapping_add(1);
        let slot = u32::try_from(self.slots.vacant_key()).unwrap_or(u32::MAX);
        ConnectionId { slot, generation: self.generation }
    }

    pub(crate) fn insert(&mut self, begin: Beginning, now: Tick) {
        self.slots.insert(Box::new(Connection::new(begin, now)));
    }

    /// A connection, if it is still the one meant.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let found = self.slots.get(id.slot as usize)?;
        (found.id.generation == id.generation).then_some(found)
    }

    /// A connection, if it is still the one meant.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let found = self.slots.get_mut(id.slot as usize)?;
        (found.id.generation == id.generation).then_some(found)
    }

    /// The connection in a slot that is known to be taken: that of a subscriber.
    pub(crate) fn at(&self, slot: u32) -> &Connection {
        &self.slots[slot as usize]
    }

    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut Connection {
        &mut self.slots[slot as usize]
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Box<Connection>> {
        self.get(id).is_some().then(|| self.slots.remove(id.slot as usize))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().map(|(_, connection)| &**connection)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.slots.iter_mut().map(|(_, connection)| &mut **connection)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}
