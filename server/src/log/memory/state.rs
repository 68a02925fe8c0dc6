//! What the memory store keeps, as a plain value that can be copied: a simulation takes a copy as "what the disk has"
//! and goes on from it after a crash. No locks, no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::super::claims::Claims;
use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::rules::{self, Changes, LINEAGE, Tombstone};
use super::super::store::{
    Conversation, Earlier, Entry, Membership, Milliseconds, Ranges, Retention, Target,
};

/// All a store keeps.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) retention: Retention,
    pub(super) epoch: Arc<str>,
    /// Earlier epochs, newest first, and whether they are proven.
    pub(super) earlier: Vec<(Arc<str>, bool)>,
    pub(super) claims: Claims,
    /// Messages that are in their receiver's stream and not in their sender's. Only simulations cut writes.
    pub(super) unfinished: HashSet<(UserKey, Arc<str>)>,
    /// Read marks that were not passed on.
    pub(super) waiting_marks: BTreeMap<(UserKey, Conversation), (u64, Arc<str>)>,
    pub(super) streams: BTreeMap<StreamKey, Stream>,
    pub(super) users: BTreeMap<UserKey, User>,
    pub(super) groups: BTreeMap<GroupKey, Group>,
    pub(super) ids: HashMap<(UserKey, Arc<str>), Sent>,
    /// The keys of `ids` in the order they were stored.
    pub(super) id_times: VecDeque<(Milliseconds, UserKey, Arc<str>)>,
    pub(super) sweep: Sweep,
}

/// Where the sweep of [`State::maintain`] goes on.
#[derive(Clone, Debug, Default)]
pub(super) enum Sweep {
    #[default]
    Start,
    Streams(StreamKey),
    Users(Option<UserKey>),
    Groups(Option<GroupKey>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// How many positions are gone: the floor is the next.
    pub(super) trimmed: u64,
    pub(super) entries: VecDeque<Entry>,
    /// Earlier epochs, newest first.
    pub(super) lineage: Vec<Earlier>,
}

impl Stream {
    pub(super) fn floor(&self) -> u64 {
        self.trimmed + 1
    }

    pub(super) fn head(&self) -> u64 {
        self.trimmed + self.entries.len() as u64
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct User {
    pub(super) broadcast_start: Option<u64>,
    pub(super) last_seen: Milliseconds,
    /// The version of the inbox.
    pub(super) version: u64,
    pub(super) groups: BTreeSet<Arc<str>>,
    pub(super) devices: BTreeMap<Arc<str>, KnownDevice>,
    pub(super) marks: BTreeMap<Conversation, u64>,
    /// What was delivered, and in which epoch.
    pub(super) delivered: BTreeMap<StreamKey, (Arc<str>, Ranges)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct KnownDevice {
    pub(super) attempts: u32,
    pub(super) last_seen: Milliseconds,
    pub(super) places: BTreeMap<StreamKey, (Arc<str>, u64)>,
}

/// A membership, or what is left of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub(super) membership: Option<Membership>,
    /// The request that began it.
    pub(super) request: u64,
    pub(super) tombstone: Tombstone,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) users: BTreeMap<Arc<str>, Member>,
    pub(super) members: u64,
    pub(super) changes: Changes,
}

/// What a sender sent under one message id.
pub(super) type Sent = Vec<(Target, Known)>;

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) digest: [u8; 16],
    pub(super) seq: u64,
    pub(super) own_seq: Option<u64>,
    pub(super) create_at: Milliseconds,
}

impl State {
    /// Nothing, in a new epoch.
    pub fn new(retention: Retention) -> Self {
        Self {
            retention,
            epoch: rules::new_epoch().into(),
            earlier: Vec::new(),
            claims: Claims::default(),
            unfinished: HashSet::new(),
            waiting_marks: BTreeMap::new(),
            streams: BTreeMap::new(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            ids: HashMap::new(),
            id_times: VecDeque::new(),
            sweep: Sweep::Start,
        }
    }

    /// The present epoch.
    #[cfg(any(test, feature = "testing"))]
    pub fn epoch(&self) -> Arc<str> {
        self.epoch.clone()
    }

    /// Takes another name for the present epoch, so that states of different stores can be compared.
    #[cfg(test)]
    pub(in super::super) fn rename_epoch(&mut self, epoch: &str) {
        self.epoch = epoch.into();
    }

    /// Forgets who is connected, as a process does that ends.
    #[cfg(test)]
    pub(in super::super) fn forget_claims(&mut self) {
        self.claims = Claims::default();
    }

    /// Begins a new generation on what is here, as a store does that cannot prove it kept everything. `is_proven`: what
    /// clients name in the epoch that ends still means what it meant ([`Earlier::is_proven`]).
    pub fn begin_epoch(&mut self, epoch: &str, is_proven: bool) {
        let old = std::mem::replace(&mut self.epoch, epoch.into());
        for stream in self.streams.values_mut() {
            let ended = Earlier { epoch: old.clone(), survived: stream.head(), is_proven };
            stream.lineage.insert(0, ended);
            stream.lineage.truncate(LINEAGE);
        }
        self.earlier.insert(0, (old, is_proven));
        self.earlier.truncate(LINEAGE);
    }

    /// The lineage of a stream nothing was ever written to.
    pub(super) fn blank_lineage(&self) -> Vec<Earlier> {
        let blank = |(epoch, is_proven): &(Arc<str>, bool)| Earlier {
            epoch: epoch.clone(),
            survived: 0,
            is_proven: *is_proven,
        };
        self.earlier.iter().map(blank).collect()
    }

    pub(super) fn stream_mut(&mut self, key: &StreamKey) -> &mut Stream {
        if !self.streams.contains_key(key) {
            let stream = Stream { lineage: self.blank_lineage(), ..Stream::default() };
            self.streams.insert(key.clone(), stream);
        }
        self.streams.entry(key.clone()).or_default()
    }

    pub(super) fn head(&self, key: &StreamKey) -> u64 {
        self.streams.get(key).map_or(0, Stream::head)
    }
}

/// The last position of an earlier epoch that is still the same message.
pub(super) fn survived(streams: &BTreeMap<StreamKey, Stream>, key: &StreamKey, epoch: &str) -> u64 {
    let lineage = streams.get(key).map(|stream| stream.lineage.as_slice()).unwrap_or_default();
    match lineage.iter().find(|earlier| &*earlier.epoch == epoch) {
        Some(earlier) => earlier.survived,
        // Forgotten: no more survived from it than from the oldest that is remembered.
        None => lineage.last().map_or(0, |earlier| earlier.survived),
    }
}
