//! Who was in which group, as far as requests and answers show it. Between a request and its answer nothing is sure.

use std::collections::HashMap;

use crate::history::event::Fact;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Joining,
    Joined,
    Leaving,
    Left,
}

type Place<'h> = (&'h str, &'h str, &'h str);

/// Steps in the order of time, by tenant, user and group.
#[derive(Debug, Default)]
pub(super) struct Memberships<'h> {
    steps: HashMap<Place<'h>, Vec<(u64, Step)>>,
}

impl<'h> Memberships<'h> {
    pub(super) fn sort_in(&mut self, fact: &'h Fact, at: u64) {
        let (device, group, step) = match fact {
            Fact::Joining { device, group } => (device, group, Step::Joining),
            Fact::Joined { device, group } => (device, group, Step::Joined),
            Fact::Leaving { device, group } => (device, group, Step::Leaving),
            Fact::Left { device, group } => (device, group, Step::Left),
            // What was lost may be a membership.
            Fact::HubLost => {
                return self.steps.values_mut().for_each(|steps| steps.push((at, Step::Leaving)));
            }
            _ => return,
        };
        self.steps.entry((&device.tenant, &device.user, group)).or_default().push((at, step));
    }

    /// Whether the user was surely a member at this time and ever since: an end of the membership closes the stream
    /// even for entries under way.
    pub(super) fn is_in_since(&self, tenant: &str, user: &str, group: &str, at: u64) -> bool {
        let Some(steps) = self.steps.get(&(tenant, user, group)) else { return false };
        let last_end = steps.iter().rposition(|(_, step)| matches!(step, Step::Leaving | Step::Left));
        let run = &steps[last_end.map_or(0, |last| last + 1)..];
        run.iter().any(|(joined, step)| *step == Step::Joined && *joined < at)
    }

    /// Whether the user was surely no member between these times.
    pub(super) fn is_out_between(&self, tenant: &str, user: &str, group: &str, from: u64, to: u64) -> bool {
        let Some(steps) = self.steps.get(&(tenant, user, group)) else { return true };
        let before = steps.iter().rfind(|(at, _)| *at < from);
        let joins = steps.iter().any(|(at, step)| {
            (from..=to).contains(at) && matches!(step, Step::Joining | Step::Joined | Step::Leaving)
        });
        !joins && before.is_none_or(|(_, step)| *step == Step::Left)
    }
}
