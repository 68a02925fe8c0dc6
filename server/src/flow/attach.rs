//! A connection arrives at its home shard. The log attaches it by one write; where that write stands among the others, the
//! connection begins to read, so nothing can fall between.

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
use super::membership::announce;
use super::plan::{attach_of, begin_epoch, headers_of, read_only};
use super::{Context, Subject, Turn};
use crate::cluster::topic::Topic;
use crate::log::Outcome;
use crate::log::store::{
    AttachOutcome, Attachment, InboxDelivered, OpenedStream, Resume, StoreError, Write, Written,
};
use crate::net::encode;
use crate::net::entry::stream_name;
use crate::net::id::ConnectionId;
use crate::net::linger::linger;
use crate::net::signal::Signal;
use crate::net::wire::Wire;
use crate::settings::ms;
use crate::shard::attaching::{Arrived, Retry};
use crate::shard::connection::{Beginning, Connection};
use crate::shard::letter::{Arrival, Asked, Claimed, ReplyTo};
use crate::shard::notes::Notes;
use crate::shard::state::State;

/// Why a connection is not let in.
struct Refused(CloseCode, &'static str);

impl Turn<'_> {
    /// Begins to let a connection in.
    pub(super) fn arrive(&mut self, mut arrival: Box<Arrival>) {
        make_at_home(&mut arrival);
        let newest = self.state.sent_ms(&arrival.identity.user, &arrival.device);
        if arrival.is_exclusive() && is_overtaken(arrival.sent_ms, newest) {
            // It was sent before the connection that is here, and took longer. Who sent it has given it up.
            return refuse(self.cx, &mut arrival, &Refused(CloseCode::TryAgainLater, "retry_after_ms=1000"));
        }
        // What an earlier connection of the device leaves is written before it is read where the device stands.
        self.replace(&arrival);
        let number = self.state.attaching.begin(arrival);
        self.ask_to_attach(number);
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

    /// Has the log attach an arrival.
    fn ask_to_attach(&mut self, number: u64) {
        let Some((arrival, retry)) = self.state.attaching.get(number) else { return };
        let mut connected = self.state.connected_devices(&arrival.identity.user);
        connected.push(Arc::clone(&arrival.device));
        let attach = attach_of(self.cx.node(), arrival, retry, connected, self.cx.wall);
        let shard = self.cx.shard.id;
        self.cx.write(Write::Attach(Box::new(attach)), ReplyTo::Shard(shard, Asked::Attach(number)));
    }

    /// The same again, with what the answer asked for.
    fn attach_again(&mut self, number: u64, add: impl FnOnce(&mut Retry)) {
        let Some(retry) = self.state.attaching.retry(number) else { return };
        retry.has_joined = true;
        add(retry);
        self.ask_to_attach(number);
    }

    /// The log has answered. Nothing that it committed since has been read yet.
    pub(super) fn attached(&mut self, number: u64, outcome: Outcome) {
        let Some((arrival, retry)) = self.state.attaching.get(number) else { return };
        let user = arrival.identity.user.clone();
        let cx = &mut *self.cx;
        let shard = Rc::clone(&cx.shard);
        let attached = match outcome {
            Ok(Written::Attach(attached)) => *attached,
            // A store that cannot write any more still serves readers.
            Err(error) if error.is_permanent() && !matches!(error, StoreError::Closed) => {
                tracing::debug!(%error, "attaching without writing");
                let attach = attach_of(cx.node(), arrival, retry, Vec::new(), cx.wall);
                return cx.spawn_attaching(number, async move {
                    let read = read_only(&shard.node, attach).await;
                    shard.step(Subject::Arrival(number), move |turn| turn.install(number, read));
                });
            }
            Err(error) => return self.install(number, Err(error)),
            Ok(_) => return self.install(number, Err(StoreError::Closed)),
        };
        for membership in attached.memberships {
            let (shard, user) = (Rc::clone(&shard), Arc::clone(&user.user));
            cx.spawn_detached(async move {
                announce(&shard.node, &membership.group, &user, "joined").await;
            });
        }
        match attached.outcome {
            AttachOutcome::Ready(attachment) => self.install(number, Ok(attachment)),
            AttachOutcome::Overtaken => {
                let refused = Refused(CloseCode::TryAgainLater, "retry_after_ms=1000");
                self.turn_away(number, &refused);
            }
            AttachOutcome::Ahead(stream) => {
                let device = Arc::clone(&arrival.device);
                cx.spawn_attaching(number, async move {
                    let has_begun = begin_epoch(&shard.node, &user, &device, &stream).await;
                    shard.step(Subject::Arrival(number), move |turn| {
                        turn.attach_again(number, |retry| retry.begins_anew = !has_begun);
                    });
                });
            }
            AttachOutcome::HeadersNeeded { epoch, after, to } => {
                let device = Arc::clone(&arrival.device);
                cx.spawn_attaching(number, async move {
                    let ranges = headers_of(&shard.node, &user, &device, after, to).await;
                    shard.step(Subject::Arrival(number), move |turn| match ranges {
                        Ok(ranges) => turn.attach_again(number, |retry| {
                            retry.delivered = Some(InboxDelivered { epoch, after, to, ranges });
                        }),
                        Err(error) => turn.install(number, Err(error)),
                    });
                });
            }
        }
    }

    /// Lets a connection in.
    pub(super) fn install(&mut self, number: u64, attachment: Result<Attachment, StoreError>) {
        let attachment = match attachment {
            Ok(attachment) => attachment,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be attached");
                let refused = Refused(CloseCode::TryAgainLater, "retry_after_ms=5000");
                return self.turn_away(number, &refused);
            }
        };
        let Some(Arrived { mut arrival, is_newest }) = self.state.attaching.end(number) else { return };
        let user = arrival.identity.user.clone();
        let connection = Arc::clone(&arrival.name);
        let claimed = Claimed { user: user.clone(), connection, turn: attachment.turn };
        if let Some(refused) = self.refusal(is_newest, &attachment) {
            refuse(self.cx, &mut arrival, &refused);
            return self.release(claimed);
        }
        self.replace(&arrival);
        let Some(Ok(wire)) = arrival.wire.take().map(Wire::arrive) else {
            return self.release(claimed);
        };
        let is_shared = arrival.is_shared();
        let id = self.insert(*arrival, wire, &attachment);
        let cx = &mut *self.cx;
        let groups = attachment.groups.into_iter().collect();
        self.state.attach(&user, id, groups, &cx.shard.node.settings, cx.now);
        if let Some((connection, cx)) = self.with(id) {
            greet(cx, connection, &attachment.streams);
        }
        for (opened, resume) in &attachment.streams {
            self.open(id, opened, resume);
        }
        let State { connections, wheel, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return };
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
    }

    /// Why a connection that the log has attached is not let in after all.
    fn refusal(&self, is_newest: bool, attachment: &Attachment) -> Option<Refused> {
        if !is_newest {
            return Some(Refused(CloseCode::Replaced, "a newer connection of this device"));
        }
        // Whoever is let in now was not among those that are told and closed.
        if self.state.is_draining {
            return Some(Refused(CloseCode::GoingAway, "retry_after_ms=500"));
        }
        // What was attached is of an epoch that has ended, or readers here have not heard yet that it began.
        let differs = attachment.streams.iter().find(|(opened, _)| {
            let number = self.state.streams.number(&opened.stream);
            let standing = number.and_then(|number| self.state.streams.get(number).standing.as_ref());
            standing.is_some_and(|standing| standing.epoch != opened.epoch)
        });
        let (opened, _) = differs?;
        if let Some(cluster) = &self.cx.node().router.cluster {
            cluster.interests.look_at([Topic::Stream(opened.stream.clone())]);
        }
        Some(Refused(CloseCode::TryAgainLater, "retry_after_ms=500"))
    }

    fn turn_away(&mut self, number: u64, refused: &Refused) {
        if let Some(mut arrived) = self.state.attaching.end(number) {
            refuse(self.cx, &mut arrived.arrival, refused);
        }
    }

    fn insert(&mut self, arrival: Arrival, wire: Wire, attachment: &Attachment) -> ConnectionId {
        let (cx, id) = (&*self.cx, self.state.connections.next_id());
        let is_ephemeral = arrival.device.is_empty();
        let device = if is_ephemeral { Arc::clone(&arrival.name) } else { arrival.device };
        let streams = attachment.streams.len();
        let mut peer = Peer::new(cx.now.ms(), &cx.node().peer);
        peer.attach(cx.now.ms());
        peer.reserve(streams);
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
            streams,
            wanted: arrival.groups,
            bare: arrival.bare,
            signal: Signal::new(&cx.shard.signals, id),
            attempts: attachment.attempts,
            turn: attachment.turn,
            permit: arrival.permit,
        };
        self.state.connections.insert(begin, cx.now);
        id
    }

    /// Opens a stream on a connection that attaches.
    fn open(&mut self, id: ConnectionId, opened: &OpenedStream, resume: &Resume) {
        if let Some(number) = self.state.streams.number(&opened.stream) {
            self.raise_head(number, opened.head);
        }
        let seen = self.state.is_shared.then(|| opened.seen());
        let track = self.state.subscribe(id, &opened.stream, resume.from, opened.head, seen.as_ref());
        let (Some(track), Some((connection, _))) = (track, self.with(id)) else { return };
        connection.subscriptions[track].notes = Notes::new((resume.from - 1).max(resume.left_to));
        if resume.new_epoch {
            write_gap(connection, track, resume.from, resume.from - 1, "epoch");
        }
        if resume.left_to >= resume.from {
            write_gap(connection, track, resume.from, resume.left_to, "left");
        }
    }
}

impl Context {
    /// Leaves a task of an arrival. A panic in it turns that arrival away.
    fn spawn_attaching(&mut self, number: u64, task: impl Future<Output = ()> + 'static) {
        let shard = Rc::clone(&self.shard);
        self.spawn_detached(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!("a panic while a connection was attached");
                shard.step(Subject::Arrival(number), move |turn| {
                    turn.install(number, Err(StoreError::Closed));
                });
            }
        });
    }
}

/// Makes anew what stays as long as the connection. The allocator keeps memory by thread: single strings that stay
/// between the listener's buffers, which come and go, would keep those from being used again.
fn make_at_home(arrival: &mut Arrival) {
    arrival.name = (*arrival.name).into();
    arrival.device = (*arrival.device).into();
    let identity = &mut arrival.identity;
    identity.user.user = (*identity.user.user).into();
    identity.device = (*identity.device).into();
    identity.groups = identity.groups.iter().map(|group| (**group).into()).collect();
    identity.capabilities.groups = identity.capabilities.groups.clone();
}

fn greet(cx: &Context, connection: &mut Connection, streams: &[(OpenedStream, Resume)]) {
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
    let open = |(opened, resume): &(OpenedStream, Resume)| OpenStream {
        stream: stream_name(&opened.stream).into_owned(),
        epoch: opened.epoch.to_string().into(),
        from: resume.from,
        head: opened.head,
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
        heartbeat_ms: ms(settings.peer.heartbeat),
        window: u64::from(settings.peer.window),
        ack_ms: ms(settings.peer.ack_delay),
        dedupe_ms: ms(settings.retention.dedupe),
        frame_limit: settings.peer.frame as u64,
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
