//! 6: a send ends once, and what is refused, expired or was never taken reaches nobody.

use std::collections::HashSet;

use super::devices::REPEATS;
use super::index::{Index, Key, Sent};
use super::{Faults, Rule};
use crate::history::Outcome;

pub(super) fn check(index: &Index<'_>, faults: &mut Faults<'_>) {
    let met: HashSet<Key<'_>> = index.met.iter().map(super::index::Met::key).collect();
    for (key, sent) in &index.messages {
        count(sent, faults);
        once(index, *key, sent, faults);
        let Some(lives) = index.devices.get(&sent.sending.device) else { continue };
        let told = !sent.outcomes.is_empty() || sent.declined;
        if lives.quiet && !told && sent.taken && !sent.sending.volatile {
            if sent.life == lives.life {
                let what = format!("{} of {} was never settled", key.id, sent.sending.device);
                faults.add(Rule::SendSettledOnce, Some(&sent.sending.device), Some(*key), what);
            } else {
                faults.report.untold += 1;
            }
        }
        let nowhere = sent.declined
            || matches!(sent.outcomes.first(), Some((Outcome::Refused(_) | Outcome::Expired, ..)));
        if nowhere && met.contains(key) {
            let what = format!("{} of {} was not accepted, and yet stored", key.id, sent.sending.device);
            faults.add(Rule::SendSettledOnce, Some(&sent.sending.device), Some(*key), what);
        }
    }
}

fn count(sent: &Sent<'_>, faults: &mut Faults<'_>) {
    let report = &mut faults.report;
    report.sent += u64::from(!sent.declined);
    match sent.outcomes.first() {
        Some((Outcome::Accepted { .. }, ..)) => report.accepted += 1,
        Some((Outcome::Refused(_), ..)) => report.refused += 1,
        Some((Outcome::Unknown, ..)) => report.unknown += 1,
        Some((Outcome::Expired, ..)) => report.expired += 1,
        None => {}
    }
}

/// A killed process may get an outcome again after its restart. It must be the same, or one of the two unknown: what the
/// process got just before the kill need not be in its outbox file.
fn once(index: &Index<'_>, key: Key<'_>, sent: &Sent<'_>, faults: &mut Faults<'_>) {
    for pair in sent.outcomes.windows(2) {
        let [(first, life, at), (second, next, _)] = pair else { continue };
        let device = &sent.sending.device;
        if life == next {
            let what = format!("{} of {device} was settled twice: {first:?}, then {second:?}", key.id);
            faults.add(Rule::SendSettledOnce, Some(device), Some(key), what);
        } else if first != second
            && !forgotten(index, sent, [first, second], *life, *at)
            && index.loss_after(*at).is_none()
        {
            // What a store lost is accepted anew when it is sent again.
            let what = format!("{} of {device} was settled in two ways: {first:?} and {second:?}", key.id);
            faults.add(Rule::SendSettledOnce, Some(device), Some(key), what);
        }
    }
}

fn forgotten(index: &Index<'_>, sent: &Sent<'_>, outcomes: [&Outcome; 2], life: u32, at: u64) -> bool {
    let killed = index.devices.get(&sent.sending.device).and_then(|lives| lives.killed.get(&life));
    outcomes.contains(&&Outcome::Unknown) && killed.is_some_and(|killed| at + REPEATS >= *killed)
}
