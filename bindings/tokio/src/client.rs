//! The handle of the application. Cheap to clone; holds no state of the protocol.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use wsc_core::client::{Answer, State, Sync};
use wsc_core::frame::Query;
use wsc_core::{Message, StreamName};

use crate::addresses::{Addresses, Transports};
use crate::builder::Builder;
use crate::deliveries::Deliveries;
use crate::driver::HandleCommand;
use crate::error::{ClosedError, RequestError, SendError};
use crate::notice::{Feed, Notice};
use crate::presence::UserPresence;
use crate::receipt::Receipt;
use crate::stream::{Group, Stream};

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
    pub(crate) presence: broadcast::Sender<UserPresence>,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) device: Arc<str>,
    /// Set when it is known.
    pub(crate) user: Arc<OnceLock<String>>,
    /// The outbox was damaged: where it is kept as it was.
    pub(crate) damaged: Option<Arc<Path>>,
    pub(crate) transports: Arc<Transports>,
}

impl Client {
    /// The settings of a client of the hub at this address: `ws://` or `wss://`, also written `http://` and `https://`; without
    /// a path, `/ws`.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), wsc_client::BuildError> {
    /// let client = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Several addresses are those of hubs with one store, where no balancer stands before them. The client takes them in a
    /// random order of its own and keeps to one that works. It goes on to the next when an attempt failed, when the hub
    /// closed the connection or drains, and when it says nothing more; a connection that was only lost is tried again where
    /// it was. The waits between attempts are divided by the number of addresses.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// # let here = hub::start().await?;
    /// # let nothing = "ws://127.0.0.1:1";
    /// let client = wsc_client::Client::builder([nothing, &here]).user("alice").connect().await?;
    /// client.connected().await?;
    /// assert_eq!(client.address(), here);
    /// # Ok(()) });
    /// ```
    pub fn builder(addresses: impl Into<Addresses>) -> Builder {
        Builder::new(addresses.into())
    }

    /// The address in use: that of the connection, or of the newest attempt.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// # let address = hub::start().await?;
    /// let client = wsc_client::Client::builder(&address).user("alice").connect().await?;
    /// assert_eq!(client.address(), address);
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn address(&self) -> &str {
        self.transports.address()
    }

    /// Connects, and keeps connected; while waiting, tries at once. Also after the hub closed the client for good.
    /// Does nothing after [`Client::close`].
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// # let address = hub::start().await?;
    /// let client = wsc_client::Client::builder(address).user("alice").build().await?;
    /// let inbox = client.inbox().messages();
    /// client.connect().await;
    /// client.connected().await?;
    /// # Ok(()) });
    /// ```
    pub async fn connect(&self) {
        let _ = self.commands.send(HandleCommand::Connect).await;
    }

    /// Waits until the client is connected.
    ///
    /// # Errors
    /// It is closed for good.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.connected().await?;
    /// alice.close().await;
    /// let error = alice.connected().await.unwrap_err();
    /// assert_eq!(error.to_string(), "closed by the application");
    /// # Ok(()) });
    /// ```
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
    /// # Errors
    /// The message was not taken: nothing of it is kept, nothing was sent.
    ///
    /// ```
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let receipt = alice.send(Message::to_user("bob", "hello")).await?;
    /// assert_eq!(receipt.accepted().await?.position, 1);
    /// # Ok(()) });
    /// ```
    pub async fn send(&self, message: Message<'static>) -> Result<Receipt, SendError> {
        let (reply, answer) = oneshot::channel();
        let command = HandleCommand::Send { message: Box::new(message), reply };
        self.commands.send(command).await.map_err(|_| SendError::Closed)?;
        answer.await.map_err(|_| SendError::Closed)?
    }

    /// Takes back a message that never went out; false when it did, or is settled.
    ///
    /// ```
    /// use wsc_client::{Client, Message, ReceiptError};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// let offline = Client::builder("ws://127.0.0.1:1").user("alice").build().await?;
    /// let receipt = offline.send(Message::to_user("bob", "hello")).await?;
    /// assert!(offline.cancel(&receipt).await);
    /// assert_eq!(receipt.accepted().await, Err(ReceiptError::Cancelled));
    /// # Ok(()) });
    /// ```
    pub async fn cancel(&self, receipt: &Receipt) -> bool {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(HandleCommand::Cancel { send: receipt.send, reply }).await;
        sent.is_ok() && answer.await.unwrap_or(false)
    }

    /// The user's inbox: messages to and from this user.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut inbox = bob.inbox().messages();
    /// alice.send(Message::to_user("bob", "hello")).await?;
    /// assert_eq!(inbox.next().await.unwrap().message().unwrap().sender, "alice");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn inbox(&self) -> Stream {
        self.stream(StreamName::Inbox)
    }

    /// Messages to everybody.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut messages = bob.broadcast().messages();
    /// alice.send(Message::to_everybody("hello")).await?;
    /// assert_eq!(messages.next().await.unwrap().message().unwrap().content, "hello");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn broadcast(&self) -> Stream {
        self.stream(StreamName::Broadcast)
    }

    /// A stream by its name, as [`Event::StreamOpened`](crate::Event::StreamOpened) tells it.
    ///
    /// ```
    /// use wsc_client::StreamName;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let stream = alice.stream(StreamName::group("team"));
    /// assert_eq!(stream.name().as_str(), "group:team");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn stream(&self, name: StreamName<'static>) -> Stream {
        Stream { client: self.clone(), name }
    }

    /// A group.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.group("team").join().await?;
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn group(&self, id: impl Into<String>) -> Group {
        Group { client: self.clone(), id: id.into() }
    }

    /// Messages without a position: typing, volatile messages of others, an observer's copies. Lossy: a slow receiver
    /// misses the oldest.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut volatile = bob.volatile();
    /// alice.typing("user:bob").await?;
    /// assert_eq!(volatile.next().await.unwrap().message_type, "typing");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn volatile(&self) -> Feed<Message<'static>> {
        Feed::new(None, self.volatile.subscribe())
    }

    /// What happens beside the streams. Lossy: a slow receiver misses the oldest. [`Notice::OutboxDamaged`] comes first in
    /// every such feed, since it happened before there could be one.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::Notice;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut notices = alice.notices();
    /// alice.group("team").join().await?;
    /// // The stream of the group has opened.
    /// assert!(matches!(notices.next().await, Some(Notice::Event(_))));
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn notices(&self) -> Feed<Notice> {
        let damaged = self.damaged.as_deref().map(|kept| Notice::OutboxDamaged { kept: kept.to_owned() });
        Feed::new(damaged, self.notices.subscribe())
    }

    /// The connection's state, now and as it changes.
    ///
    /// ```
    /// use wsc_client::State;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut states = alice.states();
    /// states.wait_for(|state| *state == State::Connected).await?;
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn states(&self) -> watch::Receiver<State> {
        self.states.clone()
    }

    /// The connection's state now.
    ///
    /// ```
    /// use wsc_client::{Closed, State};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// assert_eq!(alice.state(), State::Connected);
    /// alice.close().await;
    /// assert_eq!(alice.state(), State::Closed(Closed::Application));
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn state(&self) -> State {
        self.states.borrow().clone()
    }

    /// How far sends and streams are, now and as it changes.
    ///
    /// ```
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.send(Message::to_user("bob", "hello")).await?;
    /// // Everything sent so far is settled.
    /// alice.syncs().wait_for(|sync| sync.saved == 0).await?;
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn syncs(&self) -> watch::Receiver<Sync> {
        self.syncs.clone()
    }

    /// How far sends and streams are now.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// assert_eq!(alice.sync().saved, 0);
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn sync(&self) -> Sync {
        *self.syncs.borrow()
    }

    /// The user, once the settings or the hub named it; empty before.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// assert_eq!(alice.user(), "alice");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.get().map(String::as_str).unwrap_or_default()
    }

    /// This installation's id; empty for an ephemeral device.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// assert_eq!(alice.device(), "alice-1");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The platform says that the network is back (or gone): a wait ends at once, a live connection is tested.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.network_changed(true).await;
    /// # Ok(()) });
    /// ```
    pub async fn network_changed(&self, online: bool) {
        let _ = self.commands.send(HandleCommand::Network { online }).await;
    }

    /// Closes: waits up to 5 s until what is under way is settled, then says goodbye. What is not settled stays in an
    /// outbox file. Every clone of the client is closed with it.
    ///
    /// ```
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let receipt = alice.send(Message::to_user("bob", "bye")).await?;
    /// alice.close().await;
    /// receipt.accepted().await?;
    /// assert!(alice.send(Message::to_user("bob", "too late")).await.is_err());
    /// # Ok(()) });
    /// ```
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(HandleCommand::Close { done }).await.is_ok() {
            let _ = closed.await;
        }
    }

    pub(crate) async fn reply(&self, query: Query<'static>) -> Result<Reply, RequestError> {
        self.ask(|reply| HandleCommand::Request { query: Box::new(query), reply }).await
    }

    pub(crate) async fn ask(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<Reply, wsc_core::client::RequestError>>) -> HandleCommand,
    ) -> Result<Reply, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| RequestError::Closed)?;
        Ok(answer.await.map_err(|_| RequestError::Closed)??)
    }
}
