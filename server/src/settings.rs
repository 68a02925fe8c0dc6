//! Every limit and time of a hub, with its default. One table, used by the configuration file, the environment, the
//! command line and embedders alike.

use std::time::Duration;

use wsc_core::{limits, peer};

use crate::log::store::{Durability, Retention};

/// What a hub is told. Sizes in bytes unless said otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The hub's name in `connected`, `node_id`; empty: made at start.
    pub node_id: String,
    /// Threads that hold connections; 0: one per core.
    pub shards: usize,
    /// What "stored" means.
    pub durability: Durability,
    /// How long things are kept.
    pub retention: Retention,
    /// The times and limits of a connection.
    pub peer: peer::Settings,
    /// How long a client may hold an acknowledgement back, in milliseconds.
    pub ack_ms: u64,
    /// A frame from a client.
    pub frame_limit: usize,
    /// A socket with more than this waiting is not fed from the log.
    pub socket_limit: usize,
    /// A socket that took nothing for this long, with bytes waiting, is closed with 4008. In milliseconds.
    pub slow_ms: u64,
    /// How long a message may wait for a rate limit or a busy store before the connection is closed. In milliseconds.
    pub stall_ms: u64,
    /// Devices kept per user.
    pub devices: usize,
    /// Groups per user.
    pub groups: usize,
    /// Users a user may write to for the first time within an hour; 0: no limit.
    pub first_contacts: u32,
    /// Messages a user may send per second; 0: no limit.
    pub sends: u32,
    /// Bytes a user may send per second; 0: no limit.
    pub send_bytes: u32,
    /// Connections on this hub; 0: no limit.
    pub connections: usize,
    /// Sockets of one address that are not yet authenticated; 0: no limit.
    pub pending_per_address: usize,
    /// Connects of one address per second; 0: no limit.
    pub connects_per_address: u32,
    /// Origins a browser page may have, such as `https://app.example`, `https://*.app.example` (one label) or
    /// `http://localhost:*` (any port). Empty: only the hub's own address (without authentication: any page of this
    /// machine), and requests without `Origin`. `*`: any.
    pub origins: Vec<String>,
    /// The head of an HTTP request: its first line and headers, cookies among them.
    pub head_limit: usize,
    /// Proxies whose `Forwarded` or `X-Forwarded-For` header says where a client comes from: addresses, networks such as
    /// `10.0.0.0/8`, or `unix`, whoever connects over a Unix socket.
    pub trusted_proxies: Vec<String>,
    /// Whether connections of trusted proxies begin with the PROXY protocol, version 1 or 2.
    pub proxy_protocol: bool,
    /// Whether bare connections get `client_registered`.
    pub client_registered: bool,
    /// Text of a `welcome` notice after `connected`; empty: none.
    pub welcome: String,
    /// How long presence waits after the last connection ended, in milliseconds.
    pub offline_after_ms: u64,
    /// How often a changed cursor is written at the latest, in milliseconds.
    pub cursor_ms: u64,
    /// How long a drain may take in all, the end of the store included. Docker kills after 10 s.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_id: String::new(),
            shards: 0,
            durability: Durability::default(),
            retention: Retention::default(),
            peer: peer::Settings::default(),
            ack_ms: limits::ACK_MS,
            frame_limit: limits::FRAME,
            socket_limit: 256 * 1024,
            slow_ms: 10_000,
            stall_ms: 8_000,
            devices: 16,
            groups: limits::GROUPS,
            first_contacts: 1000,
            sends: 1000,
            send_bytes: 4 * 1024 * 1024,
            connections: 0,
            pending_per_address: 1000,
            connects_per_address: 1000,
            origins: Vec::new(),
            head_limit: 32 * 1024,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            client_registered: false,
            welcome: String::new(),
            offline_after_ms: 10_000,
            cursor_ms: 30_000,
            drain: Duration::from_secs(9),
        }
    }
}

/// A setting that cannot be, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub(crate) String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_cannot_be_is_refused_before_the_first_socket() {
        let check = |head_limit| Settings { head_limit, ..Settings::default() }.check();
        assert!(check(8191).is_err_and(|error| error.to_string().contains("http.head")));
        assert_eq!(check(8192), Ok(()));
    }
}
