//! The promise: an accepted message reaches every device it is meant for, or lies in a gap that the device got.

use std::collections::HashSet;

use super::index::{How, Index, Key, Log, Sent};
use super::streams::Places;
use super::{Faults, Rule};
use crate::history::{Device, Target};

pub(super) fn check(index: &Index<'_>, places: &Places<'_>, faults: &mut Faults<'_>) {
    let handed: HashSet<(&Device, Key<'_>)> = index
        .met
        .iter()
        .filter(|met| met.how == How::Handed)
        .map(|met| (&met.entry.device, met.key()))
        .collect();
    let met = |how: fn(How) -> bool| {
        let met = index.met.iter().filter(move |met| how(met.how));
        met.map(super::index::Met::key).collect::<HashSet<_>>()
    };
    let (stored, kept) = (met(|how| how != How::Heard), met(|how| how == How::Kept));
    for (key, sent) in &index.messages {
        if sent.sending.volatile || !is_due(index, sent, stored.contains(key)) {
            continue;
        }
        for (device, lives) in &index.devices {
            if !lives.quiet || handed.contains(&(*device, *key)) || !is_meant(index, sent, device) {
                continue;
            }
            let lost = !kept.contains(key) && is_lost(index, sent, device);
            if lost || is_excused(index, places, sent, device) {
                continue;
            }
            let from = &sent.sending.device;
            let what = format!("{} of {from} never reached {device}, and no gap says so", key.id);
            faults.add(Rule::Delivered, Some(device), Some(*key), what);
        }
    }
}

/// Whether it must have been stored: it was accepted, or somebody has it, or it was taken by an outbox that is empty now
/// and nothing was said against it.
fn is_due(index: &Index<'_>, sent: &Sent<'_>, stored: bool) -> bool {
    let quiet = index.devices.get(&sent.sending.device).is_some_and(|lives| lives.quiet);
    let forgotten = index.wiped_after(&sent.sending.device, sent.at);
    let untold = sent.outcomes.is_empty() && sent.taken && quiet && !sent.sending.expires && !forgotten;
    sent.accepted().is_some() || stored || untold
}

/// Whether the device must get it.
fn is_meant(index: &Index<'_>, sent: &Sent<'_>, device: &Device) -> bool {
    let sending = sent.sending;
    if sending.device.tenant != device.tenant || forbidden(index, sent, device).is_some() {
        return false;
    }
    match &sending.target {
        Target::User(user) | Target::Device(user, _) => {
            device.user == *user || device.user == sending.device.user
        }
        Target::Group(group) => index.memberships.is_in_since(&device.tenant, &device.user, group, sent.at),
        Target::Everybody => index
            .seen
            .get(&(device.tenant.as_str(), device.user.as_str()))
            .is_some_and(|seen| *seen < sent.at),
    }
}

/// Why the device must not get it, if so.
pub(super) fn forbidden(index: &Index<'_>, sent: &Sent<'_>, device: &Device) -> Option<&'static str> {
    let sending = sent.sending;
    if sending.device == *device {
        return Some("its own message");
    }
    if sending.store_only {
        return Some("which is store-only");
    }
    match &sending.target {
        Target::Device(user, name) if *user == device.user && *name != device.device => {
            Some("which is for another device")
        }
        Target::Group(group) => {
            let to = sent.accepted().map_or(u64::MAX, |(at, ..)| at);
            let out = index.memberships.is_out_between(&device.tenant, &device.user, group, sent.at, to);
            out.then_some("without being in the group")
        }
        _ => None,
    }
}

/// Whether the store lost it and the device needs no gap: it has no cursor in the earlier epoch.
fn is_lost(index: &Index<'_>, sent: &Sent<'_>, device: &Device) -> bool {
    let settled = sent.accepted().map_or(sent.at, |(at, ..)| at);
    index.loss_after(settled).is_some_and(|loss| !index.knows_before(device, loss))
}

fn is_excused(index: &Index<'_>, places: &Places<'_>, sent: &Sent<'_>, device: &Device) -> bool {
    let (stream, log) = match &sent.sending.target {
        Target::User(_) | Target::Device(..) => {
            ("inbox".to_owned(), Some(Log::inbox(&sent.sending.device.tenant, &device.user)))
        }
        Target::Group(group) => (format!("group:{group}"), None),
        Target::Everybody => ("broadcast".to_owned(), None),
    };
    let Some(missed) = index.missed.get(&(device, stream.as_str())) else {
        return sent.sending.expires && position(index, places, sent, log, &stream).is_none();
    };
    // A new epoch: anything accepted before it may be lost.
    // A suspended sender learns of it later than the store lost it.
    let settled = sent.accepted().map_or(sent.at, |(at, ..)| at);
    let stored = if index.loss_after(settled).is_some() { sent.at } else { settled };
    if missed.iter().any(|missed| missed.to < missed.from && missed.at > stored) {
        return true;
    }
    match position(index, places, sent, log, &stream) {
        Some(seq) => missed.iter().any(|missed| (missed.from..=missed.to).contains(&seq)),
        // Nobody saw where it was: its life ended before, or it was trimmed before anybody came.
        None => {
            let trimmed = |missed: &super::index::Missed| missed.from <= missed.to && missed.at > sent.at;
            sent.sending.expires || missed.iter().any(trimmed)
        }
    }
}

fn position(
    index: &Index<'_>,
    places: &Places<'_>,
    sent: &Sent<'_>,
    log: Option<Log<'_>>,
    stream: &str,
) -> Option<u64> {
    let tenant = &sent.sending.device.tenant;
    // The maps live as long as the history; the device's own names do not matter.
    let key = index.messages.get_key_value(&sent.key()).map(|(key, _)| *key)?;
    let log = log.unwrap_or(Log { tenant, user: "", stream });
    places.position(log, key)
}
