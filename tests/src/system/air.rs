//! The air between hubs: a broker on virtual time that delays, loses and doubles what hubs tell each other, and from which
//! hubs are cut off. What is told of one topic stays in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};
use wsc_core::backoff::Random;
use wsc_server::log::store::Tip;
use wsc_server::{Broker, Inbox, StreamKey, Topic};

/// A hold on it.
#[derive(Clone)]
pub(super) struct Air(Arc<Mutex<Inner>>);

struct Inner {
    random: Random,
    ears: BTreeMap<u64, Ear>,
    born: u64,
    /// Milliseconds on the way, at most.
    delay: u64,
    /// One in so many is lost, and as many tips come twice; 0: none.
    losses: u64,
    /// Hubs that hear nothing.
    cut: BTreeSet<usize>,
}

/// A hub that listens.
struct Ear {
    hub: usize,
    inbox: Option<Inbox>,
    /// Whether it hears of a topic already.
    topics: BTreeMap<Topic, bool>,
    /// When the newest of each topic comes.
    last: BTreeMap<Topic, Instant>,
}

#[derive(Clone)]
enum Told {
    Message(Bytes),
    Tip(Tip),
}

impl Air {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (delay, losses) = (random.up_to(1) * random.up_to(500), 5 + random.up_to(50));
        let (ears, cut) = (BTreeMap::new(), BTreeSet::new());
        Self(Arc::new(Mutex::new(Inner { random, ears, born: 0, delay, losses, cut })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The air as a hub that starts breathes it.
    pub(super) fn broker(&self, hub: usize) -> Breath {
        let mut inner = self.lock();
        inner.born += 1;
        let ear = Ear { hub, inbox: None, topics: BTreeMap::new(), last: BTreeMap::new() };
        let number = inner.born;
        inner.ears.insert(number, ear);
        Breath { air: self.clone(), number }
    }

    /// A hub hears nothing more, or hears again.
    pub(super) fn cut(&self, hub: usize, on: bool) {
        let mut inner = self.lock();
        if on {
            inner.cut.insert(hub);
            let ears = inner.ears.values_mut().filter(|ear| ear.hub == hub);
            ears.flat_map(|ear| ear.topics.values_mut()).for_each(|hears| *hears = false);
            return;
        }
        if inner.cut.remove(&hub) {
            let ears: Vec<u64> =
                inner.ears.iter().filter(|(_, ear)| ear.hub == hub).map(|(number, _)| *number).collect();
            drop(inner);
            ears.into_iter().for_each(|number| self.hear(number, None));
        }
    }

    /// Nothing is lost any more.
    pub(super) fn calm(&self) {
        let cut = {
            let mut inner = self.lock();
            (inner.losses, inner.delay) = (0, 5);
            inner.cut.clone()
        };
        cut.into_iter().for_each(|hub| self.cut(hub, false));
    }

    /// The store tells of a stream.
    pub(super) fn announce(&self, stream: &StreamKey, tip: &Tip) {
        self.tell(&Topic::Stream(stream.clone()), &Told::Tip(tip.clone()));
    }

    fn tell(&self, topic: &Topic, told: &Told) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        for (number, ear) in &mut inner.ears {
            if ear.topics.get(topic) != Some(&true) {
                continue;
            }
            let chance = if inner.losses > 0 { inner.random.up_to(inner.losses) } else { 2 };
            let times = match (chance, told) {
                (0, _) => 0,
                (1, Told::Tip(_)) => 2,
                _ => 1,
            };
            for _ in 0..times {
                let delay = Duration::from_millis(inner.random.up_to(inner.delay));
                let last = ear.last.get(topic).copied().unwrap_or_else(Instant::now);
                let at = (Instant::now() + delay).max(last);
                ear.last.insert(topic.clone(), at);
                let (air, number, topic, told) = (self.clone(), *number, topic.clone(), told.clone());
                tokio::spawn(async move {
                    sleep_until(at).await;
                    air.hand_over(number, &topic, told);
                });
            }
        }
    }

    fn hand_over(&self, number: u64, topic: &Topic, told: Told) {
        let inner = self.lock();
        let Some(ear) = inner.ears.get(&number).filter(|ear| ear.topics.get(topic) == Some(&true)) else {
            return;
        };
        let Some(inbox) = ear.inbox.clone() else { return };
        drop(inner);
        match told {
            Told::Message(bytes) => inbox.message(topic, &bytes),
            Told::Tip(tip) => {
                if let Topic::Stream(stream) = topic {
                    inbox.announced(stream, tip);
                }
            }
        }
    }

    /// A hub hears of a topic from soon on; `None`: of all it wants.
    fn hear(&self, number: u64, topic: Option<Topic>) {
        let delay = Duration::from_millis({
            let mut inner = self.lock();
            let most = inner.delay;
            inner.random.up_to(most)
        });
        let (air, at) = (self.clone(), Instant::now() + delay);
        tokio::spawn(async move {
            sleep_until(at).await;
            let mut inner = air.lock();
            let inner = &mut *inner;
            let Some(ear) = inner.ears.get_mut(&number).filter(|ear| !inner.cut.contains(&ear.hub)) else {
                return;
            };
            let mut heard = Vec::new();
            for (known, hears) in &mut ear.topics {
                if topic.as_ref().is_none_or(|topic| topic == known) {
                    *hears = true;
                    heard.push(known.clone());
                }
            }
            if let Some(inbox) = &ear.inbox {
                inbox.subscribed(heard);
            }
        });
    }
}

/// The air as one hub breathes it.
pub(super) struct Breath {
    air: Air,
    number: u64,
}

impl Broker for Breath {
    fn start(&self, inbox: Inbox) {
        if let Some(ear) = self.air.lock().ears.get_mut(&self.number) {
            ear.inbox = Some(inbox);
        }
    }

    fn publish(&self, topic: Topic, message: Bytes) {
        let is_cut = {
            let inner = self.air.lock();
            inner.ears.get(&self.number).is_none_or(|ear| inner.cut.contains(&ear.hub))
        };
        if !is_cut {
            self.air.tell(&topic, &Told::Message(message));
        }
    }

    fn subscribe(&self, topics: Vec<Topic>) {
        for topic in topics {
            if let Some(ear) = self.air.lock().ears.get_mut(&self.number) {
                ear.topics.insert(topic.clone(), false);
            }
            self.air.hear(self.number, Some(topic));
        }
    }

    fn unsubscribe(&self, topics: Vec<Topic>) {
        if let Some(ear) = self.air.lock().ears.get_mut(&self.number) {
            ear.topics.retain(|topic, _| !topics.contains(topic));
        }
    }
}

impl Drop for Breath {
    fn drop(&mut self) {
        self.air.lock().ears.remove(&self.number);
    }
}
