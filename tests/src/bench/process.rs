//! Servers as processes of their own, on one core, so that the load has the other to itself.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::load::Sizes;
use super::raw::Shape;

/// A running server; ends when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: String,
}

impl Server {
    pub(super) fn hub(data: Option<&Path>) -> Result<Self> {
        let data = data.map(|data| data.to_string_lossy().into_owned());
        let arguments = data.into_iter().flat_map(|data| ["--data".to_owned(), data]);
        Self::start(["serve-hub".to_owned()].into_iter().chain(arguments))
    }

    pub(super) fn raw(shape: Shape, sizes: Sizes) -> Result<Self> {
        let shape = match shape {
            Shape::FanOut => "fan-out",
            Shape::Relay => "relay",
        };
        Self::start(["serve-raw".into(), shape.into(), sizes.input.to_string(), sizes.output.to_string()])
    }

    fn start(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let own = std::env::current_exe()?;
        let mut command = pinned(&own, 0);
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).spawn().context("a server could not start")?;
        let output = child.stdout.take().context("no output")?;
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }

    /// Bytes of memory the process holds.
    pub(super) fn memory(&self) -> Result<u64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).context("no Rss")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    /// Time the process has spent on a processor.
    pub(super) fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit_once(')').context("no fields")?.1;
        let mut ticks =
            fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
        Ok(Duration::from_millis((ticks.next().unwrap_or(0) + ticks.next().unwrap_or(0)) * 10))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command on one core, where the system has `taskset`.
pub(super) fn pinned(program: &Path, core: usize) -> Command {
    let available = Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if !available || cores < 2 {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// Runs this program again on the load's core; returns whether it did.
pub fn on_the_load_s_core() -> Result<Option<std::process::ExitStatus>> {
    const MARK: &str = "WSC_BENCH_PINNED";
    if std::env::var_os(MARK).is_some() {
        return Ok(None);
    }
    let mut command = pinned(&std::env::current_exe()?, 1);
    Ok(Some(command.args(std::env::args_os().skip(1)).env(MARK, "1").status()?))
}
