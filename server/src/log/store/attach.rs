//! The write by which a device attaches, and its answer.

use std::sync::Arc;

use super::{ClaimChange, Cursor, DeviceWrite, Join, KnownEpochs, Milliseconds, OpenedStream};
use crate::log::key::{GroupKey, StreamKey, UserKey};

/// A device attaches: everything that is decided and kept before it is told `connected`.
///
/// In this order: the claim is looked at, the memberships that its token claims begin, the user is made known ([`Write::See`](super::Write::See)),
/// and then in one step all streams are read, it is decided where the device goes on in each
/// ([`decide`](crate::log::attach::decide)), and that is kept, with the claim. So no change of a membership can lie between what was read
/// and what is kept.
///
/// Only the first position of a device has to be durable when this is answered. Where nothing but
/// [`Device::last_seen`](super::Device::last_seen) changes, a store need not flush.
#[derive(Clone, Debug, PartialEq)]
pub struct Attach {
    /// Whose device.
    pub user: UserKey,
    /// Which device; empty: an ephemeral one, of which nothing is kept.
    pub device: Arc<str>,
    /// Memberships to begin, all of this user.
    pub joins: Vec<Join>,
    /// Where the device says it stands.
    pub cursors: Vec<(StreamKey, Cursor)>,
    /// The groups to be read; `None`: all that the user is in.
    pub groups: Option<Vec<Arc<str>>>,
    /// Maximum number of streams to be read.
    pub max_streams: usize,
    /// Whether to begin at the head of streams without any cursor, rather than at the user's start.
    pub at_head: bool,
    /// Whether a device that has seen more than there is goes on from the oldest entry, instead of [`AttachOutcome::Ahead`]:
    /// an epoch was begun for that already, so it does not tell the truth.
    pub begins_anew: bool,
    /// What was delivered of the inbox, as [`AttachOutcome::HeadersNeeded`] asked for it.
    pub delivered: Option<InboxDelivered>,
    /// Now: when the device was last seen.
    pub now: Milliseconds,
    /// When others could last see the user, who may be invisible.
    pub visible: Milliseconds,
    /// As in [`DeviceWrite::max_devices`].
    pub max_devices: usize,
    /// As in [`DeviceWrite::connected`].
    pub connected: Vec<Arc<str>>,
    /// The claim that is taken with it.
    pub claim: ClaimChange,
}

impl Attach {
    /// The device's record after it: `cursors` are where it goes on, `attempts` is what was stored.
    pub(in super::super) fn device_write(
        &self,
        cursors: Vec<(StreamKey, u64)>,
        attempts: u32,
    ) -> DeviceWrite {
        DeviceWrite {
            user: self.user.clone(),
            device: Arc::clone(&self.device),
            cursors,
            epochs: KnownEpochs::default(),
            forget: Vec::new(),
            attempts,
            now: self.now,
            visible: self.visible,
            max_devices: self.max_devices,
            connected: self.connected.clone(),
            claim: ClaimChange::Keep,
        }
    }
}

/// What a device that attaches has acknowledged of its user's inbox, by the headers of those entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxDelivered {
    /// The epoch of these positions.
    pub epoch: Arc<str>,
    /// The headers after this position …
    pub after: u64,
    /// … and up to this one were looked at.
    pub to: u64,
    /// What was not for another device among them: after the first number, up to the second.
    pub ranges: Vec<(u64, u64)>,
}

/// What became of an [`Attach`].
#[derive(Clone, Debug, PartialEq)]
pub struct Attached {
    /// The memberships that began, whatever the outcome but `Overtaken`. The same attach again names them again (by [`Join::request`]).
    pub memberships: Vec<NewMembership>,
    /// The rest.
    pub outcome: AttachOutcome,
}

/// A membership that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMembership {
    /// The group.
    pub group: GroupKey,
    /// The group's head at that moment: the first own position is the next.
    pub head: u64,
    /// The epoch of that position.
    pub epoch: Arc<str>,
    /// The group's version.
    pub version: u64,
}

/// Whether a device is attached. Except for `Ready` no position was kept.
#[derive(Clone, Debug, PartialEq)]
pub enum AttachOutcome {
    /// It is.
    Ready(Attachment),
    /// A newer connection of the device has the claim: nothing was done.
    Overtaken,
    /// The device has seen more of this stream, in the present epoch, than there is: the store was put back to an earlier
    /// time. Begin a new epoch ([`Write::BeginEpoch`](super::Write::BeginEpoch)) and attach again.
    Ahead(OpenedStream),
    /// The device has acknowledged more of its inbox than is known of it, so its last connection ended before that was
    /// written. What of it counts as delivered shows in the headers of the entries after `after` up to `to`
    /// ([`Store::headers`](super::Store::headers)): what was for another device does not. Read them and attach again with
    /// [`Attach::delivered`].
    ///
    /// A store does not read them itself: there may be as many as an inbox holds, and while it decides it keeps
    /// everybody else waiting (a script of Redis stops the whole server, a transaction holds the inbox's lock). Entries
    /// do not change, so that they are read before the second attempt is as good.
    HeadersNeeded {
        /// The epoch of these positions.
        epoch: Arc<str>,
        /// After this position.
        after: u64,
        /// Up to this one.
        to: u64,
    },
}

/// What a connection of an attached device begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// What it reads: the inbox, the broadcast, then groups in order of their ids. The version of the inbox counts the claim
    /// that was taken.
    pub streams: Vec<(OpenedStream, Resume)>,
    /// All groups of the user, also those that are not read, in order.
    pub groups: Vec<Arc<str>>,
    /// Failed delivery attempts of the device in a row.
    pub attempts: u32,
    /// The turn of the claim that was taken; 0: none was.
    pub turn: u64,
}

/// Where reading begins, and what must be said before the first entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The first position covered on the connection.
    pub from: u64,
    /// Say `gap` of reason `epoch` with an empty range first.
    pub new_epoch: bool,
    /// Say `gap` of reason `left` from `from` up to here first; 0: nothing.
    pub left_to: u64,
    /// The device acknowledged what lies after this and before `from`, and the store does not know it yet.
    pub noted: u64,
    /// The device has seen more in the present epoch than there is: the store was put back to an earlier time.
    pub is_ahead: bool,
}
