//! A connection arrives at its home shard: what it reads and from where is decided, kept, and told.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use wsc_core::codes::AfterClose;
use wsc_core::frame::{Connected, HubFrame, OpenStream};
use wsc_core::peer::{Peer, TrackId, is_overtaken};
use wsc_core::{CloseCode, limits};

use super::clock;
use super::deliver::{device_bit, say_gap};
use super::node::Node;
use super::plan::{Plan, Planned, plan_streams};
use super::shard::Shard;
use super::state::{Connection, Rare, State, User};
use crate::admission::identity::Identity;
use crate::broker::stream_name;
use crate::connection::Signal;
use crate::connection::bare::Bare;
use crate::connection::wire::{Departed, SharedWire, Wire};
use crate::connection::{self, frame};
use crate::log::key::StreamKey;
use crate::log::store::{Cursor, StoreError};

/// An authenticated connection on its way to its shard.
pub(crate) struct Arrival {
    /// The socket, between two runtimes.
    pub(crate) wire: Option<Departed>,
    pub(crate) identity: Identity,
    pub(crate) connection_id: Arc<str>,
    /// The device; empty: a passing one.
    pub(crate) device: Arc<str>,
    /// Cursors of the frame, by stream name.
    pub(crate) cursors: HashMap<wsc_core::StreamName<'static>, Cursor>,
    /// Which groups to read; `None`: all.
    pub(crate) groups: Option<HashSet<Arc<str>>>,
    pub(crate) at_head: bool,
    /// When the `connect` was sent, by the device's clock; 0: unknown.
    pub(crate) sent_ms: u64,
    pub(crate) bare: Option<Box<Bare>>,
    /// Counts the connection while it lives.
    pub(crate) permit: crate::admission::Permit,
}

impl Arrival {
    /// Whether its device has one connection only: passing ones are many, and so are those of bare clients' shared one.
    fn is_exclusive(&self) -> bool {
        !self.device.is_empty() && !self.bare.as_ref().is_some_and(|bare| bare.shared)
    }
}

impl Arrival {
    /// Makes anew what stays as long as the connection. The allocator keeps memory by thread: single strings that stay
    /// between the listener's buffers, which come and go, would keep those from being used again.
    fn make_at_home(&mut self) {
        self.connection_id = (*self.connection_id).into();
        self.device = (*self.device).into();
        let identity = &mut self.identity;
        identity.user.user = (*identity.user.user).into();
        identity.device = (*identity.device).into();
        identity.groups = identity.groups.iter().map(|group| (**group).into()).collect();
        identity.capabilities.groups = identity.capabilities.groups.clone();
    }
}

impl Shard {
    /// Lets a connection in.
    pub(crate) fn arrive(self: &Rc<Self>, arrival: Box<Arrival>) {
        tokio::task::spawn_local(attach(Rc::clone(self), arrival));
    }

    /// The same device's earlier connections give way to the newer one.
    fn replace(self: &Rc<Self>, arrival: &Arrival) {
        if !arrival.is_exclusive() {
            return;
        }
        let earlier: Vec<(u32, u32)> = {
            let state = self.state.borrow();
            let places = state.connections_of(&arrival.identity.user);
            let places = places.into_iter().map(|place| (place, &state.connections[place as usize]));
            let same = places.filter(|(_, found)| !found.passing && found.device == arrival.device);
            same.map(|(place, found)| (place, found.generation)).collect()
        };
        for (place, generation) in earlier {
            self.close(place, generation, CloseCode::Replaced, "a newer connection of this device");
        }
    }
}

/// Kept small: the allocator uses the memory of small tasks again for the next, where the holes that large ones leave
/// between what stays are cut up.
async fn attach(shard: Rc<Shard>, mut arrival: Box<Arrival>) {
    arrival.make_at_home();
    let node = Arc::clone(&shard.node);
    let user = arrival.identity.user.clone();
    let Some(departed) = arrival.wire.take() else { return };
    let exclusive = arrival.is_exclusive();
    let is_bare = arrival.bare.is_some();
    let shared = arrival.bare.as_ref().is_some_and(|bare| bare.shared);
    if exclusive && is_overtaken(arrival.sent_ms, shard.state.borrow().sent_ms(&user, &arrival.device)) {
        // It was sent before the connection that is here, and took longer. Who sent it has given it up.
        return refuse(departed, is_bare, CloseCode::TryAgainLater, "retry_after_ms=1000");
    }
    shard.replace(&arrival);
    let sent_ms = arrival.sent_ms;
    let turn =
        if exclusive { shard.state.borrow_mut().attach_turn(&user, &arrival.device, sent_ms) } else { 0 };
    shard.state.borrow_mut().arrives(&user);
    let planned = AssertUnwindSafe(plan_streams(&shard, &arrival)).catch_unwind().await;
    shard.state.borrow_mut().arrived(&user);
    let planned = planned.unwrap_or(Err(StoreError::Closed));
    let Plan { streams, groups, attempts, told, epoch } = match planned {
        Ok(planned) => planned,
        Err(error) => {
            tracing::warn!(%error, "a connection could not be attached");
            shard.state.borrow_mut().is_turn(&user, &arrival.device, turn);
            return refuse(departed, is_bare, CloseCode::TryAgainLater, "retry_after_ms=5000");
        }
    };
    // Another connection of the device that came meanwhile is the newer one.
    if exclusive && !shard.state.borrow_mut().is_turn(&user, &arrival.device, turn) {
        return refuse(departed, is_bare, CloseCode::Replaced, "a newer connection of this device");
    }
    // Positions of an epoch that ended meanwhile: it begins anew in the present one.
    if epoch != node.log.store.epoch() {
        return refuse(departed, is_bare, CloseCode::Hole, "a new epoch");
    }
    // Whoever is let in now was not among those that are told and closed.
    if shard.state.borrow().draining {
        return refuse(departed, is_bare, CloseCode::GoingAway, "retry_after_ms=500");
    }
    shard.replace(&arrival);
    let Ok(wire) = Wire::arrive(departed) else { return };
    let (place, generation) = {
        let mut state = shard.state.borrow_mut();
        let now = state.clock.tick();
        let passing = arrival.device.is_empty();
        let device = if passing { Arc::clone(&arrival.connection_id) } else { Arc::clone(&arrival.device) };
        let mut peer = Peer::new(now, &node.settings.peer);
        peer.attach(now);
        peer.reserve(streams.len());
        let generation = state.generation();
        let bit = device_bit(&user.user, &device);
        let place = u32::try_from(state.connections.vacant_key()).unwrap_or(u32::MAX);
        let signal = Arc::new(Signal::new(&shard.signals, place, generation));
        state.connections.insert(Box::new(Connection {
            generation,
            id: Arc::clone(&arrival.connection_id),
            identity: Rc::new(arrival.identity),
            device,
            passing,
            sent_ms,
            wire: SharedWire(Rc::new(std::cell::RefCell::new(wire))),
            peer,
            readings: Vec::with_capacity(streams.len()),
            rare: arrival.groups.map(|wanted| Box::new(Rare { wanted: Some(wanted), ..Rare::default() })),
            bare: arrival.bare.take(),
            signal,
            reader: None,
            ending: false,
            closing: false,
            cut: false,
            hung_up: None,
            dirty: false,
            feeding: false,
            paused: None,
            asking: 0,
            asked_at: 0,
            choked: false,
            held: None,
            waiting_since: None,
            stuck: None,
            wheel: 0,
            writing: 0,
            answering: false,
            awaited: None,
            cursor_changed: None,
            seen_at: now,
            attempts,
            bit,
            attached: true,
            _permit: arrival.permit,
        }));
        let settings = &node.settings;
        let State { users, resting, .. } = &mut *state;
        let known = users.entry(user.clone()).or_insert_with(|| {
            Box::new(User {
                connections: Vec::with_capacity(1),
                groups: HashSet::new(),
                allowance: resting.take(&user, settings, now),
            })
        });
        known.connections.push(place);
        known.groups = groups;
        greet(&node, &state.connections[place as usize], &streams, &epoch);
        let missed_nothing = state.told == told;
        for planned in &streams {
            state.open(
                place,
                &planned.opened.stream,
                planned.resume.from,
                planned.opened.head,
                missed_nothing,
            );
            let connection = &mut state.connections[place as usize];
            let track = TrackId::try_from(connection.readings.len() - 1).unwrap_or(TrackId::MAX);
            connection.readings[track as usize].noted = (planned.resume.from - 1).max(planned.resume.left_to);
            if planned.resume.new_epoch {
                say_gap(connection, track, planned.resume.from, planned.resume.from - 1, "epoch");
            }
            if planned.resume.left_to >= planned.resume.from {
                say_gap(connection, track, planned.resume.from, planned.resume.left_to, "left");
            }
        }
        let State { connections, wheel, .. } = &mut *state;
        let connection = &mut connections[place as usize];
        shard.feed(connection, place);
        shard.plan(wheel, connection, place, now);
        shard.touch(connection, place);
        // What came before is read, and from then on what the socket says is heard.
        connection.wake();
        (place, generation)
    };
    let welcome = &node.settings.welcome;
    if !welcome.is_empty() {
        let mut state = shard.state.borrow_mut();
        if let Some(connection) = state.connection(place, generation) {
            let notice = HubFrame::Notice {
                message_type: "welcome".into(),
                data: "".into(),
                content: welcome.as_str().into(),
            };
            match &connection.bare {
                Some(bare) => bare.notice(&connection.wire, &notice),
                None => connection.say(&notice),
            }
            shard.touch(connection, place);
        }
    }
    node.presence.connected(&user, shared, &node);
    node.connections.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn group_of(stream: &StreamKey) -> Option<Arc<str>> {
    match stream {
        StreamKey::Group(group) => Some(Arc::clone(&group.group)),
        StreamKey::Inbox(_) | StreamKey::Broadcast(_) => None,
    }
}

fn greet(node: &Node, connection: &Connection, streams: &[Planned], epoch: &Arc<str>) {
    if let Some(bare) = &connection.bare {
        if node.settings.client_registered {
            let identity = &connection.identity;
            bare.registered(&connection.wire, &identity.user.user, &identity.user_type, &node.id);
        }
        return;
    }
    let identity = &connection.identity;
    let settings = &node.settings;
    let open = |planned: &Planned| OpenStream {
        stream: stream_name(&planned.opened.stream).into_owned(),
        epoch: epoch.to_string().into(),
        from: planned.resume.from,
        head: planned.opened.head,
    };
    connection.say(&HubFrame::Connected(Box::new(Connected {
        protocol: limits::PROTOCOL,
        connection_id: (&*connection.id).into(),
        user_id: (&*identity.user.user).into(),
        user_type: (&*identity.user_type).into(),
        device_id: (&*connection.device).into(),
        app_id: (&*identity.user.scope.app).into(),
        namespace: (&*identity.user.scope.namespace).into(),
        node_id: (&*node.id).into(),
        server_time_ms: clock::wall(),
        heartbeat_ms: settings.peer.heartbeat_ms,
        window: u64::from(settings.peer.window),
        ack_ms: settings.ack_ms,
        dedupe_ms: settings.retention.dedupe,
        frame_limit: settings.frame_limit as u64,
        streams: streams.iter().map(open).collect(),
    })));
}

/// Ends a connection that has not been let in.
fn refuse(wire: Departed, bare: bool, code: CloseCode, reason: &str) {
    if let Ok(mut wire) = Wire::arrive(wire) {
        if !(bare && is_cut(code)) {
            wire.push(frame::close(code.number(), reason));
        }
        tokio::task::spawn_local(connection::linger_on(wire));
    }
}

/// Whether a bare connection ends without a Close frame: only then does go-wsc's client connect again.
pub(crate) fn is_cut(code: CloseCode) -> bool {
    matches!(code.after(), AfterClose::Reconnect | AfterClose::ReconnectFewTimes)
}
