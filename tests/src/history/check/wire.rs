//! 1, 7, 8 and the head: what the hub said on connections, as somebody between client and hub saw it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::index::{Index, Key, Log};
use super::streams::Places;
use super::{Faults, Rule};
use crate::history::{Cover, Device, Fact};

/// One connection.
struct Line<'h> {
    device: &'h Device,
    /// When it introduced itself.
    at: u64,
    cursors: &'h BTreeMap<String, (String, u64)>,
    window: u64,
    streams: BTreeMap<&'h str, Track<'h>>,
}

/// One stream on a connection.
struct Track<'h> {
    epoch: &'h str,
    next: u64,
    /// Entries under way.
    out: VecDeque<u64>,
    open: bool,
}

struct Wire<'i, 'h> {
    index: &'i Index<'h>,
    lines: HashMap<u64, Line<'h>>,
    /// How far each device acknowledged each stream.
    acknowledged: HashMap<(&'h Device, &'h str), u64>,
    entries: HashMap<(Log<'h>, &'h str, u64), Key<'h>>,
    epochs: HashMap<Log<'h>, &'h str>,
    /// Positions accepted so far, by stream.
    heads: HashMap<Log<'h>, Vec<(u64, u64)>>,
    /// Where each device's connections began at most, by stream and numbering.
    begun: HashMap<(&'h Device, &'h str, &'h str), u64>,
    /// Whether the store of the hub can write nothing.
    full: bool,
}

pub(super) fn check<'h>(index: &Index<'h>, places: &Places<'h>, faults: &mut Faults<'_>) {
    let mut heads: HashMap<Log<'h>, Vec<(u64, u64)>> = HashMap::new();
    for sent in index.messages.values().filter(|sent| !sent.sending.volatile) {
        // What may have been lost since says nothing about a head.
        if let Some((at, stream, seq)) = sent.accepted().filter(|(at, ..)| index.loss_after(*at).is_none()) {
            heads.entry(Log::of(&sent.sending.device, stream)).or_default().push((at, seq));
        }
    }
    for accepted in heads.values_mut() {
        accepted.sort_unstable();
        let mut highest = 0;
        for (_, seq) in accepted {
            highest = highest.max(*seq);
            *seq = highest;
        }
    }
    let mut wire = Wire {
        index,
        lines: HashMap::new(),
        acknowledged: HashMap::new(),
        entries: HashMap::new(),
        epochs: HashMap::new(),
        begun: HashMap::new(),
        full: false,
        heads,
    };
    for event in index.events {
        wire.event(&event.fact, event.at, faults);
    }
    // What was seen on the wire and what was handed over is the same log.
    for ((log, _, seq), key) in &wire.entries {
        if let Some(place) = places.position(*log, *key)
            && place != *seq
            && faults.report.epochs == 0
        {
            let what = format!("{} of {} is at {seq} of {log} on the wire, and at {place}", key.id, key.user);
            faults.add(Rule::OnePositionPerMessage, None, Some(*key), what);
        }
    }
}

impl<'h> Wire<'_, 'h> {
    fn event(&mut self, fact: &'h Fact, at: u64, faults: &mut Faults<'_>) {
        match fact {
            Fact::Hello { connection, device, cursors } => {
                let line = Line { device, at, cursors, window: 0, streams: BTreeMap::new() };
                self.lines.insert(*connection, line);
            }
            Fact::Greeted { connection, window, streams } => {
                self.greeted(*connection, *window, streams, faults);
            }
            Fact::Opened { connection, stream, epoch, from } => {
                if let Some(line) = self.lines.get_mut(connection) {
                    let track = Track { epoch, next: *from, out: VecDeque::new(), open: true };
                    line.streams.insert(stream, track);
                }
            }
            Fact::HubFull => self.full = true,
            Fact::HubStarted => self.full = false,
            Fact::Shut { connection, stream } => {
                let track =
                    self.lines.get_mut(connection).and_then(|line| line.streams.get_mut(stream.as_str()));
                if let Some(track) = track {
                    track.open = false;
                    track.out.clear();
                }
            }
            Fact::Covered { connection, stream, from, to, by, message_id, sender } => {
                self.covered(*connection, stream, (*from, *to), *by, (sender, message_id), faults);
            }
            Fact::Acknowledged { connection, stream, seq } => {
                self.acknowledge(*connection, stream, *seq, faults);
            }
            _ => {}
        }
    }

    fn greeted(
        &mut self,
        connection: u64,
        window: u64,
        streams: &'h BTreeMap<String, (String, u64, u64)>,
        faults: &mut Faults<'_>,
    ) {
        let Some(line) = self.lines.get_mut(&connection) else { return };
        line.window = window;
        for (stream, (epoch, from, head)) in streams {
            let (device, log) = (line.device, Log::of(line.device, stream));
            if self.epochs.insert(log, epoch).is_some_and(|before| before != epoch) {
                faults.report.epochs += 1;
            }
            let cursor = line.cursors.get(stream);
            let stored = self.acknowledged.get(&(device, stream.as_str())).copied().unwrap_or(0);
            // A device that forgot its cursor continues at the hub's, which need not have been sent before.
            let forgot = self.index.wiped_after(device, 0);
            let expected = match cursor {
                Some((known, seq)) if known == epoch && seq <= head => Some(*seq + 1),
                // Another numbering, or beyond the head: the hub says how it goes on.
                Some(_) => None,
                None if stream == "inbox" && stored == 0 && !forgot => Some(1),
                None => None,
            };
            if let Some(expected) = expected.filter(|expected| expected != from) {
                let what = format!("{device} is at {expected} of {stream}, the hub begins at {from}");
                faults.add(Rule::StartsAtCursor, Some(device), None, what);
            }
            // Its first position is stored before it is sent, and never falls.
            let begun = self.begun.entry((device, stream, epoch)).or_default();
            if cursor.is_none() && *from < *begun {
                let what =
                    format!("{device} began at {begun} of {stream}, without a cursor it begins at {from}");
                faults.add(Rule::StartsAtCursor, Some(device), None, what);
            }
            if !self.full {
                *begun = (*begun).max(*from);
            }
            if cursor.is_none() && !forgot && stored > 0 && stored < *from - 1 && stream == "inbox" {
                let what = format!("{device} acknowledged {stored} of {stream}, the hub begins at {from}");
                faults.add(Rule::StartsAtCursor, Some(device), None, what);
            }
            let accepted = self.heads.get(&log).map(Vec::as_slice).unwrap_or_default();
            let before = accepted.partition_point(|(at, _)| *at < line.at);
            if let Some((_, seq)) = before.checked_sub(1).and_then(|last| accepted.get(last))
                && seq > head
                && cursor.is_none_or(|(known, _)| known == epoch)
            {
                let what =
                    format!("{seq} of {log} was acknowledged, later {device} is told the head is {head}");
                faults.add(Rule::HeadCurrent, Some(device), None, what);
            }
            let track = Track { epoch, next: *from, out: VecDeque::new(), open: true };
            line.streams.insert(stream, track);
        }
    }

    fn covered(
        &mut self,
        connection: u64,
        stream: &'h str,
        (from, to): (u64, u64),
        by: Cover,
        (sender, message_id): (&'h str, &'h str),
        faults: &mut Faults<'_>,
    ) {
        faults.report.covered += 1;
        let Some(line) = self.lines.get_mut(&connection) else { return };
        let device = line.device;
        let Some(track) = line.streams.get_mut(stream).filter(|track| track.open) else {
            let what = format!("{device} was told {from} of {stream}, which is not open");
            faults.add(Rule::NoHoles, Some(device), None, what);
            return;
        };
        if from != track.next {
            let what = format!("{device} was told {from} of {stream} when {} was next", track.next);
            faults.add(Rule::NoHoles, Some(device), None, what);
        }
        track.next = (to + 1).max(track.next);
        if by != Cover::Entry {
            return;
        }
        track.out.push_back(from);
        let log = Log::of(device, stream);
        let key = Key { tenant: &device.tenant, user: sender, id: message_id };
        let known = *self.entries.entry((log, track.epoch, from)).or_insert(key);
        if known != key {
            let what = format!(
                "position {from} of {log} is {} of {} and {} of {}",
                known.id, known.user, key.id, key.user
            );
            faults.add(Rule::PositionImmutable, Some(device), Some(key), what);
        }
        let out: usize = line.streams.values().map(|track| track.out.len()).sum();
        if line.window > 0 && out as u64 > line.window {
            let what = format!("{device} has {out} entries under way, {} may be", line.window);
            faults.add(Rule::WithinWindow, Some(device), None, what);
        }
        if !self.index.devices.contains_key(device) {
            let what = format!("{device} is on the wire, but was never started");
            faults.add(Rule::SenderAuthentic, Some(device), None, what);
        }
    }

    fn acknowledge(&mut self, connection: u64, stream: &'h str, seq: u64, faults: &mut Faults<'_>) {
        let Some(line) = self.lines.get_mut(&connection) else { return };
        let device = line.device;
        let Some(track) = line.streams.get_mut(stream) else { return };
        if seq >= track.next && track.open {
            let what = format!("{device} acknowledged {seq} of {stream}, told was up to {}", track.next - 1);
            faults.add(Rule::NoHoles, Some(device), None, what);
        }
        while track.out.front().is_some_and(|out| *out <= seq) {
            track.out.pop_front();
        }
        let known = self.acknowledged.entry((device, stream)).or_default();
        *known = (*known).max(seq);
    }
}
