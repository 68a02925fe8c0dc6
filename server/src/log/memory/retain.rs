//! What the memory store forgets, a bounded amount per call: the sweep goes round over streams, users and groups and
//! remembers where it was. Trimming never moves a head.

use std::ops::Bound;

use super::super::key::StreamKey;
use super::super::rules;
use super::super::store::Milliseconds;
use super::state::{State, Sweep};

/// How many things one call looks at.
const STEPS: usize = 2_000;

impl State {
    /// See [`Store::maintain`](crate::log::store::Store::maintain).
    pub fn maintain(&mut self, now: Milliseconds) -> bool {
        let mut left = STEPS;
        while left > 0
            && self.id_times.front().is_some_and(|(at, ..)| rules::outlived(*at, now, self.retention.dedupe))
        {
            left -= 1;
            if let Some((_, sender, id)) = self.id_times.pop_front() {
                let key = (sender, id);
                let window = self.retention.dedupe;
                if let Some(list) = self.ids.get_mut(&key) {
                    list.retain(|(_, known)| !rules::outlived(known.create_at, now, window));
                    if list.is_empty() {
                        self.ids.remove(&key);
                    }
                }
            }
        }
        while left > 0 {
            let next = match std::mem::take(&mut self.sweep) {
                Sweep::Start => self.sweep_streams(None, now, &mut left),
                Sweep::Streams(after) => self.sweep_streams(Some(&after), now, &mut left),
                Sweep::Users(after) => {
                    let range = (after.as_ref().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
                    let keep = self.retention.device;
                    let mut last = None;
                    for (key, user) in self.users.range_mut::<super::super::key::UserKey, _>(range).take(left)
                    {
                        left -= 1;
                        user.devices.retain(|_, device| !rules::outlived(device.last_seen, now, keep));
                        last = Some(key.clone());
                    }
                    if left == 0 { Some(Sweep::Users(last.or(after))) } else { Some(Sweep::Groups(None)) }
                }
                Sweep::Groups(after) => {
                    let range = (after.as_ref().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
                    let life = rules::tombstone_life(&self.retention);
                    let mut last = None;
                    for (key, group) in self.groups.range_mut::<super::super::key::GroupKey, _>(range) {
                        // A group is swept whole; a big one makes one call longer.
                        left = left.saturating_sub(group.users.len().max(1));
                        group.users.retain(|_, member| {
                            member.membership.is_some() || !member.tombstone.expired(now, life)
                        });
                        last = Some(key.clone());
                        if left == 0 {
                            break;
                        }
                    }
                    if left == 0 { Some(Sweep::Groups(last.or(after))) } else { None }
                }
            };
            match next {
                Some(next) => self.sweep = next,
                None => return false,
            }
        }
        true
    }

    fn sweep_streams(
        &mut self,
        after: Option<&StreamKey>,
        now: Milliseconds,
        left: &mut usize,
    ) -> Option<Sweep> {
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut last = after.cloned();
        for (key, stream) in self.streams.range_mut::<StreamKey, _>(range) {
            *left = left.saturating_sub(1);
            let limit = key.most(&self.retention);
            while let Some(oldest) = stream.oldest() {
                let too_many = stream.entries.len() as u64 > limit;
                if !too_many && !rules::outlived(oldest.create_at, now, self.retention.age) {
                    break;
                }
                if *left == 0 {
                    // This stream is not done: go on with it.
                    return Some(last.map_or(Sweep::Start, Sweep::Streams));
                }
                *left -= 1;
                stream.entries.pop_front();
                stream.trimmed += 1;
            }
            last = Some(key.clone());
            if *left == 0 {
                return last.map(Sweep::Streams);
            }
        }
        Some(Sweep::Users(None))
    }
}
