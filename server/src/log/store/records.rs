//! What a store keeps, as it is read.

use std::sync::Arc;

use bytes::Bytes;

use super::{Flags, Milliseconds, Target};
use crate::log::key::{StreamKey, UserKey};

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

/// What a list of conversations shows of one.
///
/// What counts: an entry that is kept, has not expired and is no entry of the hub itself ([`Flags::INTERNAL`]). A
/// conversation with a user is there while an entry counts, a group while the user is a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Summary {
    /// Which conversation.
    pub conversation: Conversation,
    /// The newest position that counts, of a group its head.
    pub last: u64,
    /// When the newest entry that counts was stored, of a group among its newest 10,000; 0: there is none.
    pub at: Milliseconds,
    /// The user's read mark; 0: none.
    pub read: u64,
    /// How many entries that count are not the user's own and lie after the read mark; of a group those after the user
    /// joined, among its newest 10,000.
    pub unread: u64,
}

/// A read mark that was not passed on to the user's other devices yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitingMark {
    /// Whose mark.
    pub user: UserKey,
    /// Which conversation.
    pub conversation: Conversation,
    /// Read up to here.
    pub seq: u64,
    /// The device that said it.
    pub device: Arc<str>,
}

/// A place in a stream, in an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch the position belongs to.
    pub epoch: Arc<str>,
    /// All up to here is covered.
    pub seq: u64,
}

/// A device as stored.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Device {
    /// Which device.
    pub device: Arc<str>,
    /// Its place in each stream.
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
}

/// An earlier epoch of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Which.
    pub epoch: Arc<str>,
    /// The last position that survived from it into the present numbering.
    pub survived: u64,
    /// Whether a cursor that a client names in it means what the store meant. Not so where the store went back without
    /// knowing it and gave positions a second time.
    pub is_proven: bool,
}

/// Where a stream stands: enough to know whether anything was missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The epoch of its positions.
    pub epoch: Arc<str>,
    /// The newest position.
    pub head: u64,
    /// Counts what is true of the stream beside its entries, and never falls: of a group its members, of an inbox the
    /// groups, claims, kicks and status of its owner.
    pub version: u64,
}

/// What [`Store::open`](super::Store::open) found.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Opened {
    /// `inbox`, `broadcast` and one for every group of the user.
    pub streams: Vec<OpenedStream>,
    /// The device as stored, if it is known.
    pub device: Option<Device>,
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
    /// The epoch of its positions.
    pub epoch: Arc<str>,
    /// As in [`Tip::version`].
    pub version: u64,
    /// Earlier epochs, newest first.
    pub lineage: Vec<Earlier>,
}

/// Some entries of a stream.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Page {
    /// The oldest position kept (head + 1 when nothing is).
    pub floor: u64,
    /// The newest position.
    pub head: u64,
    /// The epoch of the positions.
    pub epoch: Arc<str>,
    /// As in [`Tip::version`].
    pub version: u64,
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
