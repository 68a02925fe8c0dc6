//! `cargo tool simulate`: many worlds of clients and a hub on virtual time, each from its seed.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to people")]

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use clap::Parser;
use wsc_tests::simulation::{Summary, simulate};

/// Simulates clients and a hub over a bad network, one world for each seed, and checks what must always hold.
#[derive(Parser)]
#[command(name = "cargo tool simulate", version)]
struct Arguments {
    /// How many worlds.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// The first seed; a world is the same every time.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// Worlds between two lines of progress.
const CHUNK: u64 = 1000;

fn main() -> ExitCode {
    let Arguments { seeds, from } = Arguments::parse();
    let (began, end) = (Instant::now(), from.saturating_add(seeds));
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let mut total = Summary::default();
    let mut at = from;
    while at < end {
        let chunk = CHUNK.min(end - at);
        let share = chunk.div_ceil(threads);
        thread::scope(|scope| {
            let begins = (0..threads).map(|index| at + index * share).filter(|begin| *begin < at + chunk);
            let running: Vec<_> = begins
                .map(|begin| scope.spawn(move || simulate(begin, share.min(at + chunk - begin))))
                .collect();
            for summary in running.into_iter().filter_map(|thread| thread.join().ok()) {
                total.seeds += summary.seeds;
                total.sends += summary.sends;
                total.received += summary.received;
                total.gaps += summary.gaps;
                total.failures.extend(summary.failures);
            }
        });
        at += chunk;
        eprintln!("{} of {seeds} worlds, {} violations", at - from, total.failures.len());
    }
    for (seed, fault) in &total.failures {
        println!("seed {seed}: {fault}\n  again: cargo tool simulate --seeds 1 --from {seed}");
    }
    let Summary { seeds: done, sends, received, gaps, failures } = &total;
    println!(
        "{done} worlds from seed {from}: {sends} messages sent, {received} received, {gaps} gaps told, {} violations, {} s",
        failures.len(),
        began.elapsed().as_secs()
    );
    // A thread that panicked has not counted its worlds.
    if failures.is_empty() && *done == seeds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
