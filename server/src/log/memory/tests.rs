//! The memory store against the checks every store has to pass.

use super::super::conformance::retention;
use super::MemoryStore;

crate::conformance!(|| Box::new(MemoryStore::new(retention())));
