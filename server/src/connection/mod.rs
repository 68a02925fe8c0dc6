//! One connection: tungstenite reads frames from the wire, the shard decides, the wire writes. It has no task, channel
//! or timer of its own: what happens to it is noted in its shard's list, and the shard attends to it in its next turn.

pub(crate) mod bare;
pub(crate) mod frame;
pub(crate) mod gate;
pub(crate) mod reader;
mod signal;
pub(crate) mod wire;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use self::reader::Reader;
pub(crate) use self::signal::{Signal, Signals};
use self::wire::Wire;
use crate::hub::shard::Shard;
use crate::hub::state::HangUp;

/// Messages read from one connection before others have their turn.
const MESSAGES_A_TURN: usize = 64;
/// Frames likewise: a message may come in many, and tungstenite reads on until it is whole.
const FRAMES_A_TURN: u32 = 1024;
/// How long a closed connection may take to write what is left and to hang up.
const LINGER: Duration = Duration::from_secs(2);

/// Writes what is left, says that nothing more comes, and waits shortly for the other side to hang up.
pub(crate) async fn linger_on(mut wire: Wire) {
    let hang_up = async {
        wire.shutdown().await?;
        wire.read_on_blindly();
        let mut rest = [0; 512];
        while wire.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Whether it went well no longer matters to anybody.
    let _ = tokio::time::timeout(LINGER, hang_up).await;
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What is left should still be written.
    Orderly,
    /// The socket is of no use any more.
    Broken,
}

impl Shard {
    /// Attends to a connection that something happened to.
    pub(crate) fn attend(self: &Rc<Self>, place: u32, generation: u32) {
        let (wire, signal) = {
            let mut state = self.state.borrow_mut();
            let Some(connection) = state.connection(place, generation) else { return };
            (connection.wire.clone(), Arc::clone(&connection.signal))
        };
        signal.look();
        // A panic over one connection's frames costs that connection and no other.
        let end = match catch_unwind(AssertUnwindSafe(|| self.exchange(&wire.0, signal, place, generation))) {
            Ok(Poll::Ready(end)) => end,
            Ok(Poll::Pending) => return,
            Err(_) => {
                tracing::error!("a panic over a connection, which is cut");
                End::Broken
            }
        };
        self.gone(place, generation);
        let wire = Rc::into_inner(wire.0);
        if let Some(wire) = wire.filter(|_| end == End::Orderly) {
            tokio::task::spawn_local(linger_on(wire.into_inner()));
        }
    }

    /// Reads what has come and writes what is left, without waiting.
    fn exchange(
        self: &Rc<Self>,
        wire: &RefCell<Wire>,
        signal: Arc<Signal>,
        place: u32,
        generation: u32,
    ) -> Poll<End> {
        let waker = Waker::from(signal);
        let mut context = Context::from_waker(&waker);
        let mut reader = self.reader(place, generation);
        let mut waits = false;
        wire.borrow_mut().begin_turn(FRAMES_A_TURN);
        for _ in 0..MESSAGES_A_TURN {
            match self.ready(place, generation) {
                Readiness::Read => {}
                Readiness::Paused => {
                    waits = true;
                    break;
                }
                Readiness::Cut => return Poll::Ready(End::Broken),
            }
            let next = reader.poll_next(&mut wire.borrow_mut(), &mut context);
            match next {
                Poll::Ready(Some(Ok(message))) => self.inbound(place, generation, message),
                Poll::Ready(Some(Err(error))) => {
                    self.failed(place, generation, &error);
                    waits = true;
                    break;
                }
                Poll::Ready(None) => {
                    // The Close was answered: nothing may follow it.
                    wire.borrow_mut().mute();
                    self.hang_up(place, generation, HangUp::Client);
                    waits = true;
                    break;
                }
                Poll::Pending => {
                    waits = true;
                    break;
                }
            }
        }
        self.put_reader(reader, &wire.borrow(), place, generation);
        if !waits {
            waker.wake_by_ref();
        }
        let drained = wire.borrow_mut().poll_drain(&mut context);
        match drained {
            Poll::Ready(Ok(())) => self.drained(place, generation),
            // Nothing can be written any more; what had come before is still read, up to the end of the socket.
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.stuck(place, generation),
        }
        if self.is_heard_out(place, generation) { Poll::Ready(End::Orderly) } else { Poll::Pending }
    }

    /// The reader of a connection: its own if it is in the middle of something, else the shard's.
    fn reader(&self, place: u32, generation: u32) -> Box<Reader> {
        let mut state = self.state.borrow_mut();
        let own = state.connection(place, generation).and_then(|connection| connection.reader.take());
        own.or_else(|| state.reader.take())
            .unwrap_or_else(|| Box::new(Reader::new(self.node.settings.frame_limit)))
    }

    fn put_reader(&self, reader: Box<Reader>, wire: &Wire, place: u32, generation: u32) {
        let mut state = self.state.borrow_mut();
        if reader.is_blank(wire) {
            state.reader = Some(reader);
        } else if let Some(connection) = state.connection(place, generation) {
            connection.reader = Some(reader);
        }
    }
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
