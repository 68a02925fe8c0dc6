//! The store that several hubs share, on Redis (6.2 or later) or Valkey.
//!
//! **How it writes.** A batch of writes is one call of a script: all of it happens or nothing. Whatever decides (positions,
//! ids, memberships, claims) is decided there, so any number of hubs may write at once. A write whose answer is lost is
//! made again with the same bytes, which is harmless.
//!
//! **Epochs.** Each partition has one. A new connection looks whether the server has restarted since; unless both the one
//! that ended and the one that began flush every write ([`Durability::Fsync`]), it begins a new epoch, and readers are told
//! that something may be missing. A script names the epoch it writes in, and is refused in another one.
//!
//! **Partitions.** One Redis is one partition. More of them are for a cluster; a message to a user is written in two steps
//! then ([`StoreError::Unfinished`]).

mod attach;
pub(crate) mod channel;
mod check;
mod connection;
mod conversations;
mod epochs;
mod fault;
mod items;
mod layout;
mod members;
mod people;
mod read;
mod record;
mod retain;
mod run;
mod script;
#[cfg(all(test, unix))]
mod tests;
mod tip;
pub(crate) mod worker;
mod write;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::{Client, IntoConnectionInfo as _, ProtocolVersion};

use self::connection::Link;
use self::read::Reading;
pub use self::tip::{NotATip, read_tip};
use super::key::{GroupKey, Scope, StreamKey, UserKey};
use super::store::{
    Answers, Beat, Conversation, Device, Durability, Found, Members, Membership, Milliseconds, Nodes, Opened,
    Page, Person, Ranges, Retention, Store, StoreError, StoreFuture, Summary, Tip, WaitingMark, Write,
};

/// How the store works.
#[derive(Clone)]
pub struct RedisOptions {
    /// Where the server is: `redis://host:6379`, `rediss://host:6379` (TLS) or `redis+unix:///path`.
    pub url: String,
    /// The user, over one in the URL; `None`: the one there, or the default user.
    pub user: Option<String>,
    /// The password, over one in the URL.
    pub password: Option<String>,
    /// How long things are kept.
    pub retention: Retention,
    /// What "stored" means; checked against the settings of the server.
    pub durability: Durability,
    /// How long a write is repeated, and a read waits, while the server cannot be reached.
    pub patience: Duration,
    /// In how many partitions the store is divided; fixed when it is first used. 1 for a single server.
    pub partitions: usize,
    /// The server was put back from a copy: what was given since may be missing, so a new epoch begins.
    pub restored: bool,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            user: None,
            password: None,
            retention: Retention::default(),
            durability: Durability::default(),
            patience: Duration::from_secs(8),
            partitions: 1,
            restored: false,
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may have a password in it.
        f.debug_struct("RedisOptions").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisOpenError {
    /// The URL makes no sense.
    #[error(
        "the URL of Redis cannot be understood: {0}; write it as redis://HOST:PORT, rediss://HOST:PORT (TLS) or redis+unix:///PATH"
    )]
    Url(String),
    /// There is no server, or it does not answer.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// The server does not allow it.
    #[error("Redis refuses: {0}; look after the user, the password and the ACL")]
    Refused(String),
    /// An old server.
    #[error("Redis {0} is too old; 6.2 or later is needed")]
    Version(String),
    /// A replica.
    #[error("this Redis is a replica; name its primary")]
    Replica,
    /// A node of a cluster.
    #[error("this Redis is a node of a cluster, which is not supported; name a single server")]
    Cluster,
    /// It would throw messages away.
    #[error("Redis has maxmemory-policy {0} and would throw messages away; set maxmemory-policy noeviction")]
    Evicts(String),
    /// It keeps less than what is asked for.
    #[error(
        "Redis does not keep what durability {} promises; set appendonly yes, {} no-appendfsync-on-rewrite no, or choose a lower durability",
        name(.0), flush(.0)
    )]
    NotDurable(Durability),
    /// Its settings cannot be read.
    #[error(
        "Redis does not tell whether it keeps what durability fsync promises; allow CONFIG GET (ACL: +config|get), or choose durability os"
    )]
    Unknown,
    /// Another release of the hub, or another number of partitions, wrote it.
    #[error(
        "the store in Redis has another format or number of partitions: {0}; use the release that wrote it, or another Redis"
    )]
    Format(String),
    /// The system has no thread or no entropy for it.
    #[error("no thread for Redis: {0}")]
    System(#[from] std::io::Error),
}

fn name(durability: &Durability) -> &'static str {
    match durability {
        Durability::Fsync => "fsync",
        Durability::Os => "os",
        Durability::Memory => "memory",
    }
}

fn flush(durability: &Durability) -> &'static str {
    match durability {
        Durability::Fsync => "appendfsync always,",
        Durability::Os | Durability::Memory => "appendfsync everysec,",
    }
}

/// A store on a Redis that several hubs may share.
pub struct RedisStore {
    inner: Arc<Inner>,
}

struct Inner {
    link: Arc<Link>,
    retention: Retention,
    /// Where the search for claims of dead hubs goes on: partition and cursor.
    buried: Mutex<(usize, String)>,
    /// Writes fail between their two partitions. Only in tests.
    is_cut: AtomicBool,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects to the server and looks whether it can be used. Blocks until that is known.
    ///
    /// ```no_run
    /// use wsc_server::log::redis::{RedisOptions, RedisStore};
    /// let options = RedisOptions { url: "redis://127.0.0.1:6379".to_owned(), ..RedisOptions::default() };
    /// let store = RedisStore::open(options)?;
    /// let broker = wsc_server::RedisBroker::new(&store)?;
    /// let hub = wsc_server::Hub::builder(store).broker(broker).start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The server cannot be reached, is not set up for it, or holds a store of another format.
    pub fn open(options: RedisOptions) -> Result<Self, RedisOpenError> {
        let RedisOptions { url, user, password, retention, durability, patience, partitions, restored } =
            options;
        let wrong = |error: redis::RedisError| RedisOpenError::Url(error.to_string());
        let info = url.as_str().into_connection_info().map_err(wrong)?;
        let mut settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        if let Some(user) = user {
            settings = settings.set_username(user);
        }
        if let Some(password) = password {
            settings = settings.set_password(password);
        }
        // A small call must not wait for the answer to the one before.
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
        let client = Client::open(info).map_err(wrong)?;
        let link = Arc::new(Link::new(client, partitions, durability, patience, restored)?);
        link.open()?;
        let buried = Mutex::new((0, "0".to_owned()));
        Ok(Self { inner: Arc::new(Inner { link, retention, buried, is_cut: false.into() }) })
    }

    /// Has every write fail between its two partitions, or no longer.
    #[cfg(feature = "testing")]
    pub fn cut(&self, on: bool) {
        self.inner.is_cut.store(on, std::sync::atomic::Ordering::Relaxed);
    }

    fn ask<'a, T: Send + 'a>(
        &'a self,
        asked: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            self.inner.link.check_open()?;
            asked.await
        })
    }
}

/// Lanes of a store with one partition: while a batch of one is under way, those of the others are too.
const LANES: usize = 4;

impl Store for RedisStore {
    fn lanes(&self) -> usize {
        match self.inner.link.layout.partitions() {
            1 => LANES,
            partitions => partitions,
        }
    }

    fn lane(&self, stream: &StreamKey) -> usize {
        let name = layout::name(stream);
        match self.inner.link.layout.partitions() {
            1 => layout::spread(&name, LANES),
            _ => self.inner.link.layout.partition(&name),
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn write<'a>(&'a self, _lane: usize, batch: &'a [Write]) -> Answers<'a> {
        Box::pin(async move {
            match self.inner.link.check_open() {
                Ok(()) => self.inner.write(batch).await,
                Err(error) => vec![Err(error); batch.len()],
            }
        })
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page> {
        self.ask(self.inner.page(stream, Reading { from, limit, max_bytes, back: false, bodies: true }))
    }

    fn read_back<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page> {
        self.ask(self.inner.page(stream, Reading { from, limit, max_bytes, back: true, bodies: true }))
    }

    fn headers<'a>(&'a self, stream: &'a StreamKey, from: u64, limit: usize) -> StoreFuture<'a, Page> {
        let reading = Reading { from, limit, max_bytes: usize::MAX, back: false, bodies: false };
        self.ask(self.inner.page(stream, reading))
    }

    fn tips<'a>(&'a self, streams: &'a [StreamKey]) -> StoreFuture<'a, Vec<Tip>> {
        self.ask(self.inner.tips(streams))
    }

    fn open<'a>(&'a self, user: &'a UserKey, device: Option<&'a str>) -> StoreFuture<'a, Opened> {
        self.ask(async move { Ok(self.inner.opened(user, device).await?.0) })
    }

    fn devices<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<Device>> {
        self.ask(self.inner.devices(user))
    }

    fn last_seen<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Milliseconds> {
        self.ask(self.inner.last_seen(user))
    }

    fn people<'a>(&'a self, users: &'a [UserKey]) -> StoreFuture<'a, Vec<Person>> {
        self.ask(self.inner.people(users))
    }

    fn claimed<'a>(
        &'a self,
        scope: &'a Scope,
        after: &'a str,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Arc<str>>> {
        self.ask(self.inner.claimed(scope, after, limit))
    }

    fn beat<'a>(&'a self, beat: &'a Beat) -> StoreFuture<'a, Nodes> {
        self.ask(self.inner.beat(beat))
    }

    fn marks<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<(Conversation, u64)>> {
        self.ask(self.inner.marks(user))
    }

    fn conversations<'a>(&'a self, user: &'a UserKey, now: Milliseconds) -> StoreFuture<'a, Vec<Summary>> {
        self.ask(self.inner.conversations(user, now))
    }

    fn waiting_marks(&self, limit: usize) -> StoreFuture<'_, Vec<WaitingMark>> {
        self.ask(self.inner.waiting_marks(limit))
    }

    fn delivered<'a>(&'a self, user: &'a UserKey, stream: &'a StreamKey) -> StoreFuture<'a, Ranges> {
        self.ask(async move {
            let kept = self.inner.kept_delivered(user, stream).await?;
            Ok(kept.map(|(.., ranges)| ranges).unwrap_or_default())
        })
    }

    fn find<'a>(
        &'a self,
        sender: &'a UserKey,
        message_ids: &'a [Arc<str>],
    ) -> StoreFuture<'a, Vec<Option<Found>>> {
        self.ask(self.inner.find(sender, message_ids))
    }

    fn members<'a>(
        &'a self,
        group: &'a GroupKey,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Members> {
        self.ask(self.inner.members(group, after, limit))
    }

    fn member_count<'a>(&'a self, group: &'a GroupKey) -> StoreFuture<'a, u64> {
        self.ask(async move { Ok(self.inner.members(group, None, 0).await?.total) })
    }

    fn memberships<'a>(
        &'a self,
        group: &'a GroupKey,
        users: &'a [Arc<str>],
    ) -> StoreFuture<'a, Vec<Option<Membership>>> {
        self.ask(self.inner.memberships(group, users))
    }

    fn maintain(&self, now: Milliseconds) -> StoreFuture<'_, bool> {
        self.ask(self.inner.maintain(now))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.inner.link.close())
    }
}
