//! What a device was handed: rising, once, genuine, and meant for it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::index::{How, Index, Key, Met, Sent};
use super::{Faults, Rule};
use crate::history::{Device, Target};

/// What was handed over this long before a process was killed is in its outbox file: cursors are stored within
/// `ack_ms`, and this leaves a busy machine some time. In microseconds.
pub(super) const REPEATS: u64 = 2_000_000;

/// Where a device is in a stream.
#[derive(Default)]
struct Place<'h> {
    life: u32,
    /// The highest position handed over in this life.
    last: u64,
    /// All handed over, with the time of the last time.
    handed: BTreeMap<u64, (u32, u64)>,
    epoch: &'h str,
}

pub(super) fn check(index: &Index<'_>, faults: &mut Faults<'_>) {
    let mut places: HashMap<(&Device, &str), Place<'_>> = HashMap::new();
    let mut heard: HashSet<(&Device, Key<'_>)> = HashSet::new();
    for met in &index.met {
        if met.how != How::Marked {
            genuine(index, met, faults);
        }
        match met.how {
            How::Handed | How::Marked => {
                faults.report.handed += 1;
                let place = places.entry((&met.entry.device, &met.entry.stream)).or_default();
                rising(index, met, place, faults);
            }
            How::Heard => {
                if !heard.insert((&met.entry.device, met.key())) {
                    let what = format!("{} heard {} twice", met.entry.device, met.entry.message_id);
                    faults.add(Rule::DeliveredInOrder, Some(&met.entry.device), Some(met.key()), what);
                }
            }
            How::Kept => {}
        }
    }
}

fn rising<'h>(index: &Index<'h>, met: &Met<'h>, place: &mut Place<'h>, faults: &mut Faults<'_>) {
    let entry = met.entry;
    if place.epoch != entry.epoch {
        *place = Place { epoch: &entry.epoch, life: met.life, ..Place::default() };
    }
    if place.life != met.life {
        (place.life, place.last) = (met.life, 0);
    }
    let seq = entry.seq;
    if seq <= place.last {
        let how = if place.handed.contains_key(&seq) { "again" } else { "late" };
        let what = format!("{} got {} at {seq} {how}, after {}", entry.device, entry.stream, place.last);
        faults.add(Rule::DeliveredInOrder, Some(&entry.device), Some(met.key()), what);
        return;
    }
    place.last = seq;
    if let Some((life, at)) = place.handed.insert(seq, (met.life, met.at)) {
        // The life it was handed over in was killed so soon after that the cursor may not have been stored.
        let killed = index.devices.get(&entry.device).and_then(|lives| lives.killed.get(&life));
        let forgotten = index.wiped_after(&entry.device, at);
        if forgotten || killed.is_some_and(|killed| at + REPEATS >= *killed) {
            faults.report.repeated += 1;
        } else {
            let what = format!("{} got {} at {seq} again after a restart", entry.device, entry.stream);
            faults.add(Rule::DeliveredInOrder, Some(&entry.device), Some(met.key()), what);
        }
    }
}

fn genuine(index: &Index<'_>, met: &Met<'_>, faults: &mut Faults<'_>) {
    let (entry, key) = (met.entry, met.key());
    let device = &entry.device;
    let Some(sent) = index.messages.get(&key) else {
        let others = index.messages.values().find(|sent| sent.sending.digest == entry.digest);
        let (rule, what) = match others {
            Some(sent) if sent.sending.device.tenant != device.tenant => (
                Rule::SenderAuthentic,
                format!("{device} met {} of {}, another tenant", key.id, sent.sending.device),
            ),
            Some(sent) => (
                Rule::SenderAuthentic,
                format!("{device} met {} as of {}, but it is of {}", key.id, key.user, sent.sending.device),
            ),
            None => (
                Rule::ContentAuthentic,
                format!("{device} met {} of {}, which nobody sent", key.id, entry.sender),
            ),
        };
        faults.add(rule, Some(device), Some(key), what);
        return;
    };
    let sending = sent.sending;
    if sending.digest != entry.digest {
        let foreign = index.messages.values().any(|other| {
            other.sending.digest == entry.digest && other.sending.device.tenant != device.tenant
        });
        let rule = if foreign { Rule::SenderAuthentic } else { Rule::ContentAuthentic };
        let what = format!("{device} met {} of {}, but altered", key.id, sending.device);
        faults.add(rule, Some(device), Some(key), what);
    }
    if sending.device.device != entry.sender_device {
        let what = format!("{device} met {} as of device {}", key.id, entry.sender_device);
        faults.add(Rule::SenderAuthentic, Some(device), Some(key), what);
    }
    if sending.volatile != (met.how == How::Heard) {
        let what = format!("{device} met {} {:?}, volatile: {}", key.id, met.how, sending.volatile);
        faults.add(Rule::ContentAuthentic, Some(device), Some(key), what);
    }
    if !is_right_stream(sent, &entry.stream, device) && met.how != How::Heard {
        let what = format!("{device} met {} in {}, which is for {:?}", key.id, entry.stream, sending.target);
        faults.add(Rule::SenderAuthentic, Some(device), Some(key), what);
    } else if let Some(why) = super::delivery::forbidden(index, sent, device)
        && met.how != How::Kept
    {
        let what = format!("{device} got {} of {}, {why}", key.id, sending.device);
        faults.add(Rule::SenderAuthentic, Some(device), Some(key), what);
    }
}

fn is_right_stream(sent: &Sent<'_>, stream: &str, device: &Device) -> bool {
    match &sent.sending.target {
        Target::User(user) | Target::Device(user, _) => {
            stream == "inbox" && (device.user == *user || device.user == sent.sending.device.user)
        }
        Target::Group(group) => stream.strip_prefix("group:") == Some(group),
        Target::Everybody => stream == "broadcast",
    }
}
