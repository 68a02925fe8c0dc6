//! What happened to devices, messages and hubs, one fact each. Plain data: never decides anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::subjects::{Cover, Device, Entry, Mark, Outcome, Sending, Stage};

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Fact {
    /// A client of this device began, on what its outbox file kept.
    Started {
        /// The device.
        device: Device,
        /// Counts its lives.
        life: u32,
    },
    /// It ended in order.
    Stopped {
        /// The device.
        device: Device,
    },
    /// It is about to be killed without warning.
    Killed {
        /// The device.
        device: Device,
    },
    /// It lost all it had stored: cursors, and sends that were not settled.
    Wiped {
        /// The device.
        device: Device,
    },
    /// It is connected.
    Connected {
        /// The device.
        device: Device,
    },
    /// It does not connect any more by itself.
    Closed {
        /// The device.
        device: Device,
        /// Why.
        why: String,
    },
    /// The application is about to send.
    Sending(Sending),
    /// The outbox has the message.
    Taken {
        /// The device.
        device: Device,
        /// The message.
        message_id: String,
    },
    /// The outbox did not take the message.
    Declined {
        /// The device.
        device: Device,
        /// The message.
        message_id: String,
        /// Why.
        why: String,
    },
    /// A send ended.
    Settled {
        /// The device.
        device: Device,
        /// The message.
        message_id: String,
        /// How.
        outcome: Outcome,
    },
    /// An entry was handed to the application.
    Handed(Entry),
    /// A message without position was handed to the application.
    Heard(Entry),
    /// The application is about to say what its user has read.
    Marking {
        /// The device.
        device: Device,
        /// What.
        mark: Mark,
    },
    /// What the user has read on another device was handed to the application.
    Marked {
        /// The entry that says so.
        entry: Entry,
        /// What.
        mark: Mark,
    },
    /// The application learned the stage of a message of its user.
    Reached {
        /// The device that learned it.
        device: Device,
        /// The message.
        message_id: String,
        /// How far.
        stage: Stage,
        /// The user who has it; empty: the device asked.
        #[serde(default)]
        receiver: String,
        /// The device that has it; empty: any.
        #[serde(default)]
        by: String,
    },
    /// At the end, asked how far a message got.
    Stood {
        /// The device that asked.
        device: Device,
        /// The message.
        message_id: String,
        /// How far; `None`: nothing is known of it any more.
        stage: Option<Stage>,
    },
    /// At the end, asked how far the user has read a conversation.
    Counted {
        /// The device that asked.
        device: Device,
        /// The conversation, and the position of its mark; 0: there is none.
        mark: Mark,
        /// How many of others' messages lie behind it.
        unread: u64,
    },
    /// A gap was handed to the application.
    Missed {
        /// The device.
        device: Device,
        /// The stream.
        stream: String,
        /// The first position.
        from: u64,
        /// The last; below `from`: not known which, if any.
        to: u64,
        /// Why.
        reason: String,
    },
    /// A user asks to join a group.
    Joining {
        /// The device that asks.
        device: Device,
        /// The group.
        group: String,
    },
    /// The user is in the group.
    Joined {
        /// The device that learned it.
        device: Device,
        /// The group.
        group: String,
    },
    /// A user asks to leave a group.
    Leaving {
        /// The device that asks.
        device: Device,
        /// The group.
        group: String,
    },
    /// The user is not in the group any more.
    Left {
        /// The device that learned it.
        device: Device,
        /// The group.
        group: String,
    },
    /// A page of history had this entry.
    Kept(Entry),
    /// Pages of history had all of these positions that exist, `Kept` before it.
    Looked {
        /// The device that asked.
        device: Device,
        /// The stream.
        stream: String,
        /// The oldest there is.
        from: u64,
        /// The newest.
        to: u64,
    },
    /// At the end: nothing is unsettled and everything was read.
    Quiet {
        /// The device.
        device: Device,
    },
    /// A hub began to serve.
    HubStarted,
    /// Its store keeps little: what was in a history may be gone a moment later.
    HubForgets,
    /// A hub is about to be killed without warning.
    HubKilled,
    /// It was killed, and what its store had not flushed is lost: a new epoch begins.
    HubLost,
    /// Its store can write nothing more until a hub starts again; readers are served on.
    HubFull,
    /// A hub was asked to end in order.
    HubDrained,
    /// A hub is about to be paused.
    HubPaused,
    /// A hub goes on.
    HubResumed,
    /// An application is about to kick a device.
    Kicking {
        /// The device.
        device: Device,
    },
    /// On the wire: a device introduced itself with its cursors (epoch, position).
    Hello {
        /// Counts connections.
        connection: u64,
        /// Who.
        device: Device,
        /// Its cursors.
        cursors: BTreeMap<String, (String, u64)>,
    },
    /// On the wire: the hub answered with its streams (epoch, from, head).
    Greeted {
        /// The connection.
        connection: u64,
        /// Unacknowledged entries at most.
        window: u64,
        /// What is read.
        streams: BTreeMap<String, (String, u64, u64)>,
    },
    /// On the wire: a stream opened on a connection.
    Opened {
        /// The connection.
        connection: u64,
        /// The stream.
        stream: String,
        /// Its numbering.
        epoch: String,
        /// The first position that will come.
        from: u64,
    },
    /// On the wire: a stream closed on a connection.
    Shut {
        /// The connection.
        connection: u64,
        /// The stream.
        stream: String,
    },
    /// On the wire: the hub covered positions.
    Covered {
        /// The connection.
        connection: u64,
        /// The stream.
        stream: String,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
        /// By what.
        by: Cover,
        /// The message, of an entry.
        #[serde(default)]
        message_id: String,
        /// Its sender.
        #[serde(default)]
        sender: String,
    },
    /// On the wire: the client acknowledged.
    Acknowledged {
        /// The connection.
        connection: u64,
        /// The stream.
        stream: String,
        /// Up to here.
        seq: u64,
    },
}

/// A fact and when it was written down, in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: u64,
    /// What.
    pub fact: Fact,
}

impl Fact {
    /// The device the fact is of.
    #[must_use]
    pub fn device(&self) -> Option<&Device> {
        match self {
            Self::Started { device, .. }
            | Self::Stopped { device }
            | Self::Killed { device }
            | Self::Wiped { device }
            | Self::Connected { device }
            | Self::Closed { device, .. }
            | Self::Missed { device, .. }
            | Self::Joining { device, .. }
            | Self::Joined { device, .. }
            | Self::Leaving { device, .. }
            | Self::Left { device, .. }
            | Self::Looked { device, .. }
            | Self::Quiet { device }
            | Self::Taken { device, .. }
            | Self::Declined { device, .. }
            | Self::Settled { device, .. }
            | Self::Marking { device, .. }
            | Self::Reached { device, .. }
            | Self::Stood { device, .. }
            | Self::Counted { device, .. }
            | Self::Kicking { device }
            | Self::Hello { device, .. } => Some(device),
            Self::Sending(sending) => Some(&sending.device),
            Self::Handed(entry) | Self::Heard(entry) | Self::Kept(entry) | Self::Marked { entry, .. } => {
                Some(&entry.device)
            }
            _ => None,
        }
    }

    /// Whether the fact is about this message of this user.
    #[must_use]
    pub fn is_about(&self, tenant: &str, user: &str, id: &str) -> bool {
        let (from, message) = match self {
            Self::Sending(sending) => (&sending.device.user, &sending.message_id),
            Self::Taken { device, message_id }
            | Self::Declined { device, message_id, .. }
            | Self::Settled { device, message_id, .. }
            | Self::Reached { device, message_id, .. }
            | Self::Stood { device, message_id, .. } => (&device.user, message_id),
            Self::Handed(entry) | Self::Heard(entry) | Self::Kept(entry) | Self::Marked { entry, .. } => {
                (&entry.sender, &entry.message_id)
            }
            // Of a connection only the number is known, not the tenant.
            Self::Covered { message_id, sender, .. } => (sender, message_id),
            _ => return false,
        };
        from == user && message == id && self.device().is_none_or(|device| device.tenant == tenant)
    }
}
