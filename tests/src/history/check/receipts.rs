//! Receipts that senders get: never before the fact, never a lower stage than before.

use std::collections::{HashMap, HashSet};

use super::index::{How, Index, Key, Log, Sent};
use super::streams::Places;
use super::{Faults, Rule};
use crate::history::{Device, Fact, Stage, Target};

/// Maximum of messages whose receipts a client remembers. When more come together, it may report a stage of a forgotten one
/// again.
const REMEMBERED: u64 = 256;

/// So many holes in what was delivered of a stream are remembered; below the lowest of them all counts as delivered.
const HOLES: usize = 256;

/// Whose messages a user has read: tenant, user, sender.
type Whose<'h> = (&'h str, &'h str, &'h str);

/// What happened that a receipt may be about.
struct Facts<'i, 'h> {
    index: &'i Index<'h>,
    places: &'i Places<'h>,
    /// When each device was handed a message first.
    handed: HashMap<(&'h Device, Key<'h>), u64>,
    /// What users said they have read in their inboxes: when, up to where.
    marks: HashMap<Whose<'h>, Vec<(u64, u64)>>,
    /// Messages that were in the histories at the end.
    kept: HashSet<(Log<'h>, Key<'h>)>,
}

pub(super) fn check<'h>(index: &Index<'h>, places: &Places<'h>, faults: &mut Faults<'_>) {
    let facts = Facts::new(index, places);
    let mut lives: HashMap<&Device, u32> = HashMap::new();
    let mut told: HashMap<(&Device, u32, Key<'_>), Stage> = HashMap::new();
    let mut remembered: HashMap<&Device, u64> = HashMap::new();
    for sent in index.messages.values().filter(|sent| sent.sending.receipts) {
        *remembered.entry(&sent.sending.device).or_default() += 1;
    }
    let mut best: HashMap<Key<'_>, Stage> = HashMap::new();
    for event in index.events {
        let (device, id) = match &event.fact {
            Fact::Started { device, life } => {
                lives.insert(device, *life);
                continue;
            }
            Fact::Reached { device, message_id, .. } | Fact::Stood { device, message_id, .. } => {
                (device, message_id)
            }
            _ => continue,
        };
        faults.report.receipts += 1;
        let key = Key { tenant: &device.tenant, user: &device.user, id };
        let wrong = match (index.messages.get(&key), &event.fact) {
            (None, _) => Some("but never sent it".to_owned()),
            (Some(sent), Fact::Reached { stage, receiver, by, .. }) => {
                let life = lives.get(device).copied().unwrap_or(0);
                let remembered = remembered.entry(device).or_default();
                *remembered += 1;
                let before = told.insert((device, life, key), *stage).filter(|_| *remembered <= REMEMBERED);
                let known = best.entry(key).or_insert(*stage);
                *known = (*known).max(*stage);
                let back = before.filter(|before| before > stage).map(|before| format!("after {before:?}"));
                back.or_else(|| facts.unfounded(sent, *stage, (receiver, by), event.at))
            }
            (Some(sent), Fact::Stood { stage: Some(stage), .. }) => {
                let least = facts.least(sent, best.get(&key).copied());
                let less = least.filter(|least| stage < least).map(|least| format!("but it is {least:?}"));
                less.or_else(|| {
                    let unfounded = facts.unfounded(sent, *stage, ("", ""), event.at)?;
                    (!facts.is_forgotten_hole(sent)).then_some(unfounded)
                })
            }
            (Some(sent), _) => facts.must_be_known(sent).then(|| "but it is in the history".to_owned()),
        };
        if let Some(wrong) = wrong {
            let what = format!("{device} was told of {id}: {}, {wrong}", named(&event.fact));
            faults.add(Rule::ReceiptsTrue, Some(device), Some(key), what);
        }
    }
}

fn named(fact: &Fact) -> String {
    match fact {
        Fact::Reached { stage, receiver, by, .. } => format!("{stage:?} by {receiver}/{by}"),
        Fact::Stood { stage: Some(stage), .. } => format!("{stage:?}, when it asked"),
        _ => "unknown, when it asked".to_owned(),
    }
}

/// The user a message is to.
fn receiver<'h>(sent: &Sent<'h>) -> Option<&'h str> {
    match &sent.sending.target {
        Target::User(user) | Target::Device(user, _) => Some(user),
        Target::Group(_) | Target::Everybody => None,
    }
}

impl<'i, 'h> Facts<'i, 'h> {
    fn new(index: &'i Index<'h>, places: &'i Places<'h>) -> Self {
        let (mut handed, mut kept) = (HashMap::new(), HashSet::new());
        for met in &index.met {
            match met.how {
                How::Handed => drop(handed.entry((&met.entry.device, met.key())).or_insert(met.at)),
                How::Kept => drop(kept.insert((met.log(), met.key()))),
                How::Marked | How::Heard => {}
            }
        }
        let mut marks: HashMap<_, Vec<(u64, u64)>> = HashMap::new();
        for event in index.events {
            let Fact::Marking { device, mark } = &event.fact else { continue };
            if mark.stream == "inbox" {
                let whose = (device.tenant.as_str(), device.user.as_str(), mark.peer.as_str());
                marks.entry(whose).or_default().push((event.at, mark.seq));
            }
        }
        Self { index, places, handed, marks, kept }
    }

    /// Why nobody could know of this stage at this time, if so.
    fn unfounded(&self, sent: &Sent<'h>, stage: Stage, by: (&str, &str), at: u64) -> Option<String> {
        if stage == Stage::Accepted {
            return None;
        }
        let Some(receiver) = receiver(sent) else {
            return Some("which is to nobody in particular".to_owned());
        };
        if !by.0.is_empty() && by.0 != receiver {
            return Some(format!("which is to {receiver}"));
        }
        match stage {
            Stage::Accepted => None,
            // A mark passes what was for another device, too; and who has read has got.
            Stage::Delivered if by.1.is_empty() && self.was_marked(sent, receiver, at) => None,
            Stage::Delivered => (!self.was_handed(sent, receiver, by.1, at))
                .then(|| "but no such device had been handed it".to_owned()),
            Stage::Read => (!self.was_marked(sent, receiver, at))
                .then(|| format!("but {receiver} had not said to have read it")),
        }
    }

    /// Whether a device of the receiver, or the one named, had it.
    fn was_handed(&self, sent: &Sent<'h>, receiver: &str, by: &str, at: u64) -> bool {
        self.had_by(sent, receiver)
            .any(|(device, first)| first <= at && (by.is_empty() || device.device == by))
    }

    /// The receiver's devices that were handed it, and when.
    fn had_by(&self, sent: &Sent<'h>, receiver: &str) -> impl Iterator<Item = (&'h Device, u64)> {
        let (from, key) = (&sent.sending.device, sent.key());
        let devices =
            self.index.devices.keys().copied().filter(move |device| {
                device.tenant == from.tenant && device.user == receiver && *device != from
            });
        devices.filter_map(move |device| Some((device, *self.handed.get(&(device, key))?)))
    }

    /// Whether a message for one device alone lies below so many of its kind that the hub may have forgotten it was not
    /// delivered.
    fn is_forgotten_hole(&self, sent: &Sent<'h>) -> bool {
        let Target::Device(user, _) = &sent.sending.target else { return false };
        let tenant = &sent.sending.device.tenant;
        let later = self.index.messages.values().filter(|other| {
            let is_for_one = matches!(&other.sending.target, Target::Device(to, _) if to == user);
            is_for_one && other.sending.device.tenant == *tenant && other.at > sent.at
        });
        later.count() >= HOLES
    }

    fn was_marked(&self, sent: &Sent<'h>, receiver: &'h str, at: u64) -> bool {
        let from = &sent.sending.device;
        let place = self.places.position(Log::inbox(&from.tenant, receiver), sent.key());
        let marks = self.marks.get(&(from.tenant.as_str(), receiver, from.user.as_str()));
        let passes = |(said, seq): &(u64, u64)| *said <= at && place.is_none_or(|place| *seq >= place);
        marks.is_some_and(|marks| marks.iter().any(passes))
    }

    /// The least that must be known of it at the end, when everything was acknowledged; `None`: that may be anything.
    fn least(&self, sent: &Sent<'h>, told: Option<Stage>) -> Option<Stage> {
        let receiver = receiver(sent).filter(|_| !self.may_be_lost(sent))?;
        let handed = self.had_by(sent, receiver).any(|(device, _)| self.index.is_known(device));
        // A reported stage is stored: it survives kills.
        handed.then_some(Stage::Delivered).max(told)
    }

    fn may_be_lost(&self, sent: &Sent<'h>) -> bool {
        self.index.loss_after(sent.at).is_some()
    }

    fn must_be_known(&self, sent: &Sent<'h>) -> bool {
        let tenant = &sent.sending.device.tenant;
        let kept = |user: &'h str| self.kept.contains(&(Log::inbox(tenant, user), sent.key()));
        let goes = self.index.forgets || sent.sending.expires || self.may_be_lost(sent);
        receiver(sent).is_some_and(kept) && !goes
    }
}
