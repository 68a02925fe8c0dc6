//! Tests that need more than one crate: a simulated network and what must be true in it, and scripts for the client
//! machine that every SDK runs. Never part of what is shipped.

pub mod bench;
pub mod chaos;
pub mod history;
pub mod network;
pub mod simulation;
pub mod system;
mod traffic;
pub mod vectors;
