//! From the log to sockets: entries that were just committed go to their readers as runs, encoded once.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wsc_core::CloseCode;
use wsc_core::coverage::Fit;
use wsc_core::frame::{HubFrame, Range};
use wsc_core::peer::{Offer, TrackId};

use super::{Context, Turn};
use crate::failure::{Failure, FailureKind};
use crate::log::commit::{Commit, Published};
use crate::log::key::StreamKey;
use crate::log::store::{Entry, Flags, Target};
use crate::net::bare::{Bare, Key};
use crate::net::entry::committed_frame;
use crate::shard::connection::Connection;
use crate::shard::notes::OwedReceipt;
use crate::shard::state::State;
use crate::shard::subscription::{Subscriber, Subscription};

/// Consecutive entries of one stream that came in one turn.
struct Run<'e> {
    commits: Vec<&'e Commit>,
    /// The bits of all senders: a reader whose bit is not among them sent none of it.
    senders: u64,
    /// No entry is narrowed, store-only, expiring or wants receipts.
    plain: bool,
}

/// What decides whether a reader gets an entry.
pub(super) struct Facts<'e> {
    seq: u64,
    /// It was just committed, rather than read from the log.
    live: bool,
    sender: &'e Arc<str>,
    device: &'e str,
    message_id: &'e Arc<str>,
    flags: Flags,
    only_device: &'e str,
    expires_at: u64,
    target: &'e Target,
}

impl<'e> Facts<'e> {
    fn of_commit(commit: &'e Commit) -> Self {
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

    pub(super) fn of_entry(entry: &'e Entry) -> Self {
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

impl Turn<'_> {
    /// Hands committed entries to their readers, and opens and closes streams as memberships change.
    pub(super) fn published(&mut self, events: &[Arc<Published>]) {
        if self.state.is_shared {
            return self.committed_here(events);
        }
        let mut runs: Vec<(u32, Run<'_>)> = Vec::new();
        let mut latest: HashMap<u32, usize> = HashMap::new();
        for event in events {
            match &**event {
                Published::Entry(commit) => {
                    self.observe(commit);
                    let Some(number) = self.state.streams.number(&commit.stream) else {
                        self.report_offline(commit);
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
                Published::EpochBegan => {
                    self.deliver(std::mem::take(&mut runs));
                    latest.clear();
                    self.close_attached(CloseCode::Hole, "a new epoch");
                }
                Published::Joined { group, user, head, epoch } => {
                    self.deliver(std::mem::take(&mut runs));
                    latest.clear();
                    self.joined(group, user, *head, epoch, None);
                }
                Published::Left { group, user, action } => {
                    self.deliver(std::mem::take(&mut runs));
                    latest.clear();
                    self.left(group, user.as_ref(), action);
                }
            }
        }
        self.deliver(runs);
    }

    fn deliver(&mut self, runs: Vec<(u32, Run<'_>)>) {
        let State { streams, connections, wheel, .. } = &mut *self.state;
        let cx = &mut *self.cx;
        let shard = Rc::clone(&cx.shard);
        let (settings, peer) = (&shard.node.settings, &shard.node.peer);
        for (number, run) in runs {
            let (first, last) = run.ends();
            let stream = streams.get_mut(number);
            stream.head = stream.head.max(last);
            let mut joined: Option<Bytes> = None;
            for Subscriber { slot, track } in &stream.subscribers {
                let connection = connections.at_mut(*slot);
                let subscription = &connection.subscriptions[*track];
                if !subscription.is_live || !connection.is_attached() {
                    continue;
                }
                let idle = connection.peer.in_flight() == 0;
                let fast = run.plain
                    && run.senders & connection.device_bit == 0
                    && subscription.skip_to == 0
                    && connection.bare.is_none();
                let taken = !connection.is_full(settings)
                    && if fast && u64::from(connection.peer.room(peer)) > last - first {
                        match connection.peer.offer(*track, first, last, peer, cx.now.ms()) {
                            Offer::Send => {
                                let bytes = joined.get_or_insert_with(|| run.join()).clone();
                                connection.wire.push(bytes);
                                true
                            }
                            Offer::Old => true,
                            Offer::Wait => false,
                        }
                    } else {
                        run.commits.iter().all(|commit| {
                            let facts = Facts::of_commit(commit);
                            give(connection, *track, &facts, cx, |_| committed_frame(commit).clone())
                        })
                    };
                if !taken {
                    connection.subscriptions[*track].is_live = false;
                    connection.feed(cx);
                }
                if idle && connection.peer.in_flight() > 0 || connection.subscriptions[*track].skip_to != 0 {
                    connection.schedule(wheel, cx);
                }
                cx.touch(connection);
            }
        }
    }

    /// Copies a message for observers: one shard does it for all.
    pub(super) fn observe(&self, commit: &Commit) {
        let node = self.cx.node();
        if node.observers.are_any(&node.router)
            && commit.stream == commit.append.target.stream()
            && node.router.shards.of_stream(&commit.stream) == self.cx.shard.id
        {
            node.observers.copy_stored(&node.router, &commit.append);
        }
    }

    /// An entry that nobody reads now: for a user who is away, that is a delayed delivery.
    pub(super) fn report_offline(&self, commit: &Commit) {
        let append = &*commit.append;
        let Target::User(user) = &append.target else { return };
        let is_receivers = matches!(&commit.stream, StreamKey::Inbox(inbox) if inbox == user);
        if is_receivers && !append.flags.has(Flags::INTERNAL) {
            let kind = FailureKind::UserOffline;
            self.cx.node().failures.report(kind, || Failure {
                kind,
                user: user.clone(),
                device: Arc::clone(&append.only_device),
                message_id: Arc::clone(&append.message_id),
                attempts: 0,
                reason: "no device is connected",
            });
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
            [only] => committed_frame(only).clone(),
            commits => {
                let length = commits.iter().map(|commit| committed_frame(commit).len()).sum();
                let mut joined = BytesMut::with_capacity(length);
                commits.iter().for_each(|commit| joined.extend_from_slice(committed_frame(commit)));
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
pub(super) fn give(
    connection: &mut Connection,
    track: TrackId,
    entry: &Facts<'_>,
    cx: &Context,
    frame: impl FnOnce(&Subscription) -> Bytes,
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
        let subscription = &mut connection.subscriptions[track];
        subscription.skip_to = entry.seq;
        subscription.notes.note_passed(entry.seq, is_to);
        return true;
    }
    if entry.expires_at != 0 && entry.expires_at <= cx.wall.ms() {
        write_gap(connection, track, entry.seq, entry.seq, "expired");
        connection.subscriptions[track].notes.note_passed(entry.seq, false);
        return true;
    }
    let settings = &cx.node().peer;
    if connection.peer.room(settings) == 0 {
        return false;
    }
    write_skip(connection, track);
    if connection.peer.offer(track, entry.seq, entry.seq, settings, cx.now.ms()) != Offer::Send {
        return false;
    }
    let owes = entry.wants_receipt_of(connection);
    let subscription = &mut connection.subscriptions[track];
    if owes {
        let (seq, sender) = (entry.seq, Arc::clone(entry.sender));
        let receipt = OwedReceipt { seq, sender, message_id: Arc::clone(entry.message_id) };
        subscription.notes.note_receipt(receipt);
    }
    let frame = frame(subscription);
    if let Some(bare) = &mut connection.bare {
        bare.entry(&mut connection.wire, track, entry.seq, entry.message_id, &frame);
    } else {
        connection.wire.push(frame);
    }
    true
}

/// The last position that is covered or owed a skip; `None` for a closed stream.
pub(super) fn covered(connection: &Connection, track: TrackId) -> Option<u64> {
    let next = connection.peer.track(track)?.next();
    Some((next - 1).max(connection.subscriptions[track].skip_to))
}

/// Writes the skip that is owed, if one is.
pub(super) fn write_skip(connection: &mut Connection, track: TrackId) {
    let Some(next) = connection.peer.track(track).map(wsc_core::peer::Track::next) else { return };
    let to = std::mem::take(&mut connection.subscriptions[track].skip_to);
    if to < next || connection.peer.pass(track, next, to) != Fit::Taken || connection.bare.is_some() {
        return;
    }
    let stream = connection.subscriptions.name(track);
    connection.write(&HubFrame::Skip(Range { stream, from: next, to }));
}

/// Writes a gap, after the skip that is owed.
pub(super) fn write_gap(
    connection: &mut Connection,
    track: TrackId,
    from: u64,
    to: u64,
    reason: &'static str,
) {
    write_skip(connection, track);
    if connection.peer.pass(track, from, to) != Fit::Taken {
        return;
    }
    let stream = connection.subscriptions.name(track);
    if let Some(bare) = &connection.bare {
        return bare.gap(&mut connection.wire, &stream, from, to, reason);
    }
    connection.write(&HubFrame::Gap { range: Range { stream, from, to }, reason: reason.into() });
}
