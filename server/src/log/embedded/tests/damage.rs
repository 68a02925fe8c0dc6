//! Damaged files and full disks: never a panic, never a wrong answer in place of an error.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use super::super::super::conformance::{START, all, append, inbox, open, run, seqs, to_user, written};
use super::super::super::store::{Append, Durability, Retention, Store, StoreError, Write};
use super::super::engine::Engine;
use super::super::marker::{Directory, Found};
use super::super::{EmbeddedOptions, EmbeddedStore, OpenError};
use super::{copy, options};

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

/// The next of a row of numbers that look random and are the same in each run.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// Cuts or flips something in one file.
fn hurt(path: &Path, seed: &mut u64) -> String {
    let mut found = Vec::new();
    files(path, &mut found);
    found.retain(|file| file.file_name().is_some_and(|name| name != "lock"));
    found.sort();
    let file = &found[usize::try_from(next(seed)).unwrap() % found.len()];
    let mut bytes = fs::read(file).unwrap();
    // The journal is mostly empty space behind its content.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1).max(1);
    let at = usize::try_from(next(seed)).unwrap() % used;
    let what = next(seed) % 3;
    match what {
        0 => bytes.truncate(at),
        1 if !bytes.is_empty() => bytes[at] ^= 1 << (next(seed) % 8),
        _ => bytes.iter_mut().skip(at).take(16).for_each(|byte| *byte = 0xff),
    }
    fs::write(file, bytes).unwrap();
    format!("{what} at {at} of {used} in {}", file.strip_prefix(path).unwrap().display())
}

fn life(store: &EmbeddedStore) {
    run(async {
        for who in ["ann", "bob"] {
            if let Ok(page) = store.read(&inbox(who), 0, 1_000, usize::MAX).await {
                for entry in page.entries {
                    assert!(entry.body.starts_with(b"body of m"), "an answer that was never written");
                }
            }
            let _ = store.read_back(&inbox(who), u64::MAX, 1_000, usize::MAX).await;
            let _ = store.open(&super::super::super::conformance::user(who), Some("d1")).await;
        }
        let _ = store.write(0, &[Write::Append(to_user("ann", "bob", "m-new", START))]).await;
        let _ = store.maintain(START + 1).await;
        let _ = store.maintain(START + 1_000_000).await;
        let _ = store.close().await;
    });
}

#[test]
fn damaged_directories_never_panic() {
    let directory = TempDir::new().unwrap();
    let good = directory.path().join("good");
    let store = EmbeddedStore::open(&good, options()).unwrap();
    for n in 0..300 {
        run(append(&store, to_user("ann", "bob", &format!("m{n}"), START)));
    }
    run(store.close()).unwrap();
    // Half of it in tables, the other half in the journal.
    let Found { directory: marked, epochs, .. } = Directory::open(&good).unwrap();
    let engine = Engine::open(&marked.data(), 1 << 20, epochs, Retention::default()).unwrap();
    for part in [&engine.log, &engine.ids, &engine.state] {
        part.rotate_memtable_and_wait().unwrap();
    }
    drop((engine, marked));
    let store = EmbeddedStore::open(&good, options()).unwrap();
    for n in 300..400 {
        run(append(&store, to_user("ann", "bob", &format!("m{n}"), START)));
    }
    run(store.close()).unwrap();
    // The journal's empty end is not worth copying.
    let mut found = Vec::new();
    files(&good, &mut found);
    for file in found.iter().filter(|file| file.extension().is_some_and(|end| end == "jnl")) {
        let bytes = fs::read(file).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        fs::write(file, &bytes[..bytes.len().min(used + 64)]).unwrap();
    }

    let rounds = std::env::var("DAMAGE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(60);
    let mut seed = 7;
    let mut opened = 0;
    for round in 0..rounds {
        let hurt_path = directory.path().join(format!("hurt-{round}"));
        copy(&good, &hurt_path);
        let what = hurt(&hurt_path, &mut seed);
        let result = std::panic::catch_unwind(|| {
            if let Ok(store) = EmbeddedStore::open(&hurt_path, options()) {
                life(&store);
                return true;
            }
            false
        });
        match result {
            Ok(was_opened) => opened += usize::from(was_opened),
            Err(_) => panic!("round {round}: {what}"),
        }
        fs::remove_dir_all(&hurt_path).unwrap();
    }
    assert!(opened > 0);
}

#[test]
fn records_that_make_no_sense_are_an_error_and_go_in_the_end() {
    let directory = TempDir::new().unwrap();
    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    for n in 1..=3 {
        run(append(&store, to_user("ann", "bob", &format!("m{n}"), START)));
    }
    run(store.close()).unwrap();
    let Found { directory: marked, epochs, .. } = Directory::open(directory.path()).unwrap();
    let engine = Engine::open(&marked.data(), 1 << 20, epochs, Retention::default()).unwrap();
    let number = engine.view().number(&inbox("bob")).unwrap().unwrap();
    engine.log.insert(super::super::layout::entry(number, 2), b"\xffnonsense").unwrap();
    engine.database.persist(fjall::PersistMode::SyncAll).unwrap();
    drop((engine, marked));

    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    let read = |from, limit| run(store.read(&inbox("bob"), from, limit, usize::MAX));
    assert_eq!(seqs(&read(1, 1).unwrap()), [1]);
    assert!(matches!(read(2, 1), Err(StoreError::Damaged(_))));
    assert_eq!(seqs(&read(3, 9).unwrap()), [3]);
    // Others are not held up, and the position goes with its time.
    run(append(&store, to_user("ann", "bob", "m4", START + 60_000)));
    run(super::super::super::conformance::maintain(&store, START + 60_000));
    assert_eq!(seqs(&run(all(&store, &inbox("bob")))), [4]);
    assert_eq!(run(open(&store, "bob", None)).streams[0].floor, 4);
}

/// A small disk of its own; `None` where that is not allowed.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(directory.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(directory))
    }

    fn resize(&self, size: &str) {
        let size = format!("remount,{size}");
        assert!(Command::new("mount").args(["-o", &size]).arg(self.0.path()).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "says why it tests nothing")]
fn a_full_disk_refuses_writes_keeps_what_was_accepted_and_goes_on_reading() {
    // The bigger disk is filled while the engine writes out its tables.
    for (durability, size) in
        [(Durability::Fsync, "size=8m"), (Durability::Os, "size=8m"), (Durability::Fsync, "size=44m")]
    {
        let Some(disk) = SmallDisk::mount(size) else {
            eprintln!("skipped: no small file system can be mounted here");
            return;
        };
        let path = disk.0.path().join("store");
        let retention = Retention::default();
        let small = || EmbeddedOptions { durability, retention, ..options() };
        let store = EmbeddedStore::open(&path, small()).unwrap();
        // Nothing that the engine could make smaller.
        let mut seed = 1;
        let body: Bytes = (0..30_000).map(|_| next(&mut seed).to_le_bytes()[0]).collect();
        let write = |n: usize| {
            Write::Append(Append { body: body.clone(), ..to_user("ann", "bob", &format!("m{n}"), START) })
        };
        let mut accepted = 0;
        let refused = loop {
            match &run(store.write(0, &[write(accepted), write(accepted + 1)]))[..] {
                [Ok(_), Ok(_)] => accepted += 2,
                [Err(error), Err(_)] => break error.clone(),
                other => panic!("{other:?}: a batch wholly or not at all"),
            }
            assert!(accepted < 2_000, "the disk is never full");
        };
        assert!(matches!(refused, StoreError::Full(_)), "{refused:?}");
        assert!(accepted > 10);
        let readable = |store: &EmbeddedStore| {
            let page = run(all(store, &inbox("bob")));
            assert!(page.entries.iter().all(|entry| entry.body == body));
            let ids: Vec<Arc<str>> = page.entries.into_iter().map(|entry| entry.message_id).collect();
            assert_eq!(ids, (0..ids.len()).map(|n| format!("m{n}").into()).collect::<Vec<Arc<str>>>());
            ids.len()
        };
        assert_eq!(readable(&store), accepted, "what was refused is not visible");
        let again = run(store.write(0, &[write(accepted)]));
        assert!(matches!(again[..], [Err(StoreError::Full(_))]), "{again:?}");
        assert!(matches!(run(store.maintain(START)), Err(StoreError::Full(_))));
        assert_eq!(readable(&store), accepted);
        drop(store);

        if let Err(error) = EmbeddedStore::open(&path, small()) {
            assert!(matches!(error, OpenError::Full(_)), "{error:?}");
        }
        disk.resize("size=256m");
        let store = EmbeddedStore::open(&path, small()).unwrap();
        let kept = readable(&store);
        assert!(
            kept == accepted || kept == accepted + 2,
            "{kept} of {accepted}: the refused batch wholly or not at all"
        );
        run(written(&store, &[write(kept)]));
        assert_eq!(readable(&store), kept + 1);
        run(store.close()).unwrap();
    }
}
