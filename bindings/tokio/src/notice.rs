//! What happens beside the streams, and feeds of it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::stream::{StreamExt as _, iter, unfold};
use tokio::sync::broadcast;
use wsc_core::client::Event;
use wsc_core::{CloseCode, StreamName};

/// Something that happened beside the streams.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A stream opened or closed, a membership changed, the hub has a notice, a read mark was refused, all streams are
    /// caught up, or something was wrong; and what became of sends that have no receipt in this process: how those ended
    /// that an earlier process left in the outbox, and how far messages of the user's other devices got.
    Event(Event),
    /// Nobody read these positions for 20 s: they count as handed over. `history` still has them.
    Unread {
        /// The stream.
        stream: StreamName<'static>,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The outbox file was damaged when it was opened. The client goes on with what is whole in it; what is not may be a
    /// message that was never sent, or one that is sent again.
    OutboxDamaged {
        /// Where the file is kept as it was.
        kept: PathBuf,
    },
    /// The outbox could not be written; sends are refused from now on.
    StorageFailed(Arc<std::io::Error>),
    /// A connection ended, or could not be made. The client goes on by itself; [`Client::states`](crate::Client::states)
    /// says when it tries again, or that it does not.
    Disconnected {
        /// Whether there was one.
        connected: bool,
        /// The close that was, or that means the same; `None`: the socket or the network failed.
        code: Option<CloseCode>,
        /// Human-readable; of a handshake that failed, what TLS says.
        reason: String,
    },
}

/// A feed of things without a position. Lossy: a slow receiver misses the oldest.
pub struct Feed<T> {
    inner: Pin<Box<dyn Stream<Item = T> + Send>>,
}

impl<T: Clone + Send + 'static> Feed<T> {
    pub(crate) fn new(first: Option<T>, receiver: broadcast::Receiver<T>) -> Self {
        let later = unfold(receiver, |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(item) => return Some((item, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        Self { inner: Box::pin(iter(first).chain(later)) }
    }
}

impl<T> Stream for Feed<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.inner.as_mut().poll_next(context)
    }
}

impl<T> std::fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feed")
    }
}
