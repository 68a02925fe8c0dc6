//! Every limit and time of a hub, with its default. One table, used by the configuration file, the environment, the
//! command line and embedders alike; its parts have the names of the configuration's sections.

mod limits;
mod peer;

use std::time::Duration;

pub use self::limits::Limits;
pub use self::peer::Peer;
pub use crate::log::store::{Durability, Retention};

/// The settings of a hub. Sizes in bytes unless said otherwise.
///
/// ```
/// use std::time::Duration;
/// let mut settings = wsc_server::Settings::default();
/// settings.drain = Duration::from_secs(25);
/// settings.limits.connections = 100_000;
/// settings.peer.heartbeat = Duration::from_secs(60);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The hub's name in `connected`, `node_id`; empty: made at start.
    pub node_id: String,
    /// Threads that hold connections; 0: one per core.
    pub shards: usize,
    /// What "stored" means.
    pub durability: Durability,
    /// How long a drain may take in all, the end of the store included. Docker kills after 10 s.
    pub drain: Duration,
    /// Text of a `welcome` notice after `connected`; empty: none.
    pub welcome: String,
    /// Whether connections in compatibility mode (`bare`) get `client_registered`.
    pub client_registered: bool,
    /// Who may connect.
    pub auth: Auth,
    /// Requests before they are WebSockets.
    pub http: Http,
    /// The times and sizes of a connection.
    pub peer: Peer,
    /// When users show as offline.
    pub presence: Presence,
    /// How many and how much: per user, per address, in all.
    pub limits: Limits,
    /// How long things are kept.
    pub retention: Retention,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_id: String::new(),
            shards: 0,
            durability: Durability::default(),
            drain: Duration::from_secs(9),
            welcome: String::new(),
            client_registered: false,
            auth: Auth::default(),
            http: Http::default(),
            peer: Peer::default(),
            presence: Presence::default(),
            limits: Limits::default(),
            retention: Retention::default(),
        }
    }
}

/// Who may connect, beside [`Builder::keys`](crate::Builder::keys).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Auth {
    /// Origins a browser page may have, such as `https://app.example`, `https://*.app.example` (one label) or
    /// `http://localhost:*` (any port). Empty: only the hub's own address (without authentication: any page of this
    /// machine), and requests without `Origin`. `*`: any.
    pub origins: Vec<String>,
}

/// Requests before they are WebSockets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Http {
    /// Maximum size of a request's head: its first line and headers, cookies among them. At least 8192.
    pub head: usize,
    /// Proxies whose `Forwarded` or `X-Forwarded-For` header says where a client comes from: addresses, networks such as
    /// `10.0.0.0/8`, or `unix`, whoever connects over a Unix socket.
    pub trusted_proxies: Vec<String>,
    /// Whether connections of trusted proxies begin with the PROXY protocol, version 1 or 2.
    pub proxy_protocol: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self { head: 32 * 1024, trusted_proxies: Vec::new(), proxy_protocol: false }
    }
}

/// When users show as offline.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Presence {
    /// How long a user stays online after the last connection has ended.
    pub offline_after: Duration,
}

impl Default for Presence {
    fn default() -> Self {
        Self { offline_after: Duration::from_secs(10) }
    }
}

/// A setting that cannot be, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub(crate) String);

/// A time in whole milliseconds, as the hub's clocks count.
pub(crate) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_cannot_be_is_refused_before_the_first_socket() {
        let check = |head| {
            let mut settings = Settings::default();
            settings.http.head = head;
            settings.check()
        };
        assert!(check(8191).is_err_and(|error| error.to_string().contains("http.head")));
        assert_eq!(check(8192), Ok(()));
    }
}
