//! Shards: threads that each hold the connections of their users, and the letters between them. What belongs to a
//! shard is touched by its thread alone, so it needs no locks.

use std::cell::RefCell;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::task::LocalSet;
use wsc_core::CloseCode;

use super::arrival::Arrival;
use super::node::Node;
use super::state::State;
use super::volatile::Copy;
use crate::broker::Published;
use crate::connection::Signals;
use crate::log::key::UserKey;
use crate::log::store::Write;
use crate::log::{Outcome, ReplyTo};
use crate::mailbox::Mailbox;

/// All shards of a hub, as everybody sees them: mailboxes.
pub(crate) struct Shards {
    mailboxes: Vec<Mailbox<Letter>>,
}

impl Shards {
    pub(crate) fn new(count: usize) -> Self {
        Self { mailboxes: (0..count.max(1)).map(|_| Mailbox::default()).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.mailboxes.len()
    }

    /// The shard that holds a user's connections.
    pub(crate) fn home(&self, user: &UserKey) -> usize {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(user);
        usize::try_from(hash % self.mailboxes.len() as u64).unwrap_or(0)
    }

    /// Sends a letter. A shard that has ended takes none: what was for its connections is for nobody.
    pub(crate) fn send(&self, shard: usize, letter: Letter) {
        let _ = self.mailboxes[shard].put([letter]);
    }

    /// Sends a letter to each shard.
    pub(crate) fn send_all(&self, mut letter: impl FnMut() -> Letter) {
        for shard in 0..self.len() {
            self.send(shard, letter());
        }
    }

    /// Ends all shards once their mailboxes are empty.
    pub(crate) fn close(&self) {
        self.mailboxes.iter().for_each(Mailbox::close);
    }
}

/// Something to be done on a shard's thread.
pub(crate) type Call = dyn FnOnce(&Rc<Shard>) + Send;

/// What a shard is told.
pub(crate) enum Letter {
    /// A connection was authenticated and is this shard's from now on.
    Arrive(Box<Arrival>),
    /// This was committed, in the order of the log.
    Published(Vec<Arc<Published>>),
    /// What became of writes asked for by connections of this shard.
    Outcomes(Vec<(Ticket, Outcome)>),
    /// A volatile message.
    Volatile(Arc<Copy>),
    /// A frame for every connection of a user that speaks this protocol.
    ToUser(UserKey, Bytes),
    /// A frame for one connection.
    ToConnection(Address, Bytes),
    /// A change of a user's presence for a connection that watches it.
    ToWatcher(Address, Arc<str>, Bytes),
    /// Something else, done on the shard's thread.
    Call(Box<Call>),
}

/// A connection of some shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) shard: usize,
    pub(crate) connection: u32,
    pub(crate) generation: u32,
}

/// Who asked for a write, and for what.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) connection: u32,
    pub(crate) generation: u32,
    /// The message's id.
    pub(crate) message_id: Arc<str>,
    /// The group it went to; `None`: the sender's inbox, or `broadcast`.
    pub(crate) place: SentTo,
    /// Its `create_at`.
    pub(crate) create_at: u64,
}

/// The stream in which the sender sees a message.
#[derive(Clone, Debug)]
pub(crate) enum SentTo {
    /// The sender's own inbox.
    Inbox,
    /// A group.
    Group(Arc<str>),
    /// Everybody.
    Broadcast,
}

/// One shard, on its own thread.
pub(crate) struct Shard {
    pub(crate) id: usize,
    pub(crate) node: Arc<Node>,
    pub(crate) state: RefCell<State>,
    /// Writes for the log, handed over at the end of the turn.
    writes: RefCell<Vec<(Write, ReplyTo)>>,
    /// Connections with bytes to write at the end of the turn.
    dirty: RefCell<Vec<(u32, u32)>>,
    turn: RefCell<Option<Waker>>,
    /// Connections that something happened to.
    pub(crate) signals: Arc<Signals>,
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
        let shard = Rc::new(Self {
            id,
            node,
            state: RefCell::new(State::new()),
            writes: RefCell::default(),
            dirty: RefCell::default(),
            turn: RefCell::default(),
            signals: Arc::default(),
        });
        let seconds = tokio::task::spawn_local(seconds(Rc::clone(&shard)));
        // All sockets are read in this one task: tokio's budget of a task must not end a turn in its middle.
        tokio::task::unconstrained(std::future::poll_fn(|context| shard.poll_turn(context))).await;
        seconds.abort();
    }

    /// One turn: letters, then connections that something happened to, then the writes and bytes that both and tasks
    /// left. Woken by the first of each; tokio runs it after the tasks that are ready already, so their work is joined.
    fn poll_turn(self: &Rc<Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.turn.borrow().as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *self.turn.borrow_mut() = Some(context.waker().clone());
        }
        match self.node.shards.mailboxes[self.id].poll_take(context) {
            Poll::Ready(Some(letters)) => {
                self.read(letters);
                // More letters may have come: after the tasks that are ready now.
                context.waker().wake_by_ref();
            }
            Poll::Ready(None) => return Poll::Ready(()),
            Poll::Pending => {}
        }
        if let Poll::Ready(Some(signals)) = self.signals.poll_take(context) {
            for (place, generation) in signals {
                self.attend(place, generation);
            }
            // More may have happened: after the tasks that are ready now.
            context.waker().wake_by_ref();
        }
        self.finish_turn();
        Poll::Pending
    }

    /// Hands the writes that are left over to the log.
    pub(crate) fn submit(&self) {
        let writes = std::mem::take(&mut *self.writes.borrow_mut());
        if !writes.is_empty() {
            self.node.log.submit(writes);
        }
    }

    fn finish_turn(self: &Rc<Self>) {
        self.submit();
        let dirty = std::mem::take(&mut *self.dirty.borrow_mut());
        for (connection, generation) in dirty {
            self.flush(connection, generation);
        }
    }

    fn read(self: &Rc<Self>, letters: impl IntoIterator<Item = Letter>) {
        self.state.borrow_mut().clock.tick();
        for letter in letters {
            // What goes wrong with one letter must not end the shard and all its connections. A reader that missed an
            // entry by it sees the hole at the next, and the log is read.
            if catch_unwind(AssertUnwindSafe(|| self.take(letter))).is_err() {
                tracing::error!("a panic while a shard read a letter; it goes on");
            }
        }
    }

    fn take(self: &Rc<Self>, letter: Letter) {
        match letter {
            Letter::Arrive(arrival) => self.arrive(arrival),
            Letter::Published(events) => self.published(&events),
            Letter::Outcomes(outcomes) => self.outcomes(outcomes),
            Letter::Volatile(copy) => self.hand_out(&copy),
            Letter::ToUser(user, frame) => self.to_user(&user, &frame),
            Letter::ToConnection(address, frame) => self.to_connection(address, &frame),
            Letter::ToWatcher(address, user, frame) => self.to_watcher(address, &user, &frame),
            Letter::Call(call) => call(self),
        }
    }

    /// Does something for a connection in a task of its own. A panic in it costs that connection and no other.
    pub(crate) fn spawn(
        self: &Rc<Self>,
        place: u32,
        generation: u32,
        task: impl Future<Output = ()> + 'static,
    ) {
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!("a panic in a task of a connection, which is closed");
                shard.close(place, generation, CloseCode::TryAgainLater, "retry_after_ms=5000");
            }
        });
    }

    /// Leaves a write for the end of the turn.
    pub(crate) fn write(&self, write: Write, reply: ReplyTo) {
        self.writes.borrow_mut().push((write, reply));
        self.wake();
    }

    /// Marks a connection as having bytes to write at the end of the turn.
    pub(crate) fn mark(&self, connection: u32, generation: u32) {
        self.dirty.borrow_mut().push((connection, generation));
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.turn.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Reads the liveness clock.
    pub(crate) fn now(&self) -> u64 {
        self.state.borrow_mut().clock.tick()
    }

    /// The address of a connection of this shard.
    pub(crate) fn address(&self, connection: u32, generation: u32) -> Address {
        Address { shard: self.id, connection, generation }
    }
}

/// Lets the wheel turn.
async fn seconds(shard: Rc<Shard>) {
    let mut interval = tokio::time::interval(Duration::from_millis(1000));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        shard.second();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_over_one_letter_does_not_end_the_shard() {
        let settings = crate::Settings { shards: 1, ..crate::Settings::default() };
        let hub = crate::Hub::builder(crate::MemoryStore::new(settings.retention)).settings(settings);
        let hub = hub.start().unwrap();
        hub.node().shards.send(0, Letter::Call(Box::new(|_| panic!("as it was told"))));
        let (done, wait) = tokio::sync::oneshot::channel();
        hub.node().shards.send(0, Letter::Call(Box::new(|_| done.send(()).unwrap())));
        tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap().unwrap();
    }
}
