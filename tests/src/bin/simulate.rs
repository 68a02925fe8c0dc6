//! `cargo tool simulate`: many worlds on virtual time, each from its seed.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use wsc_tests::{simulation, system};

/// Simulates clients and a hub over bad networks, one world for each seed, and checks what must always hold.
#[derive(Parser)]
#[command(name = "cargo tool simulate", version)]
struct Arguments {
    /// How many worlds of each kind.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// The first seed; a world is the same every time.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Which kind; by default all.
    #[arg(long)]
    kind: Option<Kind>,
    /// Ends after this many seconds, however many worlds are done.
    #[arg(long)]
    seconds: Option<u64>,
    /// Ends at the first violation.
    #[arg(long)]
    first: bool,
    /// Writes the history of the first world (of a system, or of a cluster with `--kind cluster`) to a file, one JSON object a line, and does nothing else.
    #[arg(long)]
    history: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The two machines of the core, and a hub of a few lines that is easy to be sure of.
    Core,
    /// The production hub with its listener, shards and log, on a disk that fails.
    System,
    /// Two to four production hubs that share a store, and hear each other through a broker; all of it fails.
    Cluster,
}

/// What a world came to.
enum Done {
    Core(simulation::Summary),
    System(Box<system::Summary>),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(path) = &arguments.history {
        let history = match arguments.kind {
            Some(Kind::Cluster) => system::history_of_cluster(arguments.from),
            _ => system::history(arguments.from),
        };
        return match std::fs::write(path, history) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {} cannot be written: {error}", path.display());
                ExitCode::FAILURE
            }
        };
    }
    let mut clean = true;
    for kind in [Kind::Core, Kind::System, Kind::Cluster] {
        if arguments.kind.is_none_or(|only| only == kind) {
            clean &= run(&arguments, kind);
        }
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments, kind: Kind) -> bool {
    let Arguments { seeds, from, .. } = *arguments;
    let began = Instant::now();
    let over = || arguments.seconds.is_some_and(|seconds| began.elapsed() >= Duration::from_secs(seconds));
    let (next, end) = (AtomicU64::new(from), from.saturating_add(seeds));
    let (sender, done) = mpsc::channel();
    let mut core = simulation::Summary::default();
    let mut system = system::Summary::default();
    let (name, again) = match kind {
        Kind::Core => ("core", "cargo tool simulate --kind core --seeds 1 --from"),
        Kind::System => ("system", "cargo tool simulate --kind system --seeds 1 --from"),
        Kind::Cluster => ("cluster", "cargo tool simulate --kind cluster --seeds 1 --from"),
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (next, over, sender) = (&next, &over, sender.clone());
            scope.spawn(move || {
                while !over() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let world = match kind {
                        Kind::Core => Done::Core(simulation::simulate(seed, 1)),
                        Kind::System => Done::System(Box::new(system::simulate(seed))),
                        Kind::Cluster => Done::System(Box::new(system::simulate_cluster(seed))),
                    };
                    if sender.send(world).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut told = Instant::now();
        for world in done {
            let violations = match world {
                Done::Core(world) => {
                    core.seeds += world.seeds;
                    core.sends += world.sends;
                    core.received += world.received;
                    core.gaps += world.gaps;
                    core.failures.extend(world.failures.iter().cloned());
                    world.failures
                }
                Done::System(world) => {
                    let violations = world.violations.clone();
                    system.add(*world);
                    violations
                }
            };
            for (seed, what) in &violations {
                println!("seed {seed}: {what}\n  again: {again} {seed}");
            }
            if arguments.first && !violations.is_empty() {
                next.store(end, Ordering::Relaxed);
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                let (worlds, violations) =
                    (core.seeds + system.worlds, core.failures.len() + system.violations.len());
                eprintln!("{name}: {worlds} of {seeds} worlds, {violations} violations");
            }
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let violations = match kind {
        Kind::Core => {
            println!(
                "core: {} worlds from seed {from}: {} messages sent, {} received, {} gaps told",
                core.seeds, core.sends, core.received, core.gaps
            );
            core.failures.len()
        }
        Kind::System | Kind::Cluster => {
            let hours = system.milliseconds as f64 / 3_600_000.0;
            println!(
                "{name}: {} worlds from seed {from}: {} messages sent, {} accepted, {} entries handed over, {} gaps, \
                 {} receipts told, {} read marks said, {} connections, {hours:.1} simulated hours\n  {}",
                system.worlds,
                system.sent,
                system.accepted,
                system.handed,
                system.gaps,
                system.receipts,
                system.marks,
                system.connections,
                system.faults
            );
            system.violations.len()
        }
    };
    println!("{name}: {violations} violations, {seconds:.1} s");
    let done = core.seeds + system.worlds;
    // A thread that panicked has not counted its world.
    violations == 0 && done > 0 && (done == seeds || arguments.seconds.is_some())
}
