//! One run: starts everything, makes it fail for a while, waits until all is quiet, and judges.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;
use wsc_core::backoff::Random;

use super::crowd::{self, Process, Status};
use super::disk::Disk;
use super::hub::Server;
use super::plan;
use super::proxy::Proxy;
use crate::history::{Fact, Report, Writer, check, read_all};

/// How long everything may take to become quiet.
const QUIET: Duration = Duration::from_secs(120);
/// Nothing new for so long is quiet.
const STILL: Duration = Duration::from_secs(3);
/// A pause that outlasts every deadline of client and hub; in runs that are long enough for it.
const LONG_PAUSE: Duration = Duration::from_secs(30);
const LONG_RUN: u64 = 180;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seconds of faults.
    pub seconds: u64,
    /// Decides faults and messages.
    pub seed: u64,
    /// How often the hub is killed at least.
    pub kills: u64,
    /// Where everything is kept; a temporary folder otherwise.
    pub keep: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Faults {
    kills: u64,
    drains: u64,
    pauses: u64,
    long_pauses: u64,
    full_disks: u64,
    crowds_killed: u64,
    crowds_restarted: u64,
}

struct Run {
    server: Server,
    disk: Option<Disk>,
    crowds: Vec<Process>,
    proxy: Proxy,
    writer: Writer,
    random: Random,
    faults: Faults,
}

/// Runs it; true when no rule was broken. Every process started is ended, however this ends.
pub async fn run(options: &Options) -> Result<bool> {
    println!("seed {}", options.seed);
    let temporary = match &options.keep {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            anyhow::ensure!(std::fs::read_dir(folder)?.next().is_none(), "{} is not empty", folder.display());
            None
        }
        None => Some(tempfile::tempdir()?),
    };
    let folder = match (&options.keep, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => anyhow::bail!("no folder"),
    };
    let begin = Instant::now();
    let lived = live(&folder, options).await;
    let judged = lived.and_then(|(faults, counts)| {
        let events = read_all(&folder.join("history"))?;
        let report = check(&events);
        summary(&report, &faults, &counts, begin.elapsed());
        Ok(report.is_clean())
    });
    if !matches!(judged, Ok(true)) {
        let kept = temporary.map_or(folder, tempfile::TempDir::keep);
        println!("seed {}: everything is kept in {}", options.seed, kept.display());
    }
    judged
}

async fn live(folder: &Path, options: &Options) -> Result<(Faults, String)> {
    crowd::folders(folder)?;
    let disk = Disk::mount(&folder.join("data"))?;
    if disk.is_none() {
        println!("no file system can be mounted here: the disk is never full");
    }
    let server = Server::start(folder).await?;
    let wire = Arc::new(Writer::open(&folder.join("history/wire.jsonl"))?.gathering());
    let proxy = Proxy::start(server.address.parse()?, Arc::clone(&wire), options.seed).await?;
    let address = format!("ws://{}", proxy.address);
    let crowds = plan::crowds(&address, folder, options.seed);
    let crowds = crowds.into_iter().map(Process::start).collect::<Result<Vec<_>>>()?;
    let writer = Writer::open(&folder.join("history/hub.jsonl"))?;
    let random = Random::new(options.seed);
    let mut run = Run { server, disk, crowds, proxy, writer, random, faults: Faults::default() };
    run.writer.write(Fact::HubStarted)?;
    run.fail(options).await?;
    run.proxy.calm();
    run.settle().await?;
    for crowd in &mut run.crowds {
        crowd.end().await?;
    }
    run.server.drain().await?;
    wire.flush()?;
    let counts = &run.proxy.counts;
    let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
    let counts = format!(
        "{} connections, {} cut, {} silent",
        count(&counts.connections),
        count(&counts.cuts),
        count(&counts.silences)
    );
    Ok((run.faults, counts))
}

impl Run {
    /// Faults until the time is over and there were enough of them.
    async fn fail(&mut self, options: &Options) -> Result<()> {
        let begin = Instant::now();
        let time = Duration::from_secs(options.seconds);
        let each = u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / options.kills.max(1);
        // Everybody has been there once before the first fault.
        sleep(Duration::from_millis(1500).min(time)).await;
        let mut next_crowd = begin + Duration::from_millis(5000);
        let mut turn = 0_u64;
        while begin.elapsed() < time || self.faults.kills < options.kills {
            let due = time * u32::try_from(self.faults.kills).unwrap_or(0)
                / u32::try_from(options.kills.max(1)).unwrap_or(1);
            let late = begin.elapsed() > due + Duration::from_millis(each);
            sleep(Duration::from_millis(if late { each / 4 } else { each / 2 + self.random.up_to(each) }))
                .await;
            for crowd in &mut self.crowds {
                crowd.check()?;
            }
            if begin.elapsed() >= time && self.faults.kills >= options.kills {
                break;
            }
            turn += 1;
            let short = Duration::from_millis(300 + self.random.up_to(2500));
            match turn % 14 {
                3 => self.pause(short).await?,
                5 => self.fill_disk().await?,
                7 => self.drain().await?,
                10 if options.seconds >= LONG_RUN && turn % 70 == 10 => self.pause(LONG_PAUSE).await?,
                10 => self.pause(short).await?,
                _ => self.kill().await?,
            }
            if Instant::now() > next_crowd {
                next_crowd = Instant::now() + Duration::from_millis(3000 + self.random.up_to(6000));
                self.crowd().await?;
            }
        }
        Ok(())
    }

    async fn kill(&mut self) -> Result<()> {
        self.faults.kills += 1;
        self.writer.write(Fact::HubKilled)?;
        self.server.kill().await?;
        sleep(Duration::from_millis(self.random.up_to(400))).await;
        self.start().await
    }

    async fn drain(&mut self) -> Result<()> {
        self.faults.drains += 1;
        self.writer.write(Fact::HubDrained)?;
        self.server.drain().await?;
        self.start().await
    }

    async fn start(&mut self) -> Result<()> {
        self.server.run().await?;
        Ok(self.writer.write(Fact::HubStarted)?)
    }

    /// The store cannot write for a while, then the hub is killed and has room again.
    async fn fill_disk(&mut self) -> Result<()> {
        let Some(disk) = &self.disk else { return self.kill().await };
        self.faults.full_disks += 1;
        self.writer.write(Fact::HubFull)?;
        disk.fill()?;
        sleep(Duration::from_millis(500 + self.random.up_to(1500))).await;
        disk.free()?;
        self.kill().await
    }

    async fn pause(&mut self, time: Duration) -> Result<()> {
        self.faults.pauses += 1;
        self.faults.long_pauses += u64::from(time == LONG_PAUSE);
        self.writer.write(Fact::HubPaused)?;
        self.server.signal("STOP").await?;
        sleep(time).await;
        self.writer.write(Fact::HubResumed)?;
        self.server.signal("CONT").await
    }

    async fn crowd(&mut self) -> Result<()> {
        // The first is never killed.
        let which = 1 + usize::from(self.random.up_to(1) == 1);
        if self.random.up_to(2) == 0 {
            self.faults.crowds_restarted += 1;
            self.crowds[which].restart().await
        } else {
            self.faults.crowds_killed += 1;
            self.crowds[which].kill(&self.writer).await
        }
    }

    async fn tell(&mut self, order: &str) -> Result<()> {
        for crowd in &mut self.crowds {
            crowd.tell(order).await?;
        }
        Ok(())
    }

    fn statuses(&mut self) -> Result<Vec<Status>> {
        let status = |crowd: &mut Process| crowd.check().map(|()| *crowd.status.borrow());
        self.crowds.iter_mut().map(status).collect()
    }

    /// No more faults and no more sends: waits until nothing is under way, and has histories asked for.
    async fn settle(&mut self) -> Result<()> {
        self.tell("quiet").await?;
        let begin = Instant::now();
        let (mut known, mut since) = (0, Instant::now());
        loop {
            sleep(Duration::from_millis(300)).await;
            let statuses = self.statuses()?;
            let handed: u64 = statuses.iter().map(|status| status.handed).sum();
            let quiet = statuses.iter().all(|status| status.devices > 0 && status.quiet == status.devices);
            if handed != known || !quiet {
                (known, since) = (handed, Instant::now());
            }
            if since.elapsed() > STILL {
                break;
            }
            anyhow::ensure!(begin.elapsed() < QUIET, "it does not become quiet: {statuses:?}");
        }
        self.tell("audit").await?;
        while !self.statuses()?.iter().all(|status| status.audited) {
            sleep(Duration::from_millis(200)).await;
            anyhow::ensure!(begin.elapsed() < 2 * QUIET, "histories are not answered");
        }
        Ok(())
    }
}

fn summary(report: &Report, faults: &Faults, counts: &str, time: Duration) {
    for violation in &report.violations {
        println!("{violation}\n");
    }
    println!(
        "messages   {} sent: {} accepted, {} refused, {} unknown, {} expired, {} settled while killed",
        report.sent, report.accepted, report.refused, report.unknown, report.expired, report.untold
    );
    println!(
        "entries    {} handed over, {} of them again after a kill, {} gaps, {} kept, {} ranges on the wire; {} receipts told, {} \
         read marks said",
        report.handed,
        report.repeated,
        report.gaps,
        report.kept,
        report.covered,
        report.receipts,
        report.marks
    );
    println!(
        "hub        {} killed, {} drained, {} paused ({} for 30 s), {} times without room; {} new epochs",
        faults.kills, faults.drains, faults.pauses, faults.long_pauses, faults.full_disks, report.epochs
    );
    println!("clients    {} processes killed, {} restarted", faults.crowds_killed, faults.crowds_restarted);
    println!("wire       {counts}");
    println!("seconds    {:.1}", time.as_secs_f64());
    match report.faults.values().sum::<u64>() {
        0 if report.unfinished.is_empty() => println!("nothing was lost, doubled, altered or out of order"),
        0 => println!("not judged: {:?}", report.unfinished),
        _ => println!("BROKEN     {:?}", report.faults),
    }
}
