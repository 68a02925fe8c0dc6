//! A hub that sends every message back: so Autobahn can judge the WebSocket of the hub's own connections. It is compiled
//! with the feature `echo` only, which nothing that is shipped turns on.

use std::rc::Rc;

use tokio_tungstenite::tungstenite::Message as Packet;

use super::Builder;
use super::inbound::Refusal;
use super::shard::Shard;

impl Builder {
    /// Every message goes back to the connection it came from, and means nothing.
    #[doc(hidden)]
    #[must_use]
    pub fn echo(mut self) -> Self {
        self.hooks.echo = true;
        self
    }
}

impl Shard {
    /// Sends a message back; what is written goes the way of every other frame of the hub.
    pub(super) fn echo(self: &Rc<Self>, place: u32, generation: u32, packet: &Packet) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        let Some(connection) = state.connection(place, generation) else { return Ok(()) };
        let mut wire = connection.wire.0.borrow_mut();
        match packet {
            Packet::Text(text) => wire.push_frame(text.as_bytes(), false),
            Packet::Binary(bytes) => wire.push_frame(bytes, true),
            Packet::Ping(_) | Packet::Pong(_) | Packet::Close(_) | Packet::Frame(_) => {}
        }
        Ok(())
    }
}
