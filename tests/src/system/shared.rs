//! The store that several hubs share: the production memory store behind a network of its own. Requests and answers take
//! time and get lost, hubs are cut off, and what the store has lost after a failover begins a new epoch.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wsc_core::backoff::Random;
use wsc_server::log::conformance::{Between, Read, Wrapped};
use wsc_server::log::memory::State;
use wsc_server::log::store::{
    Answer, Answers, Append, Retention, Store, StoreError, StoreFuture, Target, Write,
};
use wsc_server::{MemoryStore, StreamKey, UserKey};

use super::air::Air;

/// What lies between the hubs and their store, and the store.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Inner>>);

struct Inner {
    memory: Arc<MemoryStore>,
    random: Random,
    air: Air,
    /// Milliseconds a request or an answer takes at most.
    latency: u64,
    /// One in so many requests is lost, and as many answers; 0: none.
    losses: u64,
    /// Hubs that do not reach it.
    cut: BTreeSet<usize>,
    /// What a failover goes back to.
    snapshot: State,
    failovers: u64,
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It never comes.
    Lost,
    /// Its answer never comes.
    Unanswered,
}

impl Shared {
    pub(super) fn new(retention: Retention, air: Air, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (snapshot, latency) = (State::new(retention), random.up_to(20));
        Self(Arc::new(Mutex::new(Inner {
            memory: Arc::new(MemoryStore::with_state(snapshot.clone())),
            random,
            air,
            latency,
            losses: 30,
            cut: BTreeSet::new(),
            snapshot,
            failovers: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store for a hub that starts.
    pub(super) fn open(&self, hub: usize, lanes: usize, patience: Duration) -> Wrapped<SharedStore> {
        let inner = self.lock();
        let memory = Arc::clone(&inner.memory);
        let epoch = Mutex::new(inner.memory.change(|state| state.epoch()).unwrap_or_default());
        drop(inner);
        Wrapped(SharedStore { shared: self.clone(), memory, hub, lanes, patience, epoch })
    }

    /// A hub reaches it no more, or again.
    pub(super) fn cut(&self, hub: usize, on: bool) {
        let mut inner = self.lock();
        if on {
            inner.cut.insert(hub);
        } else {
            inner.cut.remove(&hub);
        }
    }

    /// Requests and answers take this long at most from now on.
    pub(super) fn slow(&self, latency: u64) {
        self.lock().latency = latency;
    }

    /// Nothing is lost any more.
    pub(super) fn calm(&self) {
        let mut inner = self.lock();
        (inner.losses, inner.latency) = (0, 5);
        inner.cut.clear();
    }

    /// A failover goes back to what is there now.
    pub(super) fn settle(&self) {
        let mut inner = self.lock();
        if let Some(state) = inner.memory.state() {
            inner.snapshot = state;
        }
    }

    /// Another server takes over, which has not got everything: a new epoch begins.
    pub(super) fn fail_over(&self) {
        let mut inner = self.lock();
        inner.failovers += 1;
        let mut state = inner.snapshot.clone();
        state.begin_epoch(&format!("generation-{}", inner.failovers), true);
        inner.snapshot = state.clone();
        inner.memory.change(|present| *present = state);
    }
}

impl Inner {
    /// How long a request takes, and what becomes of it.
    fn fate(&mut self, hub: usize) -> (Duration, Fate) {
        let delay = Duration::from_millis(self.random.up_to(self.latency));
        let lost = self.losses > 0 && self.random.up_to(self.losses) == 0;
        let fate = match self.random.up_to(1) {
            _ if self.cut.contains(&hub) => Fate::Lost,
            0 if lost => Fate::Lost,
            1 if lost => Fate::Unanswered,
            _ => Fate::Answered,
        };
        (delay, fate)
    }

    /// Makes writes, and tells of the streams that changed. Of a repeated batch, what a real store knows by an id of its
    /// own is not made again.
    fn apply(&mut self, batch: &[Write], before: Option<&[Answer]>) -> Vec<Answer> {
        let memory = Arc::clone(&self.memory);
        let (answers, changed) = memory
            .change(|state| {
                let streams = touched(batch, state);
                let earlier: Vec<_> = streams.iter().map(|stream| state.tip(stream)).collect();
                let mut answers = Vec::with_capacity(batch.len());
                for (index, write) in batch.iter().enumerate() {
                    let known = before.and_then(|before| before.get(index));
                    answers.push(match (write, known) {
                        (Write::Append(Append { dedupe: false, .. }), Some(known)) => known.clone(),
                        _ => Ok(state.apply(write)),
                    });
                }
                let later = streams.into_iter().zip(earlier).filter_map(|(stream, before)| {
                    let tip = state.tip(&stream);
                    (tip != before).then_some((stream, tip))
                });
                (answers, later.collect::<Vec<_>>())
            })
            .unwrap_or_default();
        for (stream, tip) in changed {
            self.air.announce(&stream, &tip);
        }
        answers
    }
}

/// The streams that writes may change.
fn touched(batch: &[Write], state: &State) -> BTreeSet<StreamKey> {
    let mut streams: BTreeSet<StreamKey> = batch.iter().map(Write::stream).collect();
    let inbox = |scope: &wsc_server::Scope, user: &Arc<str>| {
        StreamKey::Inbox(UserKey { scope: scope.clone(), user: Arc::clone(user) })
    };
    for write in batch {
        match write {
            Write::Append(append) if matches!(append.target, Target::User(_)) => {
                streams.insert(inbox(append.target.stream().scope(), &append.sender));
            }
            Write::Join(join) => drop(streams.insert(inbox(&join.group.scope, &join.user))),
            Write::Leave { group, user, .. } => drop(streams.insert(inbox(&group.scope, user))),
            Write::Disband { group, .. } => {
                let members = state.members(group, None, usize::MAX).users;
                streams.extend(members.iter().map(|user| inbox(&group.scope, user)));
            }
            Write::Attach(attach) => {
                streams.extend(attach.joins.iter().map(|join| StreamKey::Group(join.group.clone())));
            }
            _ => {}
        }
    }
    streams
}

/// The store as one hub reaches it.
pub(super) struct SharedStore {
    shared: Shared,
    memory: Arc<MemoryStore>,
    hub: usize,
    lanes: usize,
    /// How long it tries.
    patience: Duration,
    /// The epoch that this hub knows.
    epoch: Mutex<Arc<str>>,
}

impl SharedStore {
    /// Whether the store is in another epoch than this hub knows; from now on it knows.
    fn is_elsewhere(&self) -> bool {
        let present = self.memory.change(|state| state.epoch()).unwrap_or_default();
        let mut known = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, Arc::clone(&present)) != present
    }
}

impl Between for SharedStore {
    fn store(&self) -> &dyn Store {
        &*self.memory
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn lanes(&self) -> usize {
        self.lanes
    }

    fn lane(&self, stream: &StreamKey) -> usize {
        let name = match stream {
            StreamKey::Inbox(user) => &*user.user,
            StreamKey::Group(group) => &*group.group,
            StreamKey::Broadcast(_) => "",
        };
        name.bytes().map(usize::from).sum::<usize>() % self.lanes
    }

    fn write<'a>(&'a self, _lane: usize, batch: &'a [Write]) -> Answers<'a> {
        Box::pin(async move {
            let until = Instant::now() + self.patience;
            let mut made: Option<Vec<Answer>> = None;
            loop {
                let (there, fate) = self.shared.lock().fate(self.hub);
                sleep(there).await;
                if fate != Fate::Lost {
                    if self.is_elsewhere() {
                        return vec![Err(StoreError::Epoch); batch.len()];
                    }
                    let answers = self.shared.lock().apply(batch, made.as_deref());
                    let (back, _) = self.shared.lock().fate(self.hub);
                    sleep(back).await;
                    let is_cut = self.shared.lock().cut.contains(&self.hub);
                    if fate == Fate::Answered && !is_cut {
                        // What it made itself it knows.
                        self.is_elsewhere();
                        return answers;
                    }
                    made = Some(answers);
                }
                if Instant::now() >= until {
                    return vec![Err(StoreError::Unavailable("no answer".into())); batch.len()];
                }
                let wait = 200 + self.shared.lock().random.up_to(800);
                sleep(Duration::from_millis(wait)).await;
            }
        })
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        _which: Read,
        ask: impl FnOnce(&'a dyn Store) -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        let (there, fate) = self.shared.lock().fate(self.hub);
        let (back, _) = self.shared.lock().fate(self.hub);
        let store = self.store();
        Box::pin(async move {
            sleep(there).await;
            if fate != Fate::Answered {
                sleep(Duration::from_secs(1)).await;
                return Err(StoreError::Unavailable("no answer".into()));
            }
            let answer = ask(store).await;
            sleep(back).await;
            answer
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
