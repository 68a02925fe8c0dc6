//! What outlives the process: device, cursors, unsettled sends, read marks; as a list of changes.
//! Never touches a disk. A driver either keeps [`Saved::encode`] whole, or appends each [`Change`] and applies them
//! again when it starts.

use alloc::string::String;
use alloc::vec::Vec;

use super::event::SendId;
use crate::frame::Frame;
use crate::names::{StreamName, is_id};
use crate::time::Timestamp;

/// One unsettled send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSend {
    /// Its number in the order of sends.
    pub id: SendId,
    /// Id of its message.
    pub message_id: String,
    /// When it was first sent, or may have been, in milliseconds; `None`: certainly not yet.
    pub first_sent: Option<Timestamp>,
    /// When it expires, in milliseconds.
    pub deadline: Option<Timestamp>,
    /// Whether the client waits for its receipts.
    pub receipts: bool,
    /// The frame as it goes out.
    pub frame: Frame,
}

/// A device's cursor in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedCursor {
    /// Its name.
    pub stream: StreamName<'static>,
    /// The epoch of the position.
    pub epoch: String,
    /// The application has everything up to here.
    pub seq: u64,
}

/// How far the user has read a conversation, which the hub does not know yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedMark {
    /// Its name.
    pub stream: StreamName<'static>,
    /// The user whose messages were read; empty for a group.
    pub peer: String,
    /// Everything up to here was read.
    pub seq: u64,
}

impl SavedMark {
    /// Whether there can be such a mark: a reader of the record takes no other.
    pub(super) fn can_be(&self) -> bool {
        let is_inbox = self.stream == StreamName::Inbox;
        let peer = if is_inbox { is_id(&self.peer) } else { self.peer.is_empty() };
        peer && self.seq > 0 && StreamName::parse(self.stream.as_str()).is_some()
    }

    /// Whether both are of the same conversation.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.stream == other.stream && self.peer == other.peer
    }
}

/// Whose messages and cursors these are: a user of a tenant.
///
/// ```
/// use wsc_core::client::Owner;
/// let owner = Owner::new("alice", "", "");
/// assert_eq!(owner.to_string(), "user alice");
/// assert_eq!(owner, Owner::new("alice", "__default_app__", "__default_ns__"));
/// assert_eq!(Owner::new("alice", "shop", "eu").to_string(), "user alice (application shop, namespace eu)");
/// ```
// One text, its parts separated by tabs, since every field counts in the size of a page: no id has a tab in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner(pub(super) String);

impl Owner {
    /// A user of a tenant, whose default names may be left out; nobody without a user.
    #[must_use]
    pub fn new(user_id: &str, app_id: &str, namespace: &str) -> Self {
        if user_id.is_empty() {
            return Self::default();
        }
        let named = |name, default| if name == default { "" } else { name };
        let [app_id, namespace] = [named(app_id, "__default_app__"), named(namespace, "__default_ns__")];
        Self([user_id, app_id, namespace].join("\t"))
    }

    /// As [`Owner::as_str`] gave it; nobody: empty. A user's id alone is that user of a tenant that is not known.
    #[must_use]
    pub const fn from_text(text: String) -> Self {
        Self(text)
    }

    /// User, application and namespace, separated by tabs, the default ones left empty.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are of one user and, where both name one, one tenant. Nobody agrees with nobody else.
    ///
    /// ```
    /// use wsc_core::client::Owner;
    /// let [alice, of_shop] = ["", "shop"].map(|app| Owner::new("alice", app, ""));
    /// assert!(of_shop.agrees(&Owner::from_text("alice".into())) && !of_shop.agrees(&alice));
    /// ```
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        match (self.0.split_once('\t'), other.0.split_once('\t')) {
            (Some((user, _)), None) => user == other.0,
            (None, Some((user, _))) => user == self.0,
            _ => self == other,
        }
    }

    /// Whether the user of this id may use what is owned.
    pub(super) fn may_be(&self, user_id: &str) -> bool {
        let after = self.0.as_bytes().get(user_id.len());
        self.0.is_empty() || self.0.starts_with(user_id) && matches!(after, None | Some(b'\t'))
    }
}

impl core::fmt::Display for Owner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut parts = self.0.split('\t');
        write!(f, "user {}", parts.next().unwrap_or_default())?;
        let mut begin = " (";
        for (what, name) in
            ["application", "namespace"].into_iter().zip(parts).filter(|(_, name)| !name.is_empty())
        {
            write!(f, "{begin}{what} {name}")?;
            begin = ", ";
        }
        f.write_str(if begin == ", " { ")" } else { "" })
    }
}

/// One change of what is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A send was added.
    Put(SavedSend),
    /// All sends up to this id that had not gone out may go out from now on. Stored before they do.
    Sent {
        /// An id of its own, after theirs.
        up_to: SendId,
        /// When, in milliseconds.
        at: Timestamp,
    },
    /// A send ended.
    Settled {
        /// Its number.
        send: SendId,
    },
    /// A cursor moved.
    Cursor(SavedCursor),
    /// The device no longer reads a stream.
    Forget {
        /// Its name.
        stream: StreamName<'static>,
    },
    /// The user has read a conversation up to here.
    Mark(SavedMark),
    /// The hub has taken a read mark, or refused it.
    Marked(SavedMark),
    /// The owner of all this.
    Owner(Owner),
}

/// Everything that is saved.
///
/// ```
/// use wsc_core::client::Saved;
/// let saved = Saved { device_id: "phone-1".into(), ..Saved::default() };
/// assert_eq!(Saved::decode(&saved.encode()), Some(saved));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Id of the device; empty: ephemeral.
    pub device_id: String,
    /// Whose it is; nobody: not known yet, or an earlier version wrote it.
    pub owner: Owner,
    /// Number of the last send, so that none is used twice.
    pub last_send: u64,
    /// Unsettled sends in order.
    pub sends: Vec<SavedSend>,
    /// Cursors, sorted by the name of their stream.
    pub cursors: Vec<SavedCursor>,
    /// Read marks the hub does not know yet, the longest unmoved first.
    pub marks: Vec<SavedMark>,
}

impl Saved {
    /// Applies one change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Put(send) => {
                self.last_send = self.last_send.max(send.id.0);
                match self.sends.binary_search_by_key(&send.id, |kept| kept.id) {
                    Ok(index) => self.sends[index] = send,
                    Err(index) => self.sends.insert(index, send),
                }
            }
            Change::Sent { up_to, at } => {
                self.last_send = self.last_send.max(up_to.0);
                for send in self.sends.iter_mut().filter(|send| send.id <= up_to) {
                    send.first_sent.get_or_insert(at);
                }
            }
            Change::Settled { send } => {
                self.last_send = self.last_send.max(send.0);
                if let Ok(index) = self.sends.binary_search_by_key(&send, |kept| kept.id) {
                    self.sends.remove(index);
                }
            }
            Change::Cursor(cursor) => match self.cursors.binary_search_by(|c| c.stream.cmp(&cursor.stream)) {
                Ok(index) => self.cursors[index] = cursor,
                Err(index) => self.cursors.insert(index, cursor),
            },
            Change::Forget { stream } => self.cursors.retain(|cursor| cursor.stream != stream),
            Change::Mark(mark) => {
                self.marks.retain(|kept| !kept.is_of(&mark));
                self.marks.push(mark);
            }
            Change::Owner(owner) => self.owner = owner,
            Change::Marked(mark) => self.marks.retain(|kept| !kept.is_of(&mark) || kept.seq > mark.seq),
        }
    }
}

impl Change {
    /// What to pass to [`super::Client::handle_stored`] once this change and all before it are stored.
    #[must_use]
    pub const fn confirm(&self) -> Option<SendId> {
        match self {
            Self::Put(send) => Some(send.id),
            Self::Sent { up_to, .. } => Some(*up_to),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use alloc::borrow::ToOwned as _;

    use super::*;

    fn send(id: u64, frame: Frame) -> SavedSend {
        SavedSend {
            id: SendId(id),
            message_id: format!("m{id}"),
            first_sent: (id == 2).then_some(1_795_528_800_123),
            deadline: (id == 3).then_some(u64::MAX),
            receipts: id == 1,
            frame,
        }
    }

    pub(in crate::client) fn saved() -> Saved {
        let cursor = |stream, seq| SavedCursor { stream, epoch: "e".to_owned(), seq };
        Saved {
            device_id: "d1".to_owned(),
            owner: Owner::new("alice", "shop", ""),
            last_send: 9,
            sends: vec![
                send(1, Frame::Text("{}".to_owned())),
                send(2, Frame::Binary(vec![0, 0, 0, 2, b'{', b'}', 255])),
                send(3, Frame::Text("{\"a\":1}".to_owned())),
            ],
            cursors: vec![cursor(StreamName::group("t"), 0), cursor(StreamName::Inbox, 300)],
            marks: vec![mark(StreamName::Inbox, "bob", 299), mark(StreamName::group("t"), "", 1)],
        }
    }

    fn mark(stream: StreamName<'static>, peer: &str, seq: u64) -> SavedMark {
        SavedMark { stream, peer: peer.to_owned(), seq }
    }

    #[test]
    fn changes_applied_in_order_give_the_state() {
        let mut state = saved();
        state.apply(Change::Sent { up_to: SendId(2), at: 5 });
        state.apply(Change::Settled { send: SendId(2) });
        state.apply(Change::Forget { stream: StreamName::Inbox });
        assert_eq!(state.sends.iter().map(|send| send.id.0).collect::<Vec<_>>(), [1, 3]);
        assert_eq!((state.sends[0].first_sent, state.sends[1].first_sent), (Some(5), None));
        assert_eq!(state.cursors.len(), 1);
        for change in [
            Change::Mark(mark(StreamName::Inbox, "bob", 305)),
            Change::Marked(mark(StreamName::Inbox, "bob", 299)),
            Change::Marked(mark(StreamName::group("t"), "", 1)),
        ] {
            state.apply(change);
        }
        assert_eq!(state.marks, [mark(StreamName::Inbox, "bob", 305)], "the later one is not known yet");
    }
}
