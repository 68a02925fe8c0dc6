//! What happened to devices, messages and hubs, one fact each. Plain data: never decides anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A device of a user of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Device {
    /// App and namespace.
    pub tenant: String,
    /// The user.
    pub user: String,
    /// The installation.
    pub device: String,
}

impl Device {
    /// A device of its three names.
    #[must_use]
    pub fn new(tenant: &str, user: &str, device: &str) -> Self {
        Self { tenant: tenant.to_owned(), user: user.to_owned(), device: device.to_owned() }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.tenant, self.user, self.device)
    }
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// All devices of a user.
    User(String),
    /// One device of a user.
    Device(String, String),
    /// The members of a group.
    Group(String),
    /// Everybody of the tenant.
    Everybody,
}

/// How a send ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Stored, at this position of the stream as the sender names it.
    Accepted {
        /// The stream.
        stream: String,
        /// The position.
        seq: u64,
    },
    /// Refused for good.
    Refused(String),
    /// Sent, never answered.
    Unknown,
    /// Never sent: its life ended before.
    Expired,
}

impl Outcome {
    /// What the client says of a send; `None` for one that nobody will answer for.
    #[must_use]
    pub fn of(outcome: wsc_core::client::Outcome) -> Option<Self> {
        use wsc_core::client::Outcome as Told;
        match outcome {
            Told::Accepted { stream, seq, .. } => Some(Self::Accepted { stream: stream?.to_string(), seq }),
            Told::Refused { code, reason, .. } => {
                Some(Self::Refused(format!("{reason} ({})", code.number())))
            }
            Told::Unknown => Some(Self::Unknown),
            Told::Expired => Some(Self::Expired),
            Told::Cancelled | Told::Dropped | Told::Sent => None,
        }
    }
}

/// A message as the application sent it. `digest` is of all that must not be altered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Who sends.
    pub device: Device,
    /// The order of the device's sends, over all its lives.
    pub number: u64,
    /// Unique for the user.
    pub message_id: String,
    /// Where it goes.
    pub target: Target,
    /// Of type, content, data and payload.
    pub digest: String,
    /// Whether its life ends.
    #[serde(default)]
    pub expires: bool,
    /// Whether no device is meant to get it.
    #[serde(default)]
    pub store_only: bool,
    /// Whether it has no position and may be lost.
    #[serde(default)]
    pub volatile: bool,
    /// Whether its sender wants to know how far it gets.
    #[serde(default)]
    pub receipts: bool,
}

/// How far a message got, as its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Stored.
    Accepted,
    /// A device of the receiver acknowledged it.
    Delivered,
    /// The receiver has read it.
    Read,
}

impl Stage {
    /// The stage of its name; `None` for `unknown`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "accepted" => Some(Self::Accepted),
            "delivered" => Some(Self::Delivered),
            "read" => Some(Self::Read),
            _ => None,
        }
    }
}

/// How far a user has read a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// The stream.
    pub stream: String,
    /// Whose messages in the inbox; empty for a group.
    pub peer: String,
    /// Up to this position.
    pub seq: u64,
}

impl Mark {
    /// Reads the mark that an entry of type `read` carries to the user's other devices.
    #[must_use]
    pub fn of(message: &wsc_core::Message<'_>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Data {
            stream: String,
            #[serde(default)]
            peer: String,
            seq_no: u64,
        }
        if message.message_type != "read" {
            return None;
        }
        let Data { stream, peer, seq_no } = serde_json::from_str(&message.data).ok()?;
        Some(Self { stream, peer, seq: seq_no })
    }
}

/// A message as a device or a page of history had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The device it was handed to, or that asked for the page.
    pub device: Device,
    /// The stream, as the device names it.
    pub stream: String,
    /// The numbering; empty where the device cannot know it.
    #[serde(default)]
    pub epoch: String,
    /// The position; 0 for a volatile message.
    pub seq: u64,
    /// Its id.
    pub message_id: String,
    /// The user it says it is from.
    pub sender: String,
    /// The device it says it is from.
    pub sender_device: String,
    /// Of type, content, data and payload.
    pub digest: String,
}

/// What covers positions on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// A message.
    Entry,
    /// Not for this device.
    Skip,
    /// Gone.
    Gap,
}

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
    /// The application was told how far a message of its user got.
    Reached {
        /// The device that was told.
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
        /// The device that was told.
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
        /// The device that was told.
        device: Device,
        /// The group.
        group: String,
    },
    /// A page of history had this entry.
    Kept(Entry),
    /// Pages of history had all of these positions that exist, `Kept` before it.
    Looked {
        /// Who asked.
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

/// A digest (FNV-1a, 64 bits) of what must not be altered on the way.
#[must_use]
pub fn digest(message_type: &str, content: &str, data: &str, payload: Option<&[u8]>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let parts = [message_type.as_bytes(), content.as_bytes(), data.as_bytes(), payload.unwrap_or_default()];
    for part in parts {
        let length = part.len().to_le_bytes();
        for byte in length.iter().chain(part) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}
