//! The handle of the application. Cheap to clone; holds no state of the protocol.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use wsc_core::client::{Answer, State, Sync};
use wsc_core::frame::Query;
use wsc_core::{Message, StreamName};

use crate::builder::Builder;
use crate::deliveries::Deliveries;
use crate::driver::HandleCommand;
use crate::error::{ClosedError, RequestError, SendError};
use crate::receipt::Receipt;
use crate::stream::{Feed, Messages, Notice};

/// An answer and the entries that came before it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) messages: Vec<Message<'static>>,
}

/// One device's connection. Clones are the same client; it closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) commands: mpsc::Sender<HandleCommand>,
    pub(crate) states: watch::Receiver<State>,
    pub(crate) syncs: watch::Receiver<Sync>,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) volatile: broadcast::Sender<Message<'static>>,
    pub(crate) presence: broadcast::Sender<wsc_core::frame::PresenceOf>,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) device: Arc<str>,
    /// Set when it is known.
    pub(crate) user: Arc<OnceLock<String>>,
    /// The outbox was damaged: where it is kept as it was.
    pub(crate) damaged: Option<Arc<Path>>,
}

impl Client {
    /// The settings of a client of the hub at this address (`ws://` or `wss://`; without a path, `/ws`).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), wsc_client::BuildError> {
    /// let client = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(address: impl Into<String>) -> Builder {
        Builder::new(address.into())
    }

    /// Connects; while waiting, tries at once. Also after the client was closed by the hub.
    pub async fn connect(&self) {
        let _ = self.commands.send(HandleCommand::Connect).await;
    }

    /// Waits until the client is connected; an error when it is closed for good.
    pub async fn connected(&self) -> Result<(), ClosedError> {
        let mut states = self.states.clone();
        let settled = |state: &State| matches!(state, State::Connected | State::Closed(_));
        match states.wait_for(settled).await.as_deref() {
            Ok(State::Connected) => Ok(()),
            Ok(State::Closed(why)) => Err(ClosedError(why.clone())),
            _ => Err(ClosedError(wsc_core::client::Closed::Application)),
        }
    }

    /// Takes a message; with an outbox file it is on the disk when this returns. It is sent as soon as there is a
    /// connection, again until it is settled, and takes effect once.
    ///
    /// With a file each call waits for the disk; calls that wait at the same time share one sync.
    ///
    /// ```no_run
    /// # async fn example(client: wsc_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use wsc_client::Message;
    /// let stored = client.send(Message::to_group("team", "hello")).await?.accepted().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(&self, message: Message<'static>) -> Result<Receipt, SendError> {
        let (reply, answer) = oneshot::channel();
        let command = HandleCommand::Send { message: Box::new(message), reply };
        self.commands.send(command).await.map_err(|_| SendError::Closed)?;
        answer.await.map_err(|_| SendError::Closed)?
    }

    /// Takes back a message that never went out; false when it did, or is settled.
    pub async fn cancel(&self, receipt: &Receipt) -> bool {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(HandleCommand::Cancel { send: receipt.send, reply }).await;
        sent.is_ok() && answer.await.unwrap_or(false)
    }

    /// The messages of a stream, in order, once. One reader per stream: a new one ends the one before it.
    ///
    /// ```no_run
    /// # async fn example(client: wsc_client::Client) {
    /// use futures_util::StreamExt;
    /// use wsc_client::StreamName;
    /// let mut messages = client.messages(StreamName::Broadcast);
    /// while let Some(delivery) = messages.next().await {
    ///     println!("{:?}", delivery.message());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn messages(&self, stream: StreamName<'static>) -> Messages {
        Messages::new(stream, Arc::clone(&self.deliveries))
    }

    /// The user's inbox: messages to and from this user.
    #[must_use]
    pub fn inbox(&self) -> Channel {
        Channel { client: self.clone(), stream: StreamName::Inbox }
    }

    /// Messages to everybody.
    #[must_use]
    pub fn broadcast(&self) -> Channel {
        Channel { client: self.clone(), stream: StreamName::Broadcast }
    }

    /// A group.
    #[must_use]
    pub fn group(&self, id: impl Into<String>) -> Group {
        Group { client: self.clone(), id: id.into() }
    }

    /// Messages without a position: typing, volatile sends of others, an observer's copies. Who is slow misses some.
    #[must_use]
    pub fn volatile(&self) -> Feed<Message<'static>> {
        Feed::new(None, self.volatile.subscribe())
    }

    /// What happens beside the streams. Lossy: a slow receiver misses the oldest. [`Notice::OutboxDamaged`] comes first in
    /// every such feed, since it happened before there could be one.
    #[must_use]
    pub fn notices(&self) -> Feed<Notice> {
        let damaged = self.damaged.as_deref().map(|kept| Notice::OutboxDamaged { kept: kept.to_owned() });
        Feed::new(damaged, self.notices.subscribe())
    }

    /// The connection's state, now and as it changes.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<State> {
        self.states.clone()
    }

    /// The connection's state now.
    #[must_use]
    pub fn state(&self) -> State {
        self.states.borrow().clone()
    }

    /// How far sends and streams are, now and as it changes.
    #[must_use]
    pub fn syncs(&self) -> watch::Receiver<Sync> {
        self.syncs.clone()
    }

    /// How far sends and streams are now.
    #[must_use]
    pub fn sync(&self) -> Sync {
        *self.syncs.borrow()
    }

    /// The user, once the settings or the hub named it; empty before.
    ///
    /// ```no_run
    /// # async fn example(client: wsc_client::Client) -> Result<(), wsc_client::ClosedError> {
    /// client.connected().await?;
    /// println!("this is {}", client.user());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.get().map(String::as_str).unwrap_or_default()
    }

    /// This installation's id; empty for a passing device.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The platform says that the network is back (or gone): a wait ends at once, a live connection is tested.
    pub async fn network_changed(&self, online: bool) {
        let _ = self.commands.send(HandleCommand::Network { online }).await;
    }

    /// Closes: waits up to 5 s until what is under way is settled, then says goodbye. What is not settled stays in an
    /// outbox file. Every clone of the client is closed with it.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(HandleCommand::Close { done }).await.is_ok() {
            let _ = closed.await;
        }
    }

    pub(crate) async fn reply(&self, query: Query<'static>) -> Result<Reply, RequestError> {
        let (reply, answer) = oneshot::channel();
        let command = HandleCommand::Request { query: Box::new(query), reply };
        self.commands.send(command).await.map_err(|_| RequestError::Closed)?;
        answer.await.map_err(|_| RequestError::Closed)?.map_err(RequestError::Failed)
    }
}

/// One of the streams every user has.
#[derive(Clone, Debug)]
pub struct Channel {
    pub(crate) client: Client,
    pub(crate) stream: StreamName<'static>,
}

/// A group and its stream.
#[derive(Clone, Debug)]
pub struct Group {
    pub(crate) client: Client,
    pub(crate) id: String,
}

/// A page of history.
#[derive(Debug)]
pub struct Page {
    /// The entries, own ones included, in the direction asked for.
    pub messages: Vec<Message<'static>>,
    /// The first position looked at.
    pub from: u64,
    /// The last position looked at.
    pub to: u64,
    /// The oldest this user may fetch.
    pub floor: u64,
    /// The newest.
    pub head: u64,
    /// Whether there is more in the direction asked for.
    pub more: bool,
}

impl Channel {
    /// Its messages, see [`Client::messages`].
    #[must_use]
    pub fn messages(&self) -> Messages {
        self.client.messages(self.stream.clone())
    }

    /// A page of what was, see [`Client::history`].
    pub async fn history(&self, from: Option<u64>, limit: u64, reverse: bool) -> Result<Page, RequestError> {
        self.client.history(self.stream.clone(), from, limit, reverse).await
    }
}

impl Group {
    /// Its stream's name.
    #[must_use]
    pub fn stream(&self) -> StreamName<'static> {
        StreamName::group(self.id.clone())
    }

    /// Its messages, see [`Client::messages`].
    #[must_use]
    pub fn messages(&self) -> Messages {
        self.client.messages(self.stream())
    }

    /// A page of what was, see [`Client::history`].
    pub async fn history(&self, from: Option<u64>, limit: u64, reverse: bool) -> Result<Page, RequestError> {
        self.client.history(self.stream(), from, limit, reverse).await
    }

    /// Sends a text to it.
    pub async fn say(&self, content: impl Into<String>) -> Result<Receipt, SendError> {
        self.client.send(Message::to_group(self.id.clone(), content.into())).await
    }
}
