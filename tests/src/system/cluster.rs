//! A world of several hubs over one store: what happens to them, to the store, and to the air between them.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;
use wsc_core::backoff::Random;
use wsc_server::log::store::Retention;
use wsc_server::{Hub, Scope, Settings, UserKey};

use super::Faults;
use super::air::Air;
use super::device::Device;
use super::hub::Running;
use super::link::Fate;
use super::net::Net;
use super::shared::Shared;
use super::world::{Lived, alone, audit, calm_devices, device_act, parts, start_devices};
use crate::history::Fact;

/// Lives the world of a seed.
pub(super) fn live(seed: u64) -> Lived {
    alone(async move || {
        let mut world = World::new(seed);
        world.run().await;
        Lived::of(world.kind(), &world.net, world.faults)
    })
}

struct World {
    random: Random,
    net: Rc<Net>,
    air: Air,
    shared: Shared,
    lanes: usize,
    settings: Settings,
    /// By how much the clock of each hub is wrong.
    wrong: Vec<i64>,
    lossy: bool,
    /// How many hubs were started.
    started: u64,
    devices: Vec<Rc<Device>>,
    faults: Faults,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xc1u64 << 32);
        let hubs = 2 + usize::try_from(random.up_to(2)).unwrap_or(0);
        let (tokens, lossy, forgetful) = (random.up_to(2) == 0, random.up_to(4) == 0, random.up_to(4) == 0);
        let mut retention = Retention::default();
        if forgetful {
            retention.inbox_entries = 10 + random.up_to(60);
            retention.group_entries = 10 + random.up_to(60);
        }
        let mut settings = Settings::default();
        settings.shards = 1 + usize::try_from(random.up_to(1)).unwrap_or(0);
        settings.retention = retention;
        settings.limits.connects_per_address = 0;
        settings.limits.pending_per_address = 1000;
        settings.drain = Duration::from_secs(1 + random.up_to(10));
        settings.peer.cursor = Duration::from_millis(500 + random.up_to(30_000));
        settings.peer.stall = Duration::from_millis(2_000 + random.up_to(13_000));
        if random.up_to(1) == 0 {
            settings.peer.window = 4 + u32::try_from(random.up_to(40)).unwrap_or(0);
        }
        let skew = random.up_to(1) * random.up_to(5_000);
        let wrong = (0..hubs).map(|_| random.up_to(2 * skew).cast_signed() - skew.cast_signed()).collect();
        let lanes = 1 + usize::try_from(random.up_to(3)).unwrap_or(0);
        let air = Air::new(random.next());
        let shared = Shared::new(retention, air.clone(), random.next());
        let net = Net::new(random.next(), tokens, hubs);
        let parts = parts(&mut random);
        let devices =
            parts.into_iter().map(|part| Device::new(part, Rc::clone(&net), random.next())).collect();
        let faults = Faults::default();
        Self { random, net, air, shared, lanes, settings, wrong, lossy, started: 0, devices, faults }
    }

    fn kind(&self) -> String {
        format!(
            "{} hubs, {} lanes, {} devices, {} shards, window {}, {}, {}, {}",
            self.wrong.len(),
            self.lanes,
            self.devices.len(),
            self.settings.shards,
            self.settings.peer.window,
            if self.net.tokens { "tokens" } else { "no tokens" },
            if self.settings.retention == Retention::default() { "all kept" } else { "little kept" },
            if self.lossy { "a store that loses" } else { "a store that flushes" },
        )
    }

    async fn run(&mut self) {
        for hub in 0..self.wrong.len() {
            self.start_hub(hub);
        }
        if self.settings.retention != Retention::default() {
            self.net.write(Fact::HubForgets);
        }
        start_devices(&self.devices, &mut self.random).await;
        let turns = 40 + self.random.up_to(60);
        for _ in 0..turns {
            sleep(Duration::from_millis(self.random.up_to(1500))).await;
            self.act().await;
        }
        self.calm();
        audit(&self.net, &self.devices).await;
        for hub in 0..self.wrong.len() {
            self.drain_hub(hub).await;
        }
    }

    fn start_hub(&mut self, hub: usize) {
        self.started += 1;
        let mut settings = self.settings.clone();
        // Each start is a process of its own.
        settings.node_id = format!("hub-{hub}-{}", self.started);
        let store = self.shared.open(hub, self.lanes, settings.peer.stall);
        let running = Running::join(store, self.air.broker(hub), settings, self.net.tokens, self.wrong[hub]);
        self.net.hubs.borrow_mut()[hub] = Some(running);
        self.net.write(Fact::HubStarted);
    }

    fn kill_hub(&mut self, hub: usize) {
        let Some(running) = self.net.hubs.borrow_mut()[hub].take() else { return };
        self.faults.kills += 1;
        self.net.write(Fact::HubKilled);
        running.kill();
        self.net.fail_of(hub, Fate::Reset);
    }

    async fn drain_hub(&mut self, hub: usize) {
        let Some(running) = self.net.hubs.borrow_mut()[hub].take() else { return };
        self.net.write(Fact::HubDrained);
        if !running.drain().await {
            self.net.fault("a hub did not end in order within two minutes".to_owned());
        }
    }

    fn some_hub(&mut self) -> usize {
        usize::try_from(self.random.up_to(self.wrong.len() as u64 - 1)).unwrap_or(0)
    }

    /// One thing that happens.
    async fn act(&mut self) {
        let index = usize::try_from(self.random.up_to(self.devices.len() as u64 - 1)).unwrap_or(0);
        let device = Rc::clone(&self.devices[index]);
        let chance = self.random.up_to(109);
        if chance <= 85 {
            return device_act(chance, &device, &self.devices, &mut self.random, &mut self.faults).await;
        }
        let hub = self.some_hub();
        match chance {
            86..=90 => {
                self.kill_hub(hub);
                sleep(Duration::from_millis(self.random.up_to(3000))).await;
                self.start_hub(hub);
            }
            91..=92 => {
                self.faults.drains += 1;
                self.drain_hub(hub).await;
                sleep(Duration::from_millis(self.random.up_to(1000))).await;
                self.start_hub(hub);
            }
            93..=95 => {
                self.faults.pauses += 1;
                self.pause_hub(hub, true);
                let time = self.random.up_to(1) * self.random.up_to(60_000) + self.random.up_to(9_000);
                sleep(Duration::from_millis(time)).await;
                self.pause_hub(hub, false);
            }
            96..=98 => {
                self.faults.disks += 1;
                self.shared.cut(hub, true);
                sleep(Duration::from_millis(self.random.up_to(20_000))).await;
                self.shared.cut(hub, false);
            }
            99..=102 => {
                self.faults.air += 1;
                self.air.cut(hub, true);
                sleep(Duration::from_millis(self.random.up_to(20_000))).await;
                self.air.cut(hub, false);
            }
            103 => {
                self.faults.disks += 1;
                self.shared.slow(self.random.up_to(1) * self.random.up_to(3000));
            }
            104 => {
                self.faults.disks += 1;
                for hub in 0..self.wrong.len() {
                    self.shared.cut(hub, true);
                }
                sleep(Duration::from_millis(self.random.up_to(30_000))).await;
                for hub in 0..self.wrong.len() {
                    self.shared.cut(hub, false);
                }
            }
            105 if self.lossy => {
                self.faults.lossy += 1;
                self.shared.fail_over();
                self.net.write(Fact::HubLost);
            }
            106..=107 => self.kick(hub, &device).await,
            108 => {
                self.faults.clocks += 1;
                let wrong = self.random.up_to(10_000).cast_signed() - 5_000;
                self.wrong[hub] = wrong;
                if let Some(running) = &self.net.hubs.borrow()[hub] {
                    running.set_wrong(wrong);
                }
            }
            _ => {
                self.shared.settle();
                let online = self.random.up_to(1) == 0;
                device.with(|client, now| client.handle_network(now, online));
            }
        }
    }

    fn pause_hub(&self, hub: usize, on: bool) {
        if let Some(running) = &self.net.hubs.borrow()[hub] {
            running.set_paused(on);
        }
        self.net.write(if on { Fact::HubPaused } else { Fact::HubResumed });
    }

    /// An application kicks a device, by whichever hub it knows.
    async fn kick(&mut self, hub: usize, device: &Rc<Device>) {
        let hub: Option<Hub> = self.net.hubs.borrow()[hub].as_ref().map(Running::hub);
        let Some(hub) = hub else { return };
        self.faults.kicks += 1;
        let named = &device.part.device;
        let user = UserKey::new(&Scope::new("shop", &named.tenant), &named.user);
        self.net.write(Fact::Kicking { device: named.clone() });
        let _ = hub.kick(&user, Some(&named.device), "a test").await;
    }

    /// No more faults from here on.
    fn calm(&mut self) {
        self.shared.calm();
        self.air.calm();
        for hub in 0..self.wrong.len() {
            self.wrong[hub] = 0;
            let is_there = self.net.hubs.borrow()[hub].as_ref().map(|running| running.set_wrong(0)).is_some();
            if !is_there {
                self.start_hub(hub);
            }
        }
        calm_devices(&self.devices);
    }
}
