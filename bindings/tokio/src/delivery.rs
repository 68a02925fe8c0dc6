//! What a stream hands over, and how the application takes it.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use wsc_core::client::{Gap, Generation};
use wsc_core::{Message, StreamName};

use crate::backlog::{Item, Positions};
use crate::deliveries::Deliveries;

/// One thing that a stream hands over, in order.
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
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// # let address = hub::start().await?;
    /// # let alice = hub::user(&address, "alice").connect().await?;
    /// # let bob = hub::user(&address, "bob");
    /// let bob = bob.auto_acknowledge(false).connect().await?;
    /// let mut inbox = bob.inbox().messages();
    /// alice.send(Message::to_user("bob", "hello")).await?;
    /// let delivery = inbox.next().await.unwrap();
    /// // Stored where it belongs; then:
    /// delivery.acknowledge();
    /// # Ok(()) });
    /// ```
    pub fn acknowledge(&self) {
        match self {
            Self::Message(entry) => entry.acknowledge(),
            Self::Gap(missed) => missed.acknowledge(),
        }
    }

    /// The message, if it is one.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut inbox = bob.inbox().messages();
    /// alice.send(Message::to_user("bob", "hello")).await?;
    /// let delivery = inbox.next().await.unwrap();
    /// assert_eq!(delivery.message().unwrap().content, "hello");
    /// # Ok(()) });
    /// ```
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
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::{Delivery, Message};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.send(Message::to_user("bob", "hello")).await?;
    /// if let Some(Delivery::Message(message)) = bob.inbox().messages().next().await {
    ///     println!("{}", message.content);
    ///     message.acknowledge();
    /// }
    /// # Ok(()) });
    /// ```
    pub fn acknowledge(&self) {
        if let Some(stream) = &self.message.stream {
            self.deliveries.acknowledge(stream, self.generation, self.message.seq_no);
        }
    }

    /// The message alone.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::{Delivery, Message};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.send(Message::to_user("bob", "hello")).await?;
    /// let Some(Delivery::Message(entry)) = bob.inbox().messages().next().await else { panic!() };
    /// let message: Message<'static> = entry.into_message();
    /// # Ok(()) });
    /// ```
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
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::{Delivery, Message};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.send(Message::to_user("bob", "hello")).await?;
    /// if let Some(Delivery::Gap(gap)) = bob.inbox().messages().next().await {
    ///     println!("missed {} to {}: {}", gap.from, gap.to, gap.reason);
    ///     gap.acknowledge();
    /// }
    /// # Ok(()) });
    /// ```
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
/// over, and [`Notice::Unread`](crate::Notice::Unread) says which they were.
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
