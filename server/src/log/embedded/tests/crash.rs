//! Ends without closing, in processes of their own: what must be there afterwards, and what may be missing.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::super::super::conformance::{START, all, append, inbox, open, run, seqs, to_user};
use super::super::super::store::{Durability, Earlier, Store};
use super::super::{EmbeddedOptions, EmbeddedStore};
use super::options;

const PATH: &str = "WSC_TEST_STORE";
const DURABILITY: &str = "WSC_TEST_DURABILITY";

fn durable(name: &str) -> EmbeddedOptions {
    let durability = match name {
        "fsync" => Durability::Fsync,
        "os" => Durability::Os,
        _ => Durability::Memory,
    };
    EmbeddedOptions { durability, ..options() }
}

/// Not a test: appends without end and says what was accepted, until it is killed.
#[test]
#[ignore = "the process that is killed by the tests beside it"]
fn victim() {
    let (Ok(path), Ok(name)) = (std::env::var(PATH), std::env::var(DURABILITY)) else { return };
    let store = EmbeddedStore::open(path, durable(&name)).unwrap();
    for n in 0_u64.. {
        run(append(&store, to_user("ann", "bob", &format!("m{n}-{}", store.epoch()), START)));
        let seq = run(all(&store, &inbox("bob"))).head;
        // Standard error is not captured by the test harness when written to directly.
        writeln!(std::io::stderr(), "accepted {seq} {}", store.epoch()).unwrap();
    }
}

/// Runs a victim until it has accepted so many, kills it, and gives the last accepted position and the epoch.
fn kill_after(path: &Path, durability: &str, count: usize) -> (u64, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "log::embedded::tests::crash::victim", "--ignored", "--nocapture"])
        .env(PATH, path)
        .env(DURABILITY, durability)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut last = None;
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap) {
        if let Some((seq, epoch)) = line.strip_prefix("accepted ").and_then(|rest| rest.split_once(' ')) {
            last = Some((seq.parse().unwrap(), epoch.to_owned()));
        }
        if line.starts_with("accepted") && { line.split(' ').nth(1).unwrap().parse::<usize>().unwrap() }
            >= count
        {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    last.expect("the victim accepted something")
}

#[test]
fn with_fsync_a_killed_process_loses_nothing_and_the_epoch_stays() {
    let directory = TempDir::new().unwrap();
    let mut before = 0;
    for round in 1..=3 {
        let (accepted, epoch) = kill_after(directory.path(), "fsync", 40 * round);
        assert!(accepted > before);
        let store = EmbeddedStore::open(directory.path(), durable("fsync")).unwrap();
        assert_eq!(&*store.epoch(), epoch);
        let page = run(all(&store, &inbox("bob")));
        assert!(page.head >= accepted);
        assert_eq!(seqs(&page), (1..=page.head).collect::<Vec<_>>());
        assert_eq!(run(all(&store, &inbox("ann"))).head, page.head, "both inboxes or none");
        before = page.head;
        drop(store);
    }
}

#[test]
fn below_fsync_a_killed_process_begins_a_new_epoch_with_what_survived() {
    for (name, complete) in [("os", true), ("memory", false)] {
        let directory = TempDir::new().unwrap();
        let mut expected: Vec<Earlier> = Vec::new();
        for round in 1..=3 {
            let (accepted, epoch) = kill_after(directory.path(), name, 100 * round);
            let store = EmbeddedStore::open(directory.path(), durable(name)).unwrap();
            assert_ne!(&*store.epoch(), epoch);
            let page = run(all(&store, &inbox("bob")));
            assert_eq!(seqs(&page), (1..=page.head).collect::<Vec<_>>(), "a prefix survives");
            if complete {
                assert!(page.head >= accepted);
            } else {
                assert!(page.head > 0 && page.head < accepted, "the rest was in the process");
            }
            expected.insert(0, Earlier { epoch: epoch.into(), survived: page.head, is_proven: true });
            let lineage = || run(open(&store, "bob", None)).streams.remove(0).lineage;
            assert_eq!(lineage(), expected);
            // The lineage stays as it is when the head moves on, also over a clean end.
            run(append(&store, to_user("cid", "bob", &format!("after {round}"), START)));
            assert_eq!(lineage(), expected);
            let present = store.epoch();
            run(store.close()).unwrap();
            let store = EmbeddedStore::open(directory.path(), durable(name)).unwrap();
            assert_eq!(store.epoch(), present);
            assert_eq!(run(open(&store, "bob", None)).streams.remove(0).lineage, expected);
            // The next round kills in this epoch.
            run(store.close()).unwrap();
        }
    }
}

#[test]
fn a_cut_journal_after_a_clean_end_is_noticed() {
    let directory = TempDir::new().unwrap();
    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    let epoch = store.epoch();
    for n in 0..50 {
        run(append(&store, to_user("ann", "bob", &format!("m{n}"), START)));
    }
    run(store.close()).unwrap();
    let journal = directory.path().join("data/0.jnl");
    let file = std::fs::OpenOptions::new().write(true).open(journal).unwrap();
    file.set_len(6_000).unwrap();
    drop(file);
    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    assert_ne!(store.epoch(), epoch);
    let opened = run(open(&store, "bob", None)).streams.remove(0);
    assert!(opened.head > 0 && opened.head < 50);
    assert_eq!(opened.lineage, [Earlier { epoch, survived: opened.head, is_proven: true }]);
}
