//! The state of a client, as the application sees it.

use alloc::string::String;

use crate::codes::CloseCode;
use crate::time::Timestamp;

/// One socket of a client: the first is 1. A late event of an older one is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link(pub u32);

/// State of the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Not asked to connect yet.
    #[default]
    Idle,
    /// A token is fetched, a socket opens, or the hub has not answered `connect` yet.
    Connecting,
    /// Messages flow.
    Connected,
    /// No connection; the next attempt begins at a known time.
    Waiting {
        /// When, on the clock of the driver, in milliseconds.
        until: Timestamp,
    },
    /// Over, until the application connects again.
    Closed(Closed),
}

/// Why a client is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The application closed it.
    Application,
    /// The hub closed it for good.
    Hub {
        /// The code of the Close frame.
        code: CloseCode,
        /// The reason, human-readable.
        reason: String,
    },
    /// The token provider said that there will be no token.
    NoToken,
}

/// Progress of sends and streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sync {
    /// Sends accepted from the application that the storage has not confirmed yet.
    pub unsaved: usize,
    /// Sends kept until the hub settles them, those under way included.
    pub saved: usize,
    /// Of these, sent on this connection and unanswered.
    pub under_way: usize,
    /// Whether every stream was read up to the head it had at connect.
    pub caught_up: bool,
}
