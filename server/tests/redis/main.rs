//! The store on Redis, with real servers.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod conformance;
mod faults;
#[cfg(feature = "command")]
mod hub;
mod many;
#[path = "../support/redis.rs"]
mod server;
#[cfg(feature = "command")]
#[path = "../support/mod.rs"]
mod support;

use std::ops::Deref;
use std::time::Duration;

use wsc_server::log::conformance::retention;
use wsc_server::log::redis::{RedisOptions, RedisStore};
use wsc_server::log::store::Durability;

use self::server::Redis;

/// A store, and the server it is on.
struct Store {
    store: RedisStore,
    redis: Redis,
}

impl Deref for Store {
    type Target = RedisStore;

    fn deref(&self) -> &RedisStore {
        &self.store
    }
}

fn options(redis: &Redis) -> RedisOptions {
    RedisOptions {
        url: redis.url(),
        retention: retention(),
        durability: Durability::Memory,
        patience: Duration::from_secs(5),
        ..RedisOptions::default()
    }
}

/// An empty store.
fn store(partitions: usize) -> Store {
    let redis = Redis::start();
    let store = RedisStore::open(RedisOptions { partitions, ..options(&redis) }).unwrap();
    Store { store, redis }
}
