//! Starting a hub, and ending it without losing anything under way.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use wsc_core::frame::{HubFrame, ObjectWriter};
use wsc_core::{CloseCode, Message};

use super::failure::{Failure, FailureKind};
use super::hooks::{HookFuture, Hooks, Sender, Verdict};
use super::node::Node;
use super::observers::Observers;
use super::presence::Presence;
use super::shard::{Letter, Shard, Shards};
use super::waiters::Waiters;
use super::{Hub, Shared, clock, maintenance};
use crate::Settings;
use crate::admission::Admission;
use crate::admission::identity::Identity;
use crate::admission::token::Keys;
use crate::broker::LocalBroker;
use crate::log::Log;
use crate::log::store::Store;
use crate::settings::SettingsError;

/// Closes are spread over this part of the drain time.
const SPREAD: u32 = 2;
/// How often, 10 ms apart, a closing hub looks whether everything is answered.
const ANSWER_TRIES: u32 = 200;

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
    keys: Option<Keys>,
    pub(super) hooks: Hooks,
}

impl Hub {
    /// Prepares a hub over a store.
    pub fn builder(store: impl Store) -> Builder {
        Builder { settings: Settings::default(), store: Arc::new(store), keys: None, hooks: Hooks::default() }
    }
}

impl Builder {
    /// Limits and times.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The key of the tokens. Without one there is no authentication: serve such a hub on loopback only.
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Decides who may connect; an error is the reason told to the client. Must not block.
    #[must_use]
    pub fn on_connect(
        mut self,
        hook: impl Fn(&Identity) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.on_connect = Some(Box::new(hook));
        self
    }

    /// Decides what becomes of each message of a client. The connection waits for the answer, so that order is kept.
    #[must_use]
    pub fn on_message(
        mut self,
        hook: impl Fn(&Sender, Message<'static>) -> HookFuture<'static, Verdict> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.on_message = Some(Box::new(hook));
        self
    }

    /// Hears when a connection has ended: who, the connection's id, the device. Must not block.
    #[must_use]
    pub fn on_disconnect(mut self, hook: impl Fn(&Identity, &str, &str) + Send + Sync + 'static) -> Self {
        self.hooks.on_disconnect = Some(Box::new(hook));
        self
    }

    /// Hears of failures of one kind; several handlers of a kind are called in order. Must not block.
    #[must_use]
    pub fn on_failure(mut self, kind: FailureKind, hook: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        let guarded = move |failure: &Failure| {
            super::hooks::guarded(|| hook(failure));
        };
        self.hooks.on_failure.push((kind, Box::new(guarded)));
        self
    }

    /// Starts the hub's threads.
    pub fn start(self) -> Result<Hub, StartError> {
        let (hub, running) = self.build()?;
        let node = hub.node();
        for id in 0..node.shards.len() {
            let (node, running) = (Arc::clone(node), running.shards.clone());
            spawn(format!("wsc-shard-{id}"), running, move || Shard::run(id, node))?;
        }
        let writer = Arc::clone(node);
        spawn("wsc-log".to_owned(), running.log, move || run_log(&writer))?;
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
        let (hub, running) = self.build().expect("a simulation has settings that can be");
        let node = hub.node();
        for id in 0..node.shards.len() {
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
        hub
    }

    /// A hub of which nothing runs yet.
    fn build(self) -> Result<(Hub, Running), SettingsError> {
        let settings = self.settings;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = if settings.shards == 0 { cores } else { settings.shards };
        let name = match settings.node_id.as_str() {
            "" => uuid::Uuid::new_v4().simple().to_string()[..8].to_owned(),
            name => name.to_owned(),
        };
        let node = Arc::new(Node {
            id: name.into(),
            shards: Arc::new(Shards::new(count)),
            log: Log::new(self.store),
            admission: Admission::new(&settings, self.keys).map_err(SettingsError)?,
            presence: Presence::new(settings.offline_after_ms),
            observers: Observers::default(),
            hooks: self.hooks,
            waiters: Waiters::default(),
            connections: 0.into(),
            draining: false.into(),
            went_back: false.into(),
            maintenance_failures: 0.into(),
            settings,
        });
        let ((shards_running, shards), (log_running, log)) = (Ending::new(), Ending::new());
        let shared = Shared { node, draining: watch::Sender::new(false), log, shards };
        Ok((Hub { shared: Arc::new(shared) }, Running { shards: shards_running, log: log_running }))
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

    async fn wait(&self) {
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
        node.shards.send_all(|| Letter::Call(Box::new(|shard| shard.close_unanswered())));
    }
    Ok(())
}

/// Writes until the log is closed, then closes the store.
async fn write_log(node: &Arc<Node>) {
    // Ends with this future, whatever ends it.
    let mut maintainer = JoinSet::new();
    let maintained = Arc::clone(node);
    maintainer.spawn(async move {
        let step = || maintained.log.store.maintain(clock::wall());
        maintenance::run(&maintained.maintenance_failures, maintenance::PERIOD, step).await;
    });
    super::marks::pass_on_left(node).await;
    let broker = LocalBroker::new(Arc::clone(&node.shards));
    node.log.run(node, &broker).await;
    maintainer.abort_all();
    if let Err(error) = node.log.store.close().await {
        tracing::error!(%error, "the store could not be closed");
    }
}

impl Hub {
    /// Ends the hub in order: nobody new comes in, everybody is told, connections are closed one after the other over
    /// half of the configured time with what was under way flushed, positions are kept, the store is closed. It takes no
    /// longer than the configured time: a connection that takes nothing is cut, and a store that does not answer is left.
    pub async fn drain(&self) {
        let node = self.node();
        if node.draining.swap(true, Ordering::Relaxed) {
            return;
        }
        let _ = self.shared.draining.send(true);
        let (time, began) = (node.settings.drain, Instant::now());
        let spread = time / SPREAD;
        let notice = notice(spread);
        let (done, mut closed) = mpsc::channel::<()>(1);
        for shard in 0..node.shards.len() {
            let (notice, done) = (notice.clone(), done.clone());
            let call = Letter::Call(Box::new(move |shard| {
                shard.state.borrow_mut().draining = true;
                shard.tell_all(&notice);
                let shard = std::rc::Rc::clone(shard);
                tokio::task::spawn_local(async move {
                    shard.close_all(spread).await;
                    drop(done);
                });
            }));
            node.shards.send(shard, call);
        }
        drop(done);
        if timeout_at(began + time / 4 * 3, closed.recv()).await.is_err() {
            node.shards.send_all(|| Letter::Call(Box::new(Shard::cut_all)));
            let _ = timeout_at(began + time / 8 * 7, closed.recv()).await;
        }
        self.stop(began + time).await;
    }

    /// Ends the hub's threads. What was handed to the log is written first, as long as there is time.
    async fn stop(&self, deadline: Instant) {
        let node = self.node();
        // Connections that ended have left their positions with the shards; a letter after those finds them handed over.
        let (done, mut submitted) = mpsc::channel::<()>(1);
        node.shards.send_all(|| {
            let done = done.clone();
            Letter::Call(Box::new(move |shard| {
                shard.pass_on_marks(true);
                shard.submit();
                drop(done);
            }))
        });
        drop(done);
        let _ = timeout_at(deadline, submitted.recv()).await;
        // The log ends by itself when all is written; the shards end then.
        node.log.close();
        let ended = async {
            self.shared.log.wait().await;
            node.shards.close();
            self.shared.shards.wait().await;
        };
        // The store may never answer.
        if timeout_at(deadline, ended).await.is_err() {
            let writes = node.log.waiting();
            tracing::error!(writes, "the store did not answer; what was not accepted yet is given up");
            node.shards.close();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Without a drain: the log ends when all handed over is written, and the shards at once.
        self.node.log.close();
        self.node.shards.close();
    }
}

fn notice(spread: Duration) -> bytes::Bytes {
    let mut data = String::new();
    let jitter = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    ObjectWriter::new(&mut data)
        .boolean("draining", true)
        .count("reconnect_after_ms", 500)
        .count("jitter_ms", jitter)
        .end();
    let frame =
        HubFrame::Notice { message_type: "server_status".into(), data: data.into(), content: "".into() };
    super::volatile::text_frame(&frame)
}

impl Shard {
    fn tell_all(&self, frame: &bytes::Bytes) {
        let mut state = self.state.borrow_mut();
        for (place, connection) in &mut state.connections {
            if connection.bare.is_none() {
                connection.wire.0.borrow_mut().push(frame.clone());
            }
            self.touch(connection, u32::try_from(place).unwrap_or(u32::MAX));
        }
    }

    /// Cuts the connections that are left: they do not take what they should.
    fn cut_all(self: &std::rc::Rc<Self>) {
        let mut state = self.state.borrow_mut();
        if !state.connections.is_empty() {
            tracing::warn!(
                connections = state.connections.len(),
                "cut: they did not take what waited for them"
            );
        }
        for (_, connection) in &mut state.connections {
            connection.cut = true;
            connection.wake();
        }
    }

    /// Closes all connections one after the other, and waits until they have ended.
    async fn close_all(self: &std::rc::Rc<Self>, spread: Duration) {
        let all: Vec<(u32, u32)> = {
            let state = self.state.borrow();
            let places = state.connections.iter();
            places
                .map(|(place, found)| (u32::try_from(place).unwrap_or(u32::MAX), found.generation))
                .collect()
        };
        let steps = u32::try_from(all.len()).unwrap_or(u32::MAX).clamp(1, 100);
        let size = all.len().div_ceil(steps as usize).max(1);
        for (index, step) in all.chunks(size).enumerate() {
            if index > 0 {
                tokio::time::sleep(spread / steps).await;
            }
            let (shard, step) = (std::rc::Rc::clone(self), step.to_vec());
            // Who must be waited for holds nobody else up.
            tokio::task::spawn_local(async move {
                shard.answer_first(&step).await;
                for (place, generation) in step {
                    shard.close(place, generation, CloseCode::GoingAway, "retry_after_ms=500");
                }
            });
        }
        let somebody_is_left = || {
            let state = self.state.borrow();
            !state.connections.is_empty() || state.is_anybody_arriving()
        };
        while somebody_is_left() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Closes the connections whose messages nobody will answer any more: they are sent again elsewhere.
    fn close_unanswered(self: &std::rc::Rc<Self>) {
        let waiting: Vec<(u32, u32)> = {
            let state = self.state.borrow();
            let waiting = state.connections.iter().filter(|(_, found)| found.writing > 0);
            waiting
                .map(|(place, found)| (u32::try_from(place).unwrap_or(u32::MAX), found.generation))
                .collect()
        };
        for (place, generation) in waiting {
            self.close(place, generation, CloseCode::TryAgainLater, "retry_after_ms=5000");
        }
    }

    /// Reads nothing more from some connections, and waits until all they sent is answered.
    async fn answer_first(&self, some: &[(u32, u32)]) {
        for _ in 0..ANSWER_TRIES {
            let mut waits = false;
            for (place, generation) in some {
                if let Some(connection) = self.state.borrow_mut().connection(*place, *generation) {
                    connection.ending = true;
                    waits |= connection.writing > 0 || connection.answering || connection.asking > 0;
                }
            }
            if !waits {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
