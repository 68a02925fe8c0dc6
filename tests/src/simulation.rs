//! Simulations: random sends, cuts and restarts on a seeded network, and what must be true of them. No sockets, no
//! clock, no files; a failing seed fails again.

use std::collections::BTreeMap;

use wsc_core::Message;
use wsc_core::client::Outcome;
use wsc_core::peer::Settings;

use crate::network::{Build, World, key_of};

/// What simulations came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Worlds simulated.
    pub seeds: u64,
    /// Messages taken from applications.
    pub sends: usize,
    /// Messages given to applications.
    pub received: usize,
    /// Gaps reported.
    pub gaps: usize,
    /// What went against the rules: seed and what.
    pub failures: Vec<(u64, String)>,
}

/// Simulates the worlds of the seeds `from..from + seeds`.
#[must_use]
pub fn simulate(from: u64, seeds: u64) -> Summary {
    let mut summary = Summary::default();
    for seed in from..from.saturating_add(seeds) {
        let (mut world, faults) = live(seed);
        summary.seeds += 1;
        summary.failures.extend(faults.into_iter().map(|fault| (seed, fault)));
        for device in &mut world.devices {
            summary.sends += device.sends.len();
            summary.received += device.received.len();
            summary.gaps += device.gaps;
        }
    }
    summary
}

/// One world from its beginning to its end, and what went against the rules in it.
fn live(seed: u64) -> (World, Vec<String>) {
    let device = |user: &str, name: &str, manual, flight_count| Build {
        user: user.to_owned(),
        name: name.to_owned(),
        manual,
        flight_count,
    };
    let builds = vec![
        device("alice", "a1", seed % 2 == 1, 4),
        device("alice", "a2", false, 256),
        device("bob", "b1", seed % 3 == 1, 1),
    ];
    let settings = Settings { window: 4 + (seed % 5) as u32 * 8, ..Settings::default() };
    let mut world = World::new(seed, builds, settings);
    world.latency = world.random.up_to(400);
    for index in 0..world.devices.len() {
        world.with(index, |device, now| device.client.connect(now));
    }
    // Whether this world loses the end of its log, which costs messages but never in silence.
    let lossy = seed % 7 == 3;
    let mut faults = Vec::new();
    let mut lost = false;
    for turn in 0..80 {
        let pause = world.random.up_to(1500);
        world.run(pause);
        lost |= act(&mut world, turn, lossy);
        check_acknowledged(&mut world, &mut faults);
    }
    world.down = false;
    world.hub.lazy = false;
    for second in 0..900 {
        for index in 0..world.devices.len() {
            world.with(index, |device, now| device.deal(now, 1000));
        }
        world.run(1000);
        // A wire that only seems to live takes a heartbeat and its answer to be found out.
        if second >= 60 && world.is_quiet() {
            break;
        }
    }
    // The hub has not sent its late skips: idle streams stay idle, and acknowledgements come in.
    world.run(1000);
    check_acknowledged(&mut world, &mut faults);
    check_end(&mut world, lost, &mut faults);
    (world, faults)
}

/// One thing that happens; true when messages were lost.
fn act(world: &mut World, turn: u64, lossy: bool) -> bool {
    let count = world.devices.len() as u64;
    let index = usize::try_from(world.random.up_to(count - 1)).unwrap_or(0);
    match world.random.up_to(29) {
        0..=13 => {
            for part in 0..=world.random.up_to(4) {
                let text = format!("{turn}/{part}");
                let (target, mut message) = match world.random.up_to(5) {
                    0 => ("group/g", Message::to_group("g", text)),
                    1 => ("broadcast", Message::to_everybody(text)),
                    2 => ("user/alice", Message::to_user("alice", text)),
                    3 => ("user/nobody", Message::to_user("nobody", "refuse")),
                    _ => ("user/bob", Message::to_user("bob", text)),
                };
                message.require_ack = world.random.up_to(2) == 0;
                world.with(index, |device, now| device.send(now, target, &message));
            }
        }
        14..=18 => {
            let count = usize::try_from(world.random.up_to(8)).unwrap_or(0);
            for index in 0..world.devices.len() {
                world.with(index, |device, now| device.deal(now, count));
            }
        }
        19..=21 => world.cut(index, false),
        22 => world.cut(index, true),
        23 => world.restart_device(index),
        24 => {
            let lossy = lossy && world.random.up_to(1) == 0;
            world.restart_hub(lossy);
            return lossy;
        }
        25 => {
            let keys: Vec<_> = world.hub.log.streams.keys().cloned().collect();
            let trimmed =
                usize::try_from(world.random.up_to(keys.len().saturating_sub(1) as u64)).unwrap_or(0);
            if let Some(key) = keys.get(trimmed) {
                let head = world.hub.log.stream(key).head();
                let floor = world.random.up_to(head + 1);
                let stream = world.hub.log.stream(key);
                stream.floor = stream.floor.max(floor);
            }
        }
        26 => world.down = !world.down,
        27 => world.hub.lazy = !world.hub.lazy,
        28 => {
            for id in world.hub.ids() {
                let code = [wsc_core::CloseCode::GoingAway, wsc_core::CloseCode::TryAgainLater];
                let code = code[usize::from(id % 2 == 0)];
                world.hub.close(id, code, "retry_after_ms=300");
            }
        }
        _ => {
            world.with(index, |device, now| device.client.handle_network(now, true));
        }
    }
    false
}

/// No acknowledgement goes beyond what the application has, or what is not for it.
fn check_acknowledged(world: &mut World, faults: &mut Vec<String>) {
    for (user, name, key, seq) in std::mem::take(&mut world.hub.acknowledged) {
        let Some(device) =
            world.devices.iter().find(|device| device.build.user == user && device.build.name == name)
        else {
            continue;
        };
        let dealt = device.dealt.get(&key).copied().unwrap_or(0);
        let own = format!("{user}/{name}");
        let Some(stream) = world.hub.log.streams.get(&key) else { continue };
        for ahead in dealt + 1..=seq {
            if stream.get(ahead).is_some_and(|stored| stored.device != own) {
                faults.push(format!("{own} acknowledged {key}@{seq}, dealt with {dealt}"));
                break;
            }
        }
    }
}

fn check_end(world: &mut World, lost: bool, faults: &mut Vec<String>) {
    let log = world.hub.log.clone();
    faults.append(&mut world.hub.violations);
    for device in &mut world.devices {
        device.check_end(&log);
        let own = format!("{}/{}", device.build.user, device.build.name);
        faults.extend(device.faults.drain(..).map(|fault| format!("{own}: {fault}")));
    }
    // Once, and in the order first sent.
    let mut places: BTreeMap<(String, String, String), u64> = BTreeMap::new();
    for (key, stream) in &log.streams {
        for (index, stored) in stream.entries.iter().enumerate() {
            let id = stored.message.message_id.to_string();
            let once = (key.clone(), stored.device.clone(), id.clone());
            if places.insert(once, index as u64 + 1).is_some() {
                faults.push(format!("{id} twice in {key}"));
            }
        }
    }
    for device in &world.devices {
        let own = format!("{}/{}", device.build.user, device.build.name);
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (send, target, message_id) in &device.sends {
            let key = match target.strip_prefix("user/") {
                Some(_) => key_of(&device.build.user, &wsc_core::StreamName::Inbox),
                None => target.replace("group/", "group:"),
            };
            let place = places.get(&(key, own.clone(), message_id.clone())).copied();
            let outcome = device.settled.get(send);
            match (outcome, place) {
                (Some(Outcome::Accepted { position, .. }), Some(place)) if *position != place && !lost => {
                    faults.push(format!("{message_id} accepted at {position}, stands at {place}"));
                }
                (Some(Outcome::Accepted { .. }), None) if !lost => {
                    faults.push(format!("{message_id} accepted and not there"));
                }
                (Some(Outcome::Refused { .. }), Some(_)) => {
                    faults.push(format!("{message_id} refused and there"));
                }
                _ => {}
            }
            if let Some(place) = place {
                let before = last.insert(target, place).unwrap_or(0);
                if place <= before {
                    faults.push(format!("{message_id} to {target} stands at {place}, not after {before}"));
                }
            }
        }
    }
}
