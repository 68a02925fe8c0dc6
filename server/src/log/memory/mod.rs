//! A store in plain memory, for `--store memory`, for tests and for simulations. Never writes to a disk: every creation
//! is a new epoch.

#![cfg_attr(not(feature = "testing"), allow(unreachable_pub, reason = "only simulations handle a `State`"))]

mod append;
mod apply;
mod conversations;
mod devices;
mod members;
mod progress;
mod read;
mod retain;
mod state;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(any(test, feature = "testing"))]
pub use state::State;
#[cfg(not(any(test, feature = "testing")))]
use state::State;

use super::key::{GroupKey, Scope, StreamKey, UserKey};
use super::store::{
    Answers, Beat, Conversation, Device, Found, Members, Membership, Milliseconds, Nodes, Opened, Page,
    Person, Ranges, Retention, Store, StoreError, StoreFuture, Summary, Tip, WaitingMark, Write,
};

/// A store in memory, behind one lock; it ends with the process.
#[derive(Debug)]
pub struct MemoryStore {
    /// `None` after closing.
    state: Mutex<Option<State>>,
}

impl MemoryStore {
    /// An empty store in an epoch of its own.
    ///
    /// ```
    /// use wsc_server::{Hub, MemoryStore, Settings};
    /// let settings = Settings::default();
    /// let hub = Hub::builder(MemoryStore::new(settings.retention)).settings(settings).start()?;
    /// # Ok::<(), wsc_server::StartError>(())
    /// ```
    pub fn new(retention: Retention) -> Self {
        Self::over(State::new(retention))
    }

    /// A store that goes on from a state.
    #[cfg(feature = "testing")]
    pub fn with_state(state: State) -> Self {
        Self::over(state)
    }

    /// Changes the present state; `None` after closing.
    #[cfg(any(test, feature = "testing"))]
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.lock().as_mut().map(change)
    }

    fn over(state: State) -> Self {
        Self { state: Mutex::new(Some(state)) }
    }

    /// A copy of the present state; `None` after closing.
    #[cfg(feature = "testing")]
    pub fn state(&self) -> Option<State> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        // `State` is changed by code that does not panic halfway; a poisoned lock says only that a caller died.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&mut State) -> T) -> StoreFuture<'_, T> {
        let answer = self.lock().as_mut().map(question).ok_or(StoreError::Closed);
        Box::pin(ready(answer))
    }
}

impl Store for MemoryStore {
    fn write<'a>(&'a self, _lane: usize, batch: &'a [Write]) -> Answers<'a> {
        let mut state = self.lock();
        let answers = match state.as_mut() {
            Some(state) => batch.iter().map(|write| Ok(state.apply(write))).collect(),
            None => vec![Err(StoreError::Closed); batch.len()],
        };
        Box::pin(ready(answers))
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page> {
        self.ask(|state| state.read(stream, from, limit, max_bytes))
    }

    fn read_back<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page> {
        self.ask(|state| state.read_back(stream, from, limit, max_bytes))
    }

    fn headers<'a>(&'a self, stream: &'a StreamKey, from: u64, limit: usize) -> StoreFuture<'a, Page> {
        self.ask(|state| state.headers(stream, from, limit))
    }

    fn tips<'a>(&'a self, streams: &'a [StreamKey]) -> StoreFuture<'a, Vec<Tip>> {
        self.ask(|state| streams.iter().map(|stream| state.tip(stream)).collect())
    }

    fn open<'a>(&'a self, user: &'a UserKey, device: Option<&'a str>) -> StoreFuture<'a, Opened> {
        self.ask(|state| state.open(user, device))
    }

    fn devices<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<Device>> {
        self.ask(|state| state.devices(user))
    }

    fn last_seen<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Milliseconds> {
        self.ask(|state| state.last_seen(user))
    }

    fn people<'a>(&'a self, users: &'a [UserKey]) -> StoreFuture<'a, Vec<Person>> {
        self.ask(|state| users.iter().map(|user| state.person(user)).collect())
    }

    fn claimed<'a>(
        &'a self,
        scope: &'a Scope,
        after: &'a str,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Arc<str>>> {
        self.ask(|state| state.claims.claimed(scope, after, limit))
    }

    fn beat<'a>(&'a self, beat: &'a Beat) -> StoreFuture<'a, Nodes> {
        self.ask(|state| state.claims.beat(beat))
    }

    fn marks<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<(Conversation, u64)>> {
        self.ask(|state| state.marks(user))
    }

    fn conversations<'a>(&'a self, user: &'a UserKey, now: Milliseconds) -> StoreFuture<'a, Vec<Summary>> {
        self.ask(|state| state.conversations(user, now))
    }

    fn waiting_marks(&self, limit: usize) -> StoreFuture<'_, Vec<WaitingMark>> {
        self.ask(|state| state.waiting_marks(limit))
    }

    fn delivered<'a>(&'a self, user: &'a UserKey, stream: &'a StreamKey) -> StoreFuture<'a, Ranges> {
        self.ask(|state| state.delivered(user, stream))
    }

    fn find<'a>(
        &'a self,
        sender: &'a UserKey,
        message_ids: &'a [Arc<str>],
    ) -> StoreFuture<'a, Vec<Option<Found>>> {
        self.ask(|state| message_ids.iter().map(|id| state.find(sender, id)).collect())
    }

    fn members<'a>(
        &'a self,
        group: &'a GroupKey,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Members> {
        self.ask(|state| state.members(group, after, limit))
    }

    fn member_count<'a>(&'a self, group: &'a GroupKey) -> StoreFuture<'a, u64> {
        self.ask(|state| state.member_count(group))
    }

    fn memberships<'a>(
        &'a self,
        group: &'a GroupKey,
        users: &'a [Arc<str>],
    ) -> StoreFuture<'a, Vec<Option<Membership>>> {
        self.ask(|state| users.iter().map(|user| state.membership(group, user)).collect())
    }

    fn maintain(&self, now: Milliseconds) -> StoreFuture<'_, bool> {
        self.ask(|state| state.maintain(now))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        let closed = self.lock().take().map(drop).ok_or(StoreError::Closed);
        Box::pin(ready(closed))
    }
}
