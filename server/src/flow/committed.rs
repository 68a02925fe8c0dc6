//! What this hub committed to a store that others write to: readers hear of it as of everybody's, by where the stream stands.

use std::rc::Rc;
use std::sync::Arc;

use super::{Subject, Turn};
use crate::failure::FailureKind;
use crate::log::commit::Published;
use crate::log::key::UserKey;
use crate::log::store::{Person, Target};
use crate::shard::standing::Change;

impl Turn<'_> {
    /// What this hub committed to a store that others write to. Readers hear of it by its tip, as of what others commit.
    pub(super) fn committed_here(&mut self, events: &[Arc<Published>]) {
        for event in events {
            match &**event {
                Published::Entry(commit) => {
                    self.observe(commit);
                    self.report_offline_anywhere(event);
                }
                Published::Joined { group, user, .. } => {
                    let user = UserKey { scope: group.scope.clone(), user: Arc::clone(user) };
                    self.changed(&user, Change { group: Arc::clone(&group.group), action: "joined" });
                }
                Published::Left { group, user, action } => {
                    let users = match user {
                        Some(user) => vec![UserKey { scope: group.scope.clone(), user: Arc::clone(user) }],
                        None => self.state.members(group),
                    };
                    for user in users {
                        self.changed(&user, Change { group: Arc::clone(&group.group), action });
                    }
                }
                // Streams of other epochs are found by their tips.
                Published::EpochBegan => {
                    if let Some(cluster) = &self.cx.node().router.cluster {
                        cluster.interests.look_at_all();
                    }
                }
            }
        }
    }

    /// An entry that nobody reads here. Whether its user is on another hub the store knows, and is asked if anybody wants to
    /// hear of it.
    fn report_offline_anywhere(&mut self, event: &Arc<Published>) {
        let Published::Entry(commit) = &**event else { return };
        let is_read_here = self.state.streams.number(&commit.stream).is_some();
        let Target::User(user) = &commit.append.target else { return };
        if is_read_here || !self.cx.node().failures.are_handled(FailureKind::UserOffline) {
            return;
        }
        let (shard, event, user) = (Rc::clone(&self.cx.shard), Arc::clone(event), user.clone());
        self.cx.spawn_detached(async move {
            let node = &shard.node;
            let people = node.log.store.people(std::slice::from_ref(&user)).await;
            let Some(cluster) = &node.router.cluster else { return };
            let is_anywhere =
                |person: &Person| person.claims.iter().any(|claim| cluster.members.counts(claim));
            if people.is_ok_and(|people| !people.iter().any(is_anywhere)) {
                shard.step(Subject::Nobody, move |turn| {
                    if let Published::Entry(commit) = &*event {
                        turn.report_offline(commit);
                    }
                });
            }
        });
    }
}
