//! What a store must do: write in order, one answer for each write, and never show a reader what is not yet durable.
//!
//! Everything that changes the store is a [`Write`]. Each is atomic by itself: it happens wholly or changes nothing. The
//! writes of one stream have one order, its *lane*; because joins, leaves and appends of a group share it, the group's
//! history and its membership cannot disagree. Several hubs may write to one store, so a write that is repeated because
//! its answer was lost must be harmless: messages are known by their ids, and a change that is already made is answered
//! as made. A store does not know connections, frames or the network.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

mod attach;
mod claims;
mod records;
mod write;

pub use self::attach::{Attach, AttachOutcome, Attached, Attachment, InboxDelivered, NewMembership, Resume};
pub use self::claims::{Beat, Claim, ClaimChange, Facts, Nodes, Person};
pub use self::records::{
    Conversation, Cursor, Device, DeviceStream, Earlier, Entry, Found, Members, Membership, Opened,
    OpenedStream, Page, Summary, Tip, WaitingMark,
};
pub use self::write::{
    Append, Appended, Delivered, DeviceWrite, Flags, Join, JoinBy, Joined, KnownEpochs, RequestId, Target,
    Write, Written,
};
use super::key::{GroupKey, Scope, StreamKey, UserKey};
pub use super::ranges::Ranges;

/// The answer to one write.
pub type Answer = Result<Written, StoreError>;

/// What [`Store::write`] returns: an answer for each write, in the same order.
pub type Answers<'a> = Pin<Box<dyn Future<Output = Vec<Answer>> + Send + 'a>>;

/// What the other operations of a store return: a boxed future, so that the trait can be used as an object.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Milliseconds since the Unix epoch, by the hub's clock.
pub type Milliseconds = u64;

/// A place that keeps streams, memberships, devices and read marks.
///
/// Every method may be called from any thread.
pub trait Store: Send + Sync + 'static {
    /// In how many independent orders the store writes. 1: all writes are one sequence. Never changes.
    fn lanes(&self) -> usize {
        1
    }

    /// The lane of a stream, below [`Store::lanes`]: that of a write is the lane of [`Write::stream`]. Never changes.
    fn lane(&self, _stream: &StreamKey) -> usize {
        0
    }

    /// Whether several hubs may use the store at the same time. Where not, a hub takes no claims and gives no signs of
    /// life: it knows its own connections.
    fn is_shared(&self) -> bool {
        false
    }

    /// Makes the writes of one lane in order; a hub has one call per lane under way. Answers each write: `Ok` means that
    /// it is kept at the configured durability.
    ///
    /// [`StoreError::Invalid`] and [`StoreError::Unfinished`] are answers to one write alone; the writes after it are
    /// made. From the first other error on, all later answers of the batch are the same error. A write that is answered
    /// with an error is visible to no reader, now or after a restart, except with `Unfinished` and with
    /// [`StoreError::Unavailable`], which says that its fate is unknown. A store that cannot rule out that a refused write
    /// appears later (a flush failed) refuses every later write.
    fn write<'a>(&'a self, lane: usize, batch: &'a [Write]) -> Answers<'a>;

    /// Reads entries of a stream upwards from `from` (inclusive): at most `limit` entries and, beyond the first, about
    /// `max_bytes` of bodies. Positions that are not there any more are left out.
    fn read<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page>;

    /// As [`Store::read`], but downwards from `from` (inclusive; clipped to the head), newest first.
    fn read_back<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page>;

    /// Reads what [`Store::read`] reads, without bodies ([`Entry::body`] is empty).
    fn headers<'a>(&'a self, stream: &'a StreamKey, from: u64, limit: usize) -> StoreFuture<'a, Page>;

    /// Where streams stand, in the order asked. A stream that was never written to has head 0.
    fn tips<'a>(&'a self, streams: &'a [StreamKey]) -> StoreFuture<'a, Vec<Tip>>;

    /// Everything needed to attach a device: heads, the user's starts, the device's stored positions.
    fn open<'a>(&'a self, user: &'a UserKey, device: Option<&'a str>) -> StoreFuture<'a, Opened>;

    /// All devices kept for a user, without order.
    fn devices<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<Device>>;

    /// When others could last see a user, on any device; 0: never.
    fn last_seen<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Milliseconds>;

    /// Users as others may see them, in the order asked.
    fn people<'a>(&'a self, users: &'a [UserKey]) -> StoreFuture<'a, Vec<Person>>;

    /// Users of a tenant with a claim, in order of their ids, after `after` (exclusive; empty: from the first). Also
    /// those whose claims are of dead hubs: the caller leaves them out.
    fn claimed<'a>(
        &'a self,
        scope: &'a Scope,
        after: &'a str,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Arc<str>>>;

    /// Gives a sign of life of a hub, and tells which hubs live. When no hub could give one for more than 5 s, nobody is
    /// declared dead by that.
    fn beat<'a>(&'a self, beat: &'a Beat) -> StoreFuture<'a, Nodes>;

    /// The user's read marks: conversation and position.
    fn marks<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<(Conversation, u64)>>;

    /// The conversations of a user at a time, in no particular order. Costs what came since it was last asked for, not all
    /// that an inbox holds.
    fn conversations<'a>(&'a self, user: &'a UserKey, now: Milliseconds) -> StoreFuture<'a, Vec<Summary>>;

    /// Read marks that were not passed on yet, as [`Append::passes_on`] says it: some of them, at most `limit`.
    fn waiting_marks(&self, limit: usize) -> StoreFuture<'_, Vec<WaitingMark>>;

    /// What was delivered to a user of a stream, by positions of the present epoch.
    fn delivered<'a>(&'a self, user: &'a UserKey, stream: &'a StreamKey) -> StoreFuture<'a, Ranges>;

    /// Where the sender's messages with these ids went; `None` for one not known (any more). Same order as asked.
    fn find<'a>(
        &'a self,
        sender: &'a UserKey,
        message_ids: &'a [Arc<str>],
    ) -> StoreFuture<'a, Vec<Option<Found>>>;

    /// A page of a group's members in order of user id, after `after` (exclusive).
    fn members<'a>(
        &'a self,
        group: &'a GroupKey,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Members>;

    /// How many members a group has; 0: no such group. Costs one read, however many there are.
    fn member_count<'a>(&'a self, group: &'a GroupKey) -> StoreFuture<'a, u64>;

    /// The memberships of users in one group, in the order asked.
    fn memberships<'a>(
        &'a self,
        group: &'a GroupKey,
        users: &'a [Arc<str>],
    ) -> StoreFuture<'a, Vec<Option<Membership>>>;

    /// Forgets what is too old or too much: entries beyond the retention, dedupe keys, devices not seen for long,
    /// tombstones of memberships. Bounded work per call; `true` means: call again, there is more.
    fn maintain(&self, now: Milliseconds) -> StoreFuture<'_, bool>;

    /// Flushes and releases everything. After it every operation fails with [`StoreError::Closed`].
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// Why a store could not do it. None of these loses what was accepted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk is full or a quota is reached; reads go on.
    #[error("no space left for the store: {0}; free some space or lower the retention, then restart the hub")]
    Full(Arc<str>),
    /// The medium failed; nothing more is accepted.
    #[error("the store cannot write: {0}; reads go on, nothing new is accepted until the hub is restarted")]
    Broken(Arc<str>),
    /// Something on disk is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(Arc<str>),
    /// The write cannot be stored as it is; others can.
    #[error("the store refuses a write: {0}")]
    Invalid(Arc<str>),
    /// The store could not be reached for as long as it is waited for, so the write was made or not. The same again is
    /// harmless.
    #[error(
        "the store does not answer: {0}; the write may or may not have been made, and can be repeated when the store is back"
    )]
    Unavailable(Arc<str>),
    /// The message is in its receiver's stream, and could not be written to its sender's.
    #[error(
        "the message reached its receiver's stream and not yet its sender's; sending it again completes it"
    )]
    Unfinished,
    /// The stream is in another epoch than this hub knows; the write was not made.
    #[error("the store began a new epoch; nothing was written, and readers must connect again")]
    Epoch,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether nothing more can be written until the hub is restarted.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Full(_) | Self::Broken(_) | Self::Damaged(_) | Self::Closed => true,
            Self::Invalid(_) | Self::Unavailable(_) | Self::Unfinished | Self::Epoch => false,
        }
    }

    /// Whether it answers one write alone: the writes after it in the batch are made.
    #[must_use]
    pub fn is_of_one_write(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Unfinished)
    }

    /// Whether the store may go on, but nothing that was created before: what came after it in the order must not be made.
    pub(crate) fn fails_the_lane(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Epoch)
    }
}

/// How long a store keeps things, and how many. Sizes in entries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retention {
    /// Entries older than this go.
    pub age: Duration,
    /// At most this many entries in an inbox.
    pub inbox_entries: u64,
    /// At most this many entries in a group.
    pub group_entries: u64,
    /// At most this many entries in a tenant's broadcast.
    pub broadcast_entries: u64,
    /// How long a message id is remembered.
    pub dedupe: Duration,
    /// How long a device is kept after it was last seen.
    pub device: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            age: DAY * 7,
            inbox_entries: 10_000,
            group_entries: 100_000,
            broadcast_entries: 100_000,
            dedupe: DAY,
            device: DAY * 30,
        }
    }
}

/// What "stored" means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// On the disk: survives power loss. The default.
    #[default]
    Fsync,
    /// Handed to the operating system: survives the end of the process.
    Os,
    /// In the process: survives nothing.
    Memory,
}
