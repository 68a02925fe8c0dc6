//! What a client is told once, when it is made. Never changes afterwards, except for groups joined and left.

use alloc::string::String;
use alloc::vec::Vec;

use crate::backoff::Growth;
use crate::limits;
use crate::names::StreamName;

/// What happens to sends and cursors beyond the memory of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// Nothing is stored: no [`super::Action::Persist`] comes.
    #[default]
    None = 0,
    /// Changes are stored behind: sends do not wait for it.
    Behind = 1,
    /// A send goes out only after [`super::Client::handle_stored`] confirmed it.
    Durable = 2,
}

/// Who to be where the hub runs without authentication (development).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user_id: String,
    /// The user's type.
    pub user_type: String,
    /// The application.
    pub app_id: String,
    /// The namespace.
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
    /// The client's name and version, told to the hub.
    pub client: String,
    /// This installation's id; empty: the token's, or a passing device.
    pub device_id: String,
    /// A token that does not change. The client takes it out of here.
    pub token: Option<String>,
    /// Tokens are asked for with [`super::Action::FetchToken`].
    pub token_provider: bool,
    /// Who to be without authentication.
    pub identity: Identity,
    /// Which groups to read; `None`: all.
    pub groups: Option<Vec<String>>,
    /// A new device begins at the head of each stream instead of at the user's start.
    pub start_at_head: bool,
    /// An entry counts as handed over when its event was made. Otherwise [`super::Client::acknowledge`] says so.
    pub auto_acknowledge: bool,
    /// What is stored.
    pub storage: Storage,
    /// Unsettled sends kept at most.
    pub outbox_count: usize,
    /// Bytes of unsettled sends kept at most.
    pub outbox_bytes: usize,
    /// Unanswered sends under way at most.
    pub flight_count: usize,
    /// Bytes of unanswered sends under way at most; one send always may.
    pub flight_bytes: usize,
    /// Messages whose receipts are waited for at most; the oldest is let go.
    pub receipts: usize,
    /// Requests under way at most.
    pub requests: usize,
    /// Waits between attempts to connect.
    pub growth: Growth,
    /// Time for a socket to open, in milliseconds.
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
