//! The store on Redis against the memory store: any sequence of writes, trims, new epochs and starts gives equal answers and
//! equal reads.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult};

use super::super::conformance::{self as make, START, retention, run};
use super::super::lives::{at, compare, write};
use super::super::memory::State;
use super::super::store::{Durability, Store, Write};
use super::{RedisOptions, RedisStore};

#[path = "../../../tests/support/redis.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "what other tests need; a failed unwrap is a failed test")]
mod server;

use server::Redis;

#[derive(Clone, Debug)]
enum Step {
    /// Writes, and how much time passes before each batch.
    Batch(Vec<Write>, u64),
    Maintain(u64),
    Reopen,
    /// The server was put back from a copy, which happens to hold the same.
    Restore,
    /// A new epoch while it is open.
    Begin,
}

fn step(partitions: usize) -> impl Strategy<Value = Step> {
    let begin = u32::from(partitions == 1);
    prop_oneof![
        12 => (prop::collection::vec(write(), 0..12), 0..3_000_u64).prop_map(|(batch, time)| Step::Batch(batch, time)),
        3 => (0..9_000_u64).prop_map(Step::Maintain),
        1 => Just(Step::Reopen),
        1 => Just(Step::Restore),
        begin => Just(Step::Begin),
    ]
}

fn same_life(redis: &Redis, partitions: usize, steps: Vec<Step>) -> TestCaseResult {
    redis.run(&["FLUSHALL"]);
    let open = |restored| {
        RedisStore::open(RedisOptions {
            url: redis.url(),
            retention: retention(),
            durability: Durability::Memory,
            patience: Duration::from_secs(5),
            partitions,
            restored,
            ..RedisOptions::default()
        })
        .expect("a store")
    };
    let mut store = open(false);
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
                }
                Step::Reopen => {
                    let epoch = make::epoch(&store).await;
                    store.close().await.expect("closing");
                    store = open(false);
                    prop_assert_eq!(&make::epoch(&store).await, &epoch);
                }
                Step::Restore => {
                    drop(store);
                    store = open(true);
                    model.begin_epoch(&make::epoch(&store).await, false);
                }
                Step::Begin => {
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

fn any_life(partitions: usize) {
    // `PROPTEST_CASES` runs more; a failure prints the shortest life and its seed.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let redis = Redis::start();
    proptest!(config, |(steps in prop::collection::vec(step(partitions), 1..25))| {
        same_life(&redis, partitions, steps)?;
    });
}

#[test]
fn any_life_of_the_store_on_redis_is_one_of_the_memory_store() {
    any_life(1);
}

#[test]
fn any_life_of_the_store_in_sixteen_partitions_is_one_of_the_memory_store() {
    any_life(16);
}
