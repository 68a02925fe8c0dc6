//! Who is in which group, in the memory store's state.

use std::sync::Arc;

use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::store::{Join, Joined, Membership, Milliseconds};
use super::state::State;

impl State {
    pub(super) fn join(&mut self, join: &Join) -> Joined {
        let user = UserKey { scope: join.group.scope.clone(), user: join.user.clone() };
        if let Some((membership, tombstone)) =
            self.groups.get(&join.group).and_then(|group| group.users.get(&join.user))
        {
            if membership.is_some() {
                return Joined::Already;
            }
            if tombstone.forbids(join.by) {
                return Joined::Refused;
            }
        }
        if self.users.get(&user).map_or(0, |user| user.groups.len()) >= join.max_groups {
            return Joined::TooMany;
        }
        // The stream exists from the first join on, so that its lineage does.
        let head = self.stream_mut(&StreamKey::Group(join.group.clone())).head();
        let group = self.groups.entry(join.group.clone()).or_default();
        group.members += 1;
        group.users.entry(join.user.clone()).or_default().0 =
            Some(Membership { start: head, since: join.now });
        self.users.entry(user).or_default().groups.insert(join.group.group.clone());
        Joined::New { head }
    }

    pub(super) fn leave(
        &mut self,
        key: &GroupKey,
        user: &Arc<str>,
        removed: bool,
        now: Milliseconds,
    ) -> bool {
        let known = self.groups.get(key).is_some_and(|group| group.users.contains_key(user));
        // A removal is remembered even of one who is no member: an older token may still claim the group.
        if !known && !removed {
            return false;
        }
        let group = self.groups.entry(key.clone()).or_default();
        let (membership, tombstone) = group.users.entry(user.clone()).or_default();
        let was_member = membership.take().is_some();
        if was_member || removed {
            tombstone.record(removed, now);
        }
        if was_member {
            group.members -= 1;
            let user = UserKey { scope: key.scope.clone(), user: user.clone() };
            if let Some(user) = self.users.get_mut(&user) {
                user.groups.remove(&key.group);
                user.delivered.remove(&StreamKey::Group(key.clone()));
            }
        }
        was_member
    }

    pub(super) fn disband(&mut self, key: &GroupKey, now: Milliseconds) -> Vec<Arc<str>> {
        let Some(group) = self.groups.get(key) else { return Vec::new() };
        let members: Vec<Arc<str>> = group
            .users
            .iter()
            .filter(|(_, (member, _))| member.is_some())
            .map(|(user, _)| user.clone())
            .collect();
        for user in &members {
            self.leave(key, user, true, now);
        }
        members
    }
}
