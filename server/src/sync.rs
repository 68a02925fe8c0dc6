//! What threads share state with, where it is shared by more than a lock around a map. `tests/threads` compiles the same
//! files with loom's in place of these, and tries every order in which threads can use them.

pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
