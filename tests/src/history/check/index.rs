//! A history by message, device and user. Finds nothing wrong but what cannot be sorted in.

use std::collections::{BTreeMap, HashMap};

use super::membership::Memberships;
use super::{Faults, Rule};
use crate::history::{Device, Entry, Event, Fact, Outcome, Sending};

/// A message: ids are unique for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key<'h> {
    pub(super) tenant: &'h str,
    pub(super) user: &'h str,
    pub(super) id: &'h str,
}

/// A stream, whoever names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Log<'h> {
    pub(super) tenant: &'h str,
    /// The user whose inbox it is; empty for the others.
    pub(super) user: &'h str,
    /// `inbox`, `broadcast` or `group:…`.
    pub(super) stream: &'h str,
}

impl<'h> Log<'h> {
    pub(super) fn of(device: &'h Device, stream: &'h str) -> Self {
        let user = if stream == "inbox" { device.user.as_str() } else { "" };
        Self { tenant: &device.tenant, user, stream }
    }

    pub(super) fn inbox(tenant: &'h str, user: &'h str) -> Self {
        Self { tenant, user, stream: "inbox" }
    }
}

impl std::fmt::Display for Log<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.user {
            "" => write!(f, "{}/{}", self.tenant, self.stream),
            user => write!(f, "{}/inbox of {user}", self.tenant),
        }
    }
}

/// A message and what became of it.
#[derive(Debug)]
pub(super) struct Sent<'h> {
    pub(super) sending: &'h Sending,
    pub(super) at: u64,
    /// The life of the device in which it was sent.
    pub(super) life: u32,
    pub(super) taken: bool,
    pub(super) declined: bool,
    /// Each with its life and time.
    pub(super) outcomes: Vec<(&'h Outcome, u32, u64)>,
}

impl<'h> Sent<'h> {
    pub(super) fn key(&self) -> Key<'h> {
        let device = &self.sending.device;
        Key { tenant: &device.tenant, user: &device.user, id: &self.sending.message_id }
    }

    /// When it was known to be accepted, and where.
    pub(super) fn accepted(&self) -> Option<(u64, &'h str, u64)> {
        self.outcomes.iter().find_map(|(outcome, _, at)| match outcome {
            Outcome::Accepted { stream, seq } => Some((*at, stream.as_str(), *seq)),
            _ => None,
        })
    }
}

/// An entry as it was met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Met<'h> {
    pub(super) entry: &'h Entry,
    pub(super) at: u64,
    /// The life of the device.
    pub(super) life: u32,
    pub(super) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Handed,
    /// Handed over too, but sent by nobody: what the user has read elsewhere.
    Marked,
    Heard,
    Kept,
}

impl<'h> Met<'h> {
    pub(super) fn key(&self) -> Key<'h> {
        Key { tenant: &self.entry.device.tenant, user: &self.entry.sender, id: &self.entry.message_id }
    }

    pub(super) fn log(&self) -> Log<'h> {
        Log::of(&self.entry.device, &self.entry.stream)
    }
}

/// A gap as the device got it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missed {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) at: u64,
}

/// A device's lives.
#[derive(Debug, Default)]
pub(super) struct Lives {
    pub(super) life: u32,
    /// The lives that were killed, and when.
    pub(super) killed: BTreeMap<u32, u64>,
    pub(super) quiet: bool,
    /// Kicks that have not closed it yet.
    pub(super) kicks: u32,
    /// When it lost all it had stored.
    pub(super) wiped: Vec<u64>,
    /// When each life began.
    pub(super) begun: BTreeMap<u32, u64>,
    /// When each life was connected first.
    pub(super) connected: BTreeMap<u32, u64>,
}

/// A suspended device reads this much later what was sent before. In microseconds.
const SUSPENDED: u64 = 70_000_000;

/// A history, sorted in.
#[derive(Debug)]
pub(super) struct Index<'h> {
    pub(super) events: &'h [Event],
    pub(super) messages: BTreeMap<Key<'h>, Sent<'h>>,
    pub(super) met: Vec<Met<'h>>,
    pub(super) missed: HashMap<(&'h Device, &'h str), Vec<Missed>>,
    pub(super) devices: BTreeMap<&'h Device, Lives>,
    /// When a user was first surely known to the hub.
    pub(super) seen: HashMap<(&'h str, &'h str), u64>,
    pub(super) memberships: Memberships<'h>,
    /// Ranges that were looked at in full, by the device that looked.
    pub(super) looked: HashMap<Log<'h>, BTreeMap<&'h Device, (u64, u64)>>,
    /// When a store lost what was not flushed.
    pub(super) losses: Vec<u64>,
    /// When a store could write nothing, until it could again.
    full: Vec<(u64, u64)>,
    /// Whether what was in a history may be gone a moment later.
    pub(super) forgets: bool,
}

impl<'h> Index<'h> {
    pub(super) fn new(events: &'h [Event], faults: &mut Faults<'_>) -> Self {
        let mut index = Self {
            events,
            messages: BTreeMap::new(),
            met: Vec::new(),
            missed: HashMap::new(),
            devices: BTreeMap::new(),
            seen: HashMap::new(),
            memberships: Memberships::default(),
            looked: HashMap::new(),
            losses: Vec::new(),
            full: Vec::new(),
            forgets: false,
        };
        for event in events {
            index.sort_in(event, faults);
        }
        for (device, lives) in &index.devices {
            if !lives.quiet {
                faults.report.unfinished.push((*device).clone());
            }
        }
        index
    }

    /// The last loss that may have cost what was known to be stored at a time.
    pub(super) fn loss_after(&self, at: u64) -> Option<u64> {
        self.losses.last().copied().filter(|loss| at < loss + SUSPENDED)
    }

    /// Whether a device lost all it had stored after some time.
    pub(super) fn wiped_after(&self, device: &Device, at: u64) -> bool {
        let last = self.devices.get(device).and_then(|lives| lives.wiped.last());
        last.is_some_and(|wiped| *wiped > at)
    }

    /// Whether a device was there before and after some time, so that it knows the numbering of before.
    pub(super) fn knows_before(&self, device: &Device, at: u64) -> bool {
        let Some(lives) = self.devices.get(device).filter(|_| !self.wiped_after(device, at)) else {
            return false;
        };
        let Some((life, _)) = lives.begun.range(..).rfind(|(_, begun)| **begun < at) else { return false };
        lives.connected.get(life).is_some_and(|connected| *connected < at)
    }

    /// Whether the hub could write down where a device began.
    pub(super) fn is_known(&self, device: &Device) -> bool {
        let first = self.devices.get(device).and_then(|lives| lives.connected.values().min());
        let could =
            |at: u64| !self.full.iter().any(|(from, to)| (*from..to.saturating_add(SUSPENDED)).contains(&at));
        first.is_some_and(|at| could(*at))
    }

    fn life(&self, device: &Device) -> u32 {
        self.devices.get(device).map_or(0, |lives| lives.life)
    }

    fn sort_in(&mut self, event: &'h Event, faults: &mut Faults<'_>) {
        let at = event.at;
        match &event.fact {
            Fact::Started { device, life } => {
                let lives = self.devices.entry(device).or_default();
                lives.life = *life;
                lives.begun.insert(*life, at);
            }
            Fact::HubForgets => self.forgets = true,
            Fact::HubFull => self.full.push((at, u64::MAX)),
            Fact::HubStarted => {
                if let Some((_, end)) = self.full.last_mut() {
                    *end = at.min(*end);
                }
            }
            Fact::HubLost => {
                self.losses.push(at);
                // Whom the hub knows may be lost too.
                self.seen.clear();
                self.memberships.sort_in(&event.fact, at);
            }
            Fact::Killed { device } => {
                let lives = self.devices.entry(device).or_default();
                // Killed again before a new life wrote that it began, it ended at the first time.
                lives.killed.entry(lives.life).or_insert(at);
            }
            Fact::Wiped { device } => self.devices.entry(device).or_default().wiped.push(at),
            Fact::Connected { device } => {
                self.seen.entry((&device.tenant, &device.user)).or_insert(at);
                let lives = self.devices.entry(device).or_default();
                lives.connected.entry(lives.life).or_insert(at);
                self.memberships.sort_in(&event.fact, at);
            }
            Fact::Kicking { device } => self.devices.entry(device).or_default().kicks += 1,
            Fact::Closed { device, why } => {
                let lives = self.devices.entry(device).or_default();
                // It may be told that it was replaced: by a connection of before that comes late, and finds no claim.
                if (why.contains("Kicked") || why.contains("Replaced")) && lives.kicks > 0 {
                    // Once for each kick.
                    lives.kicks -= 1;
                    return;
                }
                faults.add(
                    Rule::NotClosedForGood,
                    Some(device),
                    None,
                    format!("{device} was closed for good: {why}"),
                );
            }
            Fact::Quiet { device } => self.devices.entry(device).or_default().quiet = true,
            Fact::Sending(sending) => self.sending(sending, at, faults),
            Fact::Taken { device, message_id }
            | Fact::Declined { device, message_id, .. }
            | Fact::Settled { device, message_id, .. } => {
                self.progress(device, message_id, event, faults);
            }
            Fact::Handed(entry) => self.meet(entry, at, How::Handed),
            Fact::Marked { entry, .. } => self.meet(entry, at, How::Marked),
            Fact::Heard(entry) => self.meet(entry, at, How::Heard),
            Fact::Kept(entry) => self.meet(entry, at, How::Kept),
            Fact::Missed { device, stream, from, to, .. } => {
                let missed = Missed { from: *from, to: *to, at };
                self.missed.entry((device, stream)).or_default().push(missed);
                faults.report.gaps += 1;
            }
            Fact::Looked { device, stream, from, to } => {
                self.looked.entry(Log::of(device, stream)).or_default().insert(device, (*from, *to));
            }
            fact => self.memberships.sort_in(fact, at),
        }
    }

    fn meet(&mut self, entry: &'h Entry, at: u64, how: How) {
        let life = self.life(&entry.device);
        self.met.push(Met { entry, at, life, how });
    }

    fn sending(&mut self, sending: &'h Sending, at: u64, faults: &mut Faults<'_>) {
        let life = self.life(&sending.device);
        let sent = Sent { sending, at, life, taken: false, declined: false, outcomes: Vec::new() };
        let key = sent.key();
        if let Some(before) = self.messages.get(&key) {
            let same = (&before.sending.target, &before.sending.digest) == (&sending.target, &sending.digest);
            if !same {
                let what = format!("{} was used for two messages", key.id);
                faults.add(Rule::ContentAuthentic, Some(&sending.device), Some(key), what);
            }
            return;
        }
        self.messages.insert(key, sent);
    }

    fn progress(
        &mut self,
        device: &'h Device,
        message_id: &'h str,
        event: &'h Event,
        faults: &mut Faults<'_>,
    ) {
        let life = self.life(device);
        let key = Key { tenant: &device.tenant, user: &device.user, id: message_id };
        let Some(sent) = self.messages.get_mut(&key) else {
            let what = format!("{message_id} of {device} came to something, but was never sent");
            faults.add(Rule::SendSettledOnce, Some(device), Some(key), what);
            return;
        };
        match &event.fact {
            Fact::Taken { .. } => sent.taken = true,
            Fact::Declined { .. } => sent.declined = true,
            Fact::Settled { outcome, .. } => sent.outcomes.push((outcome, life, event.at)),
            _ => {}
        }
    }
}
