//! A store with something between it and its hub: time, faults, counters. For tests and simulations; never part of a
//! running hub.

use std::sync::Arc;

use super::super::key::{GroupKey, Scope, StreamKey, UserKey};
use super::super::store::{
    Answers, Beat, Conversation, Device, Found, Members, Membership, Milliseconds, Nodes, Opened, Page,
    Person, Ranges, Store, StoreFuture, Summary, Tip, WaitingMark, Write,
};

/// Which read of a [`Store`], by the method's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the methods")]
pub enum Read {
    Read,
    ReadBack,
    Headers,
    Open,
    Devices,
    LastSeen,
    Marks,
    WaitingMarks,
    Delivered,
    Find,
    Members,
    MemberCount,
    Memberships,
    Tips,
    People,
    Claimed,
    Beat,
    Conversations,
}

/// What happens between a hub and its store. Whatever is not overridden changes nothing.
pub trait Between: Send + Sync + 'static {
    /// The store itself.
    fn store(&self) -> &dyn Store;

    /// Whether several hubs share it.
    fn is_shared(&self) -> bool {
        self.store().is_shared()
    }

    /// In how many independent orders it writes.
    fn lanes(&self) -> usize {
        self.store().lanes()
    }

    /// The order that a stream is in.
    fn lane(&self, stream: &StreamKey) -> usize {
        self.store().lane(stream)
    }

    /// Makes writes.
    fn write<'a>(&'a self, lane: usize, batch: &'a [Write]) -> Answers<'a> {
        self.store().write(lane, batch)
    }

    /// Answers a read; `ask` asks the store.
    fn read<'a, T: Send + 'a>(
        &'a self,
        _which: Read,
        ask: impl FnOnce(&'a dyn Store) -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        ask(self.store())
    }

    /// Closes the store.
    fn close(&self) -> StoreFuture<'_, ()> {
        self.store().close()
    }
}

/// A [`Between`] as a store.
#[derive(Debug)]
pub struct Wrapped<B>(pub B);

impl<B: Between> Store for Wrapped<B> {
    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    fn lanes(&self) -> usize {
        self.0.lanes()
    }

    fn lane(&self, stream: &StreamKey) -> usize {
        self.0.lane(stream)
    }

    fn write<'a>(&'a self, lane: usize, batch: &'a [Write]) -> Answers<'a> {
        self.0.write(lane, batch)
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page> {
        self.0.read(Read::Read, move |store| store.read(stream, from, limit, max_bytes))
    }

    fn read_back<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page> {
        self.0.read(Read::ReadBack, move |store| store.read_back(stream, from, limit, max_bytes))
    }

    fn headers<'a>(&'a self, stream: &'a StreamKey, from: u64, limit: usize) -> StoreFuture<'a, Page> {
        self.0.read(Read::Headers, move |store| store.headers(stream, from, limit))
    }

    fn tips<'a>(&'a self, streams: &'a [StreamKey]) -> StoreFuture<'a, Vec<Tip>> {
        self.0.read(Read::Tips, move |store| store.tips(streams))
    }

    fn open<'a>(&'a self, user: &'a UserKey, device: Option<&'a str>) -> StoreFuture<'a, Opened> {
        self.0.read(Read::Open, move |store| store.open(user, device))
    }

    fn devices<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<Device>> {
        self.0.read(Read::Devices, move |store| store.devices(user))
    }

    fn last_seen<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Milliseconds> {
        self.0.read(Read::LastSeen, move |store| store.last_seen(user))
    }

    fn people<'a>(&'a self, users: &'a [UserKey]) -> StoreFuture<'a, Vec<Person>> {
        self.0.read(Read::People, move |store| store.people(users))
    }

    fn claimed<'a>(
        &'a self,
        scope: &'a Scope,
        after: &'a str,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Arc<str>>> {
        self.0.read(Read::Claimed, move |store| store.claimed(scope, after, limit))
    }

    fn beat<'a>(&'a self, beat: &'a Beat) -> StoreFuture<'a, Nodes> {
        self.0.read(Read::Beat, move |store| store.beat(beat))
    }

    fn marks<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<(Conversation, u64)>> {
        self.0.read(Read::Marks, move |store| store.marks(user))
    }

    fn conversations<'a>(&'a self, user: &'a UserKey, now: Milliseconds) -> StoreFuture<'a, Vec<Summary>> {
        self.0.read(Read::Conversations, move |store| store.conversations(user, now))
    }

    fn waiting_marks(&self, limit: usize) -> StoreFuture<'_, Vec<WaitingMark>> {
        self.0.read(Read::WaitingMarks, move |store| store.waiting_marks(limit))
    }

    fn delivered<'a>(&'a self, user: &'a UserKey, stream: &'a StreamKey) -> StoreFuture<'a, Ranges> {
        self.0.read(Read::Delivered, move |store| store.delivered(user, stream))
    }

    fn find<'a>(
        &'a self,
        sender: &'a UserKey,
        message_ids: &'a [Arc<str>],
    ) -> StoreFuture<'a, Vec<Option<Found>>> {
        self.0.read(Read::Find, move |store| store.find(sender, message_ids))
    }

    fn members<'a>(
        &'a self,
        group: &'a GroupKey,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Members> {
        self.0.read(Read::Members, move |store| store.members(group, after, limit))
    }

    fn member_count<'a>(&'a self, group: &'a GroupKey) -> StoreFuture<'a, u64> {
        self.0.read(Read::MemberCount, move |store| store.member_count(group))
    }

    fn memberships<'a>(
        &'a self,
        group: &'a GroupKey,
        users: &'a [Arc<str>],
    ) -> StoreFuture<'a, Vec<Option<Membership>>> {
        self.0.read(Read::Memberships, move |store| store.memberships(group, users))
    }

    fn maintain(&self, now: Milliseconds) -> StoreFuture<'_, bool> {
        self.0.store().maintain(now)
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.0.close()
    }
}
