//! What facts are about: devices, messages, marks, and how far they got. Plain data.

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
            Told::Accepted { stream, position, .. } => {
                Some(Self::Accepted { stream: stream?.to_string(), seq: position })
            }
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
    /// The sender.
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

/// The stage of a message, as its sender learns it.
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
