//! Autobahn|Testsuite against the hub, whose connections echo, and against the Rust client, whose socket echoes. The
//! suite runs beside this process; what it thinks is read from its reports.

#![allow(clippy::print_stdout, reason = "it says what it does and what came of it")]

mod report;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use wsc_server::{Hub, MemoryStore, Settings};

/// The largest message of any case.
const FRAME: usize = 16 * 1024 * 1024;
/// How long all cases together may take.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// How long one case may take, and the suite to listen.
const CASE: Duration = Duration::from_secs(120);

/// What is run.
pub struct Options {
    /// The suite's program.
    pub wstest: PathBuf,
    /// Where its reports go.
    pub reports: PathBuf,
    /// Which cases, as the suite writes them: `9.*`.
    pub cases: Vec<String>,
}

/// The fuzzing client against the hub; whether nothing failed.
pub async fn hub(options: &Options) -> Result<bool> {
    let mut settings = Settings::default();
    (settings.peer.frame, settings.limits.connects_per_address) = (FRAME, 0);
    let store = MemoryStore::new(settings.retention);
    let hub = Hub::builder(store).settings(settings).echo().start()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // A bare client is there with its request: from its first frame on it is a shard's.
    let url = format!("ws://{}/ws?user_id=autobahn", listener.local_addr()?);
    let serving = tokio::spawn(wsc_server::http::serve(listener, hub.clone()));
    let outcome = options.fuzzing_client(&url).await;
    hub.drain().await;
    serving.await??;
    outcome?;
    report::judge("hub", &options.reports.join("hub/index.json"))
}

/// The fuzzing server against the client's socket; whether nothing failed.
pub async fn client(options: &Options) -> Result<bool> {
    // The suite cannot choose a port: one that was free a moment ago is.
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let url = format!("ws://{address}");
    let spec = json!({
        "url": url, "outdir": options.reports.join("client"), "options": {"failByDrop": false},
        "cases": options.cases, "exclude-cases": [], "exclude-agent-cases": {},
    });
    let mut suite = options.suite("fuzzingserver", &spec)?;
    let begun = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        ensure!(begun.elapsed() < CASE, "the suite does not listen; see {}", options.log().display());
        ensure!(suite.try_wait()?.is_none(), "the suite ended; see {}", options.log().display());
        sleep(Duration::from_millis(100)).await;
    }
    let count = case_count(&url).await?;
    for case in 1..=count {
        // How a case ends is for the suite to judge: many are meant to end in an error.
        let _ended = timeout(CASE, wsc_client::echo(&format!("{url}/runCase?case={case}&agent=wsc"), FRAME))
            .await
            .with_context(|| format!("case {case} of {count} does not end"))?;
    }
    let _ended = timeout(CASE, wsc_client::echo(&format!("{url}/updateReports?agent=wsc"), FRAME)).await;
    suite.kill().await?;
    report::judge("client", &options.reports.join("client/index.json"))
}

/// How many cases the suite has, which it says in a message.
async fn case_count(url: &str) -> Result<usize> {
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("{url}/getCaseCount?agent=wsc")).await?;
    let said = timeout(CASE, socket.next()).await?.context("the suite says no number of cases")??;
    Ok(said.into_text()?.parse()?)
}

impl Options {
    async fn fuzzing_client(&self, url: &str) -> Result<()> {
        let spec = json!({
            "outdir": self.reports.join("hub"), "servers": [{"agent": "wsc", "url": url}],
            "cases": self.cases, "exclude-cases": [], "exclude-agent-cases": {},
        });
        let ended = timeout(PATIENCE, self.suite("fuzzingclient", &spec)?.wait()).await;
        let status = ended.context("the suite does not end")??;
        if !status.success() {
            bail!("the suite ended with {status}; see {}", self.log().display());
        }
        Ok(())
    }

    /// Starts the suite; it is killed when this is dropped.
    fn suite(&self, mode: &str, spec: &serde_json::Value) -> Result<Child> {
        std::fs::create_dir_all(&self.reports)?;
        let file = self.reports.join(format!("{mode}.json"));
        std::fs::write(&file, spec.to_string())?;
        let log = File::create(self.log())?;
        Command::new(&self.wstest)
            .args(["--mode", mode, "--webport", "0", "--spec"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} could not be started", self.wstest.display()))
    }

    fn log(&self) -> PathBuf {
        Path::new(&self.reports).join("wstest.log")
    }
}
