//! The times and sizes of a connection.

use std::time::Duration;

use wsc_core::{limits, peer};

use super::ms;

/// The times and sizes of a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// Maximum of unacknowledged entries on a connection.
    pub window: u32,
    /// Silence after which a client pings; the hub closes after 2.5 times as much.
    pub heartbeat: Duration,
    /// Time for a client to send `connect`.
    pub connect_timeout: Duration,
    /// Entries out and none acknowledged for this long is a failed attempt: the connection is closed with 4013.
    pub ack_timeout: Duration,
    /// How long a client may hold an acknowledgement back.
    pub ack_delay: Duration,
    /// Requests per second; 0: no limit.
    pub requests: u32,
    /// Control frames (pings, acknowledgements) per second; 0: no limit.
    pub controls: u32,
    /// Maximum size of a frame from a client.
    pub frame: usize,
    /// A socket with more than this waiting is not fed from the log.
    pub socket: usize,
    /// A socket that took nothing for this long, with bytes waiting, is closed with 4008.
    pub slow: Duration,
    /// How long a message may wait for a rate limit or a busy store before the connection is closed.
    pub stall: Duration,
    /// Maximum time between two writes of a moved cursor.
    pub cursor: Duration,
}

impl Default for Peer {
    fn default() -> Self {
        let core = peer::Settings::default();
        Self {
            window: core.window,
            heartbeat: Duration::from_millis(core.heartbeat_ms),
            connect_timeout: Duration::from_millis(core.connect_ms),
            ack_timeout: Duration::from_millis(core.ack_timeout_ms),
            ack_delay: Duration::from_millis(limits::ACK_MS),
            requests: core.requests,
            controls: core.controls,
            frame: limits::FRAME,
            socket: 256 * 1024,
            slow: Duration::from_secs(10),
            stall: Duration::from_secs(8),
            cursor: Duration::from_secs(30),
        }
    }
}

impl Peer {
    /// What the core's half of a connection goes by.
    pub(crate) fn core(&self) -> peer::Settings {
        peer::Settings {
            connect_ms: ms(self.connect_timeout),
            heartbeat_ms: ms(self.heartbeat),
            window: self.window,
            ack_timeout_ms: ms(self.ack_timeout),
            requests: self.requests,
            controls: self.controls,
        }
    }
}
