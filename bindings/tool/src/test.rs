//! `cargo tool test`: every check of the project, in parts that can be run alone.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::steps::{build_hub, cargo, minutes, program, run, run_tests_binary};
use crate::{install, java, node, pack, parity, sizes, tables};

/// One part of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Formatting.
    Fmt,
    /// Lints.
    Clippy,
    /// Unit, integration, documentation and simulation tests of all Rust crates.
    Rust,
    /// The documentation builds without a warning.
    Doc,
    /// The core as WebAssembly: it builds and has not grown.
    Wasm,
    /// The TypeScript SDKs: they compile, their tests, what they weigh; the tables are not stale.
    Ts,
    /// The SDK for Node: vectors, real hubs, kills, leaks, its example.
    Node,
    /// Simulated worlds with new seeds, then real processes: kills and cuts under load. Histories are checked.
    E2e,
    /// The hub's page, the browser's SDK and its examples in a real browser.
    Browser,
    /// The SDK for Java and Kotlin with the real hub, its examples.
    Java,
    /// The packages, as `cargo tool pack` makes them, in fresh projects of every kind, with the guides' own lines.
    Fresh,
}

impl Part {
    const ALL: [Self; 11] = [
        Self::Fmt,
        Self::Clippy,
        Self::Rust,
        Self::Doc,
        Self::Wasm,
        Self::Ts,
        Self::Node,
        Self::E2e,
        Self::Browser,
        Self::Java,
        Self::Fresh,
    ];

    fn does(self) -> &'static str {
        match self {
            Self::Fmt => "formatting",
            Self::Clippy => "lints",
            Self::Rust => "unit, integration, documentation and simulation tests",
            Self::Doc => "documentation builds without a warning",
            Self::Wasm => "the core as WebAssembly, which has not grown",
            Self::Ts => "the TypeScript SDKs, and what they weigh",
            Self::Node => "the SDK for Node: vectors, real hubs, kills, leaks",
            Self::E2e => "simulated worlds, and real processes under kills and cuts",
            Self::Browser => "the page, the SDK and its examples in a real browser",
            Self::Java => "the SDK for Java and Kotlin, and its examples",
            Self::Fresh => "the packages in fresh projects, with the guides' lines",
        }
    }

    fn run(self) -> Result<()> {
        match self {
            Self::Fmt => run(&mut cargo(&["fmt", "--all", "--check"]), minutes(2)),
            Self::Clippy => {
                let lints = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
                run(&mut cargo(&lints), minutes(20))?;
                // As users build it: without what tests turn on.
                let plain = ["clippy", "--locked", "--package", "wsc-server", "--", "-D", "warnings"];
                run(&mut cargo(&plain), minutes(10))?;
                // A workspace of their own: nothing else would see that they do not build any more.
                let targets = ["check", "--quiet", "--locked", "--manifest-path", "tests/fuzz/Cargo.toml"];
                run(cargo(&targets).env("RUSTFLAGS", "--cfg fuzzing"), minutes(10))
            }
            Self::Rust => {
                let redis = install::ensure(&install::REDIS)?;
                let mut tests = cargo(&["test", "--locked", "--workspace"]);
                run(tests.env("REDIS_SERVER", redis), minutes(30))
            }
            Self::Doc => {
                let mut doc = cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
                run(doc.env("RUSTDOCFLAGS", "-D warnings"), minutes(10))
            }
            Self::Wasm => sizes::check(),
            Self::Ts => {
                build_hub()?;
                sdk()?;
                parity::check()?;
                tables::check()?;
                run(&mut npm(&["test"]), minutes(5))?;
                run(&mut npm(&["run", "sizes"]), minutes(2))
            }
            Self::Node => node::test(),
            Self::E2e => {
                // Other worlds each time; a seed that fails is printed, and fails again.
                let from = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
                let words = format!("--kind system --seeds 1000000000 --seconds 60 --from {from}");
                run_tests_binary("simulate", &words.split(' ').map(str::to_owned).collect::<Vec<_>>())?;
                build_hub()?;
                run_tests_binary("chaos", &["--seconds".to_owned(), "60".to_owned()])
            }
            Self::Browser => {
                build_hub()?;
                browser()
            }
            Self::Java => java::test(),
            Self::Fresh => fresh(),
        }
    }
}

fn browser() -> Result<()> {
    let chromium = install::ensure(&install::CHROMIUM)?;
    let redis = install::ensure(&install::REDIS)?;
    npm_packages()?;
    sdk()?;
    let mut build = cargo(&["build", "--locked", "--release"]);
    build.args(["--package", "wsc-tests", "--bin", "judge"]);
    build.args(["--package", "distributed-server", "--bin", "distributed-server"]);
    run(&mut build, minutes(20))?;
    let mut tests = program("node");
    // One file after the other: each measures, and there may be two cores.
    tests.args(["--test", "--test-concurrency=1", "--test-reporter=spec", "tests/browser/"]);
    run(tests.env("CHROMIUM", chromium).env("REDIS_SERVER", redis), minutes(20))
}

fn fresh() -> Result<()> {
    let chromium = install::ensure(&install::CHROMIUM)?;
    install::ensure(&install::GRADLE)?;
    build_hub()?;
    npm_packages()?;
    pack::pack(None)?;
    let mut tests = program("node");
    // One after the other: each builds with all there is.
    tests.args(["--test", "--test-concurrency=1", "--test-reporter=spec", "tests/fresh/"]);
    run(tests.env("CHROMIUM", chromium), minutes(20))
}

/// A command of npm for the TypeScript SDKs.
pub(crate) fn npm(arguments: &[&str]) -> Command {
    let mut npm = program("npm");
    npm.args(["--prefix", "sdk-ts", "--loglevel=error"]).args(arguments);
    npm
}

/// Builds the TypeScript SDKs, once.
pub(crate) fn sdk() -> Result<()> {
    static BUILT: AtomicBool = AtomicBool::new(false);
    if BUILT.load(Ordering::Relaxed) {
        return Ok(());
    }
    install::require("node", "install Node.js 20 or newer")?;
    run(&mut npm(&["ci"]), minutes(5))?;
    crate::wasm::build()?;
    run(&mut npm(&["run", "build"]), minutes(2))?;
    BUILT.store(true, Ordering::Relaxed);
    Ok(())
}

/// The npm packages of the tests, exactly as locked.
pub(crate) fn npm_packages() -> Result<()> {
    run(
        program("npm").args(["ci", "--prefix", "tests", "--no-fund", "--no-audit", "--loglevel=error"]),
        minutes(5),
    )
}

/// Runs one part, or all of them, and says how long each took.
fn run_parts(parts: &[Part]) -> Result<()> {
    let mut took = Vec::new();
    for part in parts {
        println!("\n== {part:?}: {}", part.does());
        let began = Instant::now();
        part.run()?;
        took.push((part, began.elapsed()));
    }
    println!("\nall passed:");
    for (part, time) in took {
        println!("  {:<10} {:>5} s   {}", format!("{part:?}"), time.as_secs(), part.does());
    }
    Ok(())
}

/// `cargo tool test [part]`.
pub(crate) fn test(part: Option<Part>) -> Result<()> {
    match part {
        Some(part) => run_parts(&[part]),
        None => run_parts(&Part::ALL),
    }
}
