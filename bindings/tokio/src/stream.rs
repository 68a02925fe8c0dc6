//! Streams of the application: a stream's messages, and feeds of what has no position.

use std::ops::Deref;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::stream::{StreamExt as _, iter, unfold};
use tokio::sync::broadcast;
use wsc_core::client::{Event, Gap, Generation};
use wsc_core::{CloseCode, Message, StreamName};

use crate::backlog::{Item, Positions};
use crate::deliveries::Deliveries;

/// One thing a stream hands over, in order.
#[derive(Debug)]
pub enum Delivery {
    /// A message.
    Message(Entry),
    /// Positions that were for this device and are gone.
    Gap(Missed),
}

/// A message of a stream.
#[derive(Debug)]
pub struct Entry {
    pub(crate) message: Box<Message<'static>>,
    pub(crate) generation: Generation,
    pub(crate) deliveries: Arc<Deliveries>,
}

/// A gap of a stream.
#[derive(Debug)]
pub struct Missed {
    pub(crate) gap: Gap,
    pub(crate) deliveries: Arc<Deliveries>,
}

impl Delivery {
    /// Everything of the stream up to here is dealt with: after a crash it does not come again. Needed when the client
    /// was built with [`auto_acknowledge(false)`](crate::Builder::auto_acknowledge); else taking it was enough.
    pub fn acknowledge(&self) {
        match self {
            Self::Message(entry) => entry.acknowledge(),
            Self::Gap(missed) => missed.acknowledge(),
        }
    }

    /// The message, if it is one.
    #[must_use]
    pub fn message(&self) -> Option<&Message<'static>> {
        match self {
            Self::Message(entry) => Some(entry),
            Self::Gap(_) => None,
        }
    }
}

impl Item for Delivery {
    fn positions(&self) -> Positions {
        match self {
            Self::Message(entry) => {
                let (generation, seq) = (entry.generation, entry.seq_no);
                Positions { generation, first: seq, last: seq }
            }
            Self::Gap(missed) => {
                Positions { generation: missed.generation, first: missed.from, last: missed.to }
            }
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Message(entry) => entry.size_hint() + size_of::<Message<'_>>(),
            Self::Gap(_) => size_of::<Gap>(),
        }
    }
}

impl Entry {
    /// See [`Delivery::acknowledge`].
    pub fn acknowledge(&self) {
        if let Some(stream) = &self.message.stream {
            self.deliveries.acknowledge(stream, self.generation, self.message.seq_no);
        }
    }

    /// The message alone.
    #[must_use]
    pub fn into_message(self) -> Message<'static> {
        *self.message
    }
}

impl Deref for Entry {
    type Target = Message<'static>;

    fn deref(&self) -> &Self::Target {
        &self.message
    }
}

impl Missed {
    /// See [`Delivery::acknowledge`].
    pub fn acknowledge(&self) {
        self.deliveries.acknowledge(&self.gap.stream, self.gap.generation, self.gap.to);
    }
}

impl Deref for Missed {
    type Target = Gap;

    fn deref(&self) -> &Self::Target {
        &self.gap
    }
}

/// The messages of one stream, in order, once. Ends when the client closes, or when the same stream is read anew.
///
/// Reading slowly holds back the hub. A stream that nobody reads is held for 20 s; then its entries count as handed
/// over, and [`Notice::Unread`] says which they were.
#[derive(Debug)]
pub struct Messages {
    stream: StreamName<'static>,
    reader: u64,
    deliveries: Arc<Deliveries>,
}

impl Messages {
    pub(crate) fn new(stream: StreamName<'static>, deliveries: Arc<Deliveries>) -> Self {
        let reader = deliveries.read(&stream);
        Self { stream, reader, deliveries }
    }
}

impl Stream for Messages {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.deliveries.poll(&self.stream, self.reader, context)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.deliveries.stop(&self.stream, self.reader);
    }
}

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
    StorageFailed(String),
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

/// A feed of things without a position: who is slow misses the oldest.
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
