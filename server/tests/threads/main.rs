//! What threads share, in every order in which they can use it: loom runs each test again and again, with the threads
//! interleaved differently at each lock and atomic. The files are the hub's own; only what they lock with is loom's. A
//! wake-up that gets lost is a deadlock here.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed unwrap is a failed test; a test says how many orders there were"
)]

mod models;

#[path = "../../src/mailbox.rs"]
mod mailbox;
#[path = "../../src/log/queue.rs"]
mod queue;
#[path = "../../src/admission/quota.rs"]
mod quota;
#[path = "../../src/net"]
mod net {
    pub(crate) mod id;
    pub(crate) mod signal;
}

/// Loom's, in place of those in `src/sync.rs`.
mod sync {
    pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
}
