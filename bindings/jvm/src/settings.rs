//! What a session is told when it is opened, and what it tells.

use wsc_client::{BuildError, Client};

/// Why a session was not opened. Crosses as its text.
#[derive(Debug, thiserror::Error, uniffi::Error)]
#[uniffi(flat_error)]
pub enum OpenError {
    /// The settings are wrong.
    #[error("{0}")]
    Settings(String),
    /// The outbox cannot be used.
    #[error("{0}")]
    Outbox(String),
    /// The system gave no thread or no randomness.
    #[error("{0}")]
    System(String),
}

impl From<BuildError> for OpenError {
    fn from(error: BuildError) -> Self {
        let text = error.to_string();
        match error {
            BuildError::Address(_)
            | BuildError::NoAddress
            | BuildError::NoTls
            | BuildError::Authorities(_) => Self::Settings(text),
            BuildError::Entropy(_) => Self::System(text),
            _ => Self::Outbox(text),
        }
    }
}

/// The settings of a session; see [`wsc_client::Builder`]. What is empty or 0 is as by default.
#[derive(Debug, uniffi::Record)]
pub struct Settings {
    pub urls: Vec<String>,
    pub name: String,
    pub token: String,
    pub asks_for_tokens: bool,
    pub user: String,
    pub user_type: String,
    pub app: String,
    pub namespace: String,
    pub groups_to_join: Vec<String>,
    pub device: String,
    pub outbox: String,
    pub outbox_count: i32,
    pub outbox_bytes: i64,
    pub groups: Option<Vec<String>>,
    pub start_at_head: bool,
    pub authorities: String,
}

impl Settings {
    pub(crate) fn builder(self) -> wsc_client::Builder {
        let mut builder = Client::builder(self.urls)
            .name(self.name)
            .user(self.user)
            .user_type(self.user_type)
            .app(self.app)
            .namespace(self.namespace)
            .groups_to_join(self.groups_to_join)
            .device(self.device);
        if !self.token.is_empty() {
            builder = builder.token(self.token);
        }
        if self.asks_for_tokens {
            builder = builder.asks_for_tokens();
        }
        if !self.outbox.is_empty() {
            builder = builder.outbox(self.outbox);
        }
        if !self.authorities.is_empty() {
            builder = builder.authorities(self.authorities);
        }
        if let Some(groups) = self.groups {
            builder = builder.groups(groups);
        }
        if self.start_at_head {
            builder = builder.start_at_head();
        }
        let known = wsc_client::session::Config::default();
        let count = usize::try_from(self.outbox_count).ok().filter(|count| *count > 0);
        let bytes = usize::try_from(self.outbox_bytes).ok().filter(|bytes| *bytes > 0);
        builder.outbox_limits(count.unwrap_or(known.outbox_count), bytes.unwrap_or(known.outbox_bytes))
    }
}

/// A session that was opened.
#[derive(Debug, uniffi::Record)]
pub struct Opened {
    /// This installation's id; empty for an ephemeral device.
    pub device: String,
    /// Messages that an earlier process left, as JSON, in order.
    pub pending: Vec<String>,
}
