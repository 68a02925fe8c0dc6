//! Who is in which group, in the memory store's state.

use std::sync::Arc;

use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::store::{Join, Joined, Membership, Milliseconds, RequestId};
use super::state::{Member, State};

impl State {
    pub(super) fn join(&mut self, join: &Join) -> Joined {
        let user = UserKey { scope: join.group.scope.clone(), user: join.user.clone() };
        if let Some(Member { membership, request, tombstone }) =
            self.groups.get(&join.group).and_then(|group| group.users.get(&join.user))
        {
            if let Some(Membership { start, .. }) = membership {
                if !join.request.is_again(*request) {
                    return Joined::Already;
                }
                let version = self.version(&StreamKey::Group(join.group.clone()));
                return Joined::New { head: *start, epoch: self.epoch.clone(), version };
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
        group.changes.version += 1;
        let version = group.changes.version;
        let member = group.users.entry(join.user.clone()).or_default();
        member.membership = Some(Membership { start: head, since: join.now });
        member.request = join.request.0;
        self.users.entry(user.clone()).or_default().groups.insert(join.group.group.clone());
        self.changed(&user);
        Joined::New { head, epoch: self.epoch.clone(), version }
    }

    pub(super) fn leave(
        &mut self,
        key: &GroupKey,
        user: &Arc<str>,
        removed: bool,
        request: RequestId,
        now: Milliseconds,
    ) -> Option<u64> {
        if self.end_membership(key, user, removed, request, now) {
            let group = self.groups.get_mut(key)?;
            group.changes.version += 1;
            return Some(group.changes.version);
        }
        let group = self.groups.get(key)?;
        let Member { tombstone, .. } = group.users.get(user)?;
        request.is_again(tombstone.ended).then_some(group.changes.version)
    }

    /// Whether there was a membership to be ended.
    fn end_membership(
        &mut self,
        key: &GroupKey,
        user: &Arc<str>,
        removed: bool,
        request: RequestId,
        now: Milliseconds,
    ) -> bool {
        let known = self.groups.get(key).is_some_and(|group| group.users.contains_key(user));
        // A removal is remembered even of one who is no member: an older token may still claim the group.
        if !known && !removed {
            return false;
        }
        let group = self.groups.entry(key.clone()).or_default();
        let Member { membership, tombstone, .. } = group.users.entry(user.clone()).or_default();
        let was_member = membership.take().is_some();
        if was_member || removed {
            tombstone.record(removed, was_member.then_some(request), now);
        }
        if was_member {
            group.members -= 1;
            let user = UserKey { scope: key.scope.clone(), user: user.clone() };
            if let Some(user) = self.users.get_mut(&user) {
                user.groups.remove(&key.group);
                user.delivered.remove(&StreamKey::Group(key.clone()));
                user.version += 1;
            }
        }
        was_member
    }

    pub(super) fn disband(&mut self, key: &GroupKey, request: RequestId, now: Milliseconds) -> Option<u64> {
        let users = &self.groups.get(key)?.users;
        let members = users.iter().filter(|(_, member)| member.membership.is_some());
        let members: Vec<Arc<str>> = members.map(|(user, _)| user.clone()).collect();
        for user in &members {
            self.end_membership(key, user, true, request, now);
        }
        self.groups.get_mut(key)?.changes.disband(!members.is_empty(), request)
    }
}
