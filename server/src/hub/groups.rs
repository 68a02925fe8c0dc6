//! Memberships as connections see them: streams that open and close while they are connected.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;
use wsc_core::frame::{GroupChanged, HubFrame, OpenStream};
use wsc_core::{StreamName, limits};

use super::node::Node;
use super::shard::Shard;
use super::state::State;
use super::{clock, volatile};
use crate::log::key::{GroupKey, StreamKey};
use crate::log::store::{StoreError, Write, Written};

/// A request that is answered when the log tells of the change it made.
pub(crate) struct Awaited {
    pub(crate) group: Arc<str>,
    pub(crate) request_id: Arc<str>,
    pub(crate) told: oneshot::Sender<()>,
}

/// What a change does to the group's stream on a connection.
enum Stream {
    Opens(OpenStream<'static>),
    Closes,
    Stays,
}

impl Shard {
    /// A user joined a group: its stream opens on the user's connections that read all groups, or asked.
    pub(crate) fn joined(self: &Rc<Self>, group: &GroupKey, user: &Arc<str>, head: u64) {
        let mut state = self.state.borrow_mut();
        let key = crate::log::key::UserKey { scope: group.scope.clone(), user: Arc::clone(user) };
        state.membership_changed(&key);
        let Some(known) = state.users.get_mut(&key) else { return };
        known.groups.insert(Arc::clone(&group.group));
        let stream = StreamKey::Group(group.clone());
        for place in state.connections_of(&key) {
            let connection = &mut state.connections[place as usize];
            let awaited = connection.take_awaited(&group.group);
            if awaited.is_some()
                && let Some(wanted) = connection.rare.as_mut().and_then(|rare| rare.wanted.as_mut())
            {
                wanted.insert(Arc::clone(&group.group));
            }
            let wanted = connection.wants(&group.group);
            let open = connection.readings.iter().filter(|reading| !reading.closed).count();
            let already = connection
                .readings
                .iter()
                .any(|reading| reading.group.as_ref() == Some(&group.group) && !reading.closed);
            if !wanted || already || open >= limits::GROUPS + 2 {
                // Read since the connection began, which was after the join; or not to be read here.
                if awaited.is_some() {
                    connection.say_change(group, user, "joined", awaited, Stream::Stays);
                    self.touch(connection, place);
                }
                continue;
            }
            let opened = OpenStream {
                stream: StreamName::group(&group.group),
                epoch: self.node.log.store.epoch().to_string().into(),
                from: head + 1,
                head,
            };
            connection.say_change(group, user, "joined", awaited, Stream::Opens(opened));
            state.open(place, &stream, head + 1, head, true);
            // The device's first position in the group is kept like every other.
            let now = state.clock.tick();
            let State { connections, wheel, .. } = &mut *state;
            let connection = &mut connections[place as usize];
            connection.cursor_changed.get_or_insert(now);
            // Nothing else might wake it: a bare connection is not told.
            self.feed(connection, place);
            self.plan(wheel, connection, place, now);
            self.touch(connection, place);
        }
    }

    /// Memberships ended: the stream closes on the users' connections, and their devices' positions are forgotten.
    pub(crate) fn left(self: &Rc<Self>, group: &GroupKey, users: &[Arc<str>], action: &'static str) {
        let mut state = self.state.borrow_mut();
        let stream = StreamKey::Group(group.clone());
        for user in users {
            let key = crate::log::key::UserKey { scope: group.scope.clone(), user: Arc::clone(user) };
            state.membership_changed(&key);
            let Some(known) = state.users.get_mut(&key) else { continue };
            known.groups.remove(&group.group);
            for place in state.connections_of(&key) {
                let number = state.streams.number(&stream);
                let connection = &mut state.connections[place as usize];
                let awaited = connection.take_awaited(&group.group);
                let track = number.and_then(|number| connection.reading_of(number));
                if track.is_none() && awaited.is_none() {
                    continue;
                }
                let closes = if track.is_some() { Stream::Closes } else { Stream::Stays };
                connection.say_change(group, user, action, awaited, closes);
                if let Some(track) = track {
                    state.shut(place, track);
                }
                self.write_cursors(&mut state, place, vec![stream.clone()]);
                let connection = &mut state.connections[place as usize];
                // What was under way there is no more: others have room now.
                self.feed(connection, place);
                self.touch(connection, place);
            }
        }
    }
}

impl super::state::Connection {
    fn take_awaited(&mut self, group: &Arc<str>) -> Option<Box<Awaited>> {
        if self.awaited.as_ref().is_some_and(|awaited| awaited.group == *group) {
            self.awaited.take()
        } else {
            None
        }
    }

    fn say_change(
        &self,
        group: &GroupKey,
        user: &Arc<str>,
        action: &'static str,
        awaited: Option<Box<Awaited>>,
        stream: Stream,
    ) {
        let request_id = awaited.as_ref().map(|awaited| awaited.request_id.to_string()).unwrap_or_default();
        if self.bare.is_none() {
            self.say(&HubFrame::GroupChanged(Box::new(GroupChanged {
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
        if let Some(awaited) = awaited {
            let _ = awaited.told.send(());
        }
    }
}

/// Tells a group's other members of a change, in groups where that is affordable.
pub(crate) async fn announce(node: &Node, group: &GroupKey, user: &Arc<str>, action: &'static str) {
    let page = node.log.store.members(group, None, 0).await;
    if page.is_ok_and(|page| page.total <= limits::WATCH as u64) {
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
    let write =
        Write::Leave { group: group.clone(), user: Arc::clone(&user), removed: true, now: clock::wall() };
    let removed = matches!(node.log.write(write).await?, Written::Leave(true));
    if removed {
        announce(node, group, &user, "removed").await;
    }
    Ok(removed)
}

/// Ends a group; nothing happens when there is none.
pub(crate) async fn disband(node: &Node, group: &GroupKey) -> Result<bool, StoreError> {
    let write = Write::Disband { group: group.clone(), now: clock::wall() };
    Ok(matches!(node.log.write(write).await?, Written::Disband(users) if !users.is_empty()))
}
