//! The wsc protocol: messages, frames, the client machine and the hub's half of a connection.
//!
//! This crate has no sockets, no clock, no entropy, no runtime and no async. Time comes in as an argument
//! (milliseconds on the caller's clock), randomness as a seed. Two machines live here: [`client::Client`], one
//! device's connection to a hub, and [`peer::Peer`], the hub's half of one connection. Both obey one rule:
//! **after every mutation drain the outputs before the next mutation.**
//!
//! Without the standard library, so that a driver in WebAssembly may bring its own way to end in a panic and its own
//! allocator: the standard library's cost more there than half of this crate.

#![no_std]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

pub mod backoff;
pub mod budget;
pub mod client;
pub mod codes;
pub mod coverage;
pub mod frame;
pub mod kind;
pub mod limits;
pub mod message;
pub mod names;
pub mod peer;
pub mod time;

pub use codes::{CloseCode, ErrorCode};
pub use kind::{Category, MessageType, Priority};
pub use message::Message;
pub use names::{StreamKind, StreamName};
pub use time::Timestamp;
