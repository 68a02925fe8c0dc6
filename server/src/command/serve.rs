//! `wsc serve`: a hub until a signal ends it. Decides nothing about messages.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;
use wsc_server::log::embedded::EmbeddedOptions;
use wsc_server::log::redis::RedisOptions;
use wsc_server::token::Keys;
use wsc_server::{EmbeddedStore, Hub, MemoryStore, RedisBroker, RedisStore, http};

use super::Outcome;
use super::addresses::Address;
use crate::config::{Config, Given, LogForm, StoreKind};

/// Signals this close together are one.
const SAME_WISH: Duration = Duration::from_millis(500);

/// The arguments.
#[derive(Args)]
#[command(after_help = "\
Examples:
  wsc serve                                  for this machine, messages in ./wsc-data
  wsc serve --listen 127.0.0.1:0             on any free port, which is printed
  wsc serve --listen 0.0.0.0:8080 --secret-file secret.txt
  wsc serve --listen https://0.0.0.0:8443 --listen unix:/run/wsc.sock --secret-file secret.txt \\
      --set tls.certificate=hub.pem --set tls.key=hub.key
  wsc serve --store redis --redis-url redis://redis.internal:6379 --secret-file secret.txt
  wsc serve --config wsc.toml --set peer.window=256

Every key that `wsc config` prints can stand in the file, in the environment (WSC_PEER_WINDOW=256) and after --set;
what stands later here goes over what stands earlier.

Exit codes: 0 ended in order after SIGTERM or SIGINT; 1 could not start or go on, or got a second signal to end;
2 the command line cannot be understood.")]
pub(super) struct Serve {
    /// Address to listen on: HOST:PORT, https://HOST:PORT or unix:/path; may be given again [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Directory of the embedded store [default: ./wsc-data].
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<String>,
    /// Where messages are kept: embedded, memory or redis [default: embedded].
    #[arg(long, value_name = "KIND")]
    store: Option<String>,
    /// Where the Redis is, with --store redis [default: redis://127.0.0.1:6379].
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
    /// The data directory, or the Redis, was put back from a copy or a snapshot: clients learn that something may be missing. For one
    /// start only.
    #[arg(long)]
    restored: bool,
    /// What "accepted" means: fsync, os or memory [default: fsync].
    #[arg(long, value_name = "LEVEL")]
    durability: Option<String>,
    /// File with the secret that tokens are signed with; without one only this machine may connect.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "WSC_CONFIG")]
    config: Option<PathBuf>,
    /// How log lines look: text or json [default: text].
    #[arg(long, value_name = "FORM")]
    log: Option<String>,
    /// One key, over file and environment; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Serve {
    pub(super) fn run(&self) -> Outcome {
        let config = self.load().map_err(|error| error.to_string())?;
        start_log(&config);
        config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        raise_descriptors();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no threads for the hub: {error}"))?;
        let outcome = runtime.block_on(serve(config));
        // What is still open is of no use any more, and nothing of it may hold the end up.
        runtime.shutdown_background();
        outcome
    }

    fn load(&self) -> Result<Config, crate::config::ConfigError> {
        let listen = (!self.listen.is_empty()).then(|| self.listen.join(","));
        let flags = [
            ("--listen", "listen", &listen),
            ("--data", "data", &self.data),
            ("--store", "store", &self.store),
            ("--redis-url", "redis.url", &self.redis_url),
            ("--durability", "durability", &self.durability),
            ("--secret-file", "secret_file", &self.secret_file),
            ("--log", "log", &self.log),
        ];
        let mut given = self.set.iter().map(|text| Given::assignment(text)).collect::<Result<Vec<_>, _>>()?;
        given.extend(flags.into_iter().filter_map(|(origin, key, value)| {
            Some(Given { origin, key: key.to_owned(), value: value.clone()? })
        }));
        if self.restored {
            let (key, value) = ("restored".to_owned(), "true".to_owned());
            given.push(Given { origin: "--restored", key, value });
        }
        Config::load(self.config.as_deref(), super::environment(), &given)
    }
}

async fn serve(config: Config) -> Outcome {
    let secret = super::secret(config.secret_file.as_deref())?;
    let tls = super::tls(&config)?;
    let mut bound = Vec::new();
    for address in &config.listen {
        bound.push(Address::parse(address)?.bind(secret.is_some(), tls.as_ref()).await?);
    }
    let hub = hub(&config, secret.as_deref()).await?;
    let urls: Vec<&str> = bound.iter().map(|bound| bound.url.as_str()).collect();
    let addresses = urls.join(", ");
    super::say(&format!("listening on {addresses}"));
    if std::io::stderr().is_terminal() {
        let page = urls.iter().find(|url| url.starts_with("http"));
        let page = page.map(|url| format!("open {url} in a browser to try it; ")).unwrap_or_default();
        eprintln!("{page}Ctrl-C ends it");
    }
    tracing::info!(%addresses, store = ?config.store, authentication = secret.is_some(), "listening");
    let mut serving = JoinSet::new();
    #[cfg(unix)]
    let mut files = Vec::new();
    for bound in bound {
        serving.spawn(http::serve(bound.listener, hub.clone()));
        #[cfg(unix)]
        files.extend(bound.file);
    }
    if let Some(tls) = tls {
        tokio::spawn(async move { tls.watch().await });
    }
    tokio::select! {
        served = serving.join_next() => match served {
            Some(Ok(served)) => served.map_err(|error| error.to_string())?,
            Some(Err(error)) => return Err(error.to_string()),
            None => {}
        },
        asked = super::asked_to_end() => asked.map_err(|error| error.to_string())?,
    }
    tracing::info!("ending: connections are closed, positions kept; a second signal ends at once");
    tokio::select! {
        () = hub.drain() => {
            tracing::info!("ended");
            Ok(ExitCode::SUCCESS)
        }
        () = asked_again() => {
            tracing::warn!("ended at once");
            // Not by returning: the runtime would wait for what is being closed.
            std::process::exit(1);
        }
    }
}

/// A second signal. One that comes with the first is the same wish: `timeout`, `npm` and terminals with `cargo run`
/// hand a signal on that the process has got already.
async fn asked_again() {
    tokio::time::sleep(SAME_WISH).await;
    if super::asked_to_end().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn hub(config: &Config, secret: Option<&[u8]>) -> Result<Hub, String> {
    let settings = config.settings.clone();
    let builder = match config.store {
        StoreKind::Memory => Hub::builder(MemoryStore::new(settings.retention)),
        StoreKind::Embedded => Hub::builder(open(config, &settings).await?),
        StoreKind::Redis => {
            let store = connect(config, &settings).await?;
            let broker = RedisBroker::new(&store).map_err(|error| format!("no thread for Redis: {error}"))?;
            Hub::builder(store).broker(broker)
        }
    };
    let mut builder = builder.settings(settings);
    match secret {
        Some(secret) => {
            if secret.len() < super::SECRET {
                tracing::warn!(
                    "the secret is shorter than {} bytes and may be guessed; `head -c 32 /dev/urandom | base64` makes one",
                    super::SECRET
                );
            }
            builder = builder.keys(Keys::new(secret, config.apps.iter().cloned()));
        }
        None => tracing::warn!(
            "authentication is off: everybody on this machine is whoever he says; --secret-file turns it on"
        ),
    }
    builder.start().map_err(|error| error.to_string())
}

/// Opening reads the journal and blocks meanwhile.
async fn open(config: &Config, settings: &wsc_server::Settings) -> Result<EmbeddedStore, String> {
    let options = EmbeddedOptions {
        retention: settings.retention,
        durability: settings.durability,
        restored: config.restored,
        ..EmbeddedOptions::default()
    };
    let data = config.data.clone();
    let opening = tokio::task::spawn_blocking(move || EmbeddedStore::open(data, options));
    opening.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// Connecting blocks, too.
async fn connect(config: &Config, settings: &wsc_server::Settings) -> Result<RedisStore, String> {
    let given = &config.redis;
    let password = given.password_file.as_deref().map(|file| super::content("password", file)).transpose()?;
    let password = password.map(String::from_utf8).transpose();
    let options = RedisOptions {
        url: given.url.clone(),
        user: (!given.user.is_empty()).then(|| given.user.clone()),
        password: password.map_err(|_| "the password of Redis is not UTF-8".to_owned())?,
        retention: settings.retention,
        durability: settings.durability,
        patience: settings.peer.stall,
        restored: config.restored,
        ..RedisOptions::default()
    };
    let opening = tokio::task::spawn_blocking(move || RedisStore::open(options));
    opening.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// A connection takes a file descriptor, and the limit that systems begin with is low: it is raised as far as they let.
#[cfg(unix)]
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// What macOS takes where its hard limit is none.
    const MACOS: Option<u64> = Some(10_240);
    let before = getrlimit(Resource::Nofile);
    if before.current == before.maximum {
        tracing::info!(limit = before.current, "file descriptors");
        return;
    }
    for wanted in [before.maximum, MACOS] {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: wanted, ..before });
        if raised.is_ok() {
            tracing::info!(limit = wanted, before = before.current, "file descriptors: limit raised");
            return;
        }
    }
    tracing::warn!(limit = before.current, "the limit of file descriptors could not be raised");
}

#[cfg(not(unix))]
fn raise_descriptors() {}

/// Log lines go to stderr; stdout has only the addresses on which the hub listens.
fn start_log(config: &Config) {
    let filter = EnvFilter::try_from_default_env();
    let mut filter = filter.unwrap_or_else(|_| EnvFilter::new(&config.log_level));
    // Below this level it logs whole frames, with tokens and the content of messages.
    if let Ok(discreet) = "tungstenite=info".parse() {
        filter = filter.add_directive(discreet);
    }
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log {
        LogForm::Json => log.json().flatten_event(true).init(),
        LogForm::Text => log.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
    }
}
