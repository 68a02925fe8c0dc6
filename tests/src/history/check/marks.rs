//! What users have read: said by one of their devices, passed on to the others going forward, and the same for all.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::devices::REPEATS;
use super::index::{How, Index, Log, Met, Sent};
use super::{Faults, Rule};
use crate::history::{Device, Fact, Mark, Target};

/// A user's conversation: tenant, user, stream, whose messages.
type Conversation<'h> = (&'h str, &'h str, &'h str, &'h str);

fn conversation<'h>(device: &'h Device, mark: &'h Mark) -> Conversation<'h> {
    (&device.tenant, &device.user, &mark.stream, &mark.peer)
}

/// A mark as an application said it.
struct Said<'h> {
    at: u64,
    device: &'h Device,
    life: u32,
    seq: u64,
}

/// Marks by their position in an inbox, each with a device that was handed it.
type Passed<'h> = BTreeMap<u64, (&'h Device, &'h Mark)>;

pub(super) fn check(index: &Index<'_>, faults: &mut Faults<'_>) {
    let said = said(index);
    faults.report.marks += said.values().map(|said| said.len() as u64).sum::<u64>();
    passed_on(index, &said, faults);
    counted(index, &said, faults);
}

fn said<'h>(index: &Index<'h>) -> HashMap<Conversation<'h>, Vec<Said<'h>>> {
    let mut lives: HashMap<&Device, u32> = HashMap::new();
    let mut said: HashMap<Conversation<'h>, Vec<Said<'h>>> = HashMap::new();
    for event in index.events {
        match &event.fact {
            Fact::Started { device, life } => drop(lives.insert(device, *life)),
            Fact::Marking { device, mark } => {
                let life = lives.get(device).copied().unwrap_or(0);
                let one = Said { at: event.at, device, life, seq: mark.seq };
                said.entry(conversation(device, mark)).or_default().push(one);
            }
            _ => {}
        }
    }
    said
}

/// What was handed to the user's other devices.
fn passed_on(index: &Index<'_>, said: &HashMap<Conversation<'_>, Vec<Said<'_>>>, faults: &mut Faults<'_>) {
    let mut by_place: HashMap<(Log<'_>, &str), Passed<'_>> = HashMap::new();
    for event in index.events {
        let Fact::Marked { entry, mark } = &event.fact else { continue };
        let device = &entry.device;
        let said = said.get(&conversation(device, mark)).map(Vec::as_slice).unwrap_or_default();
        let is_this = |said: &Said<'_>| {
            said.device.device == entry.sender_device && said.seq == mark.seq && said.at <= event.at
        };
        let wrong = if entry.sender != device.user || entry.stream != "inbox" {
            Some("which is not of its user".to_owned())
        } else if entry.sender_device == device.device {
            Some("which it said itself".to_owned())
        } else {
            (!said.iter().any(is_this)).then(|| format!("which {} never said", entry.sender_device))
        };
        if let Some(wrong) = wrong {
            faults.add(
                Rule::ReadMarksAgree,
                Some(device),
                None,
                format!("{device} was handed {mark:?}, {wrong}"),
            );
        }
        by_place
            .entry((Log::of(device, &entry.stream), &entry.epoch))
            .or_default()
            .insert(entry.seq, (device, mark));
    }
    for ((log, _), marks) in by_place {
        let mut last: HashMap<(&str, &str), u64> = HashMap::new();
        for (place, (device, mark)) in marks {
            let before = last.insert((&mark.stream, &mark.peer), mark.seq);
            if let Some(before) = before.filter(|before| *before >= mark.seq) {
                let what = format!("at {place} of {log}, {mark:?} comes after {before}");
                faults.add(Rule::ReadMarksAgree, Some(device), None, what);
            }
        }
    }
}

/// What devices got at the end.
fn counted(index: &Index<'_>, said: &HashMap<Conversation<'_>, Vec<Said<'_>>>, faults: &mut Faults<'_>) {
    // What expires may be gone for the hub, by its clock, and there again.
    let expires = |met: &Met<'_>| index.messages.get(&met.key()).is_some_and(|sent| sent.sending.expires);
    let kept = index.met.iter().filter(|met| met.how == How::Kept && !expires(met));
    let kept: HashSet<(Log<'_>, u64)> = kept.map(|met| (met.log(), met.entry.seq)).collect();
    let expiring: Vec<_> = index.messages.values().filter(|sent| sent.sending.expires).collect();
    let mut told: HashMap<Conversation<'_>, (&Device, u64, u64)> = HashMap::new();
    for event in index.events {
        let Fact::Counted { device, mark, unread } = &event.fact else { continue };
        let conversation = conversation(device, mark);
        let said = said.get(&conversation).map(Vec::as_slice).unwrap_or_default();
        let mut fault = |what: String| {
            let of = if mark.peer.is_empty() { &mark.stream } else { &mark.peer };
            let what = format!("{device} is told that it has read {of} to {}, {what}", mark.seq);
            faults.add(Rule::ReadMarksAgree, Some(device), None, what);
        };
        let (other, seq, count) = *told.entry(conversation).or_insert((device, mark.seq, *unread));
        let fades = index.forgets || expiring.iter().any(|sent| is_of(sent, device, mark));
        if seq != mark.seq || (count != *unread && !fades) {
            fault(format!("{unread} unread, and {other} to {seq}, {count} unread"));
        }
        if mark.seq > 0 && !said.iter().any(|said| said.seq == mark.seq) {
            fault("which nobody said".to_owned());
        }
        if !index.losses.is_empty() || index.forgets || mark.peer.is_empty() {
            continue;
        }
        // Kept by the device until the hub has it; of what is gone a hub takes no mark.
        let log = Log::of(device, &mark.stream);
        let stands = |said: &&Said<'_>| {
            let lives = index.devices.get(said.device).filter(|lives| lives.quiet);
            let stored = lives.is_some_and(|lives| {
                lives.killed.get(&said.life).is_none_or(|killed| said.at + REPEATS < *killed)
            });
            stored && !index.wiped_after(said.device, said.at) && kept.contains(&(log, said.seq))
        };
        if let Some(more) = said.iter().filter(stands).find(|said| said.seq > mark.seq) {
            fault(format!("but {} said {}", more.device, more.seq));
        }
        if let Some((least, most)) = bounds(index, device, mark)
            && !(least..=most).contains(unread)
        {
            fault(format!("{unread} unread, but there are {least} to {most}"));
        }
    }
}

/// Whether the message is of this conversation.
fn is_of(sent: &Sent<'_>, device: &Device, mark: &Mark) -> bool {
    let from = &sent.sending.device;
    from.tenant == device.tenant
        && match &sent.sending.target {
            Target::User(_) | Target::Device(..) => mark.stream == "inbox" && mark.peer == from.user,
            Target::Group(group) => mark.stream.strip_prefix("group:") == Some(group),
            Target::Everybody => false,
        }
}

/// How many unread messages of a user there are at least, by what is in the history, and at most, by what was sent.
fn bounds(index: &Index<'_>, device: &Device, mark: &Mark) -> Option<(u64, u64)> {
    if mark.peer == device.user {
        return Some((0, 0));
    }
    let log = Log::of(device, &mark.stream);
    index.looked.get(&log)?;
    let theirs = |user: &str, target: &Target| {
        let to = match target {
            Target::User(user) | Target::Device(user, _) => user,
            Target::Group(_) | Target::Everybody => return false,
        };
        user == mark.peer && *to == device.user
    };
    let mut places: HashMap<_, u64> = HashMap::new();
    let of_log = |met: &&Met<'_>| met.how == How::Kept && met.log() == log;
    for met in index.met.iter().filter(of_log) {
        places.insert(met.key(), met.entry.seq);
    }
    let (mut least, mut most) = (0, 0);
    for (key, sent) in &index.messages {
        let sending = sent.sending;
        if key.tenant != device.tenant || !theirs(key.user, &sending.target) || sending.volatile {
            continue;
        }
        let place = places.get(key);
        most += u64::from(place.is_none_or(|place| *place > mark.seq));
        least += u64::from(place.is_some_and(|place| *place > mark.seq) && !sending.expires);
    }
    Some((least, most))
}
