//! Tests that need more than one crate: simulated worlds of the core (`network`, `simulation`) and of the whole hub
//! (`system`), real processes (`chaos`), the checker of their histories, benchmarks, and scripts for the client machine
//! that every SDK runs. Never part of what is shipped.

pub mod autobahn;
pub mod bench;
pub mod chaos;
pub mod history;
pub mod network;
pub mod simulation;
pub mod system;
mod traffic;
pub mod vectors;
