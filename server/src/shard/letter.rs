//! What shards are told, and who they are to each other: letters, addresses, tickets.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wsc_core::StreamName;

use super::hint::Hint;
use super::notes::OwedReceipt;
use crate::admission::Permit;
use crate::admission::identity::Identity;
use crate::log::commit::Published;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::{Cursor, Tip};
use crate::log::{LaneFailure, Outcome};
use crate::mailbox::Mailbox;
use crate::net::bare::Bare;
use crate::net::id::ConnectionId;
use crate::net::wire::Departed;

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
        self.of_hash(user)
    }

    /// One of the shards, always the same for the same stream: an inbox's is its user's home.
    pub(crate) fn of_stream(&self, stream: &StreamKey) -> usize {
        match stream {
            StreamKey::Inbox(user) => self.home(user),
            StreamKey::Group(_) | StreamKey::Broadcast(_) => self.of_hash(stream),
        }
    }

    fn of_hash(&self, key: &impl std::hash::Hash) -> usize {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
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

    /// Takes a shard's letters. `Ready(None)`: there will be no more.
    pub(crate) fn poll_take(
        &self,
        shard: usize,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::collections::VecDeque<Letter>>> {
        self.mailboxes[shard].poll_take(context)
    }

    /// Ends all shards once their mailboxes are empty.
    pub(crate) fn close(&self) {
        self.mailboxes.iter().for_each(Mailbox::close);
    }
}

/// What a shard is told.
pub(crate) enum Letter {
    /// A connection was authenticated and is this shard's from now on.
    Arrive(Box<Arrival>),
    /// This was committed, in the order of the log.
    Published(Vec<Arc<Published>>),
    /// What became of writes that this shard asked for.
    Outcomes(Vec<(Asked, Outcome)>),
    /// A lane of the log failed. What it answered before came before.
    LaneFailed(LaneFailure),
    /// Where streams stand that several hubs write to; `is_asked`: the store was asked, so an epoch is the present one.
    Tips { tips: Vec<(StreamKey, Tip)>, is_asked: bool },
    /// A hint of this hub or another; not for the connection it came from.
    Hint(Arc<Hint>, Option<Address>),
    /// A frame for one connection.
    ToConnection(Address, Bytes),
    /// A change of a user's presence for a connection that watches it.
    ToWatcher(Address, Arc<str>, Bytes),
    /// What connected devices of users have acknowledged and the log does not know yet.
    Positions(PositionsQuery),
    /// Which connections satisfy a predicate of the application.
    Find(Arc<Predicate>, oneshot::Sender<Vec<(ConnectionInfo, Address)>>),
    /// The hub ends.
    Drain(Drain),
    /// Shows that a panic over one letter costs that letter alone.
    #[cfg(test)]
    Panic,
}

/// A question for positions.
pub(crate) struct PositionsQuery {
    pub(crate) users: Vec<UserKey>,
    /// Whether they are to be written to the log, rather than told.
    pub(crate) write: bool,
    pub(crate) answer: oneshot::Sender<HashMap<UserKey, Vec<Range>>>,
}

/// Positions of a stream after the first number up to the second.
pub(crate) type Range = (StreamKey, u64, u64);

/// What an application asks of connections.
pub(crate) type Predicate = dyn Fn(&ConnectionInfo) -> bool + Send + Sync;

/// A connection as a predicate sees it.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Its id.
    pub id: Arc<str>,
    /// The user.
    pub user: UserKey,
    /// The user's type.
    pub user_type: Arc<str>,
    /// The device.
    pub device: Arc<str>,
    /// The user's groups.
    pub groups: HashSet<Arc<str>>,
}

/// The steps in which a hub ends. What is dropped when a step is done wakes whoever waits for it.
pub(crate) enum Drain {
    /// Nobody is let in; connections are told, then closed one after the other.
    Begin { notice: Bytes, spread: Duration, done: mpsc::Sender<()> },
    /// Connections that are left end at once.
    Cut,
    /// What waits for the log is handed over.
    Submit { done: mpsc::Sender<()> },
    /// The log has failed: whoever waits for it is closed.
    CloseUnanswered,
}

/// A connection of some shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) shard: usize,
    pub(crate) id: ConnectionId,
}

/// An authenticated connection on its way to its shard.
pub(crate) struct Arrival {
    /// The socket, between two runtimes.
    pub(crate) wire: Option<Departed>,
    pub(crate) identity: Identity,
    pub(crate) name: Arc<str>,
    /// The device; empty: an ephemeral one.
    pub(crate) device: Arc<str>,
    /// Cursors of the frame, by stream name.
    pub(crate) cursors: HashMap<StreamName<'static>, Cursor>,
    /// Which groups to read; `None`: all.
    pub(crate) groups: Option<HashSet<Arc<str>>>,
    pub(crate) at_head: bool,
    /// When the `connect` was sent, by the device's clock; 0: unknown.
    pub(crate) sent_ms: u64,
    pub(crate) bare: Option<Box<Bare>>,
    /// Counts the connection while it lives.
    pub(crate) permit: Permit,
}

impl Arrival {
    /// Whether its device has one connection only: ephemeral ones are many, and so are those of bare clients' shared one.
    pub(crate) fn is_exclusive(&self) -> bool {
        !self.device.is_empty() && !self.is_shared()
    }

    /// Whether it is one of several of a device that bare clients share.
    pub(crate) fn is_shared(&self) -> bool {
        self.bare.as_ref().is_some_and(|bare| bare.shared)
    }
}

/// A message that its connection handed to the log.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) connection: ConnectionId,
    /// The message's id.
    pub(crate) message_id: Arc<str>,
    /// The stream in which its sender sees it.
    pub(crate) stream: SentTo,
    /// Its `create_at`.
    pub(crate) create_at: u64,
    /// Who sent it, where another hub may tell of it before the log has answered.
    pub(crate) sender: Option<UserKey>,
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

/// What a shard asked the log for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A message of a connection.
    Send(Ticket),
    /// The arrival with this number is attached.
    Attach(u64),
    /// What a connection acknowledged is kept; where another hub may be the next to need it.
    Positions(ConnectionId),
    /// A claim that has ended.
    Release(Claimed),
    /// What a connection acknowledged, of which senders want to hear.
    Delivered(Box<Owed>),
}

/// The claim of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) user: UserKey,
    /// The connection's id.
    pub(crate) connection: Arc<str>,
    /// 0: it has none.
    pub(crate) turn: u64,
}

/// Receipts that are owed when it is kept that entries were delivered.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) connection: ConnectionId,
    pub(crate) receiver: UserKey,
    pub(crate) device: Arc<str>,
    pub(crate) receipts: Vec<OwedReceipt>,
}

/// Who wants the answer to a write.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    Nobody,
    /// A shard, in the order of what is published.
    Shard(usize, Asked),
    /// A waiting task.
    Task(oneshot::Sender<Outcome>),
}

impl From<oneshot::Sender<Outcome>> for ReplyTo {
    fn from(task: oneshot::Sender<Outcome>) -> Self {
        Self::Task(task)
    }
}
