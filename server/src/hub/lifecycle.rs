//! The life of a connection on its shard: its deadlines, its pauses, its writes, its end.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Wake as _;
use std::time::Duration;

use tokio_tungstenite::tungstenite::{Error, Message};
use wsc_core::CloseCode;
use wsc_core::peer::TrackId;

use super::clock;
use super::deliver::say_skip;
use super::failure::{Failure, FailureKind};
use super::send::Wait;
use super::shard::Shard;
use super::state::{Connection, HangUp, Pause, State, seen_every};
use super::wheel::Wheel;
use crate::connection::reader::close_code;
use crate::connection::{Readiness, frame};

/// How long a client has to answer the hub's Close frame.
const CLOSE_MS: u64 = 2_000;

impl Shard {
    /// Whether a connection may be read. What had to wait is tried again first.
    pub(crate) fn ready(self: &Rc<Self>, place: u32, generation: u32) -> Readiness {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let Some(connection) = state.connection(place, generation) else { return Readiness::Cut };
        if connection.cut {
            return Readiness::Cut;
        }
        match connection.paused {
            Some(_) if connection.closing => Readiness::Read,
            _ if connection.hung_up.is_some() => Readiness::Paused,
            _ if connection.ending && !connection.closing => Readiness::Paused,
            None if connection.asking > 0 && !connection.closing => Readiness::Paused,
            // Every frame may be answered: who takes no answers asks nothing more.
            None if self.is_full(connection) && !connection.closing => {
                connection.choked = true;
                Readiness::Paused
            }
            Some(pause) if now < pause.until => Readiness::Paused,
            Some(pause) => {
                connection.paused = None;
                let Some(held) = connection.held.take() else { return Readiness::Read };
                connection.waiting_since = Some(pause.since);
                drop(state);
                self.inbound(place, generation, *held);
                let mut state = self.state.borrow_mut();
                let Some(connection) = state.connection(place, generation) else { return Readiness::Cut };
                connection.waiting_since = None;
                if connection.paused.is_some() { Readiness::Paused } else { Readiness::Read }
            }
            None => Readiness::Read,
        }
    }

    /// Whether more waits for a connection's socket than should.
    pub(crate) fn is_full(&self, connection: &Connection) -> bool {
        connection.wire.0.borrow().queued() > self.node.settings.socket_limit
    }

    /// All that was written for a connection is gone: it may be given more, and read again.
    fn emptied(self: &Rc<Self>, connection: &mut Connection, place: u32) {
        connection.stuck = None;
        if std::mem::take(&mut connection.choked) || connection.closing {
            connection.wake();
        }
        self.tell_missed(connection, place);
        self.feed(connection, place);
        self.answer(connection, place);
    }

    /// Puts a connection's next deadline in the wheel, if it comes before the one it is in for.
    pub(crate) fn plan(&self, wheel: &mut Wheel, connection: &mut Connection, place: u32, now: u64) {
        let wall = clock::wall();
        let deadline = connection.deadline(&self.node.settings, |at| now + at.saturating_sub(wall));
        let second = deadline.max(now) / 1000 + 1;
        if connection.wheel <= now / 1000 || second < connection.wheel {
            connection.wheel = wheel.insert((place, connection.generation), deadline.max(now));
        }
    }

    /// A deadline of a connection may lie earlier than before.
    pub(crate) fn replan(&self, place: u32, generation: u32) {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let State { connections, wheel, .. } = &mut *state;
        let found = connections.get_mut(place as usize).filter(|found| found.generation == generation);
        if let Some(connection) = found {
            self.plan(wheel, connection, place, now);
        }
    }

    /// A second has passed: whoever is due is looked at.
    pub(crate) fn second(self: &Rc<Self>) {
        let mut due = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            let now = state.clock.tick();
            let State { wheel, connections, .. } = &mut *state;
            wheel.advance(now, |(place, generation), second| {
                let meant =
                    connections.get_mut(place as usize).filter(|found| found.generation == generation);
                if let Some(connection) = meant.filter(|found| found.wheel == second) {
                    connection.wheel = 0;
                    due.push((place, generation));
                }
            });
        }
        for (place, generation) in due {
            self.look_at(place, generation);
        }
        if self.id == 0 {
            self.node.presence.sweep(&self.node);
        }
        self.pass_on_marks(false);
    }

    fn look_at(self: &Rc<Self>, place: u32, generation: u32) {
        let (verdict, cursor_due) = {
            let mut state = self.state.borrow_mut();
            let now = state.clock.tick();
            let State { connections, wheel, .. } = &mut *state;
            let found = connections.get_mut(place as usize).filter(|found| found.generation == generation);
            let Some(connection) = found else { return };
            let verdict = self.verdict(connection, now);
            if verdict.is_none() {
                let wire = connection.wire.clone();
                if let Some(bare) = connection.bare.as_mut().filter(|bare| bare.owes_ping()) {
                    bare.ping(&wire);
                }
                for track in 0..connection.readings.len() {
                    say_skip(connection, TrackId::try_from(track).unwrap_or(TrackId::MAX));
                }
                self.touch(connection, place);
            }
            let settings = &self.node.settings;
            let seen_due = !connection.passing && now >= connection.seen_at + seen_every(settings);
            let since = connection.cursor_changed.or_else(|| seen_due.then_some(now));
            connection.cursor_changed = since;
            let cursor_due = seen_due || since.is_some_and(|since| now >= since + settings.cursor_ms);
            if verdict.is_none() && !cursor_due {
                self.plan(wheel, connection, place, now);
            }
            (verdict, cursor_due)
        };
        match verdict {
            Some(Verdict::Cut) => self.cut(place, generation),
            Some(Verdict::Close(code, reason)) => self.close(place, generation, code, &reason),
            None if cursor_due => {
                let mut state = self.state.borrow_mut();
                let now = state.clock.tick();
                self.write_cursors(&mut state, place, Vec::new());
                let State { connections, wheel, .. } = &mut *state;
                let connection = &mut connections[place as usize];
                self.plan(wheel, connection, place, now);
            }
            None => {}
        }
    }

    /// Whether and how a connection must end now.
    fn verdict(&self, connection: &mut Connection, now: u64) -> Option<Verdict> {
        let settings = &self.node.settings;
        if connection.closing {
            return Some(Verdict::Cut);
        }
        if let Some((since, _)) = connection.stuck
            && now >= since + settings.slow_ms
        {
            self.node.failed(Failure::of(FailureKind::QueueFull, connection, "the socket took nothing"));
            return Some(Verdict::Close(CloseCode::TooSlow, "".into()));
        }
        if let Some(pause) = connection.paused
            && now >= pause.since + settings.stall_ms
        {
            if pause.store {
                return Some(Verdict::Close(CloseCode::TryAgainLater, "retry_after_ms=5000".into()));
            }
            // What is left of the wait, which may be much longer than anybody is paused for it.
            let left = pause.passes.saturating_sub(now).max(1);
            return Some(Verdict::Close(CloseCode::RateLimited, format!("retry_after_ms={left}").into()));
        }
        if connection.asking > 0 && now >= connection.asked_at + settings.stall_ms {
            tracing::warn!(connection = &*connection.id, "the application did not decide about a message");
            return Some(Verdict::Close(CloseCode::TryAgainLater, "retry_after_ms=5000".into()));
        }
        let expires = connection.identity.expires_at;
        if expires != 0 && clock::wall() >= expires {
            return Some(Verdict::Close(CloseCode::TokenExpired, "the token expired".into()));
        }
        // A connection that is not read cannot show that it lives.
        let paused = connection.paused.is_some() || connection.choked || connection.asking > 0;
        match connection.peer.handle_timeout(now, &settings.peer) {
            Some(CloseCode::Silent) if paused => None,
            Some(code) => {
                if code == CloseCode::Unacknowledged {
                    connection.attempts += 1;
                    connection.cursor_changed.get_or_insert(now);
                    self.node.failed(Failure::of(
                        FailureKind::Timeout,
                        connection,
                        "entries were not acknowledged",
                    ));
                }
                Some(Verdict::Close(code, "".into()))
            }
            None => None,
        }
    }

    /// Makes a connection wait with the frame that cannot be done yet: it is not read until `wait_ms` have passed.
    pub(crate) fn pause(self: &Rc<Self>, place: u32, generation: u32, held: Message, wait: Wait) {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let State { connections, wheel, .. } = &mut *state;
        let found = connections.get_mut(place as usize).filter(|found| found.generation == generation);
        let Some(connection) = found else { return };
        let since = connection.waiting_since.unwrap_or(now);
        // It is closed after this time anyway; a task that sleeps for an hour would outlive it.
        let wait_ms = wait.ms.min(self.node.settings.stall_ms);
        let (until, passes) = (now + wait_ms, now.saturating_add(wait.ms));
        connection.paused = Some(Pause { since, until, passes, store: wait.store });
        connection.held = Some(Box::new(held));
        self.plan(wheel, connection, place, now);
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            if let Some(connection) = shard.state.borrow_mut().connection(place, generation) {
                // Over, whatever the shard's clock says: nobody wakes it a second time.
                if let Some(pause) = &mut connection.paused {
                    pause.until = 0;
                }
                connection.wake();
            }
        });
    }

    /// Writes what a connection has; called at the end of a turn.
    pub(crate) fn flush(self: &Rc<Self>, place: u32, generation: u32) {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let State { connections, wheel, .. } = &mut *state;
        let found = connections.get_mut(place as usize).filter(|found| found.generation == generation);
        let Some(connection) = found else { return };
        connection.dirty = false;
        let flushed = connection.wire.0.borrow_mut().flush();
        match flushed {
            Ok(true) if connection.wire.0.borrow().is_direct() => {
                self.emptied(connection, place);
            }
            Ok(_) => {
                // Its task waits for the socket.
                connection.note_stuck(now);
                self.plan(wheel, connection, place, now);
                connection.wake();
            }
            // It is read up to the end of its socket, which is near.
            Err(_) => connection.wake(),
        }
    }

    /// Everything was written.
    pub(crate) fn drained(self: &Rc<Self>, place: u32, generation: u32) {
        let mut state = self.state.borrow_mut();
        let Some(connection) = state.connection(place, generation) else { return };
        if connection.stuck.is_some() || connection.choked {
            self.emptied(connection, place);
        }
    }

    /// A connection waits for its socket.
    pub(crate) fn stuck(&self, place: u32, generation: u32) {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let State { connections, wheel, .. } = &mut *state;
        let found = connections.get_mut(place as usize).filter(|found| found.generation == generation);
        if let Some(connection) = found {
            connection.note_stuck(now);
            self.plan(wheel, connection, place, now);
        }
    }

    /// The socket failed or broke the rules of WebSocket.
    pub(crate) fn failed(self: &Rc<Self>, place: u32, generation: u32, error: &Error) {
        let Some(code) = close_code(error) else {
            let mut state = self.state.borrow_mut();
            if let Some(connection) = state.connection(place, generation).filter(|found| !found.closing) {
                let broke = Failure::of(FailureKind::ConnectionError, connection, "the connection broke");
                self.node.failed(broke);
            }
            drop(state);
            return self.hang_up(place, generation, HangUp::Client);
        };
        self.hang_up(place, generation, HangUp::Fault(code, ""));
    }

    /// Reads nothing more from a connection. It ends when what arrived whole before is done.
    pub(crate) fn hang_up(self: &Rc<Self>, place: u32, generation: u32, why: HangUp) {
        let mut state = self.state.borrow_mut();
        if let Some(connection) = state.connection(place, generation) {
            connection.hung_up.get_or_insert_with(|| Box::new(why));
            self.answer(connection, place);
            connection.wake();
        }
    }

    /// Whether a connection that hung up has nothing under way any more; if it broke a rule, it is told now.
    pub(crate) fn is_heard_out(self: &Rc<Self>, place: u32, generation: u32) -> bool {
        let why = {
            let mut state = self.state.borrow_mut();
            let Some(connection) = state.connection(place, generation) else { return false };
            let over = connection.closing || connection.is_answered();
            connection.hung_up.as_deref().copied().filter(|_| over)
        };
        match why {
            None => false,
            Some(HangUp::Client) => true,
            Some(HangUp::Fault(code, reason)) => {
                self.close(place, generation, code, reason);
                true
            }
        }
    }

    /// Closes a connection: from now on nothing it sends counts; what waits is written, then a Close frame.
    pub(crate) fn close(self: &Rc<Self>, place: u32, generation: u32, code: CloseCode, reason: &str) {
        self.detach(place, generation);
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let State { connections, wheel, .. } = &mut *state;
        let found = connections.get_mut(place as usize).filter(|found| found.generation == generation);
        let Some(connection) = found.filter(|found| !found.closing) else { return };
        connection.closing = true;
        tracing::debug!(code = code.number(), reason, connection = &*connection.id, "closing");
        {
            let mut wire = connection.wire.0.borrow_mut();
            let silent = connection.bare.is_some() && super::arrival::is_cut(code);
            if !silent {
                wire.push(frame::close(code.number(), reason));
            }
            wire.mute();
            connection.cut |= silent && wire.queued() == 0;
        }
        connection.wheel = wheel.insert((place, generation), now + CLOSE_MS);
        self.touch(connection, place);
        connection.wake();
    }

    /// Ends a connection without a word.
    fn cut(self: &Rc<Self>, place: u32, generation: u32) {
        let mut state = self.state.borrow_mut();
        if let Some(connection) = state.connection(place, generation) {
            connection.cut = true;
            connection.wake();
        }
    }

    /// A connection has ended.
    pub(crate) fn gone(self: &Rc<Self>, place: u32, generation: u32) {
        self.detach(place, generation);
        let mut state = self.state.borrow_mut();
        if state.connection(place, generation).is_some() {
            state.connections.remove(place as usize);
            self.node.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A connection counts no more: it reads nothing, its positions are kept, its user may be offline.
    fn detach(self: &Rc<Self>, place: u32, generation: u32) {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let found = state.connection(place, generation);
        let Some(connection) = found.filter(|found| found.attached) else { return };
        connection.attached = false;
        // Also what has not moved: the device was seen until now.
        connection.cursor_changed.get_or_insert(now);
        self.write_cursors(&mut state, place, Vec::new());
        let connection = &mut state.connections[place as usize];
        let identity = Rc::clone(&connection.identity);
        let rare = connection.rare.take().unwrap_or_default();
        let shared = connection.bare.as_ref().is_some_and(|bare| bare.shared);
        let (id, device, readings) =
            (Arc::clone(&connection.id), Arc::clone(&connection.device), connection.readings.len());
        for track in 0..readings {
            state.shut(place, TrackId::try_from(track).unwrap_or(TrackId::MAX));
        }
        if let Some(user) = state.users.get_mut(&identity.user) {
            user.connections.retain(|other| *other != place);
            if user.connections.is_empty() {
                let left = state.users.remove(&identity.user);
                if let Some(user) = left {
                    state.resting.keep(&identity.user, user.allowance, now);
                }
            }
        }
        drop(state);
        let address = self.address(place, generation);
        self.node.presence.unwatch_all(&identity.user.scope, address, &rare.watching);
        self.node.observers.remove(&identity.user.scope, address, &rare.observing);
        self.node.presence.disconnected(&identity.user, shared);
        self.node.hooks.disconnected(&identity, &id, &device);
    }
}

enum Verdict {
    Cut,
    Close(CloseCode, Cow<'static, str>),
}

impl Connection {
    /// Has the connection attended to in the next turn.
    pub(crate) fn wake(&self) {
        self.signal.wake_by_ref();
    }

    /// Bytes wait for the socket: since when, without any progress.
    fn note_stuck(&mut self, now: u64) {
        let written = self.wire.0.borrow().written();
        match self.stuck {
            Some((_, before)) if written == before => {}
            _ => self.stuck = Some((now, written)),
        }
    }
}
