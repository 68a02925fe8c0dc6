//! What lies between devices and the hub: wires, the running hub, tokens, and the history of it all. Never decides who
//! fails.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use wsc_core::backoff::Random;
use wsc_server::token::Claims;

use super::clock;
use super::hub::Running;
use super::link::{End, Fate, Link};
use crate::history::{Device, Fact, Tap, Writer};
use crate::traffic::Part;

/// The secret of the tokens.
pub(super) const SECRET: &[u8] = b"a secret that only the simulation knows";

/// The network of one world.
pub(super) struct Net {
    pub(super) writer: Arc<Writer>,
    pub(super) random: RefCell<Random>,
    /// Whether users need tokens.
    pub(super) tokens: bool,
    /// The hubs, those that are there.
    pub(super) hubs: RefCell<Vec<Option<Running>>>,
    /// The hub that each device tries next.
    next: RefCell<BTreeMap<Device, usize>>,
    /// The newest wires of each device, and to which hub.
    wires: RefCell<BTreeMap<Device, Vec<(usize, Link)>>>,
    /// Milliseconds a part of bytes takes at most.
    latency: u64,
    connections: Cell<u64>,
    faults: RefCell<Vec<String>>,
}

impl Net {
    pub(super) fn new(seed: u64, tokens: bool, hubs: usize) -> Rc<Self> {
        let mut random = Random::new(seed);
        let latency = random.up_to(200);
        Rc::new(Self {
            writer: Arc::new(Writer::in_memory(clock::micros)),
            random: RefCell::new(random),
            tokens,
            hubs: RefCell::new((0..hubs).map(|_| None).collect()),
            next: RefCell::default(),
            wires: RefCell::default(),
            latency,
            connections: Cell::new(0),
            faults: RefCell::default(),
        })
    }

    pub(super) fn write(&self, fact: Fact) {
        if let Err(error) = self.writer.write(fact) {
            self.fault(format!("a fact could not be written: {error}"));
        }
    }

    /// Something went against the rules that no history shows.
    pub(super) fn fault(&self, what: String) {
        self.faults.borrow_mut().push(what);
    }

    pub(super) fn faults(&self) -> Vec<String> {
        self.faults.take()
    }

    pub(super) fn random(&self, last: u64) -> u64 {
        self.random.borrow_mut().up_to(last)
    }

    /// Whether all devices are on one hub.
    pub(super) fn is_one_hub(&self) -> bool {
        self.hubs.borrow().len() == 1
    }

    /// How many wires there were.
    pub(super) fn connections(&self) -> u64 {
        self.connections.get()
    }

    /// Opens a wire from a device to a hub: mostly to the one it was on last, if that answers. `None`: nobody does.
    pub(super) async fn dial(&self, part: &Part) -> Option<End> {
        sleep(Duration::from_millis(self.random(self.latency))).await;
        let hubs = self.hubs.borrow();
        let hub = if hubs.len() == 1 { 0 } else { self.choose(&part.device, hubs.len() as u64) };
        let number = hub;
        let Some(hub) = &hubs[hub] else {
            self.next.borrow_mut().remove(&part.device);
            return None;
        };
        self.connections.set(self.connections.get() + 1);
        let tap = Tap::new(self.connections.get(), Arc::clone(&self.writer));
        let seed = self.random.borrow_mut().next();
        let (link, device, other) = Link::new(tap, seed, self.latency);
        let mut wires = self.wires.borrow_mut();
        let wires = wires.entry(part.device.clone()).or_default();
        wires.drain(..wires.len().saturating_sub(15));
        wires.push((number, link));
        hub.serve(other, SocketAddr::from(([127, 0, 0, 1], 1)));
        Some(device)
    }

    /// The hub that a device tries.
    fn choose(&self, device: &Device, hubs: u64) -> usize {
        let mut next = self.next.borrow_mut();
        let moves = self.random(4) == 0;
        let any = usize::try_from(self.random(hubs - 1)).unwrap_or(0);
        let chosen = next.entry(device.clone()).or_insert(any);
        if moves {
            *chosen = any;
        }
        *chosen
    }

    /// The newest wire of a device fails.
    pub(super) fn fail(&self, device: &Device, fate: Fate) {
        if let Some((_, link)) = self.wires.borrow().get(device).and_then(|wires| wires.last()) {
            link.fail(fate);
        }
    }

    /// All wires fail.
    pub(super) fn fail_all(&self, fate: Fate) {
        self.wires.take().into_values().flatten().for_each(|(_, link)| link.fail(fate));
    }

    /// All wires to a hub fail.
    pub(super) fn fail_of(&self, hub: usize, fate: Fate) {
        let wires = self.wires.borrow();
        let to_hub = wires.values().flatten().filter(|(of, _)| *of == hub);
        to_hub.for_each(|(_, link)| link.fail(fate));
    }

    /// A token of a device, by a right clock.
    pub(super) fn token(&self, part: &Part) -> String {
        let (device, now) = (&part.device, clock::now() / 1000);
        let claims = Claims {
            uid: device.user.clone(),
            aid: "shop".to_owned(),
            tid: device.tenant.clone(),
            gid: part.groups.join(","),
            cap: Some(["send", "broadcast", "group:churn"].map(str::to_owned).into()),
            exp: now + 700 + self.random(600),
            iat: now,
            ..Claims::default()
        };
        claims.sign(SECRET).unwrap_or_default()
    }
}
