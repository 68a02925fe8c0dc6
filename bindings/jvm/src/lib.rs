//! The wsc client for the JVM. The bridge is not API: the Maven artifact `wsc-client` is. Holds no rule of the protocol: it
//! carries commands to [`wsc_client::session::Session`]s and their reports back, many at a time, because a crossing costs more than
//! what crosses.
//!
//! It never calls into the JVM, which would cost a thread for each call, and has no unsigned number, which Java could not use.

#![allow(missing_docs, reason = "the exported functions that the generator's macros write have none")]

mod command;
mod machine;
mod report;
mod report_buffer;
mod sessions;
mod settings;

pub use command::{Addressed, Command};
pub use machine::{Machine, Script};
pub use sessions::Sessions;
pub use settings::{OpenError, Opened, Settings};

uniffi::setup_scaffolding!();
