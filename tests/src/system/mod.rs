//! Whole systems on virtual time: the production hub (listener, admission, connections, shards, log) and many devices
//! with the client machine, a wire between each, a disk under each; all of which fail, as a seed decides. The history
//! goes to the checker that judges real processes too. No socket, no thread, no clock of the machine: a failing seed
//! fails again.

mod air;
mod application;
mod clock;
mod cluster;
mod device;
mod disk;
mod hub;
mod link;
mod net;
mod shared;
mod socket;
mod world;

use std::fmt;

use crate::history::{Report, check};

/// What happened to worlds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Hubs killed.
    pub kills: u64,
    /// Of these, with what was not flushed lost.
    pub lossy: u64,
    /// Hubs drained.
    pub drains: u64,
    /// Hubs paused.
    pub pauses: u64,
    /// Wires cut or silenced.
    pub wires: u64,
    /// Device processes killed or stopped.
    pub devices: u64,
    /// Of these, with all that they had stored lost.
    pub wiped: u64,
    /// Device processes suspended, or slow to read.
    pub slow: u64,
    /// Disks full or slow.
    pub disks: u64,
    /// Clocks of hubs set.
    pub clocks: u64,
    /// Hubs that did not hear the others for a while.
    pub air: u64,
    /// Devices kicked.
    pub kicks: u64,
}

impl Faults {
    fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.lossy += other.lossy;
        self.drains += other.drains;
        self.pauses += other.pauses;
        self.wires += other.wires;
        self.devices += other.devices;
        self.wiped += other.wiped;
        self.slow += other.slow;
        self.disks += other.disks;
        self.clocks += other.clocks;
        self.air += other.air;
        self.kicks += other.kicks;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, lossy, drains, pauses, wires, devices, wiped, slow, disks, clocks, air, kicks } =
            self;
        write!(
            f,
            "{kills} hubs killed ({lossy} times what was not flushed was lost), {drains} drained, {pauses} paused; \
             {wires} wires cut or silent; {devices} devices killed or restarted ({wiped} lost their storage), {slow} suspended or slow; \
             {disks} disks or stores full, slow or cut off; {clocks} clocks set; {air} hubs deaf; {kicks} kicks"
        )
    }
}

/// What worlds came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Worlds simulated.
    pub worlds: u64,
    /// Messages taken from applications.
    pub sent: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Entries handed to applications.
    pub handed: u64,
    /// Gaps reported.
    pub gaps: u64,
    /// Receipts, those asked for at the end included.
    pub receipts: u64,
    /// Read marks said.
    pub marks: u64,
    /// Connections.
    pub connections: u64,
    /// What failed.
    pub faults: Faults,
    /// Virtual milliseconds.
    pub milliseconds: u64,
    /// What went against the rules: seed and what.
    pub violations: Vec<(u64, String)>,
}

impl Summary {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.handed += other.handed;
        self.gaps += other.gaps;
        self.receipts += other.receipts;
        self.marks += other.marks;
        self.connections += other.connections;
        self.faults.add(&other.faults);
        self.milliseconds += other.milliseconds;
        self.violations.extend(other.violations);
    }
}

/// Simulates the world of a seed with one hub, and judges it.
#[must_use]
pub fn simulate(seed: u64) -> Summary {
    judge(seed, world::live(seed))
}

/// The same with several hubs over one store.
#[must_use]
pub fn simulate_cluster(seed: u64) -> Summary {
    judge(seed, cluster::live(seed))
}

fn judge(seed: u64, lived: world::Lived) -> Summary {
    let report: Report = check(&lived.events);
    let violations = report.violations.iter().map(ToString::to_string);
    let unfinished = report.unfinished.iter().map(|device| format!("{device} was never quiet"));
    let violations = violations.chain(lived.violations).chain(unfinished);
    Summary {
        worlds: 1,
        sent: report.sent,
        accepted: report.accepted,
        handed: report.handed,
        gaps: report.gaps,
        receipts: report.receipts,
        marks: report.marks,
        connections: lived.connections,
        faults: lived.faults,
        milliseconds: lived.milliseconds,
        violations: violations.map(|what| (seed, format!("{what}\n  world: {}", lived.kind))).collect(),
    }
}

/// The history of a seed's world, as JSON lines.
#[must_use]
pub fn history(seed: u64) -> String {
    lines(world::live(seed))
}

/// The same with several hubs.
#[must_use]
pub fn history_of_cluster(seed: u64) -> String {
    lines(cluster::live(seed))
}

fn lines(lived: world::Lived) -> String {
    let lines = lived.events.into_iter().filter_map(|event| serde_json::to_string(&event).ok());
    lines.map(|line| line + "\n").collect()
}
