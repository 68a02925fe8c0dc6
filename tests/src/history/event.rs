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
            | Self::Hello { device, .. } => Some(device),
            Self::Sending(sending) => Some(&sending.device),
            Self::Handed(entry) | Self::Heard(entry) | Self::Kept(entry) => Some(&entry.device),
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
            | Self::Settled { device, message_id, .. } => (&device.user, message_id),
            Self::Handed(entry) | Self::Heard(entry) | Self::Kept(entry) => {
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
