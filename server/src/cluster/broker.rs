//! The broker: carries hints between the hubs that share a store. It may lose all of them; the store is the truth.

use std::sync::Arc;

use bytes::Bytes;

use super::interests::Interests;
use super::topic::Topic;
use crate::log::key::StreamKey;
use crate::log::store::Tip;

/// Carries messages between the hubs that share a store. A broker may lose messages, deliver them late, twice or to a hub
/// that has just unsubscribed: nothing that must not be lost passes through it.
///
/// No method may block: what has to wait is done by a thread or task of the broker's own.
pub trait Broker: Send + Sync + 'static {
    /// Called once, before everything else: what comes in goes to this inbox.
    fn start(&self, inbox: Inbox);

    /// Sends a message to all hubs that subscribed to a topic, this one included.
    fn publish(&self, topic: Topic, message: Bytes);

    /// From now on this hub is to get what is published about these topics. [`Inbox::subscribed`] says when that is so, now
    /// and whenever it is so again after the connection was lost.
    fn subscribe(&self, topics: Vec<Topic>);

    /// It is not any more.
    fn unsubscribe(&self, topics: Vec<Topic>);
}

/// Where a [`Broker`] puts what comes in. Clones are the same inbox; it may be used from any thread, and never blocks.
#[derive(Clone)]
pub struct Inbox(pub(super) Arc<Interests>);

impl Inbox {
    /// What is published about these topics comes in from now on. What was published before may be lost, so the hub looks at
    /// the store.
    pub fn subscribed(&self, topics: impl IntoIterator<Item = Topic>) {
        self.0.look_at(topics);
    }

    /// A message came in, as some hub gave it to [`Broker::publish`].
    pub fn message(&self, topic: &Topic, message: &[u8]) {
        self.0.read(topic, message);
    }

    /// The store has told that a stream stands here now.
    pub fn announced(&self, stream: &StreamKey, tip: Tip) {
        self.0.announced(stream, tip);
    }

    /// What came in about a topic was dropped, or could not be read: the hub looks at the store.
    pub fn missed(&self, topic: Topic) {
        self.0.look_at([topic]);
    }
}
