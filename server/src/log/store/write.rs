//! Changes of a store, and what became of them.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wsc_core::kind::UserStatus;

use super::{Attach, Attached, ClaimChange, Conversation, Milliseconds};
use crate::log::key::{GroupKey, Scope, StreamKey, UserKey};

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Adds a message to its stream or streams.
    Append(Append),
    /// Makes the user known: fixes the start of `broadcast` at its present head, unless done before.
    See {
        /// The user.
        user: UserKey,
        /// When others could last see the user.
        visible: Milliseconds,
    },
    /// Adds a user to a group, which is created when it does not exist.
    Join(Join),
    /// Ends a membership, and remembers when and why. The same request again is answered as the first time: that answer
    /// may have been lost.
    Leave {
        /// The group.
        group: GroupKey,
        /// The member.
        user: Arc<str>,
        /// Whether somebody else ended it (then older tokens cannot join again).
        removed: bool,
        /// Which request.
        request: RequestId,
        /// Now.
        now: Milliseconds,
    },
    /// Ends all memberships of a group, as by removal. The entries stay until retention takes them. The same request
    /// again is answered as the first time.
    Disband {
        /// The group.
        group: GroupKey,
        /// Which request.
        request: RequestId,
        /// Now.
        now: Milliseconds,
    },
    /// Moves a read mark forward; a lower position changes nothing.
    Mark {
        /// Whose mark.
        user: UserKey,
        /// The device that said it.
        device: Arc<str>,
        /// Which conversation.
        conversation: Conversation,
        /// Read up to here, a position of the user's inbox or of the group.
        seq: u64,
    },
    /// Raises what was delivered to a user.
    Delivered(Delivered),
    /// Stores a device's positions and when it was seen.
    Device(DeviceWrite),
    /// Ends claims of a user, and with them the connections: whoever has one finds it gone ([`Person::claims`]).
    ///
    /// [`Person::claims`]: super::Person::claims
    Kick {
        /// The user.
        user: UserKey,
        /// Only this device; `None`: all.
        device: Option<Arc<str>>,
        /// Why, for the user to read.
        reason: Arc<str>,
        /// Which request. The same again ends nothing: its answer may have been lost, and the device have come back.
        request: RequestId,
        /// Now.
        now: Milliseconds,
    },
    /// Keeps the status that a user chose.
    Status {
        /// The user.
        user: UserKey,
        /// The status.
        status: UserStatus,
    },
    /// Attaches a device.
    Attach(Box<Attach>),
    /// Ends the epoch of a stream, and of all streams that share it, because the store was put back to an earlier time
    /// without knowing it: somebody has seen more in that epoch than there is. What clients name in it proves nothing
    /// then ([`Earlier::is_proven`](super::Earlier::is_proven)). Nothing changes when another epoch is present.
    BeginEpoch {
        /// The stream.
        stream: StreamKey,
        /// The epoch to be ended.
        ended: Arc<str>,
    },
}

impl Write {
    /// The stream whose order the write belongs to: the target's, the group's, or the user's inbox.
    #[must_use]
    pub fn stream(&self) -> StreamKey {
        match self {
            Self::Append(append) => append.target.stream(),
            Self::Join(Join { group, .. }) | Self::Leave { group, .. } | Self::Disband { group, .. } => {
                StreamKey::Group(group.clone())
            }
            Self::See { user, .. }
            | Self::Mark { user, .. }
            | Self::Kick { user, .. }
            | Self::Status { user, .. }
            | Self::Delivered(Delivered { user, .. })
            | Self::Device(DeviceWrite { user, .. }) => StreamKey::Inbox(user.clone()),
            Self::Attach(attach) => StreamKey::Inbox(attach.user.clone()),
            Self::BeginEpoch { stream, .. } => stream.clone(),
        }
    }
}

/// Names one request to change memberships. A write with the same one is the same write, made again because its answer
/// was lost; two requests never share one, however close in time they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(pub u64);

impl RequestId {
    /// A new one, by chance. 0, where the system has no entropy, is like no other, not even itself.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        let mut bytes = [0; 8];
        let filled = getrandom::fill(&mut bytes);
        Self(if filled.is_ok() { u64::from_ne_bytes(bytes) } else { 0 })
    }

    /// Whether this is the request that was kept as `kept`; 0: none was.
    pub(in super::super) fn is_again(self, kept: u64) -> bool {
        self.0 != 0 && self.0 == kept
    }
}

/// The answer to one [`Write`], of the same kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// To [`Write::Append`].
    Append(Appended),
    /// To [`Write::Join`].
    Join(Joined),
    /// To [`Write::Leave`]: the group's version when a membership ended; `None`: there was none.
    Leave(Option<u64>),
    /// To [`Write::Disband`]: the group's version when memberships ended; `None`: there were none.
    Disband(Option<u64>),
    /// To [`Write::Mark`]: the position before, and the one now.
    Mark {
        /// Before (0: none).
        from: u64,
        /// Now.
        to: u64,
    },
    /// To [`Write::Delivered`]: those positions of [`Delivered::asked`] that were not delivered or read before.
    Delivered(Vec<u64>),
    /// To [`Write::Attach`].
    Attach(Box<Attached>),
    /// To [`Write::BeginEpoch`]: the present epoch.
    Epoch(Arc<str>),
    /// To [`Write::Kick`]: the version of the inbox when claims ended; `None`: there were none.
    Kick(Option<u64>),
    /// To [`Write::Device`].
    Device {
        /// The turn of the claim that was taken; 0: none was.
        turn: u64,
    },
    /// To [`Write::Device`], when a newer connection has the claim: nothing was written.
    Overtaken,
    /// To [`Write::See`] and [`Write::Status`].
    Done,
}

/// Where a message goes. Exactly one target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// The read mark of the target's user that it passes on. It is stored only while just that mark waits, which it does not
    /// from then on: several hubs may want to.
    pub passes_on: Option<Box<(Conversation, u64)>>,
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
    /// The read mark that it passes on ([`Append::passes_on`]) does not wait, or no more: it was passed on, or a later one
    /// will be.
    Obsolete,
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
    /// Maximum number of groups per user.
    pub max_groups: usize,
    /// Which request.
    pub request: RequestId,
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
    /// A member from now on: the first position to be read is `head + 1`. Also the answer to the same request
    /// again ([`Join::request`]): the first answer may have been lost.
    New {
        /// The group's head at the moment of joining.
        head: u64,
        /// The epoch of that position.
        epoch: Arc<str>,
        /// The group's version.
        version: u64,
    },
    /// Was a member already.
    Already,
    /// Left or was removed since the token was issued.
    Refused,
    /// The user is in `max_groups` groups.
    TooMany,
}

/// What devices of a user acknowledged as entries, any of them, for ever: stages of messages compare with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// The user.
    pub user: UserKey,
    /// Positions after the first number up to the second, by stream. Entries that were for another device are no part
    /// of it; what was for nobody may be.
    pub ranges: Vec<(StreamKey, u64, u64)>,
    /// Messages in these ranges of the user's inbox whose senders want to hear of it: position and sender.
    pub asked: Vec<(u64, Arc<str>)>,
    /// Which epochs these positions are of.
    pub epochs: KnownEpochs,
}

/// The epochs that positions in a write are of. Those of a stream in another epoch than the present one mean nothing any
/// more: they are left out. A stream that is not named is in the present one, as only a hub that is alone with its store
/// can be sure of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownEpochs(pub Vec<(StreamKey, Arc<str>)>);

impl KnownEpochs {
    /// Whether positions of a stream, which is in the epoch `present`, are to be left out.
    pub fn are_past(&self, stream: &StreamKey, present: &str) -> bool {
        self.0.iter().any(|(of, epoch)| of == stream && **epoch != *present)
    }
}

/// A device's record, to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceWrite {
    /// Whose device.
    pub user: UserKey,
    /// Which device; empty: an ephemeral one, of which nothing but its claim is kept.
    pub device: Arc<str>,
    /// Positions by stream. Within the present epoch a stored position never falls; streams not named stay as they are.
    pub cursors: Vec<(StreamKey, u64)>,
    /// Which epochs these positions are of.
    pub epochs: KnownEpochs,
    /// Streams to be forgotten.
    pub forget: Vec<StreamKey>,
    /// Failed delivery attempts in a row.
    pub attempts: u32,
    /// Now: when the device was last seen.
    pub now: Milliseconds,
    /// When others could last see the user, who may be invisible.
    pub visible: Milliseconds,
    /// At most this many devices per user: the longest unseen of those that are not connected goes.
    pub max_devices: usize,
    /// Devices of the user that are connected now; of very many only some.
    pub connected: Vec<Arc<str>>,
    /// What becomes of its claim.
    pub claim: ClaimChange,
}
