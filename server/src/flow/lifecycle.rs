//! The life of a connection on its shard: its deadlines, what makes it wait and what wakes it, its end.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_tungstenite::tungstenite::{Error, Message as Packet};
use wsc_core::CloseCode;
use wsc_core::codes::AfterClose;

use super::deliver::write_skip;
use super::io::Readiness;
use super::reply::Wait;
use super::{Context, Turn};
use crate::clock::Tick;
use crate::failure::{Failure, FailureKind};
use crate::net::encode;
use crate::net::id::ConnectionId;
use crate::net::reader::close_code;
use crate::settings::ms;
use crate::shard::connection::{Connection, HangUp, Intake, Pause, Stage, seen_every};
use crate::shard::letter::Claimed;
use crate::shard::state::State;
use crate::shard::wheel::Wheel;

/// How long a client has to answer the hub's Close frame.
const CLOSE_MS: u64 = 2_000;

/// How a connection must end.
enum Verdict {
    Cut,
    Close(CloseCode, Cow<'static, str>),
}

impl Turn<'_> {
    /// Whether a connection may be read. What had to wait is tried again first.
    pub(crate) fn ready(&mut self, id: ConnectionId) -> Readiness {
        let is_held = !self.state.suspects.is_empty();
        let Some((connection, _)) = self.with(id) else { return Readiness::Cut };
        match connection.stage {
            Stage::Cut => return Readiness::Cut,
            Stage::HungUp(_) | Stage::Closed | Stage::Ending => return Readiness::Paused,
            // For the client's Close.
            Stage::Closing => return Readiness::Read,
            Stage::Attached if is_held => return Readiness::Paused,
            Stage::Attached => {}
        }
        let Some((connection, cx)) = self.with(id) else { return Readiness::Cut };
        match &connection.intake {
            Intake::Deciding { .. } => return Readiness::Paused,
            Intake::Paused(pause) if cx.now < pause.until => return Readiness::Paused,
            // Every frame may be answered: who takes no answers asks nothing more.
            Intake::Open | Intake::Choked if connection.is_full(&cx.shard.node.settings) => {
                connection.intake = Intake::Choked;
                return Readiness::Paused;
            }
            Intake::Open | Intake::Choked | Intake::Retrying(_) => return Readiness::Read,
            Intake::Paused(_) => {}
        }
        let Intake::Paused(pause) = std::mem::replace(&mut connection.intake, Intake::Open) else {
            return Readiness::Read;
        };
        connection.intake = Intake::Retrying(pause.since);
        self.inbound(id, pause.frame);
        let Some((connection, _)) = self.with(id) else { return Readiness::Cut };
        match connection.intake {
            Intake::Paused(_) => Readiness::Paused,
            Intake::Retrying(_) => {
                connection.intake = Intake::Open;
                Readiness::Read
            }
            _ => Readiness::Read,
        }
    }

    /// A second has passed: whoever is due is looked at.
    pub(crate) fn second(&mut self) {
        let mut due = Vec::new();
        let State { wheel, connections, .. } = &mut *self.state;
        wheel.advance(self.cx.now, |id, second| {
            if let Some(connection) = connections.get_mut(id).filter(|found| found.wheel_second == second) {
                connection.wheel_second = 0;
                due.push(id);
            }
        });
        for id in due {
            self.look_at(id);
        }
        if self.cx.shard.id == 0 {
            let node = self.cx.node();
            node.presence.sweep(&node.router);
        }
        self.pass_on_marks(false);
    }

    pub(super) fn look_at(&mut self, id: ConnectionId) {
        let State { connections, wheel, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return };
        match verdict(connection, self.cx) {
            Some(Verdict::Cut) => return self.cut(id),
            Some(Verdict::Close(code, reason)) => return self.close(id, code, &reason),
            None => {}
        }
        if let Some(bare) = connection.bare.as_mut().filter(|bare| bare.owes_ping()) {
            bare.ping(&mut connection.wire);
        }
        for track in connection.subscriptions.tracks() {
            write_skip(connection, track);
        }
        self.cx.touch(connection);
        let (now, settings) = (self.cx.now, &self.cx.shard.node.settings);
        let seen_due = !connection.is_ephemeral && now >= connection.seen_at.after(seen_every(settings));
        connection.cursor_changed = connection.cursor_changed.or_else(|| seen_due.then_some(now));
        let changed = connection.cursor_changed;
        if seen_due || changed.is_some_and(|since| now >= since.after(ms(settings.peer.cursor))) {
            self.write_cursors(id, Vec::new());
            self.schedule(id);
        } else {
            connection.schedule(wheel, self.cx);
        }
    }

    /// A deadline of a connection may lie earlier than before.
    pub(crate) fn schedule(&mut self, id: ConnectionId) {
        let State { connections, wheel, .. } = &mut *self.state;
        if let Some(connection) = connections.get_mut(id) {
            connection.schedule(wheel, self.cx);
        }
    }

    /// Makes a connection wait with the frame that cannot be done yet: it is not read until the wait is over.
    pub(crate) fn pause(&mut self, id: ConnectionId, frame: Packet, wait: Wait) {
        let State { connections, wheel, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return };
        let cx = &mut *self.cx;
        let since = if let Intake::Retrying(since) = connection.intake { since } else { cx.now };
        // It is closed after this time anyway; a task that sleeps for an hour would outlive it.
        let wait_ms = wait.ms.min(ms(cx.node().settings.peer.stall));
        connection.intake = Intake::Paused(Box::new(Pause {
            since,
            until: cx.now.after(wait_ms),
            passes: cx.now.after(wait.ms),
            for_store: wait.for_store,
            frame,
        }));
        connection.schedule(wheel, cx);
        let shard = Rc::clone(&cx.shard);
        cx.spawn(id, async move {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            shard.step(id, move |turn| {
                let Some((connection, _)) = turn.with(id) else { return };
                // Over, whatever the shard's clock says: nobody wakes it a second time.
                if let Intake::Paused(pause) = &mut connection.intake {
                    pause.until = Tick::default();
                }
                connection.wake();
            });
        });
    }

    /// Writes what a connection has; called at the end of a turn.
    pub(crate) fn flush(&mut self, id: ConnectionId) {
        let State { connections, wheel, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return };
        connection.is_dirty = false;
        match connection.wire.flush() {
            Ok(true) if connection.wire.is_direct() => connection.emptied(self.cx),
            Ok(_) => {
                connection.note_stall(self.cx.now);
                connection.schedule(wheel, self.cx);
                // Attending to it waits for the socket.
                connection.wake();
            }
            // It is read up to the end of its socket, which is near.
            Err(_) => connection.wake(),
        }
    }

    /// Everything was written.
    pub(crate) fn drained(&mut self, id: ConnectionId) {
        let Some((connection, cx)) = self.with(id) else { return };
        if connection.is_stalled() || matches!(connection.intake, Intake::Choked) {
            connection.emptied(cx);
        }
    }

    /// A connection waits for its socket.
    pub(crate) fn stalled(&mut self, id: ConnectionId) {
        let State { connections, wheel, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return };
        connection.note_stall(self.cx.now);
        connection.schedule(wheel, self.cx);
    }

    /// The socket failed or broke the rules of WebSocket.
    pub(crate) fn socket_failed(&mut self, id: ConnectionId, error: &Error) {
        let Some((connection, cx)) = self.with(id) else { return };
        let Some(code) = close_code(error) else {
            if connection.is_attached() {
                connection.report(cx, FailureKind::ConnectionError, "the connection broke");
            }
            return self.hang_up(id, HangUp::Client);
        };
        self.hang_up(id, HangUp::Fault(code, ""));
    }

    /// Reads nothing more from a connection. It ends when what arrived whole before is done.
    pub(crate) fn hang_up(&mut self, id: ConnectionId, why: HangUp) {
        let Some((connection, cx)) = self.with(id) else { return };
        connection.hang_up(why);
        connection.answer(cx);
        connection.wake();
    }

    /// Whether a connection that hung up has nothing under way any more; if it broke a rule, it is told now.
    pub(crate) fn is_heard_out(&mut self, id: ConnectionId) -> bool {
        let Some((connection, _)) = self.with(id) else { return false };
        match &connection.stage {
            Stage::Closed => true,
            Stage::HungUp(why) if connection.is_answered() => {
                if let HangUp::Fault(code, reason) = **why {
                    self.close(id, code, reason);
                }
                true
            }
            _ => false,
        }
    }

    /// Closes a connection: from now on nothing it sends counts; what waits is written, then a Close frame.
    pub(crate) fn close(&mut self, id: ConnectionId, code: CloseCode, reason: &str) {
        self.detach(id);
        let State { connections, wheel, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return };
        let next = match connection.stage {
            Stage::Attached | Stage::Ending => Stage::Closing,
            Stage::HungUp(_) => Stage::Closed,
            Stage::Closing | Stage::Closed | Stage::Cut => return,
        };
        connection.stage = next;
        tracing::debug!(code = code.number(), reason, connection = &*connection.name, "closing");
        let is_silent = connection.bare.is_some() && is_cut(code);
        if !is_silent {
            connection.wire.push(encode::close(code.number(), reason));
        }
        connection.wire.mute();
        if is_silent && connection.wire.queued() == 0 {
            connection.stage = Stage::Cut;
        }
        connection.wheel_second = wheel.insert(id, self.cx.now.after(CLOSE_MS));
        self.cx.touch(connection);
        connection.wake();
    }

    /// Closes every connection that is attached.
    pub(crate) fn close_attached(&mut self, code: CloseCode, reason: &str) {
        let attached: Vec<ConnectionId> =
            self.state.connections.iter().filter(|found| found.is_attached()).map(|found| found.id).collect();
        for id in attached {
            self.close(id, code, reason);
        }
    }

    /// Ends a connection without a word.
    pub(crate) fn cut(&mut self, id: ConnectionId) {
        self.detach(id);
        if let Some((connection, _)) = self.with(id) {
            connection.stage = Stage::Cut;
            connection.wake();
        }
    }

    /// A connection has ended: it is forgotten, and given back.
    pub(crate) fn end(&mut self, id: ConnectionId) -> Option<Box<Connection>> {
        self.detach(id);
        let ended = self.state.connections.remove(id)?;
        self.cx.node().connections.fetch_sub(1, Ordering::Relaxed);
        Some(ended)
    }

    /// A connection counts no more: it reads nothing, its positions are kept, its user may be offline. Whoever calls
    /// this sets its stage.
    fn detach(&mut self, id: ConnectionId) {
        let Some((connection, cx)) = self.with(id) else { return };
        if !connection.is_attached() {
            return;
        }
        // Also what has not moved: the device was seen until now.
        connection.cursor_changed.get_or_insert(cx.now);
        self.write_cursors(id, Vec::new());
        let Some((connection, cx)) = self.with(id) else { return };
        let identity = Rc::clone(&connection.identity);
        let extras = connection.extras.take().unwrap_or_default();
        let shared = connection.bare.as_ref().is_some_and(|bare| bare.shared);
        let (name, device) = (Arc::clone(&connection.name), Arc::clone(&connection.device));
        let (now, turn) = (cx.now, connection.turn);
        self.state.detach(&identity.user, id, now);
        self.release(Claimed { user: identity.user.clone(), connection: Arc::clone(&name), turn });
        let (node, address) = (self.cx.node(), self.cx.address(id));
        node.presence.unwatch_all(&identity.user.scope, address, &extras.watching, &node.router);
        node.observers.remove(&identity.user.scope, address, &extras.observing, &node.router);
        node.presence.disconnected(&identity.user, shared);
        node.hooks.disconnected(&identity, &name, &device);
    }
}

/// Whether and how a connection must end now.
fn verdict(connection: &mut Connection, cx: &Context) -> Option<Verdict> {
    let (now, settings) = (cx.now, &cx.shard.node.settings);
    if !connection.is_attached() {
        return Some(Verdict::Cut);
    }
    if connection.stalled_since().is_some_and(|since| now >= since.after(ms(settings.peer.slow))) {
        connection.report(cx, FailureKind::QueueFull, "the socket took nothing");
        return Some(Verdict::Close(CloseCode::TooSlow, "".into()));
    }
    match &connection.intake {
        Intake::Paused(pause) if now >= pause.since.after(ms(settings.peer.stall)) => {
            if pause.for_store {
                return Some(Verdict::Close(CloseCode::TryAgainLater, "retry_after_ms=5000".into()));
            }
            // What is left of the wait, which may be much longer than anybody is paused for it.
            let left = pause.passes.since(now).max(1);
            return Some(Verdict::Close(CloseCode::RateLimited, format!("retry_after_ms={left}").into()));
        }
        Intake::Deciding { since, .. } if now >= since.after(ms(settings.peer.stall)) => {
            tracing::warn!(connection = &*connection.name, "the application did not decide about a message");
            return Some(Verdict::Close(CloseCode::TryAgainLater, "retry_after_ms=5000".into()));
        }
        _ => {}
    }
    let expires = connection.identity.expires_at;
    if expires != 0 && cx.wall.ms() >= expires {
        return Some(Verdict::Close(CloseCode::TokenExpired, "the token expired".into()));
    }
    match connection.peer.handle_timeout(now.ms(), &cx.shard.node.peer) {
        // A connection that is not read cannot show that it lives.
        Some(CloseCode::Silent) if !matches!(connection.intake, Intake::Open | Intake::Retrying(_)) => None,
        Some(code) => {
            if code == CloseCode::Unacknowledged {
                connection.attempts += 1;
                connection.cursor_changed.get_or_insert(now);
                connection.report(cx, FailureKind::Timeout, "entries were not acknowledged");
            }
            Some(Verdict::Close(code, "".into()))
        }
        None => None,
    }
}

/// Whether a bare connection ends without a Close frame: only then does go-wsc's client connect again.
pub(crate) fn is_cut(code: CloseCode) -> bool {
    matches!(code.after(), AfterClose::Reconnect | AfterClose::ReconnectFewTimes)
}

impl Connection {
    /// Puts its next deadline in the wheel, if it comes before the one it is in for.
    pub(crate) fn schedule(&mut self, wheel: &mut Wheel, cx: &Context) {
        let deadline =
            self.deadline(&cx.shard.node.settings, &cx.shard.node.peer, cx.now, cx.wall).max(cx.now);
        let second = deadline.ms() / 1000 + 1;
        if self.wheel_second <= cx.now.ms() / 1000 || second < self.wheel_second {
            self.wheel_second = wheel.insert(self.id, deadline);
        }
    }

    /// All that was written for it is gone: it may be given more, and read again.
    fn emptied(&mut self, cx: &mut Context) {
        self.end_stall();
        if matches!(self.intake, Intake::Choked) {
            self.intake = Intake::Open;
            self.wake();
        } else if !self.is_attached() {
            self.wake();
        }
        self.write_missed(cx);
        self.feed(cx);
        self.answer(cx);
    }

    /// Reports a failure of a delivery to or from it.
    pub(crate) fn report(&self, cx: &Context, kind: FailureKind, reason: &'static str) {
        cx.node().failures.report(kind, || Failure {
            kind,
            user: self.identity.user.clone(),
            device: Arc::clone(&self.device),
            message_id: "".into(),
            attempts: self.attempts,
            reason,
        });
    }
}
