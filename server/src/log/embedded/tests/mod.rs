//! The embedded store: the checks every store has to pass, and what only it does.

mod conversations;
mod crash;
mod damage;
mod flush;
mod model;
mod opening;
mod records;

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::super::conformance::{epoch, retention, run};
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

/// Copies a directory as an operator does, over what is there.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
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

impl EmbeddedStore {
    fn epoch(&self) -> Arc<str> {
        run(epoch(self))
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
