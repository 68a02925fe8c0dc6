//! The wsc client for the JVM. The bridge is not API: the Maven artifact `wsc-client` is. Holds no rule of the protocol: it
//! carries orders to [`wsc_client::Session`]s and their reports back, many at a time, because a crossing costs more than
//! what crosses.
//!
//! It never calls into the JVM, which would cost a thread for each call, and has no unsigned number, which Java could not use.

#![allow(missing_docs, reason = "the exported functions that the generator's macros write have none")]

mod machine;
mod order;
mod report;
mod settings;
mod switchboard;
mod tray;

pub use machine::{Machine, Script};
pub use order::{Addressed, Order};
pub use settings::{OpenError, Opened, Settings};
pub use switchboard::Switchboard;

uniffi::setup_scaffolding!();
