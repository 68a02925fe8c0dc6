//! A connection arrives at its home shard: what it reads and from where is decided, kept, and told.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use wsc_core::frame::{Connected, HubFrame, OpenStream};
use wsc_core::peer::{Peer, is_overtaken};
use wsc_core::{CloseCode, limits};

use super::deliver::{device_bit, write_gap};
use super::lifecycle::is_cut;
use super::plan::{Plan, Planned, join_groups, plan_streams};
use super::{Context, Handle, Turn};
use crate::log::store::StoreError;
use crate::net::encode;
use crate::net::entry::stream_name;
use crate::net::id::ConnectionId;
use crate::net::linger::linger;
use crate::net::signal::Signal;
use crate::net::wire::Wire;
use crate::shard::connection::{Beginning, Connection};
use crate::shard::letter::Arrival;
use crate::shard::state::State;

impl Arrival {
    /// Whether its device has one connection only: ephemeral ones are many, and so are those of bare clients' shared one.
    fn is_exclusive(&self) -> bool {
        !self.device.is_empty() && !self.is_shared()
    }

    /// Whether it is one of several of a device that bare clients share.
    fn is_shared(&self) -> bool {
        self.bare.as_ref().is_some_and(|bare| bare.shared)
    }

    /// Makes anew what stays as long as the connection. The allocator keeps memory by thread: single strings that stay
    /// between the listener's buffers, which come and go, would keep those from being used again.
    fn make_at_home(&mut self) {
        self.name = (*self.name).into();
        self.device = (*self.device).into();
        let identity = &mut self.identity;
        identity.user.user = (*identity.user.user).into();
        identity.device = (*identity.device).into();
        identity.groups = identity.groups.iter().map(|group| (**group).into()).collect();
        identity.capabilities.groups = identity.capabilities.groups.clone();
    }
}

/// Why a connection is not let in.
struct Refused(CloseCode, &'static str);

impl Turn<'_> {
    /// Begins to let a connection in.
    pub(super) fn arrive(&mut self, mut arrival: Box<Arrival>) {
        arrival.make_at_home();
        let user = arrival.identity.user.clone();
        let exclusive = arrival.is_exclusive();
        if exclusive && is_overtaken(arrival.sent_ms, self.state.sent_ms(&user, &arrival.device)) {
            // It was sent before the connection that is here, and took longer. Who sent it has given it up.
            let refused = Refused(CloseCode::TryAgainLater, "retry_after_ms=1000");
            return refuse(self.cx, &mut arrival, &refused);
        }
        self.replace(&arrival);
        let attaching = &mut self.state.attaching;
        let turn = if exclusive { attaching.take_turn(&user, &arrival.device, arrival.sent_ms) } else { 0 };
        attaching.begin(&user);
        let task = attach(Rc::clone(&self.cx.shard), arrival, turn);
        self.cx.spawn_detached(task);
    }

    /// The same device's earlier connections give way to the newer one.
    fn replace(&mut self, arrival: &Arrival) {
        if !arrival.is_exclusive() {
            return;
        }
        let same = self.state.of_user(&arrival.identity.user);
        let same = same.filter(|found| !found.is_ephemeral && found.device == arrival.device);
        let earlier: Vec<ConnectionId> = same.map(|found| found.id).collect();
        for id in earlier {
            self.close(id, CloseCode::Replaced, "a newer connection of this device");
        }
    }

    /// Lets a connection in, if nothing has come between. Gives it back where it must be planned again.
    fn install(
        &mut self,
        mut arrival: Box<Arrival>,
        attach_turn: u64,
        planned: Result<Plan, StoreError>,
    ) -> Option<Box<Arrival>> {
        let user = arrival.identity.user.clone();
        // A membership that changed meanwhile is looked at again.
        if planned.as_ref().is_ok_and(|plan| plan.changes != self.state.attaching.changes(&user)) {
            return Some(arrival);
        }
        self.state.attaching.end(&user);
        let result = self.may_attach(&arrival, attach_turn, planned);
        let plan = match result {
            Ok(plan) => plan,
            Err(refused) => {
                refuse(self.cx, &mut arrival, &refused);
                return None;
            }
        };
        self.replace(&arrival);
        let Ok(wire) = Wire::arrive(arrival.wire.take()?) else { return None };
        let is_shared = arrival.is_shared();
        let id = self.insert(*arrival, wire, &plan);
        let cx = &mut *self.cx;
        self.state.attach(&user, id, plan.groups, &cx.shard.node.settings, cx.now);
        if let Some((connection, cx)) = self.with(id) {
            greet(cx, connection, &plan.streams);
        }
        let missed_nothing = self.state.published == plan.published;
        for planned in &plan.streams {
            self.open(id, planned, missed_nothing);
        }
        let State { connections, wheel, .. } = &mut *self.state;
        let connection = connections.get_mut(id)?;
        let cx = &mut *self.cx;
        connection.feed(cx);
        connection.schedule(wheel, cx);
        let shard = Rc::clone(&cx.shard);
        let welcome = &shard.node.settings.welcome;
        if !welcome.is_empty() {
            connection.write_notice(&HubFrame::Notice {
                message_type: "welcome".into(),
                data: "".into(),
                content: welcome.as_str().into(),
            });
        }
        cx.touch(connection);
        // What came before is read, and from then on what the socket says is heard.
        connection.wake();
        shard.node.presence.connected(&user, is_shared, &shard.node.router);
        shard.node.connections.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Whether what was planned still holds.
    fn may_attach(
        &mut self,
        arrival: &Arrival,
        attach_turn: u64,
        planned: Result<Plan, StoreError>,
    ) -> Result<Plan, Refused> {
        let (user, device) = (&arrival.identity.user, &arrival.device);
        let is_newest = !arrival.is_exclusive() || self.state.attaching.end_turn(user, device, attach_turn);
        let plan = planned.map_err(|error| {
            tracing::warn!(%error, "a connection could not be attached");
            Refused(CloseCode::TryAgainLater, "retry_after_ms=5000")
        })?;
        // Another connection of the device that came meanwhile is the newer one.
        if !is_newest {
            return Err(Refused(CloseCode::Replaced, "a newer connection of this device"));
        }
        // Positions of an epoch that ended meanwhile: it begins anew in the present one.
        if plan.epochs != self.state.epochs {
            return Err(Refused(CloseCode::Hole, "a new epoch"));
        }
        // Whoever is let in now was not among those that are told and closed.
        if self.state.is_draining {
            return Err(Refused(CloseCode::GoingAway, "retry_after_ms=500"));
        }
        Ok(plan)
    }

    fn insert(&mut self, arrival: Arrival, wire: Wire, plan: &Plan) -> ConnectionId {
        let (cx, id) = (&*self.cx, self.state.connections.next_id());
        let is_ephemeral = arrival.device.is_empty();
        let device = if is_ephemeral { Arc::clone(&arrival.name) } else { arrival.device };
        let mut peer = Peer::new(cx.now.ms(), &cx.node().settings.peer);
        peer.attach(cx.now.ms());
        peer.reserve(plan.streams.len());
        let begin = Beginning {
            id,
            name: arrival.name,
            device_bit: device_bit(&arrival.identity.user.user, &device),
            identity: arrival.identity,
            device,
            sent_ms: arrival.sent_ms,
            is_ephemeral,
            wire,
            peer,
            streams: plan.streams.len(),
            wanted: arrival.groups,
            bare: arrival.bare,
            signal: Signal::new(&cx.shard.signals, id),
            attempts: plan.attempts,
            permit: arrival.permit,
        };
        self.state.connections.insert(begin, cx.now);
        id
    }

    /// Opens a planned stream on a connection.
    fn open(&mut self, id: ConnectionId, planned: &Planned, missed_nothing: bool) {
        let (opened, resume) = (&planned.opened, &planned.resume);
        let track = self.state.subscribe(id, &opened.stream, resume.from, opened.head, missed_nothing);
        let (Some(track), Some((connection, _))) = (track, self.with(id)) else { return };
        connection.subscriptions[track].noted = (resume.from - 1).max(resume.left_to);
        if resume.new_epoch {
            write_gap(connection, track, resume.from, resume.from - 1, "epoch");
        }
        if resume.left_to >= resume.from {
            write_gap(connection, track, resume.from, resume.left_to, "left");
        }
    }
}

/// Kept small: the allocator uses the memory of small tasks again for the next, where the holes that large ones leave
/// between what stays are cut up.
async fn attach(shard: Rc<Handle>, arrival: Box<Arrival>, attach_turn: u64) {
    let joined = AssertUnwindSafe(join_groups(&shard.node, &arrival)).catch_unwind().await;
    let joined = joined.unwrap_or(Err(StoreError::Closed));
    let mut left = Some(arrival);
    while let Some(arrival) = left {
        let planned = match &joined {
            Ok(()) => {
                let planned = AssertUnwindSafe(plan_streams(&shard, &arrival)).catch_unwind().await;
                planned.unwrap_or(Err(StoreError::Closed))
            }
            Err(error) => Err(error.clone()),
        };
        left = shard.ask(move |turn| turn.install(arrival, attach_turn, planned)).await.flatten();
    }
}

fn greet(cx: &Context, connection: &mut Connection, streams: &[Planned]) {
    let node = cx.node();
    let identity = Rc::clone(&connection.identity);
    if let Some(bare) = &connection.bare {
        if node.settings.client_registered {
            let wire = &mut connection.wire;
            bare.registered(wire, &identity.user.user, &identity.user_type, &node.id);
        }
        return;
    }
    let settings = &node.settings;
    let open = |planned: &Planned| OpenStream {
        stream: stream_name(&planned.opened.stream).into_owned(),
        epoch: planned.opened.epoch.to_string().into(),
        from: planned.resume.from,
        head: planned.opened.head,
    };
    let (name, device) = (Arc::clone(&connection.name), Arc::clone(&connection.device));
    connection.write(&HubFrame::Connected(Box::new(Connected {
        protocol: limits::PROTOCOL,
        connection_id: (&*name).into(),
        user_id: (&*identity.user.user).into(),
        user_type: (&*identity.user_type).into(),
        device_id: (&*device).into(),
        app_id: (&*identity.user.scope.app).into(),
        namespace: (&*identity.user.scope.namespace).into(),
        node_id: (&*node.id).into(),
        server_time_ms: cx.wall.ms(),
        heartbeat_ms: settings.peer.heartbeat_ms,
        window: u64::from(settings.peer.window),
        ack_ms: settings.ack_ms,
        dedupe_ms: settings.retention.dedupe,
        frame_limit: settings.frame_limit as u64,
        streams: streams.iter().map(open).collect(),
    })));
}

/// Ends a connection that is not let in.
fn refuse(cx: &mut Context, arrival: &mut Arrival, refused: &Refused) {
    let Refused(code, reason) = *refused;
    let Some(Ok(mut wire)) = arrival.wire.take().map(Wire::arrive) else { return };
    if !(arrival.bare.is_some() && is_cut(code)) {
        wire.push(encode::close(code.number(), reason));
    }
    cx.spawn_detached(linger(wire));
}
