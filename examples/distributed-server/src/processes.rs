//! The processes that the page shows: one `redis-server` and the hubs. All are killed when this program ends.

use std::env;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

/// How long a process may take to start.
const PATIENCE: Duration = Duration::from_secs(15);
/// What a Redis is called, in the order of trying.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// A Redis on a free port that flushes every message, in a directory that goes with it.
pub(crate) struct Redis {
    /// Where it is.
    pub(crate) url: String,
    _child: Child,
    _directory: TempDir,
}

impl Redis {
    pub(crate) async fn start() -> Result<Self> {
        // Somebody else may take the port between the look and the start.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
            let directory = tempfile::Builder::new().prefix("wsc-redis-").tempdir()?;
            let mut child = launch(port, &directory)?;
            if is_up(&mut child, port).await? {
                let url = format!("redis://127.0.0.1:{port}");
                return Ok(Self { url, _child: child, _directory: directory });
            }
        }
        bail!("redis-server ends as soon as it is started; run it by hand to see why")
    }
}

/// Starts the first Redis that there is.
fn launch(port: u16, directory: &TempDir) -> Result<Child> {
    let given = env::var("REDIS_SERVER").ok();
    for program in given.iter().map(String::as_str).chain(PROGRAMS) {
        let started = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"])
            .arg(directory.path())
            // What makes "accepted" mean "on the disk", and has nothing thrown away.
            .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
            .args(["--maxmemory-policy", "noeviction", "--logfile", "redis.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        match started {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            started => return started.with_context(|| format!("{program} could not be started")),
        }
    }
    bail!(
        "there is no redis-server on this machine: install Redis 6.2 or later, or Valkey (Debian, Ubuntu: apt install \
         redis-server; Fedora: dnf install valkey; macOS: brew install redis), and start this again"
    )
}

/// Waits until it answers; `false`: it has ended.
async fn is_up(child: &mut Child, port: u16) -> Result<bool> {
    let up = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if child.try_wait()?.is_some() {
                return Ok(false);
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(child.try_wait()?.is_none())
    };
    timeout(PATIENCE, up).await.context("redis-server does not answer")?
}

/// A hub as the page shows it.
#[derive(Clone, Serialize)]
pub(crate) struct Shown {
    name: &'static str,
    /// Its port; 0 until it was started for the first time.
    port: u16,
    /// Whether its process lives.
    up: bool,
    /// Who is connected to it.
    users: Vec<String>,
}

struct Entry {
    shown: Shown,
    process: Option<Process>,
}

/// It ends when its input does, and so never outlives this program.
struct Process {
    child: Child,
    _input: Option<ChildStdin>,
}

/// The hubs. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Hubs {
    redis: Arc<str>,
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Hubs {
    pub(crate) fn new(redis: &str, names: impl IntoIterator<Item = &'static str>) -> Self {
        let entry =
            |name| Entry { shown: Shown { name, port: 0, up: false, users: Vec::new() }, process: None };
        Self { redis: redis.into(), entries: Arc::new(Mutex::new(names.into_iter().map(entry).collect())) }
    }

    pub(crate) fn shown(&self) -> Vec<Shown> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|entry| entry.shown.clone()).collect()
    }

    fn change<T>(&self, name: &str, change: impl FnOnce(&mut Entry) -> T) -> Result<T> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.iter_mut().find(|entry| entry.shown.name == name);
        entry.map(change).with_context(|| format!("there is no {name}"))
    }

    /// Starts a hub, on its port of before; gives its address. One that lives already goes on.
    pub(crate) async fn start(&self, name: &str) -> Result<String> {
        let (port, was_up) =
            self.change(name, |entry| (entry.shown.port, std::mem::replace(&mut entry.shown.up, true)))?;
        if was_up {
            return Ok(address(port));
        }
        match self.launch(name, port).await {
            Ok((process, port, lines)) => {
                self.change(name, |entry| (entry.process, entry.shown.port) = (Some(process), port))?;
                tokio::spawn(self.clone().follow(name.to_owned(), lines));
                Ok(address(port))
            }
            Err(error) => {
                self.change(name, |entry| entry.shown.up = false)?;
                Err(error)
            }
        }
    }

    /// Ends a hub as a crash does: it gets no chance to tell anybody.
    pub(crate) async fn kill(&self, name: &str) -> Result<()> {
        if let Some(mut process) = self.change(name, |entry| entry.process.take())? {
            process.child.kill().await?;
        }
        Ok(())
    }

    async fn launch(&self, name: &str, port: u16) -> Result<(Process, u16, Lines<BufReader<ChildStdout>>)> {
        let mut child = Command::new(env::current_exe()?)
            .args(["hub", "--name", name, "--redis", &self.redis, "--port", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output of the hub")?).lines();
        let first =
            timeout(PATIENCE, lines.next_line()).await.with_context(|| format!("{name} does not start"))?;
        let first = first?.unwrap_or_default();
        let port = first.strip_prefix("listening ").and_then(|port| port.parse().ok());
        let port = port.with_context(|| format!("{name} ended before it listened"))?;
        let input = child.stdin.take();
        Ok((Process { child, _input: input }, port, lines))
    }

    /// Reads who is connected there until the hub ends.
    async fn follow(self, name: String, mut lines: Lines<BufReader<ChildStdout>>) {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(users) = line.strip_prefix("users ") {
                let users = users.split_whitespace().map(str::to_owned).collect();
                let _ = self.change(&name, |entry| entry.shown.users = users);
            }
        }
        let _ = self.change(&name, |entry| {
            entry.shown.up = false;
            entry.shown.users.clear();
        });
    }
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
