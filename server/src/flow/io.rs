//! Attending to a connection: tungstenite cuts what came into messages, the turn decides, the wire writes. A connection
//! has no task, channel or timer of its own: what happens to it is noted in its shard's list.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Shard, Turn};
use crate::net::id::ConnectionId;
use crate::net::linger::linger;
use crate::net::reader::FrameReader;
use crate::net::signal::Signal;
use crate::shard::connection::HangUp;

/// Messages read from one connection before others have their turn.
const MESSAGES_A_TURN: usize = 64;
/// Frames likewise: a message may come in many, and tungstenite reads on until it is whole.
const FRAMES_A_TURN: u32 = 1024;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What is left should still be written.
    Orderly,
    /// The socket is of no use any more.
    Broken,
}

/// Whether a connection may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Read on.
    Read,
    /// Something it sent must wait first.
    Paused,
    /// It must end at once.
    Cut,
}

impl Shard {
    /// Attends to a connection that something happened to.
    pub(super) fn attend(&mut self, id: ConnectionId) {
        let Some(connection) = self.state.connections.get(id) else { return };
        let signal = Arc::clone(&connection.signal);
        signal.look();
        self.context.read_clocks(&mut self.state);
        // A panic over one connection's frames costs that connection and no other.
        let end = match catch_unwind(AssertUnwindSafe(|| self.turn().exchange(id, signal))) {
            Ok(Poll::Ready(end)) => end,
            Ok(Poll::Pending) => return,
            Err(_) => {
                tracing::error!("a panic over a connection, which is cut");
                End::Broken
            }
        };
        let mut ended = None;
        self.guard("a panic while a connection ended", |turn| ended = turn.end(id));
        if let Some(connection) = ended.filter(|_| end == End::Orderly) {
            self.context.spawn_detached(linger(connection.wire));
        }
    }
}

impl Turn<'_> {
    /// Reads what has come and writes what is left, without waiting.
    fn exchange(&mut self, id: ConnectionId, signal: Arc<Signal>) -> Poll<End> {
        let waker = Waker::from(signal);
        let mut context = Context::from_waker(&waker);
        let mut reader = self.reader(id);
        let mut waits = false;
        if let Some((connection, _)) = self.with(id) {
            connection.wire.begin_turn(FRAMES_A_TURN);
        }
        for _ in 0..MESSAGES_A_TURN {
            match self.ready(id) {
                Readiness::Read => {}
                Readiness::Paused => {
                    waits = true;
                    break;
                }
                Readiness::Cut => return Poll::Ready(End::Broken),
            }
            let Some((connection, _)) = self.with(id) else { return Poll::Ready(End::Broken) };
            match reader.poll_next(&mut connection.wire, &mut context) {
                Poll::Ready(Some(Ok(message))) => self.inbound(id, message),
                Poll::Ready(Some(Err(error))) => {
                    self.socket_failed(id, &error);
                    waits = true;
                    break;
                }
                Poll::Ready(None) => {
                    // The Close was answered: nothing may follow it.
                    connection.wire.mute();
                    self.hang_up(id, HangUp::Client);
                    waits = true;
                    break;
                }
                Poll::Pending => {
                    waits = true;
                    break;
                }
            }
        }
        self.put_reader(reader, id);
        if !waits {
            waker.wake_by_ref();
        }
        let Some((connection, _)) = self.with(id) else { return Poll::Ready(End::Broken) };
        match connection.wire.poll_drain(&mut context) {
            Poll::Ready(Ok(())) => self.drained(id),
            // Nothing can be written any more; what had come before is still read, up to the end of the socket.
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.stalled(id),
        }
        if self.is_heard_out(id) { Poll::Ready(End::Orderly) } else { Poll::Pending }
    }

    /// The reader of a connection: its own if it is in the middle of something, else the shard's.
    fn reader(&mut self, id: ConnectionId) -> Box<FrameReader> {
        let own = self.state.connections.get_mut(id).and_then(|connection| connection.reader.take());
        own.or_else(|| self.state.reader.take())
            .unwrap_or_else(|| Box::new(FrameReader::new(self.cx.node().settings.peer.frame)))
    }

    fn put_reader(&mut self, reader: Box<FrameReader>, id: ConnectionId) {
        let Some(connection) = self.state.connections.get_mut(id) else { return };
        if reader.is_blank(&connection.wire) {
            self.state.reader = Some(reader);
        } else {
            connection.reader = Some(reader);
        }
    }
}
