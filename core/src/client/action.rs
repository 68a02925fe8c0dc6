//! What a client asks its driver to do.

use super::saved::Change;
use super::state::Link;
use crate::codes::CloseCode;
use crate::frame::Frame;

/// One thing to do, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Open a socket with the subprotocol `wsc.v1`, of several addresses at that of [`super::Client::address`]; then
    /// [`super::Client::handle_open`], or [`super::Client::handle_close`] when it fails.
    Open {
        /// Its number.
        link: Link,
    },
    /// Send a frame.
    Send {
        /// On this socket.
        link: Link,
        /// The frame.
        frame: Frame,
    },
    /// Close a socket, after what was sent; nothing more of it is awaited.
    Close {
        /// This socket.
        link: Link,
        /// The status.
        code: CloseCode,
        /// The reason.
        reason: &'static str,
    },
    /// Ask the application for a token; then [`super::Client::supply_token`].
    FetchToken,
    /// Store a change. Those that [`Change::confirm`] names an id for must be confirmed with
    /// [`super::Client::handle_stored`] when the storage is durable; the others may be lost in a crash of the machine.
    Persist(Change),
}
