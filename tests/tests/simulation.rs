//! Random worlds on a virtual clock.
#![allow(missing_docs, reason = "tests")]

use wsc_tests::simulation::simulate;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn messages_come_once_in_order_and_nothing_is_lost_in_silence() {
    let (from, seeds) = match number("WSC_SEED") {
        Some(seed) => (seed, number("WSC_SEEDS").unwrap_or(1)),
        None => (0, number("WSC_SEEDS").unwrap_or(2000)),
    };
    let summary = simulate(from, seeds);
    for (seed, fault) in summary.failures.iter().take(30) {
        eprintln!("WSC_SEED={seed}: {fault}");
    }
    eprintln!(
        "{} worlds, {} sends, {} received, {} gaps",
        summary.seeds, summary.sends, summary.received, summary.gaps
    );
    assert!(summary.failures.is_empty(), "{} failures", summary.failures.len());
    assert!(summary.sends > 0 && summary.received > 0);
}
