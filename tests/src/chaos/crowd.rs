//! A process with devices in it, and the other end: who starts it, tells it what to do, kills it and starts it again.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use wsc_core::backoff::Random;

use super::device::{Actor, Order};
use super::plan::Crowd;
use crate::history::{Fact, Writer};

/// How long a crowd may take to end in order.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the devices of a crowd until the input says `end` or ends.
pub fn run_crowd(spec: &str) -> Result<()> {
    let crowd: Crowd = serde_json::from_str(spec)?;
    let (tell, orders) = watch::channel(Order::Live);
    super::end_with_parent(move |line| {
        let order = match line {
            "quiet" => Order::Quiet,
            "audit" => Order::Audit,
            _ => Order::End,
        };
        let _ = tell.send(order);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(live(&crowd, orders))
}

async fn live(crowd: &Crowd, mut orders: watch::Receiver<Order>) -> Result<()> {
    let handed = Arc::new(AtomicU64::new(0));
    let mut random = Random::new(crowd.seed ^ u64::from(crowd.life) << 48);
    let (mut actors, mut tasks) = (Vec::new(), JoinSet::new());
    for part in &crowd.parts {
        let actor = Actor::start(crowd, part, Arc::clone(&handed), &mut tasks).await?;
        tasks.spawn(actor.clone().follow(Random::new(random.next())));
        tasks.spawn(actor.clone().send(orders.clone(), Random::new(random.next())));
        if part.churns {
            tasks.spawn(actor.clone().churn(orders.clone(), Random::new(random.next())));
        }
        actors.push(actor);
    }
    let mut ticks = interval(Duration::from_millis(250));
    let mut audited = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = orders.changed() => {}
            // A device that cannot go on is the end of the run.
            Some(ended) = tasks.join_next() => ended??,
        }
        let order = *orders.borrow();
        if order == Order::End {
            break;
        }
        if order == Order::Audit && !audited {
            audited = true;
            for actor in &actors {
                actor.audit().await?;
            }
        }
        let quiet = actors.iter().filter(|actor| actor.is_quiet()).count();
        let saved: usize = actors.iter().map(|actor| actor.client.sync().saved).sum();
        let (of, count) = (actors.len(), handed.load(Ordering::Relaxed));
        super::say(&format!("{quiet} {of} {count} {saved} {}", u8::from(audited)))?;
    }
    let ends: Vec<_> = actors.iter().map(Actor::end).collect();
    for ended in futures_util::future::join_all(ends).await {
        ended?;
    }
    Ok(())
}

/// How a crowd stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) quiet: u64,
    pub(super) devices: u64,
    pub(super) handed: u64,
    pub(super) saved: u64,
    pub(super) audited: bool,
}

/// A crowd's process. It is killed when this is dropped.
pub(super) struct Process {
    spec: Crowd,
    child: Child,
    input: ChildStdin,
    pub(super) status: watch::Receiver<Status>,
}

impl Process {
    pub(super) fn start(spec: Crowd) -> Result<Self> {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(spec.folder.join("crowd.log"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("crowd")
            .arg(serde_json::to_string(&spec)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("a crowd could not start")?;
        let input = child.stdin.take().context("no input")?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let (tell, status) = watch::channel(Status::default());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut numbers = line.split(' ').filter_map(|number| number.parse().ok());
                let mut next = || numbers.next().unwrap_or(0);
                let (quiet, devices, handed, saved) = (next(), next(), next(), next());
                tell.send_replace(Status { quiet, devices, handed, saved, audited: next() > 0 });
            }
        });
        Ok(Self { spec, child, input, status })
    }

    /// Says something to it.
    pub(super) async fn tell(&mut self, order: &str) -> Result<()> {
        self.input.write_all(format!("{order}\n").as_bytes()).await.context("a crowd ended by itself")
    }

    /// Fails when it ended by itself.
    pub(super) fn check(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        anyhow::ensure!(ended.is_none(), "a crowd ended by itself: {ended:?}; see crowd.log");
        Ok(())
    }

    /// Ends it without warning, and starts its next life.
    pub(super) async fn kill(&mut self, writer: &Writer) -> Result<()> {
        self.check()?;
        for part in &self.spec.parts {
            writer.write(Fact::Killed { device: part.device.clone() })?;
        }
        self.child.kill().await?;
        self.again()
    }

    /// Ends it in order, and starts its next life.
    pub(super) async fn restart(&mut self) -> Result<()> {
        self.end().await?;
        self.again()
    }

    fn again(&mut self) -> Result<()> {
        let spec = Crowd { life: self.spec.life + 1, ..self.spec.clone() };
        *self = Self::start(spec)?;
        Ok(())
    }

    /// Ends it in order.
    pub(super) async fn end(&mut self) -> Result<()> {
        self.tell("end").await?;
        let status =
            timeout(PATIENCE, self.child.wait()).await.context("a crowd does not end when asked to")??;
        anyhow::ensure!(status.success(), "a crowd ended with {status}; see crowd.log");
        Ok(())
    }
}

/// Makes what crowds write into.
pub(super) fn folders(folder: &Path) -> Result<()> {
    Ok(Actor::folders(folder)?)
}
