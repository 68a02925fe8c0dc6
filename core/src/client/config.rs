//! The settings of a client. They never change after it is made, except for groups joined and left.

use alloc::string::String;
use alloc::vec::Vec;

use crate::backoff::Growth;
use crate::limits;
use crate::names::StreamName;

/// How sends and cursors outlive the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// Nothing is stored: no [`super::Action::Persist`] comes.
    #[default]
    None = 0,
    /// Changes are stored in the background: sends do not wait for it.
    Behind = 1,
    /// A send goes out only after [`super::Client::handle_stored`] confirmed it.
    Durable = 2,
}

/// Identity to connect with (only on a hub without authentication).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User id, 1 to 128 bytes.
    pub user_id: String,
    /// User type; empty: `visitor`.
    pub user_type: String,
    /// Application id; empty: the default.
    pub app_id: String,
    /// Namespace; empty: the default.
    pub namespace: String,
    /// Groups to join at connect.
    pub groups: Vec<String>,
}

/// The settings of a [`super::Client`].
///
/// ```
/// use wsc_core::client::Config;
/// let config = Config { device_id: "phone-1".into(), ..Config::default() };
/// assert_eq!(config.outbox_count, 10_000);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Name and version of the client, such as `wsc-js/0.1.0`, for the hub's log.
    pub client: String,
    /// Id of this installation; empty: the token's, or an ephemeral device.
    pub device_id: String,
    /// A token that does not change.
    pub token: Option<String>,
    /// The client asks for tokens with [`super::Action::FetchToken`].
    pub token_provider: bool,
    /// Identity on a hub without authentication.
    pub identity: Identity,
    /// Which groups to read; `None`: all.
    pub groups: Option<Vec<String>>,
    /// A new device starts at the heads instead of at the user's first positions.
    pub start_at_head: bool,
    /// The cursor moves as soon as the event is made. Otherwise [`super::Client::acknowledge`] moves it.
    pub auto_acknowledge: bool,
    /// How sends and cursors are stored.
    pub storage: Storage,
    /// Maximum of unsettled sends.
    pub outbox_count: usize,
    /// Maximum bytes of unsettled sends.
    pub outbox_bytes: usize,
    /// Maximum of unanswered sends under way.
    pub flight_count: usize,
    /// Maximum bytes of unanswered sends under way; a single send may exceed it.
    pub flight_bytes: usize,
    /// Maximum of messages whose receipts the client waits for; beyond, it drops the oldest.
    pub receipts: usize,
    /// Maximum of requests under way.
    pub requests: usize,
    /// How the wait between attempts to connect grows.
    pub growth: Growth,
    /// Time limit for a socket to open, in milliseconds.
    pub open_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client: String::new(),
            device_id: String::new(),
            token: None,
            token_provider: false,
            identity: Identity::default(),
            groups: None,
            start_at_head: false,
            auto_acknowledge: true,
            storage: Storage::None,
            outbox_count: limits::OUTBOX_COUNT,
            outbox_bytes: limits::OUTBOX_BYTES,
            flight_count: 256,
            flight_bytes: 1024 * 1024,
            receipts: 256,
            requests: 256,
            growth: Growth::default(),
            open_ms: 15_000,
        }
    }
}

impl Config {
    /// Whether a stream is asked for at connect.
    pub(super) fn reads(&self, stream: &StreamName<'_>) -> bool {
        match (stream.group_id(), &self.groups) {
            (Some(id), Some(groups)) => groups.iter().any(|group| group == id),
            _ => true,
        }
    }
}
