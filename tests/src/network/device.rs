//! A device of the simulation: the client machine, its storage, its application. Checks each event as it comes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wsc_core::backoff::Random;
use wsc_core::client::{
    Action, Client, Config, Event, Fault, Generation, Identity, Outcome, Saved, SendId, Storage,
};
use wsc_core::{Message, StreamName, Timestamp};

use super::log::{Log, key_of};

/// How a device is built.
#[derive(Clone, Debug)]
pub struct Build {
    /// The user.
    pub user: String,
    /// The device.
    pub name: String,
    /// Whether the application acknowledges by itself, some time later.
    pub manual: bool,
    /// Sends under way at most.
    pub flight_count: usize,
}

/// One device.
#[derive(Debug)]
pub struct Device {
    /// How it is built, again after each restart.
    pub build: Build,
    /// The machine.
    pub client: Client,
    saved: Saved,
    /// Sends on their way to the disk, and when they are there.
    storing: VecDeque<(Timestamp, SendId)>,
    /// What the application holds and has not acknowledged.
    held: VecDeque<(StreamName<'static>, Generation, u64)>,
    /// Per stream key: everything up to here was given out, skipped or reported.
    given: BTreeMap<String, u64>,
    /// Per stream key: what the application dealt with.
    pub dealt: BTreeMap<String, u64>,
    /// Every send taken, in order: its id, target and message.
    pub sends: Vec<(SendId, String, String)>,
    /// How each send ended.
    pub settled: BTreeMap<SendId, Outcome>,
    /// Messages given out.
    pub received: BTreeSet<String>,
    /// Gaps reported.
    pub gaps: usize,
    /// What went against the rules.
    pub faults: Vec<String>,
    restarts: u64,
    seed: u64,
}

impl Build {
    fn config(&self) -> Config {
        Config {
            device_id: self.name.clone(),
            identity: Identity { user_id: self.user.clone(), ..Identity::default() },
            auto_acknowledge: !self.manual,
            storage: Storage::Durable,
            flight_count: self.flight_count,
            ..Config::default()
        }
    }
}

impl Device {
    /// A device that was never connected.
    #[must_use]
    pub fn new(build: Build, seed: u64) -> Self {
        let saved = Saved { device_id: build.name.clone(), ..Saved::default() };
        Self {
            client: Client::new(build.config(), seed),
            build,
            saved,
            storing: VecDeque::new(),
            held: VecDeque::new(),
            given: BTreeMap::new(),
            dealt: BTreeMap::new(),
            sends: Vec::new(),
            settled: BTreeMap::new(),
            received: BTreeSet::new(),
            gaps: 0,
            faults: Vec::new(),
            restarts: 0,
            seed,
        }
    }

    /// The process dies and another one begins with what was saved.
    pub fn restart(&mut self, now: Timestamp) {
        self.restarts += 1;
        let mut client = Client::new(self.build.config(), self.seed.wrapping_add(self.restarts << 32));
        let bytes = self.saved.encode();
        match Saved::decode(&bytes) {
            Some(saved) => client.restore(saved),
            None => self.faults.push("what was saved cannot be read".to_owned()),
        }
        self.client = client;
        self.storing.clear();
        self.held.clear();
        // What was not confirmed was lost, and the application knows: its send had not returned.
        let kept: BTreeSet<_> = self.saved.sends.iter().map(|send| send.id).collect();
        self.sends.retain(|(id, ..)| self.settled.contains_key(id) || kept.contains(id));
        // What lies behind the saved cursor may come again.
        self.given.clear();
        self.dealt.clear();
        for cursor in &self.saved.cursors {
            let key = key_of(&self.build.user, &cursor.stream);
            self.given.insert(key.clone(), cursor.seq);
            self.dealt.insert(key, cursor.seq);
        }
        self.client.connect(now);
    }

    /// Sends a message.
    pub fn send(&mut self, now: Timestamp, target: &str, message: &Message<'_>) {
        if let Ok((send, message_id)) = self.client.send_named(now, message) {
            self.sends.push((send, target.to_owned(), message_id));
        }
    }

    /// The application deals with some of what it holds.
    pub fn deal(&mut self, now: Timestamp, count: usize) {
        for (stream, generation, seq) in self.held.drain(..count.min(self.held.len())).collect::<Vec<_>>() {
            self.client.acknowledge(now, &stream, generation, seq);
            let key = key_of(&self.build.user, &stream);
            let dealt = self.dealt.entry(key).or_insert(0);
            *dealt = (*dealt).max(seq);
        }
    }

    /// How much the application holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// When the disk has something to say.
    #[must_use]
    pub fn poll_stored(&self) -> Option<Timestamp> {
        self.storing.front().map(|(at, _)| *at)
    }

    /// The disk says that sends are stored.
    pub fn stored(&mut self, now: Timestamp) {
        while let Some((_, send)) = self.storing.pop_front_if(|(at, _)| *at <= now) {
            self.client.handle_stored(now, send);
        }
    }

    /// Takes everything the machine puts out; the actions that concern the network are given back.
    pub fn drain(&mut self, now: Timestamp, log: &Log, random: &mut Random) -> Vec<Action> {
        while let Some(event) = self.client.poll_event() {
            self.event(event, log);
        }
        let mut actions = Vec::new();
        while let Some(action) = self.client.poll_action() {
            match action {
                Action::Persist(change) => {
                    if let Some(send) = change.confirm() {
                        let before = self.storing.back().map_or(now, |(at, _)| *at);
                        self.storing.push_back((before.max(now) + random.up_to(20), send));
                    }
                    self.saved.apply(change);
                }
                action => actions.push(action),
            }
        }
        let sync = self.client.sync();
        if sync.under_way > self.build.flight_count {
            self.faults.push(format!("{} sends under way", sync.under_way));
        }
        actions
    }

    fn event(&mut self, event: Event, log: &Log) {
        match event {
            Event::Message(entry) => {
                match entry.message() {
                    Ok(message) => self.entry(&entry.stream, entry.seq_no, &message, log),
                    Err(error) => self.faults.push(error.to_string()),
                }
                self.hold(entry.stream, entry.generation, entry.seq_no);
            }
            Event::Gap(gap) => {
                self.gaps += 1;
                let key = key_of(&self.build.user, &gap.stream);
                if gap.reason == "epoch" {
                    // Another numbering: from here on.
                    self.given.insert(key.clone(), gap.from.saturating_sub(1));
                    let dealt = self.dealt.entry(key).or_insert(0);
                    *dealt = gap.from.saturating_sub(1);
                } else {
                    self.reach(&gap.stream, gap.from, log);
                    self.given.insert(key, gap.to);
                    self.hold(gap.stream, gap.generation, gap.to);
                }
            }
            Event::StreamOpened { stream, from, .. } => {
                let key = key_of(&self.build.user, &stream);
                self.given.insert(key.clone(), from.saturating_sub(1));
                self.dealt.insert(key, from.saturating_sub(1));
            }
            Event::Settled { send, outcome, message_id } => {
                if let Some(before) = self.settled.insert(send, outcome) {
                    self.faults.push(format!("{message_id} settled twice, first {before:?}"));
                }
            }
            Event::Fault(Fault::Hub { .. }) => {}
            Event::Fault(fault) => self.faults.push(fault.to_string()),
            _ => {}
        }
    }

    fn hold(&mut self, stream: StreamName<'static>, generation: Generation, seq: u64) {
        if self.build.manual {
            self.held.push_back((stream, generation, seq));
        } else {
            let dealt = self.dealt.entry(key_of(&self.build.user, &stream)).or_insert(0);
            *dealt = (*dealt).max(seq);
        }
    }

    /// Everything between what was given out and a position must be this device's own.
    fn reach(&mut self, stream: &StreamName<'_>, seq: u64, log: &Log) {
        let key = key_of(&self.build.user, stream);
        let given = self.given.get(&key).copied().unwrap_or(0);
        if seq <= given {
            self.faults.push(format!("{key}@{seq} again, after {given}"));
        }
        let own = format!("{}/{}", self.build.user, self.build.name);
        for missing in given + 1..seq {
            let stored = log.streams.get(&key).and_then(|stream| stream.get(missing));
            // What is no longer in the log was lost with its epoch, which the next connection reports.
            if stored.is_some_and(|stored| stored.device != own) {
                self.faults.push(format!("{key}@{missing} left out before {seq}"));
            }
        }
    }

    fn entry(&mut self, stream: &StreamName<'_>, seq: u64, message: &Message<'_>, log: &Log) {
        self.reach(stream, seq, log);
        let key = key_of(&self.build.user, stream);
        if message.sender_client == self.build.name && message.sender == self.build.user {
            self.faults.push(format!("{key}@{seq} is its own"));
        }
        self.received.insert(message.message_id.to_string());
        self.given.insert(key, seq);
    }

    /// What must be true when everything is quiet.
    pub fn check_end(&mut self, log: &Log) {
        let own = format!("{}/{}", self.build.user, self.build.name);
        for stream in [StreamName::Inbox, StreamName::Broadcast, StreamName::group("g")] {
            let key = key_of(&self.build.user, &stream);
            let head = log.streams.get(&key).map_or(0, super::log::Stream::head);
            let Some(given) = self.given.get(&key).copied() else {
                self.faults.push(format!("{key} was never opened"));
                continue;
            };
            for seq in given + 1..=head {
                let stored = log.streams.get(&key).and_then(|stream| stream.get(seq));
                if stored.is_some_and(|stored| stored.device != own) {
                    self.faults.push(format!("{key}@{seq} of {head} never came, given {given}"));
                }
            }
        }
        for (send, _, message_id) in &self.sends {
            if !self.settled.contains_key(send) {
                self.faults.push(format!("{message_id} never settled"));
            }
        }
        let left = self.client.unsettled().count();
        if left > 0 || !self.client.sync().caught_up {
            self.faults.push(format!("{left} unsettled, caught up: {}", self.client.sync().caught_up));
        }
    }
}
