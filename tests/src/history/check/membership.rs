//! Who was in which group, as far as requests and answers show it. Between a request and its answer nothing is sure, and
//! an answer may be that of a request before: a device asks again before it was answered.

use std::collections::HashMap;

use crate::history::{Device, Fact};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Joining,
    Joined,
    Leaving,
    Left,
    /// A device that asked is connected anew: what was not answered before never will be.
    Connected,
    /// What was lost may be a membership.
    Lost,
}

/// A step, when, and of which device.
type Taken<'h> = (u64, Step, Option<&'h Device>);

type Place<'h> = (&'h str, &'h str, &'h str);

/// Steps in the order of time, by tenant, user and group.
#[derive(Debug, Default)]
pub(super) struct Memberships<'h> {
    steps: HashMap<Place<'h>, Vec<Taken<'h>>>,
}

impl<'h> Memberships<'h> {
    pub(super) fn sort_in(&mut self, fact: &'h Fact, at: u64) {
        let (device, group, step) = match fact {
            Fact::Joining { device, group } => (device, group, Step::Joining),
            Fact::Joined { device, group } => (device, group, Step::Joined),
            Fact::Leaving { device, group } => (device, group, Step::Leaving),
            Fact::Left { device, group } => (device, group, Step::Left),
            Fact::Connected { device } => {
                for ((tenant, user, _), steps) in &mut self.steps {
                    if (*tenant, *user) == (device.tenant.as_str(), device.user.as_str()) {
                        steps.push((at, Step::Connected, Some(device)));
                    }
                }
                return;
            }
            Fact::HubLost => {
                return self.steps.values_mut().for_each(|steps| steps.push((at, Step::Lost, None)));
            }
            _ => return,
        };
        let place = (device.tenant.as_str(), device.user.as_str(), group.as_str());
        self.steps.entry(place).or_default().push((at, step, Some(device)));
    }

    /// Whether the user was surely a member at this time and ever since: an end of the membership closes the stream
    /// even for entries under way.
    pub(super) fn is_in_since(&self, tenant: &str, user: &str, group: &str, at: u64) -> bool {
        let Some(steps) = self.steps.get(&(tenant, user, group)) else { return false };
        let end = |step: Step| matches!(step, Step::Leaving | Step::Left | Step::Lost);
        let mut joined = answers_after(steps, end, Step::Joining, Step::Joined);
        joined.any(|joined| joined < at)
    }

    /// Whether the user was surely no member between these times.
    pub(super) fn is_out_between(&self, tenant: &str, user: &str, group: &str, from: u64, to: u64) -> bool {
        let Some(steps) = self.steps.get(&(tenant, user, group)) else { return true };
        let changes = steps
            .iter()
            .any(|(at, step, _)| (from..=to).contains(at) && !matches!(step, Step::Left | Step::Connected));
        let before: Vec<_> = steps.iter().copied().filter(|(at, ..)| *at < from).collect();
        let last = before.iter().rfind(|(_, step, _)| *step != Step::Connected);
        let start = |step: Step| matches!(step, Step::Joining | Step::Joined);
        !changes
            && last.is_none_or(|(_, step, _)| *step == Step::Left)
            && (before.is_empty()
                || answers_after(&before, start, Step::Leaving, Step::Left).next().is_some())
    }
}

/// When requests were answered that were surely made after the last step that turned things round: an answer for each
/// that waited at that time is left out.
fn answers_after<'s>(
    steps: &'s [Taken<'_>],
    turns: impl Fn(Step) -> bool,
    asked: Step,
    answered: Step,
) -> impl Iterator<Item = u64> + 's {
    let turn = steps.iter().rposition(|(_, step, _)| turns(*step)).map_or(0, |last| last + 1);
    let (before, after) = steps.split_at(turn);
    let mut waiting: HashMap<&Device, usize> = HashMap::new();
    for (_, step, device) in before {
        let Some(device) = *device else { continue };
        let count = waiting.entry(device).or_default();
        match *step {
            step if step == asked => *count += 1,
            step if step == answered => *count = count.saturating_sub(1),
            Step::Connected => *count = 0,
            _ => {}
        }
    }
    after.iter().filter_map(move |(at, step, device)| {
        let count = device.map(|device| waiting.entry(device).or_default());
        match (*step, count) {
            (Step::Connected, Some(count)) => *count = 0,
            (step, Some(count)) if step == answered && *count > 0 => *count -= 1,
            (step, _) if step == answered => return Some(*at),
            _ => {}
        }
        None
    })
}
