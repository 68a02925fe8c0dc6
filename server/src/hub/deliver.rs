//! From the log to sockets: entries that were just committed go to their readers as runs, encoded once.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wsc_core::coverage::Fit;
use wsc_core::frame::{HubFrame, Range, encode_hub};
use wsc_core::peer::{Offer, TrackId};

use super::clock;
use super::failure::{Failure, FailureKind};
use super::notes::OwedReceipt;
use super::readings::Reading;
use super::shard::Shard;
use super::state::{Connection, State};
use crate::Settings;
use crate::broker::{Commit, Published};
use crate::connection::bare::{Bare, Key};
use crate::log::key::StreamKey;
use crate::log::store::{Entry, Flags, Target};

/// Consecutive entries of one stream that came in one turn.
struct Run<'e> {
    commits: Vec<&'e Commit>,
    /// The bits of all senders: a reader whose bit is not among them sent none of it.
    senders: u64,
    /// No entry is narrowed, store-only, expiring or wants receipts.
    plain: bool,
}

/// What decides whether a reader gets an entry.
pub(crate) struct Facts<'e> {
    pub(crate) seq: u64,
    /// It was just committed, rather than read from the log.
    live: bool,
    pub(crate) sender: &'e Arc<str>,
    pub(crate) device: &'e str,
    pub(crate) message_id: &'e Arc<str>,
    pub(crate) flags: Flags,
    pub(crate) only_device: &'e str,
    pub(crate) expires_at: u64,
    pub(crate) target: &'e Target,
}

impl<'e> Facts<'e> {
    pub(crate) fn of_commit(commit: &'e Commit) -> Self {
        let append = &*commit.append;
        Self {
            seq: commit.seq,
            live: true,
            sender: &append.sender,
            device: &append.device,
            message_id: &append.message_id,
            flags: append.flags,
            only_device: &append.only_device,
            expires_at: append.expires_at,
            target: &append.target,
        }
    }

    pub(crate) fn of_entry(entry: &'e Entry) -> Self {
        Self {
            seq: entry.seq,
            live: false,
            sender: &entry.sender,
            device: &entry.device,
            message_id: &entry.message_id,
            flags: entry.flags,
            only_device: &entry.only_device,
            expires_at: entry.expires_at,
            target: &entry.target,
        }
    }

    /// Whether this entry of a stream is not for this connection.
    fn is_skipped_by(&self, connection: &Connection) -> bool {
        let user = &connection.identity.user.user;
        let own = *self.sender == *user && *self.device == *connection.device;
        // Connections that share a device get each other's messages, but not later.
        let is_anothers = |bare: &Bare| {
            bare.shared && self.live && !bare.own.contains(&Key::of(self.target, self.message_id))
        };
        let own = own && !connection.bare.as_ref().is_some_and(|bare| is_anothers(bare));
        let narrowed = !self.only_device.is_empty()
            && matches!(self.target, Target::User(target) if target.user == *user)
            && *self.only_device != *connection.device;
        own || self.flags.has(Flags::STORE_ONLY) || narrowed
    }

    /// Whether it is a message to the user of this connection.
    fn is_to(&self, connection: &Connection) -> bool {
        matches!(self.target, Target::User(target) if target.user == connection.identity.user.user)
    }

    /// Whether the sender hears when this connection acknowledges it.
    fn wants_receipt_of(&self, connection: &Connection) -> bool {
        self.flags.has(Flags::REQUIRE_ACK)
            && self.is_to(connection)
            && *self.sender != connection.identity.user.user
    }
}

impl Shard {
    /// Hands committed entries to their readers, and opens and closes streams as memberships change.
    pub(crate) fn published(self: &Rc<Self>, events: &[Arc<Published>]) {
        let mut runs: Vec<(u32, Run<'_>)> = Vec::new();
        let mut latest: HashMap<u32, usize> = HashMap::new();
        for event in events {
            match &**event {
                Published::Entry(commit) => {
                    let mut state = self.state.borrow_mut();
                    state.told += 1;
                    let Some(number) = state.streams.number(&commit.stream) else {
                        drop(state);
                        self.nobody_reads(commit);
                        continue;
                    };
                    let at = latest.get(&number).copied().filter(|at| runs[*at].1.continues(commit));
                    let at = at.unwrap_or_else(|| {
                        runs.push((number, Run { commits: Vec::new(), senders: 0, plain: true }));
                        latest.insert(number, runs.len() - 1);
                        runs.len() - 1
                    });
                    runs[at].1.add(commit);
                }
                Published::Joined { group, user, head } => {
                    self.deliver(std::mem::take(&mut runs));
                    latest.clear();
                    self.joined(group, user, *head);
                }
                Published::Left { group, users, action } => {
                    self.deliver(std::mem::take(&mut runs));
                    latest.clear();
                    self.left(group, users, action);
                }
            }
        }
        self.deliver(runs);
    }

    fn deliver(self: &Rc<Self>, runs: Vec<(u32, Run<'_>)>) {
        if runs.is_empty() {
            return;
        }
        let (settings, wall) = (&self.node.settings, clock::wall());
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let State { streams, connections, wheel, .. } = &mut *state;
        for (number, run) in runs {
            let (first, last) = run.ends();
            let stream = streams.get_mut(number);
            stream.head = stream.head.max(last);
            let mut joined: Option<Bytes> = None;
            for (place, track) in &stream.readers {
                let connection = &mut connections[*place as usize];
                let Some(reading) = connection.readings.get(*track as usize) else { continue };
                if !reading.live || connection.closing {
                    continue;
                }
                let full = connection.wire.0.borrow().queued() > settings.socket_limit;
                let idle = connection.peer.in_flight() == 0;
                let fast = run.plain
                    && run.senders & connection.bit == 0
                    && reading.skip_to == 0
                    && connection.bare.is_none();
                let taken = !full
                    && if fast && connection.peer.room(&settings.peer) as u64 > last - first {
                        match connection.peer.offer(*track, first, last, &settings.peer, now) {
                            Offer::Send => {
                                let bytes = joined.get_or_insert_with(|| run.join()).clone();
                                connection.wire.0.borrow_mut().push(bytes);
                                true
                            }
                            Offer::Old => true,
                            Offer::Wait => false,
                        }
                    } else {
                        run.commits.iter().all(|commit| {
                            give(connection, *track, &Facts::of_commit(commit), settings, now, wall, |_| {
                                commit.frame().clone()
                            })
                        })
                    };
                if !taken {
                    connection.readings[*track as usize].live = false;
                    self.feed(connection, *place);
                }
                if idle && connection.peer.in_flight() > 0
                    || connection.readings[*track as usize].skip_to != 0
                {
                    self.plan(wheel, connection, *place, now);
                }
                self.touch(connection, *place);
            }
        }
    }

    /// An entry that nobody reads now: for a user who is away, that is a delayed delivery.
    fn nobody_reads(&self, commit: &Commit) {
        let append = &*commit.append;
        let Target::User(user) = &append.target else { return };
        let receivers = matches!(&commit.stream, StreamKey::Inbox(inbox) if inbox == user);
        if receivers && !append.flags.has(Flags::INTERNAL) {
            self.node.failed(Failure {
                kind: FailureKind::UserOffline,
                user: user.clone(),
                device: Arc::clone(&append.only_device),
                message_id: Arc::clone(&append.message_id),
                attempts: 0,
                reason: "no device is connected",
            });
        }
    }

    /// Marks a connection as having something to write, once a turn.
    pub(crate) fn touch(&self, connection: &mut Connection, place: u32) {
        if !connection.dirty && connection.wire.0.borrow().queued() > 0 {
            connection.dirty = true;
            self.mark(place, connection.generation);
        }
    }
}

impl<'e> Run<'e> {
    fn continues(&self, commit: &Commit) -> bool {
        self.commits.last().is_some_and(|last| last.seq + 1 == commit.seq)
    }

    fn add(&mut self, commit: &'e Commit) {
        let append = &*commit.append;
        self.senders |= device_bit(&append.sender, &append.device);
        self.plain &= append.only_device.is_empty()
            && append.expires_at == 0
            && !append.flags.has(Flags::STORE_ONLY)
            && !(append.flags.has(Flags::REQUIRE_ACK) && matches!(append.target, Target::User(_)));
        self.commits.push(commit);
    }

    fn ends(&self) -> (u64, u64) {
        let seq = |commit: Option<&&Commit>| commit.map_or(0, |commit| commit.seq);
        (seq(self.commits.first()), seq(self.commits.last()))
    }

    /// All frames as one piece: one write for each reader.
    fn join(&self) -> Bytes {
        match self.commits.as_slice() {
            [only] => only.frame().clone(),
            commits => {
                let length = commits.iter().map(|commit| commit.frame().len()).sum();
                let mut joined = BytesMut::with_capacity(length);
                commits.iter().for_each(|commit| joined.extend_from_slice(commit.frame()));
                joined.freeze()
            }
        }
    }
}

/// One bit of 64 that stands for a device: different bits are different devices.
pub(crate) fn device_bit(user: &str, device: &str) -> u64 {
    let hash =
        xxhash_rust::xxh3::xxh3_64_with_seed(device.as_bytes(), xxhash_rust::xxh3::xxh3_64(user.as_bytes()));
    1 << (hash % 64)
}

/// Covers one entry on a connection, by itself, a gap or a later skip. `false`: it must wait in the log.
pub(crate) fn give(
    connection: &mut Connection,
    track: TrackId,
    entry: &Facts<'_>,
    settings: &Settings,
    now: u64,
    wall: u64,
    frame: impl FnOnce(&Reading) -> Bytes,
) -> bool {
    let Some(covered) = covered(connection, track) else { return true };
    if entry.seq <= covered {
        return true;
    }
    if entry.seq > covered + 1 {
        return false;
    }
    if entry.is_skipped_by(connection) {
        let is_to = entry.is_to(connection);
        let reading = &mut connection.readings[track as usize];
        reading.skip_to = entry.seq;
        reading.note_passed(entry.seq, is_to);
        return true;
    }
    if entry.expires_at != 0 && entry.expires_at <= wall {
        say_gap(connection, track, entry.seq, entry.seq, "expired");
        connection.readings[track as usize].note_passed(entry.seq, false);
        return true;
    }
    if connection.peer.room(&settings.peer) == 0 {
        return false;
    }
    say_skip(connection, track);
    if connection.peer.offer(track, entry.seq, entry.seq, &settings.peer, now) != Offer::Send {
        return false;
    }
    let owes = entry.wants_receipt_of(connection);
    let reading = &mut connection.readings[track as usize];
    if owes {
        let (seq, sender) = (entry.seq, Arc::clone(entry.sender));
        let receipt = OwedReceipt { seq, sender, message_id: Arc::clone(entry.message_id) };
        reading.note_receipt(receipt);
    }
    let frame = frame(reading);
    if let Some(bare) = &mut connection.bare {
        bare.entry(&connection.wire, track, entry.seq, entry.message_id, &frame);
    } else {
        connection.wire.0.borrow_mut().push(frame);
    }
    true
}

/// The last position that is covered or owed a skip; `None` for a closed stream.
pub(crate) fn covered(connection: &Connection, track: TrackId) -> Option<u64> {
    let next = connection.peer.track(track)?.next();
    Some((next - 1).max(connection.readings[track as usize].skip_to))
}

/// Says the skip that is owed, if one is.
pub(crate) fn say_skip(connection: &mut Connection, track: TrackId) {
    let Some(next) = connection.peer.track(track).map(wsc_core::peer::Track::next) else { return };
    let to = std::mem::take(&mut connection.readings[track as usize].skip_to);
    if to < next || connection.peer.pass(track, next, to) != Fit::Taken || connection.bare.is_some() {
        return;
    }
    let stream = connection.reading_name(track);
    connection.say(&HubFrame::Skip(Range { stream, from: next, to }));
}

/// Says a gap, after the skip that is owed.
pub(crate) fn say_gap(connection: &mut Connection, track: TrackId, from: u64, to: u64, reason: &'static str) {
    say_skip(connection, track);
    if connection.peer.pass(track, from, to) != Fit::Taken {
        return;
    }
    let stream = connection.reading_name(track);
    if let Some(bare) = &connection.bare {
        return bare.gap(&connection.wire, &stream, from, to, reason);
    }
    connection.say(&HubFrame::Gap { range: Range { stream, from, to }, reason: reason.into() });
}

impl Connection {
    /// Writes a frame.
    pub(crate) fn say(&self, frame: &HubFrame<'_>) {
        let mut text = String::with_capacity(160);
        encode_hub(frame, &mut text);
        self.wire.0.borrow_mut().push_frame(text.as_bytes(), false);
    }

    /// A stream's name on this connection.
    pub(crate) fn reading_name(&self, track: TrackId) -> wsc_core::StreamName<'static> {
        match track {
            0 => wsc_core::StreamName::Inbox,
            1 => wsc_core::StreamName::Broadcast,
            _ => match &self.readings[track as usize].group {
                Some(group) => wsc_core::StreamName::group(group),
                None => wsc_core::StreamName::Inbox,
            },
        }
    }
}
