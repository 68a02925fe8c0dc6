//! What a frame, an entry or a deadline means: decisions about connections, as methods of [`Turn`].
//!
//! A [`Shard`] is one thread's connections. It works in turns: letters, then what tasks left, then connections that
//! something happened to. A turn borrows the state once, decides without waiting, and leaves writes for the log, bytes
//! for sockets and tasks in the [`Context`]; the shard sends them off at the turn's end, so that what happened together
//! goes out together. A task waits (for the log, the application, a time) and never sees the state: it comes back with
//! a [`Step`] for a later turn.

mod attach;
mod bare;
mod claims;
mod committed;
mod cursors;
mod deliver;
mod drain;
#[cfg(feature = "echo")]
pub(crate) mod echo;
mod feed;
mod find;
mod inbound;
mod io;
pub(crate) mod kick;
mod lifecycle;
pub(crate) mod marks;
pub(crate) mod membership;
pub(crate) mod node;
mod plan;
mod receipts;
mod recheck;
pub(crate) mod reply;
mod requests;
pub(crate) mod send;
pub(crate) mod volatile;
mod watchers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::{Interval, MissedTickBehavior};
use wsc_core::CloseCode;

use self::node::Node;
use crate::clock::{self, Tick, Wall};
use crate::log::store::{StoreError, Write};
use crate::log::{Generations, Outcome};
use crate::mailbox::Mailbox;
use crate::net::id::ConnectionId;
use crate::net::signal::Signals;
use crate::shard::connection::Connection;
use crate::shard::hint::Hint;
use crate::shard::letter::{Address, Asked, Letter, ReplyTo};
use crate::shard::state::State;

/// One shard, on its own thread.
pub(crate) struct Shard {
    state: State,
    context: Context,
    seconds: Interval,
}

/// What a shard's tasks hold of it: the hub, and the way back into a turn.
pub(crate) struct Handle {
    pub(crate) id: usize,
    pub(crate) node: Arc<Node>,
    steps: Mailbox<Step>,
    /// Connections that something happened to.
    pub(crate) signals: Arc<Signals>,
}

/// What a task does when it comes back: something within a turn.
struct Step {
    of: Subject,
    act: Box<dyn FnOnce(&mut Turn<'_>)>,
}

/// What something is done for: a panic costs that and nothing else.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    Nobody,
    Connection(ConnectionId),
    /// The arrival with this number.
    Arrival(u64),
}

/// What waits outside of turns.
type Task = Pin<Box<dyn Future<Output = ()>>>;

/// What a turn knows beside the state, and what it leaves to be sent off at its end.
pub(crate) struct Context {
    pub(crate) shard: Rc<Handle>,
    pub(crate) now: Tick,
    pub(crate) wall: Wall,
    /// How often lanes of the log have failed, as far as the connections of this shard have felt it.
    generations: Generations,
    writes: Vec<(Write, ReplyTo)>,
    dirty: Vec<ConnectionId>,
    tasks: Vec<Task>,
}

/// The state of a shard, borrowed for one letter, step or connection.
pub(crate) struct Turn<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) cx: &'a mut Context,
}

impl Shard {
    /// Runs a shard until its mailbox is closed. Call on the shard's own thread.
    pub(crate) fn run(id: usize, node: Arc<Node>) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, Self::live(id, node));
        Ok(())
    }

    /// Lives until its mailbox is closed, in the present [`LocalSet`].
    pub(crate) async fn live(id: usize, node: Arc<Node>) {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let context = Context::new(Handle { id, node, steps: Mailbox::default(), signals: Arc::default() });
        let state = State::new(context.node().router.cluster.is_some());
        let mut shard = Self { state, context, seconds };
        // All sockets are read in this one task: tokio's budget of a task must not end a turn in its middle.
        tokio::task::unconstrained(std::future::poll_fn(move |task| shard.poll(task.waker()))).await;
    }

    /// One round: letters, steps, the seconds, then connections that something happened to, then what all of them left.
    /// Woken by the first of each; tokio runs it after the tasks that are ready already, so their work is joined.
    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let task = &mut std::task::Context::from_waker(waker);
        let shard = Rc::clone(&self.context.shard);
        self.context.read_clocks(&mut self.state);
        if self.state.clock.was_stopped() && self.state.is_shared {
            self.guard("a panic after the process was stopped; it goes on", |turn| turn.suspect_all());
        }
        let mut more = false;
        match shard.node.router.shards.poll_take(shard.id, task) {
            Poll::Ready(Some(letters)) => {
                letters.into_iter().for_each(|letter| self.read(letter));
                more = true;
            }
            Poll::Ready(None) => return Poll::Ready(()),
            Poll::Pending => {}
        }
        if let Poll::Ready(Some(steps)) = shard.steps.poll_take(task) {
            steps.into_iter().for_each(|step| self.step(step));
            more = true;
        }
        while self.seconds.poll_tick(task).is_ready() {
            self.guard("a panic while a shard looked at deadlines; it goes on", |turn| turn.second());
        }
        if let Poll::Ready(Some(signals)) = shard.signals.poll_take(task) {
            signals.into_iter().for_each(|id| self.attend(id));
            more = true;
        }
        self.send_off();
        if more {
            // More may have come: after the tasks that are ready now.
            waker.wake_by_ref();
        }
        Poll::Pending
    }

    fn turn(&mut self) -> Turn<'_> {
        Turn { state: &mut self.state, cx: &mut self.context }
    }

    fn read(&mut self, letter: Letter) {
        match letter {
            // Each by itself: no answer of the batch comes a second time.
            Letter::Outcomes(outcomes) => {
                outcomes.into_iter().for_each(|(asked, outcome)| self.take_answer(asked, outcome));
            }
            // What goes wrong with one letter must not end the shard and all its connections. A reader that missed an
            // entry by it sees the hole at the next, and the log is read.
            letter => {
                self.guard("a panic while a shard read a letter; it goes on", |turn| turn.read(letter));
            }
        }
    }

    fn take_answer(&mut self, asked: Asked, outcome: Outcome) {
        let of = match &asked {
            Asked::Send(ticket) => Subject::Connection(ticket.connection),
            Asked::Attach(number) => Subject::Arrival(*number),
            Asked::Positions(id) => Subject::Connection(*id),
            Asked::Delivered(owed) => Subject::Connection(owed.connection),
            Asked::Release(..) => Subject::Nobody,
        };
        let what = "a panic over an answer of the log; its connection is closed";
        if !self.guard(what, |turn| turn.answered_by_log(asked, outcome)) {
            self.give_up(of);
        }
    }

    fn step(&mut self, step: Step) {
        let Step { of, act } = step;
        if !self.guard("a panic in a step of a connection, which is closed", act) {
            self.give_up(of);
        }
    }

    /// Closes a connection that a panic was over. What it left may make that panic, too: the shard goes on.
    fn give_up(&mut self, of: Subject) {
        self.guard("a panic while a connection was closed", |turn| match of {
            Subject::Nobody => {}
            Subject::Connection(id) => turn.close(id, CloseCode::TryAgainLater, "retry_after_ms=5000"),
            Subject::Arrival(number) => turn.install(number, Err(StoreError::Closed)),
        });
    }

    /// Does something in a turn; `false`: it panicked, which is logged.
    fn guard(&mut self, what: &'static str, act: impl FnOnce(&mut Turn<'_>)) -> bool {
        let done = catch_unwind(AssertUnwindSafe(|| act(&mut self.turn()))).is_ok();
        if !done {
            tracing::error!("{what}");
        }
        done
    }

    /// Hands writes to the log, bytes to sockets, tasks to the runtime.
    fn send_off(&mut self) {
        loop {
            self.context.submit();
            let dirty = std::mem::take(&mut self.context.dirty);
            if dirty.is_empty() {
                break;
            }
            // One that emptied a socket may leave more.
            for id in dirty {
                if !self.guard("a panic while bytes were written to a connection", |turn| turn.flush(id)) {
                    self.give_up(Subject::Connection(id));
                }
            }
        }
        let interest = self.state.streams.take_interest();
        if !interest.is_empty() {
            self.context.node().router.note(self.context.shard.id, interest);
        }
        for task in self.context.tasks.drain(..) {
            tokio::task::spawn_local(task);
        }
    }
}

impl Turn<'_> {
    fn read(&mut self, letter: Letter) {
        match letter {
            Letter::Arrive(arrival) => self.arrive(arrival),
            Letter::Published(events) => self.published(&events),
            Letter::Outcomes(outcomes) => {
                outcomes.into_iter().for_each(|(asked, outcome)| self.answered_by_log(asked, outcome));
            }
            Letter::LaneFailed(failure) => self.lane_failed(&failure),
            Letter::Tips { tips, is_asked } => self.tips(&tips, is_asked),
            Letter::Hint(hint, from) => self.hint(&hint, from),
            Letter::ToConnection(address, frame) => self.hand_to(address.id, &frame),
            Letter::ToWatcher(address, user, frame) => self.tell_watcher(address.id, &user, &frame),
            Letter::Positions(query) => self.positions(query),
            Letter::Find(predicate, answer) => {
                let _ = answer.send(self.find(&*predicate));
            }
            Letter::Drain(step) => self.drain(step),
            #[cfg(test)]
            Letter::Panic => panic!("as it was told"),
        }
    }

    /// Does what a hint says, for the connections of this shard.
    fn hint(&mut self, hint: &Hint, from: Option<Address>) {
        match hint {
            Hint::Volatile(volatile) => self.hand_out(volatile, from),
            Hint::Receipt(receipt) => receipts::tell(self, receipt),
            Hint::Kick { user, reason, .. } if self.state.is_shared => self.claims_ended(user, reason),
            Hint::Kick { user, device, reason } => self.kick(user, device, reason),
            Hint::Observed { scope, group, frame } => self.hand_to_observers(scope, group, frame),
            // The hub as a whole looks at it.
            Hint::Presence(_) => {}
        }
    }

    fn answered_by_log(&mut self, asked: Asked, outcome: Outcome) {
        match asked {
            Asked::Send(ticket) => self.sent(&ticket, outcome),
            Asked::Attach(number) => self.attached(number, outcome),
            Asked::Positions(id) => self.kept(id, &outcome),
            Asked::Release(claimed) => self.released(claimed, &outcome),
            Asked::Delivered(owed) => self.delivered(*owed, outcome),
        }
    }

    /// A connection, if it is still the one meant, and the turn's context beside it.
    pub(crate) fn with(&mut self, id: ConnectionId) -> Option<(&mut Connection, &mut Context)> {
        let connection = self.state.connections.get_mut(id)?;
        Some((connection, self.cx))
    }
}

impl Context {
    fn new(shard: Handle) -> Self {
        let generations = shard.node.log.generations();
        Self {
            shard: Rc::new(shard),
            now: Tick::default(),
            wall: clock::wall(),
            generations,
            writes: Vec::new(),
            dirty: Vec::new(),
            tasks: Vec::new(),
        }
    }

    fn read_clocks(&mut self, state: &mut State) {
        (self.now, self.wall) = (state.clock.tick(), clock::wall());
    }

    pub(crate) fn node(&self) -> &Node {
        &self.shard.node
    }

    /// Leaves a write for the end of the turn.
    pub(crate) fn write(&mut self, write: Write, reply: ReplyTo) {
        self.writes.push((write, reply));
    }

    /// Hands the writes that are left over to the log. A log that takes none any more answers none.
    pub(crate) fn submit(&mut self) {
        let writes = std::mem::take(&mut self.writes);
        if writes.is_empty() {
            return;
        }
        for (_, reply) in self.shard.node.log.submit(writes, &self.generations) {
            if let ReplyTo::Shard(_, asked) = reply {
                self.shard
                    .step(Subject::Nobody, move |turn| turn.answered_by_log(asked, Err(StoreError::Closed)));
            }
        }
    }

    /// Marks a connection as having bytes to write at the end of the turn, if it has any.
    pub(crate) fn touch(&mut self, connection: &mut Connection) {
        if !connection.is_dirty && connection.wire.queued() > 0 {
            connection.is_dirty = true;
            self.dirty.push(connection.id);
        }
    }

    /// Leaves a task of a connection. A panic in it costs that connection and no other.
    pub(crate) fn spawn(&mut self, id: ConnectionId, task: impl Future<Output = ()> + 'static) {
        let shard = Rc::clone(&self.shard);
        self.spawn_detached(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!("a panic in a task of a connection, which is closed");
                shard.step(id, move |turn| turn.close(id, CloseCode::TryAgainLater, "retry_after_ms=5000"));
            }
        });
    }

    /// Leaves a task of nobody's.
    pub(crate) fn spawn_detached(&mut self, task: impl Future<Output = ()> + 'static) {
        self.tasks.push(Box::pin(task));
    }

    /// The address of a connection of this shard.
    pub(crate) fn address(&self, id: ConnectionId) -> Address {
        self.shard.address(id)
    }
}

impl From<ConnectionId> for Subject {
    fn from(id: ConnectionId) -> Self {
        Self::Connection(id)
    }
}

impl Handle {
    /// Does something in the shard's next turn, for somebody whom a panic then costs.
    pub(crate) fn step(&self, of: impl Into<Subject>, act: impl FnOnce(&mut Turn<'_>) + 'static) {
        let _ = self.steps.put([Step { of: of.into(), act: Box::new(act) }]);
    }

    /// Does something in the shard's next turn and waits for what comes of it. `None`: it panicked, or the shard ended.
    pub(crate) async fn ask<T: 'static>(&self, act: impl FnOnce(&mut Turn<'_>) -> T + 'static) -> Option<T> {
        let (answer, wait) = oneshot::channel();
        let act = Box::new(move |turn: &mut Turn<'_>| {
            let _ = answer.send(act(turn));
        });
        let _ = self.steps.put([Step { of: Subject::Nobody, act }]);
        wait.await.ok()
    }

    /// The address of a connection of this shard.
    pub(crate) fn address(&self, id: ConnectionId) -> Address {
        Address { shard: self.id, id }
    }
}

#[cfg(test)]
mod tests;
