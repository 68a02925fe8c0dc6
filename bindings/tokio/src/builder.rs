//! The settings of a client.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use tokio_tungstenite::Connector;
use wsc_core::backoff::Random;
use wsc_core::client::{self as core, Config, Storage as Stored, TokenError};

use crate::addresses::{Addresses, Transports};
use crate::client::Client;
use crate::deliveries::Deliveries;
use crate::driver::{self, HandleFrontend, Parts};
use crate::error::BuildError;
use crate::owner;
use crate::session::{Session, Snapshot};
use crate::storage::{Opened, Storage};
#[cfg(feature = "tls")]
use crate::transport::trusting;

pub(crate) type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;
pub(crate) type Provider = Arc<dyn Fn() -> TokenFuture + Send + Sync>;

/// The settings of a client, see [`Client::builder`].
#[must_use = "a builder does nothing before connect or build"]
pub struct Builder {
    addresses: Addresses,
    config: Config,
    outbox: Option<PathBuf>,
    provider: Option<Provider>,
    connector: Option<Connector>,
    /// Authorities trusted beside the usual ones, as PEM.
    #[cfg(feature = "tls")]
    authorities: Option<String>,
}

impl Builder {
    pub(crate) fn new(addresses: Addresses) -> Self {
        let client = concat!("wsc-rust/", env!("CARGO_PKG_VERSION")).to_owned();
        let config = Config { client, ..Config::default() };
        Self {
            addresses,
            config,
            outbox: None,
            provider: None,
            connector: None,
            #[cfg(feature = "tls")]
            authorities: None,
        }
    }

    /// A token that does not change.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), wsc_client::BuildError> {
    /// let client = wsc_client::Client::builder("wss://hub.example").token("eyJ…").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.config.token = Some(token.into());
        self
    }

    /// Where tokens come from: asked at connect, before one ends, and when the hub refuses one.
    ///
    /// ```no_run
    /// # async fn fetch() -> std::io::Result<String> { Ok(String::new()) }
    /// # async fn example() -> Result<(), wsc_client::BuildError> {
    /// use wsc_client::{Client, TokenError};
    /// let client = Client::builder("wss://hub.example")
    ///     .token_provider(|| async { fetch().await.map_err(TokenError::temporary) })
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn token_provider<F, R>(mut self, provider: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, TokenError>> + Send + 'static,
    {
        self.provider = Some(Arc::new(move || Box::pin(provider())));
        self.config.token_provider = true;
        self
    }

    /// User id to connect as; only on a hub without authentication.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice");
    /// ```
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.config.identity.user_id = user.into();
        self
    }

    /// The user's type; only on a hub without authentication.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").user_type("agent");
    /// ```
    pub fn user_type(mut self, user_type: impl Into<String>) -> Self {
        self.config.identity.user_type = user_type.into();
        self
    }

    /// The application; only on a hub without authentication.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").app("shop");
    /// ```
    pub fn app(mut self, app: impl Into<String>) -> Self {
        self.config.identity.app_id = app.into();
        self
    }

    /// The namespace; only on a hub without authentication.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").namespace("eu");
    /// ```
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.config.identity.namespace = namespace.into();
        self
    }

    /// Groups to join at connect; only on a hub without authentication.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").groups_to_join(["team"]);
    /// ```
    pub fn groups_to_join<I: IntoIterator<Item: Into<String>>>(mut self, groups: I) -> Self {
        self.config.identity.groups = groups.into_iter().map(Into::into).collect();
        self
    }

    /// This installation's id: the same at every start. With a token that names a device: that one. Left out, an outbox
    /// makes and keeps one; in memory the device is ephemeral: it begins at the heads and leaves nothing.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").device("phone");
    /// ```
    pub fn device(mut self, device: impl Into<String>) -> Self {
        self.config.device_id = device.into();
        self
    }

    /// Keeps unsettled sends, cursors and the device's id in a file. A send returns once it is on the disk. The file is
    /// locked: one client at a time.
    ///
    /// A damaged file is kept as it was beside this one (`.damaged`, `.damaged.2`, …), and told with
    /// [`Notice::OutboxDamaged`](crate::Notice::OutboxDamaged); the client goes on with what is whole in it.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").outbox("alice.outbox");
    /// ```
    pub fn outbox(mut self, path: impl Into<PathBuf>) -> Self {
        self.outbox = Some(path.into());
        self
    }

    /// Keeps everything in memory only; this is the default.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").memory();
    /// ```
    pub fn memory(mut self) -> Self {
        self.outbox = None;
        self
    }

    /// Maximum of unsettled sends, by count and in bytes; 10,000 and 16 MiB by default.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").outbox_limits(1000, 1024 * 1024);
    /// ```
    pub fn outbox_limits(mut self, count: usize, bytes: usize) -> Self {
        self.config.outbox_count = count;
        self.config.outbox_bytes = bytes;
        self
    }

    /// Which of the user's groups to read; all of them by default.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").groups(["team"]);
    /// ```
    pub fn groups<I: IntoIterator<Item: Into<String>>>(mut self, groups: I) -> Self {
        self.config.groups = Some(groups.into_iter().map(Into::into).collect());
        self
    }

    /// A new device begins at the head of each stream, not at the user's start.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").start_at_head();
    /// ```
    pub fn start_at_head(mut self) -> Self {
        self.config.start_at_head = true;
        self
    }

    /// Whether an entry counts as handed over when the stream gave it out. Otherwise the application says so with
    /// [`Delivery::acknowledge`](crate::Delivery::acknowledge), and gets again after a crash what it did not.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").auto_acknowledge(false);
    /// ```
    pub fn auto_acknowledge(mut self, automatic: bool) -> Self {
        self.config.auto_acknowledge = automatic;
        self
    }

    /// The client's name and version, told to the hub.
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").name("shop-bot/1.4");
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.client = name.into();
        self
    }

    /// Authorities that are trusted beside the usual ones: the text of a PEM file with their certificates.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let ours = std::fs::read_to_string("authority.pem")?;
    /// let client = wsc_client::Client::builder("wss://hub.internal").authorities(ours).token("eyJ…").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn authorities(mut self, pem: impl Into<String>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// TLS settings of one's own: a client certificate, say. In place of [`Builder::authorities`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use wsc_client::{Client, rustls};
    /// # fn example(authorities: rustls::RootCertStore) -> Result<(), rustls::Error> {
    /// let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    /// let config = rustls::ClientConfig::builder_with_provider(provider)
    ///     .with_safe_default_protocol_versions()?
    ///     .with_root_certificates(authorities)
    ///     .with_no_client_auth();
    /// let builder = Client::builder("wss://hub.internal").tls(Arc::new(config));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.connector = Some(Connector::Rustls(config));
        self
    }

    /// Starts the client and connects, now and whenever the connection is lost. Returns without waiting for the hub: the
    /// client works without one, and [`Client::connected`] waits.
    ///
    /// # Errors
    /// The settings are wrong, or the outbox cannot be used.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// # let address = hub::start().await?;
    /// let client = wsc_client::Client::builder(address).user("alice").connect().await?;
    /// client.connected().await?;
    /// # Ok(()) });
    /// ```
    pub async fn connect(self) -> Result<Client, BuildError> {
        let client = self.build().await?;
        client.connect().await;
        Ok(client)
    }

    /// Tokens are asked for with reports ([`Kind::FetchToken`](crate::session::Kind::FetchToken)) and given with commands; for
    /// [`Builder::session`].
    ///
    /// ```
    /// let builder = wsc_client::Client::builder("ws://127.0.0.1:8080").asks_for_tokens();
    /// ```
    pub fn asks_for_tokens(mut self) -> Self {
        self.config.token_provider = true;
        self
    }

    /// Starts a client for another language, without connecting; and how things stand. Entries are acknowledged by commands.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    ///
    /// ```
    /// use wsc_client::session::{Command, Kind};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// # let address = hub::start().await?;
    /// let (session, snapshot) = wsc_client::Client::builder(address).user("alice").device("phone").session().await?;
    /// assert_eq!(snapshot.device, "phone");
    /// session.submit([Command::Connect]);
    /// while session.next(16).await.iter().all(|report| report.kind != Kind::State) {}
    /// # Ok(()) });
    /// ```
    pub async fn session(self) -> Result<(Session, Snapshot), BuildError> {
        let (parts, _) = self.parts().await?;
        let snapshot = Snapshot::of(&parts.machine);
        Ok((Session::start(parts), snapshot))
    }

    /// Starts the client without connecting, so that streams can be read from the first message on.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), wsc_client::BuildError> {
    /// let client = wsc_client::Client::builder("ws://127.0.0.1:8080").user("alice").build().await?;
    /// let inbox = client.inbox().messages();
    /// client.connect().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn build(mut self) -> Result<Client, BuildError> {
        let provider = self.provider.take();
        let (parts, automatic) = self.parts().await?;
        let deliveries = Arc::new(Deliveries::new(automatic));
        let wake = Arc::clone(&deliveries.wake);
        let (frontend, commands, client) = HandleFrontend::new(&parts, deliveries, provider);
        driver::start(parts, frontend, commands, wake);
        Ok(client)
    }

    /// The machine and what it needs; and whether taking an entry acknowledges it.
    async fn parts(mut self) -> Result<(Parts, bool), BuildError> {
        #[cfg(feature = "tls")]
        if let (Some(pem), None) = (&self.authorities, &self.connector) {
            self.connector = Some(trusting(Some(pem))?);
        }
        let mut transports = Transports::new(&self.addresses, self.connector)?;
        self.config.growth = self.config.growth.spread(transports.count());
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(|error| BuildError::Entropy(error.into()))?;
        let seed = random.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        transports.shuffle(&mut Random::new(!seed));
        let automatic = std::mem::replace(&mut self.config.auto_acknowledge, false);
        let mut opened = None;
        let owner = owner::of_settings(&self.config);
        if let Some(path) = self.outbox {
            let asked = self.config.device_id.clone();
            let owner = owner.clone();
            let made = random[8..].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let task = move || open(&path, &asked, &owner, made);
            let outbox = tokio::task::spawn_blocking(task).await.map_err(std::io::Error::other)??;
            self.config.device_id.clone_from(&outbox.1.device_id);
            self.config.storage = Stored::Durable;
            opened = Some(outbox);
        }
        let mut machine = core::Client::new(self.config, seed);
        let mut damaged = None;
        let storage = opened.map(|(storage, saved, kept)| {
            machine.restore(saved);
            damaged = kept;
            storage
        });
        machine.set_owner(owner);
        Ok((Parts { machine, storage, transports: Arc::new(transports), damaged }, automatic))
    }
}

/// Opens an outbox; it has a device from its first day on, and an owner as soon as there is one.
fn open(
    path: &std::path::Path,
    asked: &str,
    other: &core::Owner,
    made: String,
) -> Result<(Storage, core::Saved, Option<PathBuf>), BuildError> {
    let Opened { mut storage, saved, damaged } = Storage::open(path)?;
    if let Some(saved) = saved {
        let unknown = core::Owner::default();
        if ![&saved.owner, other].contains(&&unknown) && !saved.owner.agrees(other) {
            return Err(BuildError::OtherUser { owner: saved.owner, other: other.clone() });
        }
        if !asked.is_empty() && saved.device_id != asked {
            return Err(BuildError::OtherDevice(saved.device_id));
        }
        return Ok((storage, saved, damaged));
    }
    let device_id = if asked.is_empty() { made } else { asked.to_owned() };
    let saved = core::Saved { device_id, ..core::Saved::default() };
    storage.rewrite(&saved)?;
    Ok((storage, saved, damaged))
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
