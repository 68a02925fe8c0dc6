//! `cargo tool fuzz`: runs one target of `tests/fuzz` for a while. What it has learnt stays under `target/fuzz`, so the
//! next run goes on from there; what it begins with lies in `tests/fuzz/seeds`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;

use crate::install::{NIGHTLY, exists, nightly};
use crate::steps::{minutes, program, root, run};

const CARGO_FUZZ: &str = "0.13.2";

/// What is fuzzed.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Target {
    /// The decoding of frames.
    Frame,
    /// The client machine.
    Client,
    /// The hub's half of a connection.
    Peer,
    /// The decoding of the embedded store's records.
    Record,
    /// The hub's front door: HTTP, the upgrade, the first frames.
    Upgrade,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Client => "client",
            Self::Peer => "peer",
            Self::Record => "record",
            Self::Upgrade => "upgrade",
        }
    }
}

pub(crate) fn fuzz(target: Target, seconds: u64) -> Result<()> {
    install()?;
    let name = target.name();
    let (corpus, found) = (format!("target/fuzz/corpus/{name}"), format!("target/fuzz/crashes/{name}/"));
    for folder in [&corpus, &found] {
        fs::create_dir_all(root().join(folder))?;
    }
    // The build comes first: its time is not the fuzzing's.
    run(&mut cargo_fuzz("build", &[name]), minutes(30))?;
    let seeds = format!("tests/fuzz/seeds/{name}");
    let (time, prefix) = (format!("-max_total_time={seconds}"), format!("-artifact_prefix={found}"));
    let words = [name, &corpus, &seeds, "--", &time, &prefix, "-timeout=20"];
    let mut child = cargo_fuzz("run", &words)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cargo-fuzz could not be started")?;
    let said = child.stderr.take().context("cargo-fuzz has no output")?;
    let mut last = Told::default();
    for line in BufReader::new(said).split(b'\n') {
        let line = line?;
        last.hear(&String::from_utf8_lossy(&line));
    }
    let status = child.wait()?;
    let crashes = fs::read_dir(root().join(&found))?.count();
    println!("{name}: {} runs in {seconds} s, coverage {}, {crashes} crashes kept", last.runs, last.coverage);
    ensure!(crashes == 0, "{found} holds what broke `{name}`; make each a test");
    if !status.success() {
        bail!("fuzzing `{name}` ended with {status}");
    }
    Ok(())
}

/// What libFuzzer last told.
#[derive(Default)]
struct Told {
    runs: u64,
    coverage: u64,
}

impl Told {
    /// Its lines about new inputs and words it tried are many and are left out; everything else is shown.
    fn hear(&mut self, line: &str) {
        let Some(counted) = line.strip_prefix('#') else {
            if !line.starts_with(['"', '\t']) {
                eprintln!("{line}");
            }
            return;
        };
        let mut words = counted.split_whitespace();
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok());
        if let Some(runs) = number(words.next()) {
            self.runs = runs;
        }
        if let Some(coverage) = words.find(|word| *word == "cov:").and_then(|_| number(words.next())) {
            self.coverage = coverage;
        }
    }
}

/// Through rustup, so that the toolchain this program runs on does not reach it.
fn cargo_fuzz(action: &str, words: &[&str]) -> Command {
    let mut command = program("rustup");
    command.args(["run", NIGHTLY, "cargo", "fuzz", action, "--fuzz-dir", "tests/fuzz"]);
    command.args(["--target-dir", "target/fuzz/build"]).args(words);
    command.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    command
}

fn install() -> Result<()> {
    nightly()?;
    if !exists("cargo-fuzz") {
        let words = ["install", "--locked", "cargo-fuzz", "--version", CARGO_FUZZ];
        run(&mut crate::steps::cargo(&words), minutes(15))?;
    }
    Ok(())
}
