//! What was committed, as readers want to know it. In the order of the log.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::key::{GroupKey, StreamKey, UserKey};
use super::store::{Append, Appended, Joined, NewMembership, Write, Written};

/// Something that was committed and that readers want to know.
#[derive(Debug)]
pub(crate) enum Published {
    /// A message took a position.
    Entry(Commit),
    /// A user joined a group; its first own position is `head + 1`.
    Joined {
        group: GroupKey,
        user: Arc<str>,
        /// The group's head at that moment.
        head: u64,
        /// The epoch of that position.
        epoch: Arc<str>,
    },
    /// A new epoch has begun: positions mean something else now.
    EpochBegan,
    /// A membership ended, or all of a group.
    Left {
        group: GroupKey,
        /// The user; `None`: all members.
        user: Option<Arc<str>>,
        /// `left`, `removed` or `disbanded`.
        action: &'static str,
    },
}

/// A message at a position of one stream.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) stream: StreamKey,
    pub(crate) seq: u64,
    pub(crate) append: Arc<Append>,
    frame: OnceLock<Bytes>,
}

impl Commit {
    pub(crate) fn new(stream: StreamKey, seq: u64, append: Arc<Append>) -> Self {
        Self { stream, seq, append, frame: OnceLock::new() }
    }

    /// The frame that every live reader gets; `encode` makes it for the first.
    pub(crate) fn frame(&self, encode: impl FnOnce(&Self) -> Bytes) -> &Bytes {
        self.frame.get_or_init(|| encode(self))
    }
}

/// Adds what readers want to know of a write that was made.
pub(super) fn publish(write: Write, written: &Written, published: &mut Vec<Published>) {
    match (write, written) {
        (Write::Append(append), Written::Append(Appended::Stored { seq, own_seq })) => {
            let append = Arc::new(append);
            let stream = append.target.stream();
            if let Some(own) = own_seq {
                let inbox = StreamKey::Inbox(UserKey {
                    scope: stream.scope().clone(),
                    user: Arc::clone(&append.sender),
                });
                published.push(Published::Entry(Commit::new(inbox, *own, Arc::clone(&append))));
            }
            published.push(Published::Entry(Commit::new(stream, *seq, append)));
        }
        (Write::Join(join), Written::Join(Joined::New { head, epoch, .. })) => {
            let epoch = Arc::clone(epoch);
            published.push(Published::Joined { group: join.group, user: join.user, head: *head, epoch });
        }
        (Write::Attach(attach), Written::Attach(attached)) => {
            for NewMembership { group, head, epoch, .. } in &attached.memberships {
                let (group, user) = (group.clone(), Arc::clone(&attach.user.user));
                published.push(Published::Joined { group, user, head: *head, epoch: Arc::clone(epoch) });
            }
        }
        (Write::Leave { group, user, removed, .. }, Written::Leave(Some(_))) => {
            let action = if removed { "removed" } else { "left" };
            published.push(Published::Left { group, user: Some(user), action });
        }
        (Write::Disband { group, .. }, Written::Disband(Some(_))) => {
            published.push(Published::Left { group, user: None, action: "disbanded" });
        }
        (Write::BeginEpoch { .. }, Written::Epoch(_)) => published.push(Published::EpochBegan),
        _ => {}
    }
}
