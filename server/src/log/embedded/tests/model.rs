//! The embedded store against the memory store: any sequence of writes, trims, clean and unclean starts gives equal
//! answers and equal reads.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult};
use tempfile::TempDir;

use super::super::super::conformance::{self as make, START, retention, run};
use super::super::super::lives::{at, compare, write};
use super::super::super::memory::State;
use super::super::super::store::{Store, Write};
use super::super::{EmbeddedStore, Left};
use super::options;

#[derive(Clone, Debug)]
enum Step {
    /// Writes, and how much time passes before each batch.
    Batch(Vec<Write>, u64),
    Maintain(u64),
    Reopen,
    Crash,
    /// A new epoch while it is open.
    Begin,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (prop::collection::vec(write(), 0..12), 0..3_000_u64).prop_map(|(batch, time)| Step::Batch(batch, time)),
        3 => (0..9_000_u64).prop_map(Step::Maintain),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        1 => Just(Step::Begin),
    ]
}

fn same_life(steps: Vec<Step>) -> TestCaseResult {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store");
    let mut store = EmbeddedStore::open(&path, options()).unwrap();
    let mut model = State::new(retention());
    model.rename_epoch(&run(make::epoch(&store)));
    let mut now = START;
    run(async {
        for step in steps {
            match step {
                Step::Batch(mut batch, time) => {
                    now += time;
                    let epoch = model.epoch();
                    batch.iter_mut().for_each(|write| at(write, now, &epoch));
                    let written = make::written(&store, &batch).await;
                    let expected: Vec<_> = batch.iter().map(|write| model.apply(write)).collect();
                    prop_assert_eq!(written, expected);
                }
                Step::Maintain(time) => {
                    now += time;
                    make::maintain(&store, now).await;
                    while model.maintain(now) {}
                    // What is in memory only is lost at a start; the count is made up by the next append.
                }
                Step::Reopen => {
                    make::maintain(&store, now).await;
                    while model.maintain(now) {}
                    let epoch: Arc<str> = make::epoch(&store).await;
                    store.close().await.unwrap();
                    store = EmbeddedStore::open(&path, options()).unwrap();
                    prop_assert_eq!(&make::epoch(&store).await, &epoch);
                    model.forget_claims();
                }
                Step::Crash => {
                    make::maintain(&store, now).await;
                    while model.maintain(now) {}
                    drop(store);
                    store = EmbeddedStore::open(&path, options()).unwrap();
                    model.begin_epoch(&make::epoch(&store).await, true);
                    model.forget_claims();
                }
                Step::Begin => {
                    make::maintain(&store, now).await;
                    while model.maintain(now) {}
                    let ended = make::epoch(&store).await;
                    make::one(&store, Write::BeginEpoch { stream: make::inbox("ann"), ended }).await;
                    model.begin_epoch(&make::epoch(&store).await, false);
                }
            }
            compare(&store, &model, now).await?;
        }
        Ok(())
    })
}

#[test]
fn any_life_of_the_embedded_store_is_one_of_the_memory_store() {
    // `PROPTEST_CASES` runs more; a failure prints the shortest life and its seed.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..25))| same_life(steps)?);
}

#[test]
fn a_marker_tells_how_the_store_was_left() {
    let directory = TempDir::new().unwrap();
    let left = || super::super::marker::Directory::open(directory.path()).unwrap().left;
    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    drop(store);
    assert_eq!(left(), Left::Unflushed);
    let store = EmbeddedStore::open(directory.path(), options()).unwrap();
    run(store.close()).unwrap();
    assert_eq!(left(), Left::Closed(0));
}
