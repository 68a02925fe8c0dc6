//! The embedded store: the checks every store has to pass, and what only it does.

mod crash;
mod damage;
mod model;
mod opening;
mod records;

use std::ops::Deref;

use tempfile::TempDir;

use super::super::conformance::retention;
use super::super::store::Durability;
use super::{EmbeddedOptions, EmbeddedStore};

/// Small, and fast to open and close.
fn options() -> EmbeddedOptions {
    let durability = Durability::Os;
    EmbeddedOptions {
        retention: retention(),
        durability,
        cache: 1 << 20,
        streams: 4,
        readers: 1,
        restored: false,
    }
}

/// A store and its directory.
struct Fresh {
    store: EmbeddedStore,
    _directory: TempDir,
}

impl Deref for Fresh {
    type Target = EmbeddedStore;

    fn deref(&self) -> &EmbeddedStore {
        &self.store
    }
}

fn fresh() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path().join("store"), options()).unwrap();
    Fresh { store, _directory: directory }
}

mod conformance {
    crate::conformance!(super::fresh);
}
