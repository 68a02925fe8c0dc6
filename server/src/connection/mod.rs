//! One connection: tungstenite reads frames from the wire, the shard decides, the wire writes. One small task each,
//! without a channel, a timer or a `select!`; what it waits for wakes it.

pub(crate) mod bare;
pub(crate) mod frame;
pub(crate) mod wire;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use self::wire::{SharedWire, Wire};
use crate::hub::shard::Shard;

/// Frames read from one connection before others have their turn.
const FRAMES_A_TURN: usize = 64;
/// How long a closed connection may take to write what is left and to hang up.
const LINGER: Duration = Duration::from_secs(2);

/// How tungstenite reads: a small buffer, because the wire reads much at once anyway, and the hub's limit.
pub(crate) fn config(frame_limit: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(256)
        .write_buffer_size(0)
        .max_message_size(Some(frame_limit))
        .max_frame_size(Some(frame_limit))
}

/// Serves a connection of this shard, in a task of its own, until it ends.
pub(crate) async fn serve(shard: Rc<Shard>, wire: SharedWire, place: u32, generation: u32) {
    let config = config(shard.node.settings.frame_limit);
    let socket = WebSocketStream::from_raw_socket(wire.clone(), Role::Server, Some(config)).await;
    // The future itself is the task, and what follows it another: an idle connection holds neither's buffers.
    tokio::task::spawn_local(Serve { shard, wire: Some(wire), socket: Some(socket), place, generation });
}

/// Writes what is left, says that nothing more comes, and waits shortly for the other side to hang up.
pub(crate) async fn linger_on(mut wire: Wire) {
    let hang_up = async {
        wire.shutdown().await?;
        let mut rest = [0; 512];
        while wire.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Whether it went well no longer matters to anybody.
    let _ = tokio::time::timeout(LINGER, hang_up).await;
}

struct Serve {
    shard: Rc<Shard>,
    wire: Option<SharedWire>,
    socket: Option<WebSocketStream<SharedWire>>,
    place: u32,
    generation: u32,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What is left should still be written.
    Orderly,
    /// The socket is of no use any more.
    Broken,
}

impl Future for Serve {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // A panic over one connection's frames costs that connection and no other.
        let end = match catch_unwind(AssertUnwindSafe(|| self.poll_end(context))) {
            Ok(Poll::Ready(end)) => end,
            Ok(Poll::Pending) => return Poll::Pending,
            Err(_) => {
                tracing::error!("a panic over a connection, which is cut");
                End::Broken
            }
        };
        self.shard.gone(self.place, self.generation);
        self.socket = None;
        let wire = self.wire.take().and_then(|wire| Rc::into_inner(wire.0));
        if let Some(wire) = wire.filter(|_| end == End::Orderly) {
            tokio::task::spawn_local(linger_on(wire.into_inner()));
        }
        Poll::Ready(())
    }
}

impl Serve {
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<End> {
        let (shard, place, generation) = (&self.shard, self.place, self.generation);
        let (Some(wire), Some(socket)) = (&self.wire, &mut self.socket) else {
            return Poll::Ready(End::Broken);
        };
        let mut waits = false;
        for _ in 0..FRAMES_A_TURN {
            match shard.ready(place, generation, context.waker()) {
                Readiness::Read => {}
                Readiness::Paused => {
                    waits = true;
                    break;
                }
                Readiness::Cut => return Poll::Ready(End::Broken),
            }
            match Pin::new(&mut *socket).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => shard.inbound(place, generation, message),
                Poll::Ready(Some(Err(error))) => {
                    shard.failed(place, generation, &error);
                    return Poll::Ready(End::Orderly);
                }
                Poll::Ready(None) => return Poll::Ready(End::Orderly),
                Poll::Pending => {
                    waits = true;
                    break;
                }
            }
        }
        if !waits {
            context.waker().wake_by_ref();
        }
        let drained = wire.0.borrow_mut().poll_drain(context);
        match drained {
            Poll::Ready(Ok(())) => shard.drained(place, generation),
            Poll::Ready(Err(_)) => return Poll::Ready(End::Broken),
            Poll::Pending => shard.stuck(place, generation),
        }
        Poll::Pending
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
