//! The connection for commands: made, checked and replaced here. A store has a thread of its own for it, so that it may be
//! asked from any thread, whatever runs there.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisResult, Value};
use tokio::sync::{Mutex, MutexGuard};

use super::super::rules::new_epoch;
use super::super::store::{Durability, StoreError};
use super::RedisOpenError;
use super::channel::pause;
use super::check::Server;
use super::epochs::Epoch;
use super::fault::{Fault, unavailable, unreadable};
use super::layout::Layout;
use super::script::{Args, Script};
use super::worker::{ANSWER, Worker, timed, within};

/// What the store writes, and how. A hub refuses another one.
const FORMAT: &str = "1";
/// How long a connection may take to be made and checked.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that was checked.
#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Grows with each connection of this store: what an older one still has on its way is refused.
    number: u64,
}

/// The way to the server.
pub(super) struct Link {
    worker: Worker,
    pub(super) client: Client,
    pub(super) layout: Layout,
    durability: Durability,
    /// How long a write is repeated and a read waits.
    patience: Duration,
    /// Names this store among those that use the server.
    pub(super) id: String,
    restored: AtomicBool,
    number: AtomicU64,
    live: Mutex<Option<Live>>,
    /// The epochs in which this store writes. They change only when a write is answered with it, so that each change is
    /// told once.
    epochs: RwLock<Vec<Epoch>>,
    /// The epochs as the present connection found them.
    found: RwLock<Vec<Epoch>>,
    closed: AtomicBool,
}

/// Why a script was not made, or not known to be.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nothing was done.
    Not(StoreError),
    /// It was done or not.
    Perhaps(StoreError),
}

impl Refusal {
    pub(super) fn error(self) -> StoreError {
        match self {
            Self::Not(error) | Self::Perhaps(error) => error,
        }
    }
}

impl Link {
    pub(super) fn new(
        client: Client,
        partitions: usize,
        durability: Durability,
        patience: Duration,
        restored: bool,
    ) -> std::io::Result<Self> {
        let mut id = [0; 16];
        if getrandom::fill(&mut id).is_err() {
            return Err(std::io::Error::other("the system has no entropy"));
        }
        Ok(Self {
            worker: Worker::start("wsc-redis")?,
            client,
            layout: Layout::new(partitions),
            durability,
            patience,
            id: format!("{:032x}", u128::from_be_bytes(id)),
            restored: restored.into(),
            number: AtomicU64::new(0),
            live: Mutex::new(None),
            epochs: RwLock::default(),
            found: RwLock::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// Makes the first connection.
    pub(super) fn open(self: &Arc<Self>) -> Result<(), RedisOpenError> {
        let (answer, opened) = std::sync::mpsc::channel();
        let link = Arc::clone(self);
        self.worker.handle.spawn(async move {
            let connected = link.connect().await;
            let connected = match connected {
                Ok(live) => {
                    *link.live.lock().await = Some(live);
                    Ok(())
                }
                Err(error) => Err(error),
            };
            let _ = answer.send(connected);
        });
        opened.recv().unwrap_or_else(|_| Err(RedisOpenError::Unreachable("its thread ended".to_owned())))
    }

    /// No more connections are made, and the one there is ends.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        if self.closed.swap(true, Ordering::Relaxed) {
            return Err(StoreError::Closed);
        }
        self.live.lock().await.take();
        Ok(())
    }

    /// Whether it was closed.
    pub(super) fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Relaxed) { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Until when something that begins now is tried.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// The epoch of a partition in which this store writes.
    pub(super) fn epoch(&self, partition: usize) -> Epoch {
        let epochs = self.epochs.read().unwrap_or_else(PoisonError::into_inner);
        epochs.get(partition).cloned().unwrap_or_default()
    }

    pub(super) fn set_epoch(&self, partition: usize, epoch: Epoch) {
        let mut epochs = self.epochs.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = epochs.get_mut(partition) {
            *known = epoch;
        }
    }

    /// Does something on the thread of the connection.
    async fn there<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.worker.handle.spawn(what).await.map_err(|_| StoreError::Closed)
    }

    /// Waits a while, by chance; the more failures in a row, the longer. `false`: there is no time left.
    async fn pause(&self, failures: u32, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.closed.load(Ordering::Relaxed) {
            return false;
        }
        let pause = pause(failures).min(left);
        self.there(tokio::time::sleep(pause)).await.is_ok()
    }

    /// A connection that was checked, made when there is none.
    async fn live(self: &Arc<Self>, deadline: Instant) -> Result<Live, StoreError> {
        let mut live = match self.live.try_lock() {
            Ok(live) => live,
            Err(_) => self.wait_for_live(deadline).await?,
        };
        let mut failures = 0;
        loop {
            if self.closed.load(Ordering::Relaxed) {
                return Err(StoreError::Closed);
            }
            if let Some(live) = &*live {
                return Ok(live.clone());
            }
            let link = Arc::clone(self);
            let connecting = async move {
                match tokio::time::timeout(CONNECT, link.connect()).await {
                    Ok(connected) => connected,
                    Err(_) => Err(RedisOpenError::Unreachable("no answer".to_owned())),
                }
            };
            let error = match self.there(connecting).await? {
                Ok(made) => {
                    *live = Some(made);
                    continue;
                }
                Err(error) => error,
            };
            failures += 1;
            if !self.pause(failures, deadline).await {
                return Err(StoreError::Unavailable(error.to_string().into()));
            }
        }
    }

    /// Waits while somebody else makes the connection.
    async fn wait_for_live(&self, deadline: Instant) -> Result<MutexGuard<'_, Option<Live>>, StoreError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let (lock, time) = (pin!(self.live.lock()), pin!(self.there(tokio::time::sleep(left))));
        match select(lock, time).await {
            Either::Left((live, _)) => Ok(live),
            Either::Right(_) => Err(StoreError::Unavailable("Redis does not answer".into())),
        }
    }

    /// Ends a connection, unless another one has taken its place.
    async fn end(&self, number: u64) {
        let mut live = self.live.lock().await;
        if live.as_ref().is_some_and(|live| live.number == number) {
            live.take();
        }
    }

    /// Connects, looks at the server, loads the scripts, and learns the epochs.
    async fn connect(&self) -> Result<Live, RedisOpenError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let making = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = soon(making).await?;
        let info: String = soon(redis::cmd("INFO").query_async(&mut connection)).await?;
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET").arg("*append*");
        let config: Option<HashMap<String, String>> = match soon(ask.query_async(&mut connection)).await {
            Ok(config) => Some(config),
            Err(RedisOpenError::Refused(_)) => None,
            Err(other) => return Err(other),
        };
        let server = Server::new(&info, config);
        server.check(self.durability)?;
        let mut load = redis::pipe();
        for script in Script::ALL {
            load.cmd("SCRIPT").arg("LOAD").arg(script.text()).ignore();
        }
        soon(load.query_async::<()>(&mut connection)).await?;
        let (fresh, safe) = (new_epoch(), if server.is_safe() { "1" } else { "0" });
        let restored = if self.restored.load(Ordering::Relaxed) { "1" } else { "0" };
        let mut check = redis::pipe();
        for partition in 0..self.layout.partitions() {
            check.cmd("EVALSHA").arg(Script::Epoch.hash()).arg(1).arg(self.layout.facts(partition));
            check.arg(server.run()).arg(safe).arg(&fresh).arg(FORMAT).arg(self.layout.partitions());
            check.arg(&self.id).arg(number).arg(restored);
        }
        let answers: Vec<(String, String, String, u8)> =
            soon(check.query_async(&mut connection)).await.map_err(|error| match error {
                RedisOpenError::Refused(text) if text.contains("FORMAT") => RedisOpenError::Format(text),
                other => other,
            })?;
        let before = self.found.read().unwrap_or_else(PoisonError::into_inner).clone();
        let epochs: Vec<Epoch> =
            answers.iter().map(|(epoch, number, names, _)| Epoch::new(epoch, number, names)).collect();
        let began = epochs.iter().zip(&before).filter(|(now, before)| now != before).count();
        if began > 0 {
            tracing::warn!(partitions = began, "Redis may have lost something: a new epoch has begun");
        }
        let mut written = self.epochs.write().unwrap_or_else(PoisonError::into_inner);
        if written.is_empty() {
            written.clone_from(&epochs);
        }
        *self.found.write().unwrap_or_else(PoisonError::into_inner) = epochs;
        self.restored.store(false, Ordering::Relaxed);
        Ok(Live { connection, number })
    }

    /// Asks something that changes nothing; repeated as long as there is patience.
    pub(super) async fn ask<T: FromRedisValue + Send + 'static>(
        self: &Arc<Self>,
        pipeline: Pipeline,
    ) -> Result<T, StoreError> {
        let (pipeline, deadline) = (Arc::new(pipeline), self.deadline());
        let mut failures = 0;
        loop {
            let live = self.live(deadline).await?;
            let (mut connection, asked) = (live.connection, Arc::clone(&pipeline));
            let time = self.patience.min(ANSWER);
            let asking = async move { within(time, asked.query_async(&mut connection)).await };
            let error = match self.there(asking).await? {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match Fault::of(&error) {
                Fault::Lost => self.end(live.number).await,
                Fault::Busy => {}
                Fault::Other | Fault::NoScript | Fault::Fenced | Fault::Epoch => {
                    return Err(unreadable(&error));
                }
            }
            failures += 1;
            if !self.pause(failures, deadline).await {
                return Err(unavailable(&error));
            }
        }
    }

    /// Makes a script in a partition, the same bytes again while its fate is unknown and there is patience.
    pub(super) async fn make(
        self: &Arc<Self>,
        script: Script,
        partition: usize,
        args: &Args,
        deadline: Instant,
    ) -> Result<Value, Refusal> {
        let (mut failures, mut is_unknown) = (0, false);
        let refusal = |is_unknown, error| match is_unknown {
            true => Refusal::Perhaps(error),
            false => Refusal::Not(error),
        };
        let epoch = self.epoch(partition).epoch;
        loop {
            let live = self.live(deadline).await.map_err(|error| refusal(is_unknown, error))?;
            let mut command = redis::cmd("EVALSHA");
            command.arg(script.hash()).arg(1).arg(self.layout.facts(partition));
            if script == Script::Write {
                command.arg(&*epoch).arg(&self.id).arg(live.number);
            }
            args.iter().for_each(|arg| {
                command.arg(arg);
            });
            let mut connection = live.connection.clone();
            let time = self.patience.min(ANSWER);
            let making = async move { within(time, command.query_async::<Value>(&mut connection)).await };
            let made = self.there(making).await.map_err(|error| refusal(true, error))?;
            let error = match made {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match Fault::of(&error) {
                Fault::Lost => {
                    is_unknown = true;
                    self.end(live.number).await;
                }
                Fault::NoScript => {
                    let mut connection = live.connection;
                    let loading = async move {
                        let mut load = redis::cmd("SCRIPT");
                        load.arg("LOAD").arg(script.text());
                        timed(load.query_async::<String>(&mut connection)).await
                    };
                    let _ = self.there(loading).await.map_err(Refusal::Not)?;
                }
                // Made on a connection that was replaced meanwhile.
                Fault::Fenced => {}
                Fault::Busy => {}
                Fault::Epoch => {
                    self.learn(partition, &epoch, live.number, deadline).await;
                    let error = if is_unknown { unavailable(&error) } else { StoreError::Epoch };
                    return Err(refusal(is_unknown, error));
                }
                Fault::Other => return Err(refusal(true, StoreError::Damaged(error.to_string().into()))),
            }
            failures += 1;
            if !self.pause(failures, deadline).await {
                return Err(refusal(is_unknown, unavailable(&error)));
            }
        }
    }

    /// Learns in which epoch a partition is written from now on, by another look at it, unless another lane has.
    async fn learn(self: &Arc<Self>, partition: usize, ended: &str, number: u64, deadline: Instant) {
        if *self.epoch(partition).epoch != *ended {
            return;
        }
        self.end(number).await;
        if self.live(deadline).await.is_ok() {
            let found = self.found.read().unwrap_or_else(PoisonError::into_inner).get(partition).cloned();
            if let Some(found) = found {
                self.set_epoch(partition, found);
            }
        }
    }

    /// Ends the present connection, as when its epochs are not true any more.
    pub(super) async fn look_again(&self) {
        self.live.lock().await.take();
    }
}

async fn soon<T>(asked: impl Future<Output = RedisResult<T>>) -> Result<T, RedisOpenError> {
    timed(asked).await.map_err(|error| match error.code() {
        Some("LOADING" | "BUSY" | "MASTERDOWN") | None
            if error.kind() != redis::ErrorKind::AuthenticationFailed =>
        {
            RedisOpenError::Unreachable(error.to_string())
        }
        _ => RedisOpenError::Refused(error.to_string()),
    })
}
