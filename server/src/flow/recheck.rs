//! Streams that other hubs write to, too: where they stand is told or asked for, and what is known of their readers is
//! looked up again when it may have changed. Nothing is handed out of a stream before that
//! ([`Standing::version`](crate::shard::standing::Standing)).

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use wsc_core::CloseCode;

use super::node::Node;
use super::{Subject, Turn};
use crate::cluster::topic::Topic;
use crate::log::LaneFailure;
use crate::log::key::{GroupKey, StreamKey, UserKey};
use crate::log::store::{Membership, OpenedStream, Person, StoreError, Tip};
use crate::net::id::ConnectionId;
use crate::shard::connection::Intake;
use crate::shard::standing::{Change, Check, Seen};
use crate::shard::state::State;

/// Before the store is asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Why a connection is closed whose claim is gone, where nobody has told the reason.
const KICKED: &str = "kicked";

/// What the store says of a stream and its readers. What was read last is at least as new as what was read first.
enum Looked {
    /// Of an inbox: all streams of its user, and the user's claims.
    User { streams: Vec<OpenedStream>, person: Person },
    /// Of a group: where it stood before the members were read.
    Group { tip: Tip, memberships: Vec<(Arc<str>, Option<Membership>)> },
    /// Of the broadcast, which everybody reads.
    Broadcast { tip: Tip },
}

impl OpenedStream {
    /// What a reader of it is known by.
    pub(super) fn seen(&self) -> Seen {
        Seen { epoch: Arc::clone(&self.epoch), version: self.version, start: self.start }
    }
}

impl Turn<'_> {
    /// Streams stand here. `is_asked`: the store says so now, rather than a hint that may be old.
    pub(super) fn tips(&mut self, tips: &[(StreamKey, Tip)], is_asked: bool) {
        for (key, tip) in tips {
            if let Some(number) = self.state.streams.number(key) {
                self.tip(number, tip, is_asked);
            }
        }
    }

    fn tip(&mut self, number: u32, tip: &Tip, is_asked: bool) {
        let stream = self.state.streams.get_mut(number);
        let Some(standing) = &stream.standing else { return };
        if tip.epoch != standing.epoch {
            if is_asked {
                self.close_readers(number);
            } else if let Some(cluster) = &self.cx.node().router.cluster {
                cluster.interests.look_at([Topic::Stream(stream.key.clone())]);
            }
            return;
        }
        let has_changed = tip.version > standing.version;
        self.raise_head(number, tip.head);
        if has_changed {
            self.recheck(number);
        }
    }

    /// A stream that other hubs write to has come this far, whoever found out: all its readers must read on.
    pub(super) fn raise_head(&mut self, number: u32, head: u64) {
        let State { streams, connections, .. } = &mut *self.state;
        let stream = streams.get_mut(number);
        if stream.standing.is_none() || head <= stream.head {
            return;
        }
        stream.head = head;
        for subscriber in &stream.subscribers {
            let connection = connections.at_mut(subscriber.slot);
            connection.subscriptions[subscriber.track].is_live = false;
            connection.feed(self.cx);
        }
    }

    /// The readers of a stream are in an epoch that has ended.
    pub(super) fn close_readers(&mut self, number: u32) {
        let subscribers = self.state.streams.get(number).subscribers.iter();
        let readers: Vec<ConnectionId> =
            subscribers.map(|subscriber| self.state.connections.at(subscriber.slot).id).collect();
        for id in readers {
            self.close(id, CloseCode::Hole, "a new epoch");
        }
    }

    /// A user's membership was changed by this hub: the user's connections hear of it when it was looked up, because
    /// other hubs may have changed it since.
    pub(super) fn changed(&mut self, user: &UserKey, change: Change) {
        let Some(number) = self.state.streams.number(&StreamKey::Inbox(user.clone())) else { return };
        if let Some(standing) = &mut self.state.streams.get_mut(number).standing {
            standing.changes.push(change);
        }
        self.recheck(number);
    }

    /// Somebody has ended claims of a user: which connections had them is looked up.
    pub(super) fn claims_ended(&mut self, user: &UserKey, reason: &Arc<str>) {
        let Some(number) = self.state.streams.number(&StreamKey::Inbox(user.clone())) else { return };
        if let Some(standing) = &mut self.state.streams.get_mut(number).standing {
            standing.kicked = Some(Arc::clone(reason));
        }
        self.recheck(number);
    }

    /// Looks up again what is known of the readers of a stream.
    pub(super) fn recheck(&mut self, number: u32) {
        let stream = self.state.streams.get_mut(number);
        let Some(standing) = &mut stream.standing else { return };
        if !standing.doubt() {
            return;
        }
        let changes = std::mem::take(&mut standing.changes);
        let key = stream.key.clone();
        let readers: Vec<(ConnectionId, Arc<str>)> = stream
            .subscribers
            .iter()
            .map(|subscriber| self.state.connections.at(subscriber.slot))
            .map(|connection| (connection.id, Arc::clone(&connection.identity.user.user)))
            .collect();
        let mut users: Vec<Arc<str>> = readers.iter().map(|(_, user)| Arc::clone(user)).collect();
        users.sort_unstable();
        users.dedup();
        let shard = Rc::clone(&self.cx.shard);
        self.cx.spawn_detached(async move {
            let looked = AssertUnwindSafe(look(&shard.node, &key, users)).catch_unwind().await;
            let error = match looked {
                Ok(Ok(looked)) => {
                    return shard.step(Subject::Nobody, move |turn| {
                        turn.looked(&key, &readers, &changes, looked);
                    });
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "a panic".to_owned(),
            };
            tracing::debug!(%error, "who reads a stream could not be looked up; it is tried again");
            tokio::time::sleep(PAUSE).await;
            shard.step(Subject::Nobody, move |turn| turn.look_again(&key, changes));
        });
    }

    /// The store did not answer: the question is asked again.
    fn look_again(&mut self, key: &StreamKey, changes: Vec<Change>) {
        let Some(number) = self.state.streams.number(key) else { return self.clear(key) };
        let Some(standing) = &mut self.state.streams.get_mut(number).standing else { return };
        standing.settle(0);
        standing.changes.extend(changes);
        self.recheck(number);
    }

    /// The store has answered.
    fn looked(
        &mut self,
        key: &StreamKey,
        readers: &[(ConnectionId, Arc<str>)],
        changes: &[Change],
        looked: Looked,
    ) {
        let Some(number) = self.state.streams.number(key) else { return self.clear(key) };
        let Some(standing) = &self.state.streams.get(number).standing else { return };
        let epoch = Arc::clone(&standing.epoch);
        let tip = match looked {
            Looked::User { streams, person } => {
                let StreamKey::Inbox(user) = key else { return };
                let Some(inbox) = streams.iter().find(|opened| opened.stream == *key) else { return };
                let tip = inbox.tip();
                if tip.epoch == epoch {
                    self.judge_claims(number, readers, &person);
                    self.judge_groups(user, &streams, changes);
                }
                tip
            }
            Looked::Group { tip, memberships } => {
                let StreamKey::Group(group) = key else { return };
                if tip.epoch == epoch {
                    self.judge_members(group, number, &tip, memberships);
                }
                tip
            }
            Looked::Broadcast { tip } => tip,
        };
        // Whoever read it may have gone.
        let Some(number) = self.state.streams.number(key) else { return self.clear(key) };
        let standing = self.state.streams.get_mut(number).standing.as_mut();
        if standing.is_some_and(|standing| standing.settle(tip.version)) {
            return self.recheck(number);
        }
        self.clear(key);
        let State { streams, connections, .. } = &mut *self.state;
        for subscriber in &streams.get(number).subscribers {
            let connection = connections.at_mut(subscriber.slot);
            connection.subscriptions[subscriber.track].is_held = false;
            connection.feed(self.cx);
        }
        self.tip(number, &tip, true);
    }

    /// Connections whose claims are gone are closed: the device has a newer one, or somebody ended it.
    fn judge_claims(&mut self, number: u32, readers: &[(ConnectionId, Arc<str>)], person: &Person) {
        let told =
            self.state.streams.get(number).standing.as_ref().and_then(|standing| standing.kicked.clone());
        let reason = told.unwrap_or_else(|| KICKED.into());
        // Those that came after the question are not in the answer.
        for (id, _) in readers {
            let Some((connection, _)) = self.with(*id) else { continue };
            let turn = connection.turn;
            let claim = person.claims.iter().find(|claim| claim.device == *connection.claim());
            match claim {
                _ if turn == 0 => {}
                Some(claim) if claim.turn <= turn => {}
                Some(_) => self.close(*id, CloseCode::Replaced, "a newer connection of this device"),
                None => self.kick_one(*id, &reason),
            }
        }
    }

    /// A user's groups are these now.
    fn judge_groups(&mut self, user: &UserKey, streams: &[OpenedStream], changes: &[Change]) {
        let Some(known) = self.state.users.get(user) else { return };
        // An attach knows the newest groups of the user; connections that were there before may not read them yet.
        let read = self.state.of_user(user).flat_map(|connection| connection.subscriptions.open());
        let read = read.filter_map(|(_, subscription)| subscription.group.as_ref());
        let mut gone: BTreeSet<Arc<str>> = known.groups.iter().chain(read).cloned().collect();
        let mut fresh = Vec::new();
        for opened in streams {
            let StreamKey::Group(group) = &opened.stream else { continue };
            let was_in = gone.remove(&group.group) && known.groups.contains(&group.group);
            if was_in && self.starts_elsewhere(group, &user.user, opened.start) {
                gone.insert(Arc::clone(&group.group));
                fresh.push((group, opened));
            } else if !was_in || self.is_unread(user, &group.group) {
                fresh.push((group, opened));
            }
        }
        for group in gone {
            let change = changes.iter().rfind(|change| change.group == group && change.action != "joined");
            let action = change.map_or("removed", |change| change.action);
            let group = GroupKey { scope: user.scope.clone(), group };
            self.left(&group, Some(&user.user), action);
        }
        for (group, opened) in fresh {
            self.joined(group, &user.user, opened.start, &opened.epoch, Some(&opened.seen()));
        }
        for change in changes {
            self.answer_change(user, change);
        }
    }

    /// The members of a group among its readers are these now.
    fn judge_members(
        &mut self,
        group: &GroupKey,
        number: u32,
        tip: &Tip,
        memberships: Vec<(Arc<str>, Option<Membership>)>,
    ) {
        if let Some(standing) = &mut self.state.streams.get_mut(number).standing {
            let readers: Vec<&Arc<str>> = memberships.iter().map(|(user, _)| user).collect();
            // Who came meanwhile is looked at once more.
            if standing.check == Check::Running {
                standing.starts.retain(|user, _| readers.contains(&user));
            }
        }
        for (user, membership) in memberships {
            match membership {
                None => self.left(group, Some(&user), "removed"),
                Some(Membership { start, .. }) if self.starts_elsewhere(group, &user, start) => {
                    self.left(group, Some(&user), "left");
                    let seen = Seen { epoch: Arc::clone(&tip.epoch), version: tip.version, start };
                    self.joined(group, &user, start, &tip.epoch, Some(&seen));
                }
                Some(_) => {}
            }
        }
    }

    /// Whether a connection of a user does not read a group that it wants.
    fn is_unread(&self, user: &UserKey, group: &Arc<str>) -> bool {
        self.state.of_user(user).any(|connection| {
            let mut open = connection.subscriptions.open();
            connection.wants(group) && !open.any(|(_, found)| found.group.as_ref() == Some(group))
        })
    }

    /// Whether a reader of a group has left and joined again.
    fn starts_elsewhere(&self, group: &GroupKey, user: &Arc<str>, start: u64) -> bool {
        let number = self.state.streams.number(&StreamKey::Group(group.clone()));
        let standing = number.and_then(|number| self.state.streams.get(number).standing.as_ref());
        standing.and_then(|standing| standing.starts.get(user)).is_some_and(|known| *known != start)
    }

    /// A lane of the log has failed: whoever waits for it connects again, and sends again what was not stored.
    pub(super) fn lane_failed(&mut self, failure: &LaneFailure) {
        // What was created before is not made.
        self.cx.submit();
        self.cx.generations.advance(failure);
        let code = if matches!(failure.error, StoreError::Epoch) {
            CloseCode::Hole
        } else {
            CloseCode::TryAgainLater
        };
        let mut waiting = Vec::new();
        for connection in self.state.connections.iter_mut().filter(|found| found.is_attached()) {
            // What was handed over since the lane failed will not be made either.
            connection.is_forgetful |= connection.keeping > 0;
            if connection.writing > 0 || connection.keeping > 0 {
                waiting.push(connection.id);
            }
        }
        for id in waiting {
            self.close(id, code, "retry_after_ms=1000");
        }
    }

    /// The process was stopped, and others went on: a connection here may have been replaced or kicked. None is read, and
    /// nothing is handed out, until that was looked up.
    pub(super) fn suspect_all(&mut self) {
        for key in self.state.streams.keys() {
            let Some(number) = self.state.streams.number(&key) else { continue };
            if let Some(standing) = &mut self.state.streams.get_mut(number).standing {
                standing.version = 0;
            }
            if let StreamKey::Inbox(user) = &key {
                self.state.suspects.insert(user.clone());
                self.recheck(number);
            }
            if let Some(cluster) = &self.cx.node().router.cluster {
                cluster.interests.look_at([Topic::Stream(key)]);
            }
        }
    }

    /// Of the user of an inbox it is known again what is true.
    fn clear(&mut self, key: &StreamKey) {
        let StreamKey::Inbox(user) = key else { return };
        if self.state.suspects.remove(user) && self.state.suspects.is_empty() {
            for connection in self.state.connections.iter() {
                if matches!(connection.intake, Intake::Open) {
                    connection.wake();
                }
            }
        }
    }
}

impl OpenedStream {
    fn tip(&self) -> Tip {
        Tip { epoch: Arc::clone(&self.epoch), head: self.head, version: self.version }
    }
}

/// Asks the store.
async fn look(node: &Node, key: &StreamKey, users: Vec<Arc<str>>) -> Result<Looked, StoreError> {
    let store = &node.log.store;
    match key {
        StreamKey::Inbox(user) => {
            let opened = store.open(user, None).await?;
            let people = store.people(std::slice::from_ref(user)).await?;
            let person = people.into_iter().next().ok_or(StoreError::Closed)?;
            let inbox = opened.streams.iter().find(|opened| opened.stream == *key);
            is_still_in(node, key, inbox.map(|inbox| &inbox.epoch)).await?;
            Ok(Looked::User { streams: opened.streams, person })
        }
        StreamKey::Group(group) => {
            let tip = tip_of(node, key).await?;
            let memberships = store.memberships(group, &users).await?;
            is_still_in(node, key, Some(&tip.epoch)).await?;
            Ok(Looked::Group { tip, memberships: users.into_iter().zip(memberships).collect() })
        }
        StreamKey::Broadcast(_) => Ok(Looked::Broadcast { tip: tip_of(node, key).await? }),
    }
}

/// What was read in several steps is of one epoch, or it is read again: of what the store has lost nobody was kicked or
/// removed.
async fn is_still_in(node: &Node, key: &StreamKey, epoch: Option<&Arc<str>>) -> Result<(), StoreError> {
    let tip = tip_of(node, key).await?;
    if epoch == Some(&tip.epoch) { Ok(()) } else { Err(StoreError::Epoch) }
}

async fn tip_of(node: &Node, key: &StreamKey) -> Result<Tip, StoreError> {
    let tips = node.log.store.tips(std::slice::from_ref(key)).await?;
    tips.into_iter().next().ok_or(StoreError::Closed)
}
