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
use super::groups::announce;
use super::node::Node;
use super::resume::{Resume, resume};
use super::shard::{Letter, Shard};
use super::state::{Connection, Rare, State, User};
use crate::admission::identity::Identity;
use crate::broker::stream_name;
use crate::connection::Signal;
use crate::connection::bare::Bare;
use crate::connection::wire::{Departed, SharedWire, Wire};
use crate::connection::{self, frame};
use crate::log::ReplyTo;
use crate::log::key::{GroupKey, StreamKey};
use crate::log::store::{
    Cursor, Delivered, DeviceStream, DeviceWrite, Join, JoinBy, Joined, OpenedStream, StoreError, Target,
    Write, Written,
};

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

/// A stream a connection will read.
struct Planned {
    opened: OpenedStream,
    resume: Resume,
}

impl Shard {
    /// Lets a connection in.
    pub(crate) fn arrive(self: &Rc<Self>, arrival: Box<Arrival>) {
        tokio::task::spawn_local(attach(Rc::clone(self), arrival));
    }

    /// Closes every connection that is attached.
    fn close_attached(self: &Rc<Self>, code: CloseCode, reason: &str) {
        let attached: Vec<(u32, u32)> = {
            let state = self.state.borrow();
            let attached = state.connections.iter().filter(|(_, found)| found.attached);
            attached
                .filter_map(|(place, found)| Some((u32::try_from(place).ok()?, found.generation)))
                .collect()
        };
        for (place, generation) in attached {
            self.close(place, generation, code, reason);
        }
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

/// Headers read at a time.
const HEADERS: usize = 2000;

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

/// What a connection begins with.
struct Plan {
    streams: Vec<Planned>,
    /// The groups of its user.
    groups: HashSet<Arc<str>>,
    /// Failed attempts of its device in a row.
    attempts: u32,
    /// How many entries the shard had been told of before the streams were read.
    told: u64,
    /// The epoch of all positions.
    epoch: Arc<str>,
}

/// Joins the token's groups, reads where everything stands, decides where the device goes on, and keeps that.
async fn plan_streams(shard: &Rc<Shard>, arrival: &Arrival) -> Result<Plan, StoreError> {
    let (node, identity) = (&shard.node, &arrival.identity);
    let now = clock::wall();
    // What an earlier connection of the device left goes first, or its positions would be read before they are written.
    shard.submit();
    let mut writes = Vec::with_capacity(identity.groups.len());
    let mut joins = Vec::with_capacity(identity.groups.len());
    for group in &identity.groups {
        let group = GroupKey { scope: identity.user.scope.clone(), group: Arc::clone(group) };
        let join = Join {
            group: group.clone(),
            user: Arc::clone(&identity.user.user),
            by: JoinBy::Claim { issued_at: identity.issued_at },
            max_groups: node.settings.groups,
            now,
        };
        let (reply, answer) = tokio::sync::oneshot::channel();
        writes.push((Write::Join(join), ReplyTo::Task(reply)));
        joins.push((group, answer));
    }
    node.log.submit(writes);
    for (group, answer) in joins {
        if let Ok(Ok(Written::Join(Joined::New { .. }))) = answer.await {
            announce(node, &group, &identity.user.user, "joined").await;
        }
    }
    // Answered when all before it is made, and with it what an earlier connection of the device left. A store that
    // cannot write any more still serves readers.
    match node.log.write(Write::See { user: identity.user.clone() }).await {
        Ok(_) => {}
        Err(StoreError::Closed) => return Err(StoreError::Closed),
        Err(error) => tracing::debug!(%error, "attaching without writing"),
    }
    let device = (!arrival.device.is_empty()).then_some(&*arrival.device);
    loop {
        let (told, changes) = {
            let state = shard.state.borrow();
            (state.told, state.membership_changes(&identity.user))
        };
        let opened = node.log.store.open(&identity.user, device).await?;
        let epoch = opened.epoch;
        let groups: HashSet<Arc<str>> =
            opened.streams.iter().filter_map(|opened| group_of(&opened.stream)).collect();
        let attempts = opened.device.as_ref().map_or(0, |device| device.attempts);
        let stored = opened.device.map(|device| device.streams).unwrap_or_default().into_iter();
        let stored: HashMap<StreamKey, DeviceStream> =
            stored.map(|kept| (kept.stream.clone(), kept)).collect();
        let mut planned: Vec<Planned> = Vec::with_capacity(opened.streams.len());
        for opened in opened.streams {
            let unwanted = match (&arrival.groups, group_of(&opened.stream)) {
                (Some(wanted), Some(group)) => !wanted.contains(&group),
                _ => false,
            };
            if unwanted || planned.len() >= limits::GROUPS + 2 {
                continue;
            }
            let name = stream_name(&opened.stream);
            let in_frame = arrival.cursors.get(&name);
            let kept = stored.get(&opened.stream);
            let at_head = arrival.at_head || (device.is_none() && arrival.bare.is_none());
            let resume = resume(&opened, &epoch, in_frame, kept, at_head);
            planned.push(Planned { opened, resume });
        }
        // Tracks 0 and 1 are the inbox and the broadcast, then groups in order of name.
        planned.sort_by(|one, other| one.opened.stream.cmp(&other.opened.stream));
        planned.sort_by_key(|planned| match planned.opened.stream {
            StreamKey::Inbox(_) => 0,
            StreamKey::Broadcast(_) => 1,
            StreamKey::Group(_) => 2,
        });
        if let Some(ahead) = planned.iter().find(|planned| planned.resume.is_ahead)
            && begin_epoch(node, arrival, &ahead.opened).await
        {
            continue;
        }
        let delivered = unwritten(shard, arrival, &planned).await?;
        if !delivered.ranges.is_empty() {
            node.log.submit(vec![(Write::Delivered(delivered), ReplyTo::Nobody)]);
        }
        if device.is_some() {
            let cursor = |planned: &Planned| (planned.opened.stream.clone(), planned.resume.from - 1);
            let mut connected = shard.state.borrow().connected_devices(&identity.user);
            connected.push(Arc::clone(&arrival.device));
            let write = DeviceWrite {
                user: identity.user.clone(),
                device: Arc::clone(&arrival.device),
                cursors: planned.iter().map(cursor).collect(),
                forget: Vec::new(),
                attempts,
                // Of an invisible user others learn when it last was visible.
                now,
                visible: node.presence.seen_at(&identity.user),
                max_devices: node.settings.devices,
                connected,
            };
            if let Err(StoreError::Closed) = node.log.write(Write::Device(write)).await {
                return Err(StoreError::Closed);
            }
        }
        // A membership that changed meanwhile is looked at again.
        if shard.state.borrow().membership_changes(&identity.user) == changes {
            return Ok(Plan { streams: planned, groups, attempts, told, epoch });
        }
    }
}

/// What the device says it acknowledged and the store does not know: the connection ended before it was written.
async fn unwritten(
    shard: &Rc<Shard>,
    arrival: &Arrival,
    planned: &[Planned],
) -> Result<Delivered, StoreError> {
    let user = &arrival.identity.user;
    let mut ranges = Vec::new();
    for Planned { opened, resume } in planned {
        let (mut after, to) = (resume.noted, resume.from - 1);
        // What was for another device of the user this one only passed over.
        while after < to && matches!(opened.stream, StreamKey::Inbox(_)) {
            let page = shard.node.log.store.headers(&opened.stream, after + 1, HEADERS).await?;
            let to_others = page.entries.iter().filter(|entry| {
                let mine = matches!(&entry.target, Target::User(target) if target == user);
                let narrowed = !entry.only_device.is_empty() && entry.only_device != arrival.device;
                let own = entry.sender == user.user && entry.device == arrival.device;
                entry.seq <= to && mine && (narrowed || own)
            });
            for entry in to_others {
                ranges.push((opened.stream.clone(), after, entry.seq - 1));
                after = entry.seq;
            }
            let next = page.next.clamp(after + 1, to + 1);
            ranges.push((opened.stream.clone(), after, next - 1));
            after = next - 1;
        }
        ranges.push((opened.stream.clone(), after, to));
    }
    ranges.retain(|(_, after, to)| after < to);
    Ok(Delivered { user: user.clone(), ranges, asked: Vec::new() })
}

/// A device has seen more of a stream than there is: the store was put back to an earlier time, which nobody told it.
/// Positions given since may be other messages to whoever comes later, so a new epoch begins for all.
async fn begin_epoch(node: &Node, arrival: &Arrival, stream: &OpenedStream) -> bool {
    if node.went_back.swap(true, Ordering::Relaxed) {
        return false;
    }
    let (user, name) = (&*arrival.identity.user.user, stream_name(&stream.stream));
    tracing::error!(
        user,
        device = &*arrival.device,
        stream = name.as_str(),
        head = stream.head,
        "a device has seen more than the store has: its directory was put back to an earlier time; a new epoch begins. \
         After restoring a copy, start once with --restored"
    );
    if let Err(error) = node.log.store.begin_epoch().await {
        tracing::error!(%error, "the new epoch could not be begun");
        node.went_back.store(false, Ordering::Relaxed);
        return false;
    }
    node.shards
        .send_all(|| Letter::Call(Box::new(|shard| shard.close_attached(CloseCode::Hole, "a new epoch"))));
    true
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
