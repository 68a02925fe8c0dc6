//! Attacks, each named after its row in `docs/reliability.md`: what the hub does about it, what it costs those who have
//! nothing to do with it, and how much memory it takes.

#![cfg(feature = "command")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed unwrap is a failed test; a test says what it measured"
)]

mod exhaustion;
mod floods;
mod frames;
mod handshakes;
mod readers;
#[path = "../support/mod.rs"]
mod support;
mod trust;

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const MEGABYTE: usize = 1024 * 1024;

/// Writes the same again and again and reads nothing, until nothing was taken for a second, or for some seconds. How many
/// bytes were taken in the last of them.
async fn flood(socket: &mut TcpStream, bytes: &[u8], seconds: u32) -> usize {
    const SECOND: Duration = Duration::from_secs(1);
    let until = Instant::now() + SECOND * seconds;
    let (mut taken, mut rest) = (0, bytes);
    while Instant::now() < until {
        match tokio::time::timeout(SECOND, socket.write(rest)).await {
            Ok(Ok(count)) => {
                taken += if Instant::now() + SECOND > until { count } else { 0 };
                rest = if count == rest.len() { bytes } else { &rest[count..] };
            }
            Ok(Err(_)) | Err(_) => return 0,
        }
    }
    taken
}
