//! The reading half of a connection: tungstenite cuts frames and checks them. Between two messages it holds nothing of
//! a connection, so a shard's idle connections share one; who is in the middle of a message keeps its own.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message as Packet};

use wsc_core::CloseCode;

use super::boundaries::Fault;
use super::wire::Wire;

/// Most frames fit; the wire has read much at once anyway.
const BUFFER: usize = 1024;

/// How tungstenite reads and writes: nothing is kept back, and the hub's limit holds.
pub(crate) fn config(frame_limit: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(frame_limit))
        .max_frame_size(Some(frame_limit))
}

/// What a connection is closed with over an error of reading; `None`: the socket is of no use any more.
pub(crate) fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(CloseCode::TooBig),
        Error::Utf8(_) => Some(CloseCode::InvalidData),
        Error::Io(error) => Fault::of(error).map(Fault::code),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => None,
        _ => Some(CloseCode::Protocol),
    }
}

/// Reads messages from wires.
pub(crate) struct FrameReader {
    frames: WebSocketContext,
    /// Nothing it was given is answered or cut off: it has read all there was.
    waits: bool,
}

impl FrameReader {
    pub(crate) fn new(frame_limit: usize) -> Self {
        Self { frames: WebSocketContext::new(Role::Server, Some(config(frame_limit))), waits: false }
    }

    /// The next message; `None`: the WebSocket has ended.
    pub(crate) fn poll_next(
        &mut self,
        wire: &mut Wire,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Packet, Error>>> {
        self.waits = false;
        match self.frames.read(&mut Blocking { wire, context }) {
            Ok(packet) => Poll::Ready(Some(Ok(packet))),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.waits = true;
                Poll::Pending
            }
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    /// Whether it may read for another connection: it holds neither a part of a message nor an answer to a ping, and
    /// no Close went through it.
    pub(crate) fn is_blank(&self, wire: &Wire) -> bool {
        self.waits && wire.is_between_messages() && self.frames.can_write()
    }
}

/// A wire as something that says `WouldBlock` instead of waiting.
struct Blocking<'a, 'c> {
    wire: &'a mut Wire,
    context: &'a mut Context<'c>,
}

impl Read for Blocking<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(into);
        match Pin::new(&mut *self.wire).poll_read(self.context, &mut buffer) {
            Poll::Ready(result) => result.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Blocking<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wire.push_copy(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
