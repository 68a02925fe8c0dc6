//! What a store must do: one ordered sequence of writes, and reads that never show what is not yet durable.
//!
//! Everything that changes the store is a [`Write`]; a batch of them is applied in order, atomically and with one
//! flush. Because joins, leaves and appends share that order, a group's history and its membership cannot disagree.
//! A store does not know connections, frames or the network.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::key::{GroupKey, Scope, StreamKey, UserKey};

/// What a store's operations return: a boxed future, so that the trait can be used as an object.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Milliseconds since the Unix epoch, by the hub's clock.
pub type Milliseconds = u64;

/// A place that keeps streams, memberships, devices and read marks.
///
/// Every method may be called from any thread. [`Store::write`] is called by one task at a time and never
/// concurrently with itself.
pub trait Store: Send + Sync + 'static {
    /// Applies the writes in order and returns one answer each. When it returns `Ok`, all of them are kept at the
    /// configured durability; when it returns `Err`, none of them is visible to any reader, now or after a restart
    /// (a write whose fate is unknown, as after a failed flush, must poison the store: every later write fails).
    fn write<'a>(&'a self, batch: &'a [Write]) -> StoreFuture<'a, Vec<Written>>;

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

    /// Everything needed to attach a device: heads, the user's starts, the device's stored positions.
    fn open<'a>(&'a self, user: &'a UserKey, device: Option<&'a str>) -> StoreFuture<'a, Opened>;

    /// All devices kept for a user, without order.
    fn devices<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<Device>>;

    /// The user's read marks: conversation and position.
    fn marks<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<(Conversation, u64)>>;

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

    /// One user's membership of one group.
    fn membership<'a>(&'a self, group: &'a GroupKey, user: &'a str) -> StoreFuture<'a, Option<Membership>>;

    /// Forgets what is too old or too much: entries beyond the retention, dedupe keys, devices not seen for long,
    /// tombstones of memberships. Bounded work per call; `true` means: call again, there is more.
    fn maintain(&self, now: Milliseconds) -> StoreFuture<'_, bool>;

    /// The present epoch, the same for every stream.
    fn epoch(&self) -> Arc<str>;

    /// Flushes and releases everything. After it every operation fails with [`StoreError::Closed`].
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Adds a message to its stream or streams.
    Append(Append),
    /// Makes the user known: fixes the start of `broadcast` at its present head, unless done before.
    See {
        /// The user.
        user: UserKey,
        /// Now.
        now: Milliseconds,
    },
    /// Adds a user to a group, which is created when it does not exist.
    Join(Join),
    /// Ends a membership, and remembers when and why.
    Leave {
        /// The group.
        group: GroupKey,
        /// The member.
        user: Arc<str>,
        /// Whether somebody else ended it (then older tokens cannot join again).
        removed: bool,
        /// Now.
        now: Milliseconds,
    },
    /// Ends all memberships of a group, as by removal. The entries stay until retention takes them.
    Disband {
        /// The group.
        group: GroupKey,
        /// Now.
        now: Milliseconds,
    },
    /// Moves a read mark forward; a lower position changes nothing.
    Mark {
        /// Whose mark.
        user: UserKey,
        /// Which conversation.
        conversation: Conversation,
        /// Read up to here, a position of the user's inbox or of the group.
        seq: u64,
    },
    /// Stores a device's positions and when it was seen.
    Device(DeviceWrite),
}

/// The answer to one [`Write`], of the same kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// To [`Write::Append`].
    Append(Appended),
    /// To [`Write::Join`].
    Join(Joined),
    /// To [`Write::Leave`]: whether there was a membership.
    Leave(bool),
    /// To [`Write::Disband`]: who was a member.
    Disband(Vec<Arc<str>>),
    /// To [`Write::Mark`]: the position before, and the one now.
    Mark {
        /// Before (0: none).
        from: u64,
        /// Now.
        to: u64,
    },
    /// To [`Write::See`] and [`Write::Device`].
    Done,
}

/// Where a message goes. Exactly one target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A user: into the user's inbox and the sender's own (once, when they are the same).
    User(UserKey),
    /// A group; its sender must be a member when [`Append::require_member`].
    Group(GroupKey),
    /// Everybody.
    Broadcast(Scope),
}

impl Target {
    /// The stream a message stands in for those it is for.
    #[must_use]
    pub fn stream(&self) -> StreamKey {
        match self {
            Self::User(user) => StreamKey::Inbox(user.clone()),
            Self::Group(group) => StreamKey::Group(group.clone()),
            Self::Broadcast(scope) => StreamKey::Broadcast(scope.clone()),
        }
    }
}

/// A message to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    /// Where to.
    pub target: Target,
    /// Who sent it, in the same scope as the target.
    pub sender: Arc<str>,
    /// The sending device; empty for the application itself.
    pub device: Arc<str>,
    /// Whether the sender has an inbox that gets a copy of a message to a user (not so for the application).
    pub copy_to_sender: bool,
    /// Whether a message to a group needs its sender to be a member.
    pub require_member: bool,
    /// The message's id, unique per sender.
    pub message_id: Arc<str>,
    /// Whether (sender, target, message id) takes only one position. Off for bare connections.
    pub dedupe: bool,
    /// A digest of type, content, data and payload: the same id with another digest is a conflict.
    pub digest: [u8; 16],
    /// What is read back with every position. Opaque to the store.
    pub body: Bytes,
    /// Facts about the entry that decide who gets it.
    pub flags: Flags,
    /// Only for this device of the receiver; empty: all.
    pub only_device: Arc<str>,
    /// Not to be handed over at or after this time; 0: never expires.
    pub expires_at: Milliseconds,
    /// Now: the entry's `create_at`.
    pub now: Milliseconds,
}

/// Facts about an entry, a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// `require_ack`: the sender wants receipts.
    pub const REQUIRE_ACK: Self = Self(1);
    /// `skip_send_to_client`: stored for `fetch`, never handed over.
    pub const STORE_ONLY: Self = Self(2);
    /// The body is a binary frame.
    pub const BINARY: Self = Self(4);
    /// An entry of the hub itself (a read mark passed on): not part of a conversation, counts as nobody's message.
    pub const INTERNAL: Self = Self(8);

    /// Whether all bits of `other` are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Self, on: bool) -> Self {
        if on { Self(self.0 | other.0) } else { self }
    }
}

/// What became of an [`Append`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Stored now.
    Stored {
        /// The position in the target's stream.
        seq: u64,
        /// The position in the sender's own inbox, for a message to another user with `copy_to_sender`.
        own_seq: Option<u64>,
    },
    /// The same message was stored before, at these positions.
    Duplicate {
        /// The position in the target's stream.
        seq: u64,
        /// The position in the sender's own inbox.
        own_seq: Option<u64>,
        /// When it was stored.
        create_at: Milliseconds,
    },
    /// The id was used before for other content.
    Conflict,
    /// The sender is not a member of the group, or there is no such group.
    NotMember,
}

/// A user joins a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// The group.
    pub group: GroupKey,
    /// The user.
    pub user: Arc<str>,
    /// On whose word.
    pub by: JoinBy,
    /// At most this many groups per user.
    pub max_groups: usize,
    /// Now.
    pub now: Milliseconds,
}

/// On whose word a user joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinBy {
    /// The `gid` claim of a token issued at this second: not after the user left or was removed in or after it.
    Claim {
        /// `iat` of the token, in seconds; 0 when absent.
        issued_at: u64,
    },
    /// A request under a token issued at this second: not after a removal in or after it.
    Request {
        /// `iat` of the token, in seconds; 0 when absent.
        issued_at: u64,
    },
    /// The application: always.
    Application,
}

/// What became of a [`Join`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// A member from now on: the first position to be read is `head + 1`.
    New {
        /// The group's head at the moment of joining.
        head: u64,
    },
    /// Was a member already.
    Already,
    /// Left or was removed since the token was issued.
    Refused,
    /// The user is in `max_groups` groups.
    TooMany,
}

/// A membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group's head when the user joined: its first own position is the next.
    pub start: u64,
    /// When the user joined.
    pub since: Milliseconds,
}

/// A page of members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// User ids in order.
    pub users: Vec<Arc<str>>,
    /// How many members there are in all; 0: no such group.
    pub total: u64,
    /// Whether more follow.
    pub more: bool,
}

/// A conversation of a user: with another user, or in a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Conversation {
    /// With a user, in the inbox.
    Peer(Arc<str>),
    /// In a group.
    Group(Arc<str>),
}

/// A place in a stream, in an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch the position belongs to.
    pub epoch: Arc<str>,
    /// All up to here is covered.
    pub seq: u64,
}

/// A device's record, to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceWrite {
    /// Whose device.
    pub user: UserKey,
    /// Which device.
    pub device: Arc<str>,
    /// Positions by stream. Within the present epoch a stored position never falls; streams not named stay as they are.
    pub cursors: Vec<(StreamKey, u64)>,
    /// Streams to be forgotten.
    pub forget: Vec<StreamKey>,
    /// The first position was taken from here, so the device got nothing up to it as an entry. Set once per stream
    /// (by the first write that names it), raised when the device starts again further on.
    pub starts: Vec<(StreamKey, u64)>,
    /// Failed delivery attempts in a row.
    pub attempts: u32,
    /// Now: when the device was last seen.
    pub now: Milliseconds,
    /// At most this many devices per user: the longest unseen goes.
    pub max_devices: usize,
}

/// A device as stored.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Device {
    /// Which device.
    pub device: Arc<str>,
    /// Per stream: cursor, and the position it started from.
    pub streams: Vec<DeviceStream>,
    /// Failed delivery attempts in a row.
    pub attempts: u32,
    /// When it was last seen.
    pub last_seen: Milliseconds,
}

/// A device's place in one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceStream {
    /// The stream.
    pub stream: StreamKey,
    /// All up to here is covered.
    pub cursor: Cursor,
    /// It got nothing up to here as an entry.
    pub start: u64,
}

/// What [`Store::open`] found.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Opened {
    /// `inbox`, `broadcast` and one for every group of the user.
    pub streams: Vec<OpenedStream>,
    /// The device as stored, if it is known.
    pub device: Option<Device>,
    /// When the user was last seen on any device; 0: never.
    pub last_seen: Milliseconds,
}

/// One of a user's streams.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenedStream {
    /// The stream.
    pub stream: StreamKey,
    /// Where the user starts: nothing up to here is for the user.
    pub start: u64,
    /// The oldest position kept (head + 1 when nothing is).
    pub floor: u64,
    /// The newest position.
    pub head: u64,
    /// Earlier epochs and the last position of each that survived into the present numbering, newest first.
    pub lineage: Vec<Cursor>,
}

/// Some entries of a stream.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Page {
    /// The oldest position kept (head + 1 when nothing is).
    pub floor: u64,
    /// The newest position.
    pub head: u64,
    /// The entries, in the order of reading.
    pub entries: Vec<Entry>,
    /// The position after (before, when reading back) the last one looked at: where to go on.
    pub next: u64,
}

/// A message at a position.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The position.
    pub seq: u64,
    /// Where it was sent to.
    pub target: Target,
    /// Who sent it.
    pub sender: Arc<str>,
    /// The device that sent it.
    pub device: Arc<str>,
    /// Its id.
    pub message_id: Arc<str>,
    /// Facts about it.
    pub flags: Flags,
    /// Only for this device of the receiver; empty: all.
    pub only_device: Arc<str>,
    /// Not to be handed over at or after this time; 0: never expires.
    pub expires_at: Milliseconds,
    /// When it was stored.
    pub create_at: Milliseconds,
    /// What was appended.
    pub body: Bytes,
}

impl Entry {
    /// Whether it is not to be handed over any more.
    #[must_use]
    pub fn is_expired(&self, now: Milliseconds) -> bool {
        self.expires_at != 0 && self.expires_at <= now
    }
}

/// Where a message went.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Where to.
    pub target: Target,
    /// The position in the target's stream.
    pub seq: u64,
    /// The entry there, without body; `None`: it is gone.
    pub entry: Option<Entry>,
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
    /// The batch cannot be stored as it is, and nothing of it was; other batches can.
    #[error("the store refuses a write: {0}")]
    Invalid(Arc<str>),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// How long a store keeps things. Times in milliseconds, sizes in entries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retention {
    /// Entries older than this go.
    pub age: Milliseconds,
    /// At most this many entries in an inbox.
    pub inbox_entries: u64,
    /// At most this many entries in a group.
    pub group_entries: u64,
    /// At most this many entries in a tenant's broadcast.
    pub broadcast_entries: u64,
    /// How long a message id is remembered.
    pub dedupe: Milliseconds,
    /// How long a device is kept after it was last seen.
    pub device: Milliseconds,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Milliseconds = 24 * 60 * 60 * 1000;
        Self {
            age: 7 * DAY,
            inbox_entries: 10_000,
            group_entries: 100_000,
            broadcast_entries: 100_000,
            dedupe: DAY,
            device: 30 * DAY,
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
