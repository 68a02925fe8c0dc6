//! One connection: tungstenite reads frames from the wire, the shard decides, the wire writes. One small task each,
//! without a channel, a timer or a `select!`; what it waits for wakes it.

pub(crate) mod bare;
pub(crate) mod frame;
pub(crate) mod wire;

use std::future::Future;
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

/// Serves a connection of this shard until it ends.
pub(crate) async fn run(shard: Rc<Shard>, wire: SharedWire, place: u32, generation: u32) {
    let config = config(shard.node.settings.frame_limit);
    let socket = WebSocketStream::from_raw_socket(wire.clone(), Role::Server, Some(config)).await;
    let linger = Serve { shard: &shard, wire: &wire, socket, place, generation }.await;
    shard.gone(place, generation);
    if linger && let Some(wire) = Rc::into_inner(wire.0) {
        linger_on(wire.into_inner()).await;
    }
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

struct Serve<'s> {
    shard: &'s Rc<Shard>,
    wire: &'s SharedWire,
    socket: WebSocketStream<SharedWire>,
    place: u32,
    generation: u32,
}

impl Future for Serve<'_> {
    /// Whether what is left should still be written.
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let serve = &mut *self;
        let (shard, place, generation) = (serve.shard, serve.place, serve.generation);
        let mut waits = false;
        for _ in 0..FRAMES_A_TURN {
            match shard.ready(place, generation, context.waker()) {
                Readiness::Read => {}
                Readiness::Paused => {
                    waits = true;
                    break;
                }
                Readiness::Cut => return Poll::Ready(false),
            }
            match Pin::new(&mut serve.socket).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => shard.inbound(place, generation, message),
                Poll::Ready(Some(Err(error))) => {
                    shard.failed(place, generation, &error);
                    return Poll::Ready(true);
                }
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Pending => {
                    waits = true;
                    break;
                }
            }
        }
        if !waits {
            context.waker().wake_by_ref();
        }
        let drained = serve.wire.0.borrow_mut().poll_drain(context);
        match drained {
            Poll::Ready(Ok(())) => shard.drained(place, generation),
            Poll::Ready(Err(_)) => return Poll::Ready(false),
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
