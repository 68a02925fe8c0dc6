//! What a shard knows: its connections, their users, and the streams they read.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use slab::Slab;
use wsc_core::CloseCode;
use wsc_core::frame::{DecodeError, Request};
use wsc_core::peer::{Peer, TrackId};

use super::allowance::{Allowance, Resting};
use super::clock::Clock;
use super::marks::Mark;
use super::readings::Reading;
use super::wheel::Wheel;
use crate::admission::identity::Identity;
use crate::connection::Signal;
use crate::connection::reader::Reader;
use crate::connection::wire::SharedWire;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::Conversation;

/// Everything of one shard.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) wheel: Wheel,
    /// Boxed, as the users are: what grows by doubling holds pointers only.
    pub(crate) connections: Slab<Box<Connection>>,
    pub(crate) users: HashMap<UserKey, Box<User>>,
    /// What users without connections have left to send.
    pub(crate) resting: Resting,
    pub(crate) streams: Streams,
    /// Reads for connections that are between two messages.
    pub(crate) reader: Option<Box<Reader>>,
    /// Counts entries told of, so that an attach knows whether it may have missed one.
    pub(crate) told: u64,
    /// Users who attach.
    arriving: HashMap<UserKey, Arriving>,
    /// Read marks that were passed on, or wait to be.
    pub(crate) marks: HashMap<(UserKey, Conversation), Mark>,
    next_generation: u32,
    /// Which attach of a device is the newest.
    attaching: HashMap<(UserKey, Arc<str>), (u64, u64)>,
    attach_turns: u64,
    /// Nobody new is let in any more.
    pub(crate) draining: bool,
}

impl State {
    pub(crate) fn new() -> Self {
        let clock = Clock::new();
        Self {
            clock,
            wheel: Wheel::new(0),
            connections: Slab::new(),
            users: HashMap::new(),
            resting: Resting::default(),
            streams: Streams::default(),
            reader: None,
            told: 0,
            arriving: HashMap::new(),
            marks: HashMap::new(),
            next_generation: 0,
            attaching: HashMap::new(),
            attach_turns: 0,
            draining: false,
        }
    }

    /// A number that no earlier connection of this shard had.
    pub(crate) fn generation(&mut self) -> u32 {
        self.next_generation = self.next_generation.wrapping_add(1);
        self.next_generation
    }

    /// Takes a number for an attach of a device; a later one makes it void.
    pub(crate) fn attach_turn(&mut self, user: &UserKey, device: &Arc<str>, sent_ms: u64) -> u64 {
        self.attach_turns += 1;
        if !device.is_empty() {
            self.attaching.insert((user.clone(), Arc::clone(device)), (self.attach_turns, sent_ms));
        }
        self.attach_turns
    }

    /// When the newest connection of a device sent its `connect`, by the device's clock; 0: there is none, or unknown.
    pub(crate) fn sent_ms(&self, user: &UserKey, device: &Arc<str>) -> u64 {
        let attaching = self.attaching.get(&(user.clone(), Arc::clone(device))).map_or(0, |(_, sent)| *sent);
        let connections = self.users.get(user).into_iter().flat_map(|user| &user.connections);
        let same = connections.map(|place| &self.connections[*place as usize]);
        let same = same.filter(|found| !found.passing && found.device == *device);
        same.map(|found| found.sent_ms).fold(attaching, u64::max)
    }

    /// Whether an attach is still the newest of its device; if so, it ends with this.
    pub(crate) fn is_turn(&mut self, user: &UserKey, device: &Arc<str>, turn: u64) -> bool {
        if device.is_empty() {
            return true;
        }
        let key = (user.clone(), Arc::clone(device));
        let newest = self.attaching.get(&key).is_some_and(|(newest, _)| *newest == turn);
        if newest {
            self.attaching.remove(&key);
        }
        newest
    }

    /// A connection of a user begins to attach.
    pub(crate) fn arrives(&mut self, user: &UserKey) {
        self.arriving.entry(user.clone()).or_default().count += 1;
    }

    /// It has ended to attach.
    pub(crate) fn arrived(&mut self, user: &UserKey) {
        if let Some(arriving) = self.arriving.get_mut(user) {
            arriving.count -= 1;
            if arriving.count == 0 {
                self.arriving.remove(user);
            }
        }
    }

    /// Whether somebody attaches.
    pub(crate) fn is_anybody_arriving(&self) -> bool {
        !self.arriving.is_empty()
    }

    /// A membership of a user changed.
    pub(crate) fn membership_changed(&mut self, user: &UserKey) {
        if let Some(arriving) = self.arriving.get_mut(user) {
            arriving.changes += 1;
        }
    }

    /// Counts changes of the memberships of a user who attaches. Those of others are no reason to look again: there
    /// may always be some.
    pub(crate) fn membership_changes(&self, user: &UserKey) -> u64 {
        self.arriving.get(user).map_or(0, |arriving| arriving.changes)
    }

    /// A connection, if it is still the one meant.
    pub(crate) fn connection(&mut self, place: u32, generation: u32) -> Option<&mut Connection> {
        let found = self.connections.get_mut(place as usize)?;
        (found.generation == generation).then_some(found)
    }

    /// The devices of a user that are connected, but for ephemeral ones: the first [`CONNECTED`] of them.
    pub(crate) fn connected_devices(&self, user: &UserKey) -> Vec<Arc<str>> {
        let connections = self.users.get(user).into_iter().flat_map(|user| &user.connections);
        let connections = connections.map(|place| &self.connections[*place as usize]);
        let kept = connections.filter(|connection| connection.attached && !connection.passing);
        kept.map(|connection| Arc::clone(&connection.device)).take(CONNECTED).collect()
    }

    /// The places of a user's connections.
    pub(crate) fn connections_of(&self, user: &UserKey) -> Vec<u32> {
        self.users.get(user).map(|user| user.connections.clone()).unwrap_or_default()
    }
}

/// Connected devices of a user that keep their place in the store although there are too many. It goes with every write of a
/// device: without a limit, a user with very many would have the store do nothing else.
const CONNECTED: usize = 256;

/// A user with connections that attach.
#[derive(Default)]
struct Arriving {
    count: u32,
    changes: u64,
}

/// A user with connections on this shard.
pub(crate) struct User {
    pub(crate) connections: Vec<u32>,
    /// The groups the user is in, as the log last told.
    pub(crate) groups: HashSet<Arc<str>>,
    pub(crate) allowance: Allowance,
}

/// What most connections never have.
#[derive(Default)]
pub(crate) struct Rare {
    /// Which groups are read; `None`: all of the user's.
    pub(crate) wanted: Option<HashSet<Arc<str>>>,
    /// Requests waiting for the one being answered, also those that were not understood: their errors have a turn too.
    pub(crate) requests: VecDeque<Result<Request<'static>, DecodeError>>,
    /// Groups observed; the empty name: everything.
    pub(crate) observing: Vec<Arc<str>>,
    /// Users watched.
    pub(crate) watching: HashSet<Arc<str>>,
    /// Those of them whose changes were dropped, because too much waited for the socket.
    pub(crate) missed: HashSet<Arc<str>>,
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) generation: u32,
    pub(crate) id: Arc<str>,
    pub(crate) identity: Rc<Identity>,
    /// The device; for a passing one the connection's id.
    pub(crate) device: Arc<str>,
    /// When its `connect` was sent, by the device's clock; 0: unknown.
    pub(crate) sent_ms: u64,
    /// Nothing of the device is stored.
    pub(crate) passing: bool,
    pub(crate) wire: SharedWire,
    pub(crate) peer: Peer,
    /// By [`TrackId`]: `inbox` first, then `broadcast`, then groups.
    pub(crate) readings: Vec<Reading>,
    /// What most connections never have.
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) bare: Option<Box<crate::connection::bare::Bare>>,
    /// Has it attended to.
    pub(crate) signal: Arc<Signal>,
    /// While it is in the middle of a message.
    pub(crate) reader: Option<Box<Reader>>,
    /// It will be closed when what it sent is answered; it is not read any more.
    pub(crate) ending: bool,
    /// It is being closed: nothing it sends counts any more.
    pub(crate) closing: bool,
    /// It must end at once, without waiting for the client's Close.
    pub(crate) cut: bool,
    /// Nothing more will be read from it, and why. What arrived before is done first, then it ends.
    pub(crate) hung_up: Option<Box<HangUp>>,
    /// Marked for the end of the turn.
    pub(crate) dirty: bool,
    /// The log is being read for it.
    pub(crate) feeding: bool,
    /// Not read until then, and since when in all.
    pub(crate) paused: Option<Pause>,
    /// Messages the application is deciding about, and since when it has decided nothing.
    pub(crate) asking: u32,
    pub(crate) asked_at: u64,
    /// It is not read until it has taken what is written for it.
    pub(crate) choked: bool,
    /// The frame that waits while it is not read.
    pub(crate) held: Option<Box<tokio_tungstenite::tungstenite::Message>>,
    /// While that frame is tried again: since when it waits.
    pub(crate) waiting_since: Option<u64>,
    /// Since when the socket takes nothing though bytes wait, and how many waited.
    pub(crate) stuck: Option<(u64, u64)>,
    /// The second at which the wheel gives it out.
    pub(crate) wheel: u64,
    /// Messages handed to the log and not answered.
    pub(crate) writing: u32,
    pub(crate) answering: bool,
    /// The request that the next change of a membership answers.
    pub(crate) awaited: Option<Box<super::groups::Awaited>>,
    /// Positions to be written, and since when.
    pub(crate) cursor_changed: Option<u64>,
    /// When it was last written that the device is seen.
    pub(crate) seen_at: u64,
    /// Failed attempts in a row, as stored.
    pub(crate) attempts: u32,
    /// One bit of 64 that stands for (user, device), to rule out quickly that an entry is its own.
    pub(crate) bit: u64,
    /// It counts: it is among its user's connections and reads streams.
    pub(crate) attached: bool,
    /// Its place among the hub's connections, given back when it ends.
    pub(crate) _permit: crate::admission::Permit,
}

/// Why nothing more is read from a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HangUp {
    /// The client closed, or its socket ended.
    Client,
    /// The client broke a rule: it is closed with this.
    Fault(CloseCode, &'static str),
}

/// Why and since when a connection is not read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    pub(crate) since: u64,
    pub(crate) until: u64,
    /// When what waits would pass; later than `until` where the connection will be closed before.
    pub(crate) passes: u64,
    /// The store is busy or broken, rather than the sender too fast.
    pub(crate) store: bool,
}

/// How often it is written that a connected device is seen, so that it does not age.
pub(crate) fn seen_every(settings: &crate::Settings) -> u64 {
    const LONGEST_MS: u64 = 6 * 3_600_000;
    (settings.retention.device / 4).clamp(1000, LONGEST_MS)
}

impl Connection {
    /// What the wheel must look at next.
    pub(crate) fn deadline(&self, settings: &crate::Settings, wall_to_clock: impl Fn(u64) -> u64) -> u64 {
        let mut next = self.peer.poll_timeout(&settings.peer);
        if let Some(pause) = self.paused {
            next = next.min(pause.until);
        }
        if self.asking > 0 {
            next = next.min(self.asked_at + settings.stall_ms);
        }
        if let Some((since, _)) = self.stuck {
            next = next.min(since + settings.slow_ms);
        }
        if let Some(since) = self.cursor_changed {
            next = next.min(since + settings.cursor_ms);
        }
        if !self.passing {
            next = next.min(self.seen_at + seen_every(settings));
        }
        if self.identity.expires_at != 0 {
            next = next.min(wall_to_clock(self.identity.expires_at));
        }
        let owes_ping = self.bare.as_ref().is_some_and(|bare| bare.owes_ping());
        if owes_ping || self.readings.iter().any(Reading::owes_skip) {
            next = 0;
        }
        next
    }

    /// Whether all it sent is done and answered.
    pub(crate) fn is_answered(&self) -> bool {
        let waiting = self.rare.as_ref().is_some_and(|rare| !rare.requests.is_empty());
        !waiting && !self.answering && self.asking == 0 && self.writing == 0
    }

    /// Whether a group is read on this connection while the user is in it.
    pub(crate) fn wants(&self, group: &str) -> bool {
        self.rare.as_ref().and_then(|rare| rare.wanted.as_ref()).is_none_or(|wanted| wanted.contains(group))
    }

    /// What most connections never have; made at the first use.
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The reading of a stream.
    pub(crate) fn reading_of(&self, stream: u32) -> Option<TrackId> {
        let at = self.readings.iter().position(|reading| reading.stream == stream && !reading.closed)?;
        u32::try_from(at).ok()
    }
}

/// The streams read on a shard, and by whom.
#[derive(Default)]
pub(crate) struct Streams {
    numbers: HashMap<StreamKey, u32>,
    streams: Slab<Stream>,
}

/// A stream with readers.
pub(crate) struct Stream {
    pub(crate) key: StreamKey,
    /// The newest position told of.
    pub(crate) head: u64,
    /// Connection and track of each reader.
    pub(crate) readers: Vec<(u32, TrackId)>,
}

impl Streams {
    /// Adds a reader; returns the stream's number and the reader's place in it.
    pub(crate) fn subscribe(
        &mut self,
        key: &StreamKey,
        head: u64,
        connection: u32,
        track: TrackId,
    ) -> (u32, u32) {
        let number = match self.numbers.get(key) {
            Some(number) => *number,
            None => {
                // Nearly always an inbox, with one reader.
                let stream = Stream { key: key.clone(), head, readers: Vec::with_capacity(1) };
                let number = u32::try_from(self.streams.insert(stream)).unwrap_or(u32::MAX);
                self.numbers.insert(key.clone(), number);
                number
            }
        };
        let stream = &mut self.streams[number as usize];
        stream.head = stream.head.max(head);
        stream.readers.push((connection, track));
        (number, u32::try_from(stream.readers.len() - 1).unwrap_or(u32::MAX))
    }

    /// Removes a reader; returns who stands in its place now, if somebody does.
    pub(crate) fn unsubscribe(&mut self, number: u32, place: u32) -> Option<(u32, TrackId)> {
        let stream = self.streams.get_mut(number as usize)?;
        stream.readers.swap_remove(place as usize);
        if stream.readers.is_empty() {
            let stream = self.streams.remove(number as usize);
            self.numbers.remove(&stream.key);
            return None;
        }
        stream.readers.get(place as usize).copied()
    }

    pub(crate) fn number(&self, key: &StreamKey) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    pub(crate) fn get(&self, number: u32) -> &Stream {
        &self.streams[number as usize]
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> &mut Stream {
        &mut self.streams[number as usize]
    }
}
