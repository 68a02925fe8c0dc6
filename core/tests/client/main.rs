//! The client machine's behaviour, one sentence a test, on a virtual clock. Opens no socket.
#![allow(missing_docs, reason = "tests")]

mod addresses;
mod connection;
mod harness;
mod marks;
mod monkey;
mod reading;
mod requests;
mod saving;
mod sending;
mod tokens;
