//! Memberships as connections see them: streams that open and close while they are connected.

use std::sync::Arc;

use wsc_core::frame::{GroupChanged, HubFrame, OpenStream};
use wsc_core::{StreamName, limits};

use super::node::Node;
use super::{Turn, volatile};
use crate::clock;
use crate::log::key::{GroupKey, StreamKey, UserKey};
use crate::log::store::{RequestId, StoreError, Write, Written};
use crate::shard::attaching::PendingMembership;
use crate::shard::connection::Connection;
use crate::shard::standing::{Change, Seen};
use crate::shard::state::State;
use crate::shard::subscription::Subscription;

/// What a change does to the group's stream on a connection.
enum Stream {
    Opens(OpenStream<'static>),
    Closes,
    Stays,
}

impl Turn<'_> {
    /// A user joined a group: its stream opens on the user's connections that read all groups, or asked.
    /// `seen`: where other hubs write to the group, too.
    pub(super) fn joined(
        &mut self,
        group: &GroupKey,
        user: &Arc<str>,
        head: u64,
        epoch: &Arc<str>,
        seen: Option<&Seen>,
    ) {
        let key = UserKey { scope: group.scope.clone(), user: Arc::clone(user) };
        let Some(known) = self.state.users.get_mut(&key) else { return };
        known.groups.insert(Arc::clone(&group.group));
        let stream = StreamKey::Group(group.clone());
        for id in self.state.connections_of(&key) {
            let Some((connection, cx)) = self.with(id) else { continue };
            let pending = connection.take_pending(&group.group, true);
            if pending.is_some()
                && let Some(wanted) = connection.extras.as_mut().and_then(|extras| extras.wanted.as_mut())
            {
                wanted.insert(Arc::clone(&group.group));
            }
            let open = connection.subscriptions.open().count();
            let reads = |found: &Subscription| found.group.as_ref() == Some(&group.group);
            let already = connection.subscriptions.open().any(|(_, found)| reads(found));
            if !connection.wants(&group.group) || already || open >= limits::GROUPS + 2 {
                // Read since the connection began, which was after the join; or not to be read here.
                if pending.is_some() {
                    connection.write_change(group, user, "joined", pending, Stream::Stays);
                    cx.touch(connection);
                }
                continue;
            }
            let opened = OpenStream {
                stream: StreamName::group(&group.group),
                epoch: epoch.to_string().into(),
                from: head + 1,
                head,
            };
            connection.write_change(group, user, "joined", pending, Stream::Opens(opened));
            if let Some(number) = self.state.streams.number(&stream) {
                self.raise_head(number, head);
            }
            let Some((connection, cx)) = self.with(id) else { continue };
            // The device's first position in the group is kept like every other.
            connection.cursor_changed.get_or_insert(cx.now);
            self.state.subscribe(id, &stream, head + 1, head, seen);
            let State { connections, wheel, .. } = &mut *self.state;
            let Some(connection) = connections.get_mut(id) else { continue };
            // Nothing else might wake it: a bare connection is not told.
            connection.feed(self.cx);
            connection.schedule(wheel, self.cx);
            self.cx.touch(connection);
        }
    }

    /// The membership of a user ended, or those of all (`None`): the stream closes on the users' connections, and their
    /// devices' positions are forgotten.
    pub(super) fn left(&mut self, group: &GroupKey, user: Option<&Arc<str>>, action: &'static str) {
        let stream = StreamKey::Group(group.clone());
        let keys = match user {
            Some(user) => vec![UserKey { scope: group.scope.clone(), user: Arc::clone(user) }],
            None => self.state.members(group),
        };
        for key in keys {
            let user = &key.user;
            let Some(known) = self.state.users.get_mut(&key) else { continue };
            known.groups.remove(&group.group);
            for id in self.state.connections_of(&key) {
                let number = self.state.streams.number(&stream);
                let Some((connection, _)) = self.with(id) else { continue };
                let pending = connection.take_pending(&group.group, false);
                let track = number.and_then(|number| connection.subscriptions.track_of(number));
                if track.is_none() && pending.is_none() {
                    continue;
                }
                let closes = if track.is_some() { Stream::Closes } else { Stream::Stays };
                connection.write_change(group, user, action, pending, closes);
                if let Some(track) = track {
                    self.state.unsubscribe(id, track);
                }
                self.write_cursors(id, vec![stream.clone()]);
                let Some((connection, cx)) = self.with(id) else { continue };
                // What was under way there is no more: others have room now.
                connection.feed(cx);
                cx.touch(connection);
            }
        }
    }

    /// Answers the requests of a user's connections that wait for a change which was made, and which was undone or known
    /// before it could be seen.
    pub(super) fn answer_change(&mut self, user: &UserKey, change: &Change) {
        let group = GroupKey { scope: user.scope.clone(), group: Arc::clone(&change.group) };
        for id in self.state.connections_of(user) {
            let Some((connection, cx)) = self.with(id) else { continue };
            let pending = connection.take_pending(&change.group, change.action == "joined");
            if pending.is_some() {
                connection.write_change(&group, &user.user, change.action, pending, Stream::Stays);
                cx.touch(connection);
            }
        }
    }
}

impl Connection {
    fn take_pending(&mut self, group: &Arc<str>, joins: bool) -> Option<Box<PendingMembership>> {
        self.pending_membership.take_if(|pending| pending.group == *group && pending.joins == joins)
    }

    fn write_change(
        &mut self,
        group: &GroupKey,
        user: &Arc<str>,
        action: &'static str,
        pending: Option<Box<PendingMembership>>,
        stream: Stream,
    ) {
        let request_id = pending.as_ref().map(|pending| pending.request_id.to_string()).unwrap_or_default();
        if self.bare.is_none() {
            self.write(&HubFrame::GroupChanged(Box::new(GroupChanged {
                request_id: request_id.into(),
                group: group.group.to_string().into(),
                action: action.into(),
                user: user.to_string().into(),
                closes: matches!(stream, Stream::Closes),
                opened: match stream {
                    Stream::Opens(open) => Some(open),
                    Stream::Closes | Stream::Stays => None,
                },
            })));
        }
        if let Some(pending) = pending {
            let _ = pending.published.send(());
        }
    }
}

/// Tells a group's other members of a change, in groups where that is affordable.
pub(crate) async fn announce(node: &Node, group: &GroupKey, user: &Arc<str>, action: &'static str) {
    let count = node.log.store.member_count(group).await;
    if count.is_ok_and(|count| count <= limits::WATCH as u64) {
        let frame = HubFrame::GroupChanged(Box::new(GroupChanged {
            request_id: "".into(),
            group: group.group.to_string().into(),
            action: action.into(),
            user: user.to_string().into(),
            opened: None,
            closes: false,
        }));
        volatile::tell_group(node, group, user, &frame);
    }
}

/// Removes a member; nothing happens when there is none.
pub(crate) async fn remove(node: &Node, group: &GroupKey, user: &str) -> Result<bool, StoreError> {
    let user: Arc<str> = user.into();
    let write = Write::Leave {
        group: group.clone(),
        user: Arc::clone(&user),
        removed: true,
        request: RequestId::new(),
        now: clock::wall().ms(),
    };
    let removed = matches!(node.log.write(write).await?, Written::Leave(Some(_)));
    if removed {
        announce(node, group, &user, "removed").await;
    }
    Ok(removed)
}

/// Ends a group; nothing happens when there is none.
pub(crate) async fn disband(node: &Node, group: &GroupKey) -> Result<bool, StoreError> {
    let write = Write::Disband { group: group.clone(), request: RequestId::new(), now: clock::wall().ms() };
    Ok(matches!(node.log.write(write).await?, Written::Disband(Some(_))))
}
