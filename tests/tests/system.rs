//! Whole systems on a virtual clock.
#![allow(missing_docs, clippy::print_stderr, reason = "tests")]

use wsc_tests::system::{Summary, history, history_of_cluster, simulate, simulate_cluster};

/// Worlds from `WSC_SEED`, as many as `WSC_SEEDS` says; else a hundred from the first.
fn worlds(simulate: impl Fn(u64) -> Summary) -> Summary {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let (from, seeds) = (number("WSC_SEED"), number("WSC_SEEDS"));
    let mut total = Summary::default();
    let begin = from.unwrap_or(0);
    for seed in begin..begin + seeds.unwrap_or_else(|| if from.is_some() { 1 } else { 100 }) {
        total.add(simulate(seed));
    }
    for (seed, what) in total.violations.iter().take(20) {
        eprintln!("WSC_SEED={seed}: {what}");
    }
    eprintln!(
        "{} worlds, {} messages sent, {} handed over; {}",
        total.worlds, total.sent, total.handed, total.faults
    );
    assert!(total.violations.is_empty(), "{} violations", total.violations.len());
    assert!(total.handed > 0 && (from.is_some() || total.faults.lossy > 0 && total.faults.kills > 0));
    total
}

#[test]
fn whole_systems_keep_the_promise_whatever_fails() {
    worlds(simulate);
}

#[test]
fn several_hubs_keep_the_promise_whatever_fails() {
    let total = worlds(simulate_cluster);
    assert!(total.worlds == 1 || total.faults.air > 0 && total.faults.kicks > 0);
}

#[test]
fn a_seed_gives_the_same_world_again() {
    // Epochs, connections and nodes have random names, which decide nothing.
    let told = |history: fn(u64) -> String, seed| {
        let facts = history(seed)
            .lines()
            .map(|line| line.split("\"epoch\"").next().unwrap_or("").len())
            .collect::<Vec<_>>();
        (facts.len(), facts)
    };
    for seed in 0..5 {
        for history in [history, history_of_cluster] {
            assert_eq!(told(history, seed), told(history, seed), "seed {seed}");
        }
    }
}
