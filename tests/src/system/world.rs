//! One world: who is in it, what happens to it, and when it is over.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::sleep;
use wsc_core::backoff::Random;
use wsc_server::Settings;
use wsc_server::log::store::Retention;

use super::device::Device;
use super::disk::{Disk, Durability};
use super::hub::Running;
use super::link::{Fate, Way};
use super::net::Net;
use super::{Faults, clock};
use crate::history::{self, Event, Fact};
use crate::traffic::{CHURN, PAIR, Part, TEAM, TENANTS, any};

const FATES: [Fate; 9] = [
    Fate::Reset,
    Fate::Reset,
    Fate::End,
    Fate::End,
    Fate::Silent(Way::Up),
    Fate::Silent(Way::Down),
    Fate::Dead,
    Fate::Orphan,
    Fate::Orphan,
];

/// Virtual seconds in which everything must become quiet.
const QUIET: u64 = 600;

/// Virtual seconds without anything under way after which nothing more will come: a wire that only seems to live has
/// been found out by both sides.
const STILL: u64 = 70;

/// A world that is over.
#[derive(Default)]
pub(super) struct Lived {
    /// The kind of world, human-readable.
    pub(super) kind: String,
    pub(super) events: Vec<Event>,
    pub(super) violations: Vec<String>,
    pub(super) faults: Faults,
    pub(super) connections: u64,
    pub(super) milliseconds: u64,
}

/// Lives the world of a seed.
pub(super) fn live(seed: u64) -> Lived {
    alone(async move || {
        let mut world = World::new(seed);
        world.run().await;
        Lived::of(world.kind(), &world.net, world.faults)
    })
}

/// Lives a world by a clock of its own.
pub(super) fn alone(world: impl AsyncFnOnce() -> Lived) -> Lived {
    let built = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match built {
        Ok(runtime) => LocalSet::new().block_on(&runtime, async {
            clock::begin();
            world().await
        }),
        Err(error) => Lived { violations: vec![format!("no runtime: {error}")], ..Lived::default() },
    }
}

impl Lived {
    pub(super) fn of(kind: String, net: &Net, faults: Faults) -> Self {
        Self {
            kind,
            events: net.writer.take(),
            violations: net.faults(),
            faults,
            connections: net.connections(),
            milliseconds: u64::try_from(clock::elapsed().as_millis()).unwrap_or(0),
        }
    }
}

struct World {
    random: Random,
    net: Rc<Net>,
    disk: Disk,
    settings: Settings,
    lossy: bool,
    devices: Vec<Rc<Device>>,
    faults: Faults,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        // What of it is different from world to world.
        let (tokens, lossy, forgetful) = (random.up_to(2) == 0, random.up_to(4) == 0, random.up_to(3) == 0);
        let mut retention = Retention::default();
        if forgetful {
            retention.inbox_entries = 10 + random.up_to(60);
            retention.group_entries = 10 + random.up_to(60);
            retention.age = Duration::from_millis(60_000 + random.up_to(600_000));
        }
        let mut settings = Settings::default();
        settings.node_id = "hub".to_owned();
        settings.shards = 1 + usize::try_from(random.up_to(2)).unwrap_or(0);
        settings.retention = retention;
        settings.limits.connects_per_address = 0;
        settings.limits.pending_per_address = 1000;
        settings.drain = Duration::from_secs(1 + random.up_to(10));
        settings.peer.cursor = Duration::from_millis(500 + random.up_to(30_000));
        if random.up_to(1) == 0 {
            settings.peer.window = 4 + u32::try_from(random.up_to(40)).unwrap_or(0);
        }
        let durability = if lossy { Durability::Lossy } else { Durability::Flushed };
        let disk = Disk::new(retention, durability, random.next());
        let net = Net::new(random.next(), tokens, 1);
        let parts = parts(&mut random);
        let devices =
            parts.into_iter().map(|part| Device::new(part, Rc::clone(&net), random.next())).collect();
        Self { random, net, disk, settings, lossy, devices, faults: Faults::default() }
    }

    fn kind(&self) -> String {
        format!(
            "{} devices, {} shards, window {}, {}, {}, {}",
            self.devices.len(),
            self.settings.shards,
            self.settings.peer.window,
            if self.net.tokens { "tokens" } else { "no tokens" },
            if self.settings.retention == Retention::default() { "all kept" } else { "little kept" },
            if self.lossy { "a disk that loses" } else { "a disk that flushes" },
        )
    }

    async fn run(&mut self) {
        self.start_hub();
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
        self.drain_hub().await;
    }

    fn start_hub(&mut self) {
        let running = Running::start(&self.disk, self.settings.clone(), self.net.tokens);
        self.net.hubs.borrow_mut()[0] = Some(running);
        self.net.write(Fact::HubStarted);
    }

    fn kill_hub(&mut self) {
        let Some(running) = self.net.hubs.borrow_mut()[0].take() else { return };
        self.faults.kills += 1;
        self.faults.lossy += u64::from(self.lossy);
        self.net.write(Fact::HubKilled);
        running.kill();
        self.disk.crash();
        self.net.fail_all(Fate::Reset);
        if self.lossy {
            self.net.write(Fact::HubLost);
        }
    }

    async fn drain_hub(&mut self) {
        let Some(running) = self.net.hubs.borrow_mut()[0].take() else { return };
        self.net.write(Fact::HubDrained);
        if !running.drain().await {
            self.net.fault("the hub did not end in order within two minutes".to_owned());
        }
    }

    /// One thing that happens.
    async fn act(&mut self) {
        let index = usize::try_from(self.random.up_to(self.devices.len() as u64 - 1)).unwrap_or(0);
        let device = Rc::clone(&self.devices[index]);
        let chance = self.random.up_to(99);
        if chance <= 85 {
            return device_act(chance, &device, &self.devices, &mut self.random, &mut self.faults).await;
        }
        match chance {
            86..=91 => {
                self.kill_hub();
                sleep(Duration::from_millis(self.random.up_to(3000))).await;
                self.start_hub();
            }
            92..=93 => {
                self.faults.drains += 1;
                self.drain_hub().await;
                sleep(Duration::from_millis(self.random.up_to(1000))).await;
                self.start_hub();
            }
            94..=95 => self.pause_hub().await,
            96 => {
                self.faults.disks += 1;
                self.disk.fill();
                self.net.write(Fact::HubFull);
                sleep(Duration::from_millis(self.random.up_to(20_000))).await;
                self.kill_hub();
                self.start_hub();
            }
            97 => {
                self.faults.disks += 1;
                self.disk.slow(self.random.up_to(1) * self.random.up_to(9000));
            }
            98 => {
                self.faults.clocks += 1;
                clock::set_hub_wrong(self.random.up_to(1_200_000).cast_signed() - 600_000);
            }
            _ => {
                self.disk.settle();
                let online = self.random.up_to(1) == 0;
                device.with(|client, now| client.handle_network(now, online));
            }
        }
    }

    async fn pause_hub(&mut self) {
        self.faults.pauses += 1;
        let pause = |on| {
            if let Some(hub) = &self.net.hubs.borrow()[0] {
                hub.set_paused(on);
            }
        };
        self.net.write(Fact::HubPaused);
        pause(true);
        sleep(Duration::from_millis(self.random.up_to(60_000))).await;
        pause(false);
        self.net.write(Fact::HubResumed);
    }

    /// No more faults from here on.
    fn calm(&mut self) {
        self.disk.slow(5);
        clock::set_hub_wrong(0);
        let ready = self.net.hubs.borrow()[0].as_ref().is_some_and(Running::is_ready);
        if !ready {
            self.kill_hub();
            self.start_hub();
        }
        calm_devices(&self.devices);
    }
}

/// One of the things that happen to a device, by a chance below 86.
pub(super) async fn device_act(
    chance: u64,
    device: &Rc<Device>,
    devices: &[Rc<Device>],
    random: &mut Random,
    faults: &mut Faults,
) {
    match chance {
        // A suspended process does nothing, and is not ended before it could store what it got.
        _ if device.is_frozen() => {}
        0..=54 => device.send(1 + random.up_to(6)),
        55..=64 => {
            let count = usize::try_from(random.up_to(12)).unwrap_or(0);
            let awake = devices.iter().filter(|device| !device.is_frozen());
            awake.for_each(|device| device.deal(count));
            devices.iter().for_each(Device::pump);
        }
        65..=75 => {
            faults.wires += 1;
            device.net.fail(&device.part.device, any(&FATES, random));
        }
        76..=78 => {
            let join = random.up_to(1) == 0;
            let awake = devices.iter().filter(|device| device.part.churns && !device.is_frozen());
            awake.for_each(|device| device.churn(join));
        }
        79..=81 => {
            faults.devices += 1;
            if random.up_to(2) > 0 {
                device.kill();
            } else {
                device.stop();
            }
            sleep(Duration::from_millis(random.up_to(4000))).await;
            if random.up_to(5) == 0 {
                faults.wiped += 1;
                device.wipe();
            }
            device.start();
        }
        82..=83 => {
            faults.slow += 1;
            device.freeze(random.up_to(60_000));
        }
        _ => {
            faults.slow += 1;
            device.slow.set(random.up_to(1) * random.up_to(400));
        }
    }
}

/// Devices begin their lives, one after the other.
pub(super) async fn start_devices(devices: &[Rc<Device>], random: &mut Random) {
    for device in devices {
        device.start();
        sleep(Duration::from_millis(random.up_to(300))).await;
    }
}

/// No more faults of devices from here on.
pub(super) fn calm_devices(devices: &[Rc<Device>]) {
    for device in devices {
        device.slow.set(0);
        device.freeze(0);
        if !device.is_alive() {
            device.start();
        }
        device.with(|client, now| client.handle_network(now, true));
    }
}

/// Waits until nothing is under way; false when that does not happen.
pub(super) async fn settle(devices: &[Rc<Device>]) -> bool {
    let mut still = 0;
    for _ in 0..QUIET {
        sleep(Duration::from_millis(1000)).await;
        devices.iter().for_each(|device| device.deal(usize::MAX));
        devices.iter().for_each(Device::pump);
        still = if devices.iter().all(|device| device.is_quiet()) { still + 1 } else { 0 };
        if still > STILL {
            return true;
        }
    }
    false
}

/// Has every device look at everything, when nothing is under way any more, and stops it.
pub(super) async fn audit(net: &Net, devices: &[Rc<Device>]) {
    if !settle(devices).await {
        for device in devices {
            net.fault(format!("it does not become quiet: {}", device.describe()));
        }
        return;
    }
    devices.iter().for_each(Device::audit);
    devices.iter().for_each(Device::pump);
    let begin = clock::elapsed();
    while !devices.iter().all(|device| device.is_audited()) {
        if clock::elapsed() > begin + Duration::from_secs(QUIET) {
            return net.fault("histories are not answered".to_owned());
        }
        sleep(Duration::from_millis(500)).await;
    }
    sleep(Duration::from_secs(1)).await;
    devices.iter().for_each(Device::stop);
}

/// Some of the users of two tenants, with one or two devices each.
pub(super) fn parts(random: &mut Random) -> Vec<Part> {
    let mut parts = Vec::new();
    for tenant in &TENANTS[..1 + usize::from(random.up_to(3) == 0)] {
        for (number, user) in ["s1", "s2", "r1", "r3"].into_iter().enumerate() {
            if number > 1 && random.up_to(1) == 0 {
                continue;
            }
            for device in &["d1", "d2"][..1 + usize::from(random.up_to(1) == 0)] {
                let mut groups = vec![TEAM.to_owned()];
                if user != "r3" {
                    groups.push(PAIR.to_owned());
                }
                if number < 2 {
                    groups.push(CHURN.to_owned());
                }
                let mut audits = vec!["inbox".to_owned()];
                if (user, *device) == ("s1", "d1") {
                    audits.push("broadcast".to_owned());
                    audits.extend(groups.iter().map(|group| format!("group:{group}")));
                }
                parts.push(Part {
                    device: history::Device::new(tenant, user, device),
                    rate: 0,
                    churns: number > 1 && *device == "d1",
                    manual: random.up_to(1) == 0,
                    groups,
                    audits,
                });
            }
        }
    }
    parts
}
