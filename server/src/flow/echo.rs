//! A hub that sends every message back: so Autobahn can judge the WebSocket of the hub's own connections. It is compiled
//! with the feature `echo` only, which nothing that is shipped turns on.

use tokio_tungstenite::tungstenite::Message as Packet;

use super::Turn;
use super::reply::Refusal;
use crate::net::id::ConnectionId;

impl Turn<'_> {
    /// Sends a message back; what is written goes the way of every other frame of the hub.
    pub(super) fn echo(&mut self, id: ConnectionId, packet: &Packet) -> Result<(), Refusal> {
        let Some((connection, _)) = self.with(id) else { return Ok(()) };
        match packet {
            Packet::Text(text) => connection.wire.push_frame(text.as_bytes(), false),
            Packet::Binary(bytes) => connection.wire.push_frame(bytes, true),
            Packet::Ping(_) | Packet::Pong(_) | Packet::Close(_) | Packet::Frame(_) => {}
        }
        Ok(())
    }
}
