//! The hub as a process of its own: served, killed, drained, paused, started again on the same directory and port.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;
use wsc_server::log::embedded::EmbeddedOptions;
use wsc_server::log::store::Durability;
use wsc_server::{EmbeddedStore, Hub, Settings};

/// How long a hub may take to start or to end in order.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves a hub without rate limits on the embedded store with fsync: until SIGTERM, which drains it, or until whoever
/// started it is gone.
pub fn serve_hub(data: &Path, listen: &str) -> Result<()> {
    let mut settings = Settings::default();
    (settings.shards, settings.durability) = (2, Durability::Fsync);
    (settings.limits.sends, settings.limits.send_bytes, settings.limits.first_contacts) = (0, 0, 0);
    (settings.limits.connects_per_address, settings.limits.pending_per_address) = (0, usize::MAX);
    (settings.peer.controls, settings.peer.requests) = (0, 0);
    // Silence shows soon, a full window is met, and a drain does not last.
    (settings.peer.heartbeat, settings.peer.window) = (Duration::from_secs(3), 256);
    settings.drain = Duration::from_secs(2);
    super::end_with_parent(|_| {});
    let store = EmbeddedStore::open(data, EmbeddedOptions::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let hub = Hub::builder(store).settings(settings).start()?;
        let listener = tokio::net::TcpListener::bind(listen).await?;
        super::say(&listener.local_addr()?.to_string())?;
        let serving = tokio::spawn(wsc_server::http::serve(listener, hub.clone()));
        ended.recv().await;
        hub.drain().await;
        serving.await??;
        Ok(())
    })
}

/// A hub's process. It is killed when this is dropped.
pub(super) struct Server {
    data: PathBuf,
    log: PathBuf,
    pub(super) address: String,
    running: Option<(Child, ChildStdin)>,
}

impl Server {
    pub(super) async fn start(folder: &Path) -> Result<Self> {
        let mut server = Self {
            data: folder.join("data"),
            log: folder.join("hub.log"),
            address: "127.0.0.1:0".to_owned(),
            running: None,
        };
        server.run().await?;
        Ok(server)
    }

    /// Starts the process and waits until it listens.
    pub(super) async fn run(&mut self) -> Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve-hub", "--listen", &self.address, "--data"])
            .arg(&self.data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("the hub could not start")?;
        let input = child.stdin.take().context("no input")?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.context("the hub does not listen")??;
        self.address = line.context("the hub ended at its start; see hub.log")?;
        self.running = Some((child, input));
        Ok(())
    }

    /// Ends the process without warning.
    pub(super) async fn kill(&mut self) -> Result<()> {
        let Some((mut child, _input)) = self.running.take() else { return Ok(()) };
        anyhow::ensure!(child.try_wait()?.is_none(), "the hub had ended by itself; see hub.log");
        child.kill().await?;
        Ok(())
    }

    /// Asks the process to end, and waits until it did.
    pub(super) async fn drain(&mut self) -> Result<()> {
        self.signal("TERM").await?;
        let Some((mut child, _input)) = self.running.take() else { return Ok(()) };
        let status = timeout(PATIENCE, child.wait()).await.context("the hub does not end when drained")??;
        anyhow::ensure!(status.success(), "the hub drained with {status}; see hub.log");
        Ok(())
    }

    /// Sends a signal by its name.
    pub(super) async fn signal(&self, name: &str) -> Result<()> {
        let Some(id) = self.running.as_ref().and_then(|(child, _)| child.id()) else { return Ok(()) };
        let status = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().await?;
        anyhow::ensure!(status.success(), "the hub could not be sent {name}");
        Ok(())
    }
}
