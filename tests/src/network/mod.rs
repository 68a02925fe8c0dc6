//! A network without sockets: devices and one hub on a virtual clock, with links that delay, break, and pretend to live.
//! Everything follows from the seed.

mod device;
mod hub;
mod log;

use std::collections::{BTreeMap, VecDeque};

pub use device::{Build, Device};
pub use hub::{ConnectionId, Hub, Output};
pub use log::{Log, Place, Resumption, Stored, Stream, key_of};
use wsc_core::backoff::Random;
use wsc_core::client::{Action, Link, State};
use wsc_core::frame::Frame;
use wsc_core::peer::Settings;
use wsc_core::{CloseCode, Timestamp};

/// When every world begins.
pub const START: Timestamp = 1_795_528_800_000;

#[derive(Debug)]
enum Packet {
    /// The socket opens.
    Open,
    Text(String),
    /// The socket ends, with or without a Close frame.
    Close(Option<CloseCode>, String),
}

/// One socket: two directions, each in order.
#[derive(Debug)]
struct Wire {
    device: usize,
    link: Link,
    to_hub: VecDeque<(Timestamp, Packet)>,
    to_device: VecDeque<(Timestamp, Packet)>,
    /// Drops everything, and neither side notices.
    dead: bool,
}

/// Devices, a hub, and the wires between them.
#[derive(Debug)]
pub struct World {
    /// The virtual time.
    pub now: Timestamp,
    /// The hub.
    pub hub: Hub,
    /// The devices.
    pub devices: Vec<Device>,
    /// All chance.
    pub random: Random,
    wires: BTreeMap<ConnectionId, Wire>,
    last: ConnectionId,
    /// The greatest delay of a frame, in milliseconds.
    pub latency: u64,
    /// The hub takes no connections.
    pub down: bool,
}

impl World {
    /// Devices and a hub that have not met.
    #[must_use]
    pub fn new(seed: u64, builds: Vec<Build>, settings: Settings) -> Self {
        let mut random = Random::new(seed);
        let devices = builds.into_iter().map(|build| Device::new(build, random.next())).collect();
        Self {
            now: START,
            hub: Hub::new(settings),
            devices,
            random,
            wires: BTreeMap::new(),
            last: 0,
            latency: 100,
            down: false,
        }
    }

    /// Does something with a device, and what follows from it.
    pub fn with<T>(&mut self, index: usize, call: impl FnOnce(&mut Device, Timestamp) -> T) -> T {
        let value = call(&mut self.devices[index], self.now);
        self.settle(index);
        value
    }

    fn delay(&mut self, queue_end: Option<Timestamp>) -> Timestamp {
        let at = self.now + 1 + self.random.up_to(self.latency);
        at.max(queue_end.unwrap_or(0))
    }

    fn post_to_hub(&mut self, id: ConnectionId, packet: Packet) {
        let end = self.wires.get(&id).and_then(|wire| wire.to_hub.back()).map(|(at, _)| *at);
        let at = self.delay(end);
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.to_hub.push_back((at, packet));
        }
    }

    fn post_to_device(&mut self, id: ConnectionId, packet: Packet) {
        let end = self.wires.get(&id).and_then(|wire| wire.to_device.back()).map(|(at, _)| *at);
        let at = self.delay(end);
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.to_device.push_back((at, packet));
        }
    }

    fn wire_of(&self, device: usize, link: Link) -> Option<ConnectionId> {
        self.wires.iter().find(|(_, wire)| wire.device == device && wire.link == link).map(|(id, _)| *id)
    }

    /// Carries out what a device's machine asks for.
    fn settle(&mut self, index: usize) {
        let actions = self.devices[index].drain(self.now, &self.hub.log, &mut self.random);
        for action in actions {
            match action {
                Action::Open { link } => {
                    self.last += 1;
                    let wire = Wire {
                        device: index,
                        link,
                        to_hub: VecDeque::new(),
                        to_device: VecDeque::new(),
                        dead: false,
                    };
                    self.wires.insert(self.last, wire);
                    self.post_to_hub(self.last, Packet::Open);
                }
                Action::Send { link, frame: Frame::Text(text) } => {
                    if let Some(id) = self.wire_of(index, link) {
                        self.post_to_hub(id, Packet::Text(text));
                    }
                }
                Action::Close { link, code, reason } => {
                    if let Some(id) = self.wire_of(index, link) {
                        self.post_to_hub(id, Packet::Close(Some(code), reason.to_owned()));
                        if let Some(wire) = self.wires.get_mut(&id) {
                            // Whatever still comes belongs to an old link: some of it does come, late.
                            wire.to_device.truncate(2);
                        }
                    }
                }
                Action::Send { .. } | Action::FetchToken | Action::Persist(_) => {}
            }
        }
    }

    fn settle_hub(&mut self) {
        for output in self.hub.outputs() {
            match output {
                Output::Send(id, text) => self.post_to_device(id, Packet::Text(text)),
                Output::Close(id, code, reason) => self.post_to_device(id, Packet::Close(Some(code), reason)),
            }
        }
    }

    /// Breaks a device's newest wire: what is under way is lost, and both sides notice some time; `silent`: neither.
    pub fn cut(&mut self, index: usize, silent: bool) {
        let newest = self.wires.iter().rev().find(|(_, wire)| wire.device == index).map(|(id, _)| *id);
        let Some(id) = newest else { return };
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.to_hub.clear();
            wire.to_device.clear();
            wire.dead = silent;
        }
        if !silent {
            self.post_to_hub(id, Packet::Close(None, String::new()));
            self.post_to_device(id, Packet::Close(None, String::new()));
        }
    }

    /// The process of a device dies and begins again; its sockets die with it.
    pub fn restart_device(&mut self, index: usize) {
        let ids: Vec<_> =
            self.wires.iter().filter(|(_, wire)| wire.device == index).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(wire) = self.wires.get_mut(&id) {
                wire.to_device.clear();
                // A new process counts its links anew.
                wire.link = Link(u32::MAX);
            }
            self.post_to_hub(id, Packet::Close(None, String::new()));
        }
        self.with(index, Device::restart);
    }

    /// The hub dies and begins again with its log; `lossy`: the end of the log is gone and a new epoch begins.
    pub fn restart_hub(&mut self, lossy: bool) {
        for id in self.hub.restart() {
            if let Some(wire) = self.wires.get_mut(&id) {
                wire.to_hub.clear();
            }
            self.post_to_device(id, Packet::Close(None, String::new()));
        }
        if lossy {
            let random = &mut self.random;
            self.hub.log.lose(|| random.up_to(3));
        }
    }

    /// Goes to the next thing that happens, if it lies before `end`.
    pub fn step(&mut self, end: Timestamp) -> bool {
        let packets = self.wires.values().filter(|wire| !wire.dead);
        let packet = packets
            .flat_map(|wire| [wire.to_hub.front(), wire.to_device.front()])
            .flatten()
            .map(|(at, _)| *at)
            .min();
        let devices =
            self.devices.iter().flat_map(|device| [device.client.poll_timeout(), device.poll_stored()]);
        let next = devices.flatten().chain(packet).chain(self.hub.poll_timeout()).min();
        let Some(next) = next.filter(|next| *next <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        self.hub.handle_timeout(self.now);
        self.settle_hub();
        for index in 0..self.devices.len() {
            if self.devices[index].poll_stored().is_some_and(|at| at <= self.now) {
                self.with(index, Device::stored);
            }
            if self.devices[index].client.poll_timeout().is_some_and(|at| at <= self.now) {
                self.with(index, |device, now| device.client.handle_timeout(now));
            }
        }
        self.deliver();
        true
    }

    fn deliver(&mut self) {
        for id in self.wires.keys().copied().collect::<Vec<_>>() {
            while let Some(packet) = self.due(id, true) {
                match packet {
                    Packet::Open if self.down => self.post_to_device(id, Packet::Close(None, String::new())),
                    Packet::Open => {
                        self.hub.open(self.now, id);
                        self.post_to_device(id, Packet::Open);
                    }
                    Packet::Text(text) => self.hub.text(self.now, id, &text),
                    Packet::Close(..) => self.hub.gone(id),
                }
                self.settle_hub();
            }
            while let Some(packet) = self.due(id, false) {
                let Some((index, link)) = self.wires.get(&id).map(|wire| (wire.device, wire.link)) else {
                    break;
                };
                let closed = matches!(packet, Packet::Close(..));
                self.with(index, |device, now| match packet {
                    Packet::Open => device.client.handle_open(now, link),
                    Packet::Text(text) => device.client.handle_text(now, link, &text),
                    Packet::Close(code, reason) => device.client.handle_close(now, link, code, &reason),
                });
                if closed {
                    self.hub.gone(id);
                    self.wires.remove(&id);
                }
            }
        }
    }

    fn due(&mut self, id: ConnectionId, to_hub: bool) -> Option<Packet> {
        let now = self.now;
        let wire = self.wires.get_mut(&id).filter(|wire| !wire.dead)?;
        let queue = if to_hub { &mut wire.to_hub } else { &mut wire.to_device };
        queue.pop_front_if(|(at, _)| *at <= now).map(|(_, packet)| packet)
    }

    /// Lets time pass.
    pub fn run(&mut self, ms: Timestamp) {
        let end = self.now + ms;
        while self.step(end) {}
    }

    /// Whether all devices are connected, have nothing to send and hold nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.devices.iter().all(|device| {
            let sync = device.client.sync();
            device.client.state() == State::Connected
                && sync.saved + sync.unsaved == 0
                && sync.caught_up
                && device.held() == 0
        })
    }
}
