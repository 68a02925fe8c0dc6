//! Starting a hub: what an application decides, and the threads that run it.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::thread;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use wsc_core::Message;

use super::{Hub, Shared, heartbeat, maintenance};
use crate::Settings;
use crate::admission::identity::Identity;
use crate::admission::token::Keys;
use crate::clock;
use crate::cluster::broker::Broker;
use crate::failure::{Dispatcher, Failure, FailureKind, Failures, Handlers};
use crate::flow::node::Node;
use crate::flow::{Shard, marks};
use crate::log::store::Store;
use crate::registry::hooks::{HookFuture, Hooks, Sender, Verdict, guarded};
use crate::settings::SettingsError;
use crate::shard::letter::{Drain, Letter};

/// Why a hub could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting cannot be.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The system gave no thread.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A hub that is not started yet.
///
/// ```
/// use wsc_server::{Hub, MemoryStore, Settings};
/// let hub = Hub::builder(MemoryStore::new(Default::default()))
///     .settings(Settings::default())
///     .on_connect(|identity| if &*identity.user.user == "mallory" { Err("no".to_owned()) } else { Ok(()) })
///     .start()?;
/// assert_eq!(hub.connections(), 0);
/// # Ok::<(), wsc_server::StartError>(())
/// ```
pub struct Builder {
    settings: Settings,
    store: Arc<dyn Store>,
    broker: Option<Box<dyn Broker>>,
    keys: Option<Keys>,
    hooks: Hooks,
    handlers: Handlers,
}

impl Hub {
    /// Prepares a hub over a store.
    ///
    /// ```
    /// use wsc_server::{Hub, MemoryStore};
    /// let hub = Hub::builder(MemoryStore::new(Default::default())).start()?;
    /// # Ok::<(), wsc_server::StartError>(())
    /// ```
    pub fn builder(store: impl Store) -> Builder {
        Builder {
            settings: Settings::default(),
            store: Arc::new(store),
            broker: None,
            keys: None,
            hooks: Hooks::default(),
            handlers: Vec::new(),
        }
    }
}

impl Builder {
    /// Limits and times.
    ///
    /// ```
    /// use wsc_server::{Hub, MemoryStore, Settings};
    /// let mut settings = Settings::default();
    /// settings.node_id = "hub-1".to_owned();
    /// let hub = Hub::builder(MemoryStore::new(settings.retention)).settings(settings).start()?;
    /// assert_eq!(hub.node_id(), "hub-1");
    /// # Ok::<(), wsc_server::StartError>(())
    /// ```
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Makes the hub one of several over the same store; the broker carries hints between them. Without one the hub is
    /// alone with its store. What the hub is told to do (send, join, kick, …) then concerns users wherever they are.
    ///
    /// ```no_run
    /// # fn example(store: impl wsc_server::log::store::Store, broker: impl wsc_server::Broker) -> Result<(), wsc_server::StartError> {
    /// use wsc_server::Hub;
    /// let hub = Hub::builder(store).broker(broker).start()?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.broker = Some(Box::new(broker));
        self
    }

    /// The key of the tokens. Without one there is no authentication: serve such a hub on loopback only.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// use wsc_server::token::{Claims, Keys};
    /// use wsc_server::{Hub, MemoryStore};
    /// let hub = Hub::builder(MemoryStore::new(Default::default())).keys(Keys::new(b"secret", [])).start()?;
    /// # let client = hub::serve(&hub).await?;
    /// let token = Claims { uid: "alice".to_owned(), exp: 4_000_000_000, ..Claims::default() }.sign(b"secret")?;
    /// let alice = client("").token(token).connect().await?;
    /// alice.connected().await?;
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Decides who may connect; an error is the reason told to the client. Must not block.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// use wsc_server::{Hub, MemoryStore};
    /// let hub = Hub::builder(MemoryStore::new(Default::default()))
    ///     .on_connect(|identity| if &*identity.user.user == "mallory" { Err("no".to_owned()) } else { Ok(()) })
    ///     .start()?;
    /// # let client = hub::serve(&hub).await?;
    /// let mallory = client("mallory").connect().await?;
    /// assert_eq!(mallory.connected().await.unwrap_err().to_string(), "closed by the hub: no (4003)");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn on_connect(
        mut self,
        hook: impl Fn(&Identity) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.on_connect = Some(Box::new(hook));
        self
    }

    /// Decides what becomes of each message of a client. The connection waits for the answer, so that order is kept.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// use wsc_server::{ErrorCode, Hub, MemoryStore, Message, Verdict};
    /// let hub = Hub::builder(MemoryStore::new(Default::default()))
    ///     .on_message(|_sender, message| {
    ///         Box::pin(async move {
    ///             // Here an application may ask a database.
    ///             match message.content.contains("spam") {
    ///                 true => Verdict::Refuse(ErrorCode::Filtered, "no advertising".to_owned()),
    ///                 false => Verdict::Route(Box::new(message)),
    ///             }
    ///         })
    ///     })
    ///     .start()?;
    /// # let client = hub::serve(&hub).await?;
    /// let alice = client("alice").connect().await?;
    /// let receipt = alice.send(Message::to_user("bob", "spam")).await?;
    /// assert_eq!(receipt.accepted().await.unwrap_err().to_string(), "refused: no advertising (80404)");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn on_message(
        mut self,
        hook: impl Fn(&Sender, Message<'static>) -> HookFuture<'static, Verdict> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.on_message = Some(Box::new(hook));
        self
    }

    /// Hears when a connection has ended: who, the connection's id, the device. Must not block.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// use wsc_server::{Hub, MemoryStore};
    /// let (left, mut leaving) = tokio::sync::mpsc::unbounded_channel();
    /// let hub = Hub::builder(MemoryStore::new(Default::default()))
    ///     .on_disconnect(move |identity, _connection, device| {
    ///         let _ = left.send(format!("{} left {device}", identity.user.user));
    ///     })
    ///     .start()?;
    /// # let client = hub::serve(&hub).await?;
    /// # let alice = client("alice").connect().await?;
    /// # alice.connected().await?;
    /// # alice.close().await;
    /// assert_eq!(leaving.recv().await.as_deref(), Some("alice left alice-1"));
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn on_disconnect(mut self, hook: impl Fn(&Identity, &str, &str) + Send + Sync + 'static) -> Self {
        self.hooks.on_disconnect = Some(Box::new(hook));
        self
    }

    /// Hears of failures of one kind; several handlers of a kind are called in order, on a thread of their own. When they
    /// are too slow, failures are dropped and counted: [`Hub::dropped_failures`].
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// use wsc_server::{FailureKind, Hub, MemoryStore, Message, Recipient, UserKey};
    /// let (failed, mut failures) = tokio::sync::mpsc::unbounded_channel();
    /// let hub = Hub::builder(MemoryStore::new(Default::default()))
    ///     .on_failure(FailureKind::UserOffline, move |failure| {
    ///         let _ = failed.send(failure.user.user.to_string());
    ///     })
    ///     .start()?;
    /// let bob = UserKey::new(&Default::default(), "bob");
    /// hub.send(&Recipient::User(bob), Message::to_user("", "hello")).await?;
    /// assert_eq!(failures.recv().await.as_deref(), Some("bob"));
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn on_failure(mut self, kind: FailureKind, hook: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        let handler = move |failure: &Failure| {
            guarded(|| hook(failure));
        };
        self.handlers.push((kind, Box::new(handler)));
        self
    }

    /// Every message goes back to the connection it came from, and means nothing.
    #[cfg(feature = "echo")]
    #[doc(hidden)]
    #[must_use]
    pub fn echo(mut self) -> Self {
        self.hooks.echo = true;
        self
    }

    /// Starts the hub's threads.
    ///
    /// # Errors
    /// A setting is wrong, or the system gives no thread.
    ///
    /// ```
    /// let hub = wsc_server::Hub::builder(wsc_server::MemoryStore::new(Default::default())).start()?;
    /// assert_eq!(hub.not_ready(), None);
    /// # Ok::<(), wsc_server::StartError>(())
    /// ```
    pub fn start(self) -> Result<Hub, StartError> {
        let (hub, running, failures) = self.build(|_| uuid::Uuid::new_v4().as_u128())?;
        let node = hub.node();
        for id in 0..node.router.shards.len() {
            let (node, running) = (Arc::clone(node), running.shards.clone());
            spawn(format!("wsc-shard-{id}"), running, move || Shard::run(id, node))?;
        }
        let writer = Arc::clone(node);
        spawn("wsc-log".to_owned(), running.log, move || run_log(&writer))?;
        if failures.has_work() {
            thread::Builder::new().name("wsc-failures".to_owned()).spawn(move || failures.run_blocking())?;
        }
        Ok(hub)
    }

    /// Starts the hub as tasks of the present [`tokio::task::LocalSet`] instead of threads, so that tokio's clock
    /// decides alone what happens when. For simulations: it is slower, and a panic in the log is not caught.
    ///
    /// # Panics
    /// If a setting cannot be.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn start_local(self) -> Hub {
        // The same again each time: a simulation gives each start a name of its own.
        let built = self.build(|name| xxhash_rust::xxh3::xxh3_128(name.as_bytes()));
        let (hub, running, failures) = built.expect("a simulation has settings that can be");
        let node = hub.node();
        for id in 0..node.router.shards.len() {
            let (node, running) = (Arc::clone(node), running.shards.clone());
            tokio::task::spawn_local(async move {
                Shard::live(id, node).await;
                drop(running);
            });
        }
        let writer = Arc::clone(node);
        tokio::task::spawn_local(async move {
            write_log(&writer).await;
            drop(running.log);
        });
        if failures.has_work() {
            tokio::task::spawn_local(failures.run());
        }
        hub
    }

    /// A hub of which nothing runs yet. `incarnation` tells this start, of a hub with this name, from all others.
    fn build(
        self,
        incarnation: impl FnOnce(&str) -> u128,
    ) -> Result<(Hub, Running, Dispatcher), SettingsError> {
        let mut settings = self.settings;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        if settings.shards == 0 {
            settings.shards = cores;
        }
        let name = match settings.node_id.as_str() {
            "" => uuid::Uuid::new_v4().simple().to_string()[..8].to_owned(),
            name => name.to_owned(),
        };
        let cluster = match (self.broker, self.store.is_shared()) {
            (Some(broker), true) => Some((incarnation(&name), broker)),
            (None, false) => None,
            (Some(_), false) => {
                let reason = "this store is for one hub alone: give it no broker, or share another store";
                return Err(SettingsError(reason.to_owned()));
            }
            (None, true) => {
                let reason = "several hubs share this store: give each a broker (`Builder::broker`)";
                return Err(SettingsError(reason.to_owned()));
            }
        };
        let (failures, dispatcher) = Failures::new(self.handlers);
        let node = Node::new(name.into(), settings, self.store, cluster, self.keys, self.hooks, failures)?;
        let node = Arc::new(node);
        let ((shards_running, shards), (log_running, log)) = (Ending::new(), Ending::new());
        let shared = Shared { node, draining: watch::Sender::new(false), log, shards };
        Ok((
            Hub { shared: Arc::new(shared) },
            Running { shards: shards_running, log: log_running },
            dispatcher,
        ))
    }
}

/// Held by what runs; gone when it has ended, however it ended.
type Runs = mpsc::Sender<Infallible>;

/// The two parts of a hub that run.
struct Running {
    shards: Runs,
    log: Runs,
}

/// The end of something that runs.
pub(super) struct Ending(tokio::sync::Mutex<mpsc::Receiver<Infallible>>);

impl Ending {
    fn new() -> (Runs, Self) {
        let (running, ended) = mpsc::channel(1);
        (running, Self(tokio::sync::Mutex::new(ended)))
    }

    pub(super) async fn wait(&self) {
        let _ = self.0.lock().await.recv().await;
    }
}

fn spawn(
    name: String,
    running: Runs,
    run: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> std::io::Result<()> {
    let run = move || {
        if let Err(error) = run() {
            tracing::error!(%error, "a thread of the hub could not run");
        }
        drop(running);
    };
    thread::Builder::new().name(name).spawn(run).map(drop)
}

fn run_log(node: &Arc<Node>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if runtime.block_on(AssertUnwindSafe(write_log(node)).catch_unwind()).is_err() {
        tracing::error!("the log ended by a panic; the hub accepts nothing more");
        node.log.abandon();
        node.router.shards.send_all(|| Letter::Drain(Drain::CloseUnanswered));
    }
    Ok(())
}

/// Writes until the log is closed, then closes the store.
async fn write_log(node: &Arc<Node>) {
    // Ends with this future, whatever ends it.
    let mut maintainer = JoinSet::new();
    let maintained = Arc::clone(node);
    maintainer.spawn(async move {
        let step = || maintained.log.store.maintain(clock::wall().ms());
        maintenance::run(&maintained.maintenance_failures, maintenance::PERIOD, step).await;
    });
    marks::pass_on_left(node).await;
    // A hub of several gives signs of life as long as it writes.
    let (log, among_others) = (pin!(node.log.run(&node.router)), pin!(heartbeat::run(node)));
    if let Either::Right(((), log)) = select(log, among_others).await {
        log.await;
    }
    heartbeat::leave(node).await;
    maintainer.abort_all();
    if let Err(error) = node.log.store.close().await {
        tracing::error!(%error, "the store could not be closed");
    }
}
