//! 2, 3, 4: a position is one message, a message has one position, and an accepted one is found there for ever.

use std::collections::{HashMap, HashSet};

use super::index::{How, Index, Key, Log, Sent};
use super::{Faults, Rule};
use crate::history::{Device, Target};

/// Where messages are: one position per stream.
pub(super) struct Places<'h> {
    /// Without streams that had more than one numbering: positions of different ones are not compared.
    by_message: HashMap<(Log<'h>, Key<'h>), u64>,
}

impl<'h> Places<'h> {
    pub(super) fn position(&self, log: Log<'h>, key: Key<'h>) -> Option<u64> {
        self.by_message.get(&(log, key)).copied()
    }
}

struct Find<'h> {
    by_position: HashMap<(Log<'h>, &'h str, u64), (Key<'h>, &'h str)>,
    by_message: HashMap<(Log<'h>, &'h str, Key<'h>), u64>,
}

impl<'h> Find<'h> {
    fn add(
        &mut self,
        (log, epoch, seq): (Log<'h>, &'h str, u64),
        (key, digest): (Key<'h>, &'h str),
        device: &Device,
        faults: &mut Faults<'_>,
    ) {
        let (other, known) = *self.by_position.entry((log, epoch, seq)).or_insert((key, digest));
        if other != key || (known != digest && !known.is_empty() && !digest.is_empty()) {
            let what = format!(
                "position {seq} of {log} is {} of {} and {} of {}",
                other.id, other.user, key.id, key.user
            );
            faults.add(Rule::PositionImmutable, Some(device), Some(key), what);
        }
        let place = *self.by_message.entry((log, epoch, key)).or_insert(seq);
        if place != seq {
            let what = format!("{} of {} is at {place} and at {seq} of {log}", key.id, key.user);
            faults.add(Rule::OnePositionPerMessage, Some(device), Some(key), what);
        }
    }
}

pub(super) fn check<'h>(index: &Index<'h>, faults: &mut Faults<'_>) -> Places<'h> {
    let mut epochs: HashMap<Log<'h>, HashSet<&str>> = HashMap::new();
    for met in index.met.iter().filter(|met| met.how != How::Heard) {
        epochs.entry(met.log()).or_default().insert(&met.entry.epoch);
    }
    // An entry whose numbering is not known belongs to the only one there is.
    let named = |epochs: &HashSet<&str>| epochs.iter().filter(|epoch| !epoch.is_empty()).count();
    let renumbered: HashSet<_> =
        epochs.iter().filter(|(_, epochs)| named(epochs) > 1).map(|(log, _)| *log).collect();
    // After a loss any log may have another numbering, whether somebody met both or not.
    let is_renumbered = |log: &Log<'h>| !index.losses.is_empty() || renumbered.contains(log);
    let epoch_of = |log: &Log<'h>, epoch: &'h str| if is_renumbered(log) { epoch } else { "" };

    let mut find = Find { by_position: HashMap::new(), by_message: HashMap::new() };
    let mut kept: HashSet<(Log<'h>, Key<'h>)> = HashSet::new();
    for met in index.met.iter().filter(|met| met.how != How::Heard) {
        let (log, entry) = (met.log(), met.entry);
        let place = (log, epoch_of(&log, &entry.epoch), entry.seq);
        find.add(place, (met.key(), &entry.digest), &entry.device, faults);
        if met.how == How::Kept {
            faults.report.kept += 1;
            kept.insert((log, met.key()));
        }
    }
    for (key, sent) in &index.messages {
        let Some((_, stream, seq)) = sent.accepted().filter(|_| !sent.sending.volatile) else { continue };
        let device = &sent.sending.device;
        let log = Log::of(device, stream);
        if is_renumbered(&log) {
            continue;
        }
        find.add((log, "", seq), (*key, ""), device, faults);
        let beyond = index.looked.get(&log).and_then(|looked| looked.values().map(|(_, to)| *to).max());
        if beyond.is_some_and(|head| head < seq) {
            let what = format!("{} of {device} was accepted at {seq} of {log}, beyond its head", key.id);
            faults.add(Rule::AcceptedKept, Some(device), Some(*key), what);
        } else if must_be_seen(index, sent, log, Some(seq)) && !kept.contains(&(log, *key)) {
            let what = format!("{} of {device} was accepted at {seq} of {log} and is not there", key.id);
            faults.add(Rule::AcceptedKept, Some(device), Some(*key), what);
        }
        // The sender does not learn the position in the receiver's inbox; the entry can be seen there all the same.
        if let Target::User(user) | Target::Device(user, _) = &sent.sending.target {
            let log = Log::inbox(&device.tenant, user);
            if must_be_seen(index, sent, log, None) && !kept.contains(&(log, *key)) {
                let what = format!("{} of {device} was accepted and is not in the {log}", key.id);
                faults.add(Rule::AcceptedKept, Some(device), Some(*key), what);
            }
        }
    }
    let by_message = find
        .by_message
        .into_iter()
        .filter(|((log, ..), _)| !is_renumbered(log))
        .map(|((log, _, key), seq)| ((log, key), seq))
        .collect();
    Places { by_message }
}

/// Whether somebody looked at all of the stream who must have seen the message.
fn must_be_seen(index: &Index<'_>, sent: &Sent<'_>, log: Log<'_>, seq: Option<u64>) -> bool {
    let sending = sent.sending;
    let hidden = |viewer: &Device| match &sending.target {
        Target::Device(user, name) => {
            *user == log.user && *name != viewer.device && sending.device != *viewer
        }
        _ => false,
    };
    let covers = |from: u64, to: u64| seq.map_or(from == 1, |seq| (from..=to).contains(&seq));
    let mut looked = index.looked.get(&log).into_iter().flatten();
    !sending.expires && looked.any(|(viewer, (from, to))| !hidden(viewer) && covers(*from, *to))
}
