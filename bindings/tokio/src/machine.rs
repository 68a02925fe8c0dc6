//! The machine alone, flat, on a clock that a test sets: how a bridge shows that it speaks as the common scripts say.

use wsc_core::Timestamp;
use wsc_core::client::{Client, Config};

use crate::session::{Order, Report};

/// A client machine without a driver.
#[derive(Debug)]
pub struct Machine {
    client: Client,
}

impl Machine {
    /// One of these settings, going on from what was saved; with nothing, from the start.
    #[must_use]
    pub fn new(config: Config, seed: u64, saved: &[u8]) -> Self {
        let _ = saved;
        Self { client: Client::new(config, seed) }
    }

    /// Carries out an order. The number of a send or request; 0: none; below 0: why a message was not taken, see
    /// [`Kind::NotTaken`](crate::Kind::NotTaken). A cancelled send is named by its number.
    pub fn obey(&mut self, now: Timestamp, order: Order) -> i64 {
        let _ = (now, order);
        0
    }

    /// A socket opened.
    pub fn open(&mut self, now: Timestamp, link: u32) {
        let _ = (now, link);
    }

    /// A text frame came.
    pub fn text(&mut self, now: Timestamp, link: u32, text: &str) {
        let _ = (now, link, text);
    }

    /// A socket closed.
    pub fn closed(&mut self, now: Timestamp, link: u32, code: Option<u16>, reason: &str) {
        let _ = (now, link, code, reason);
    }

    /// All sends up to this one are stored.
    pub fn stored(&mut self, now: Timestamp, send: u64) {
        let _ = (now, send);
    }

    /// The time that [`Machine::deadline`] told has come.
    pub fn timeout(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// When something is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.client.poll_timeout()
    }

    /// Everything the machine has to say: events, then actions, until neither is left.
    pub fn drain(&mut self) -> Vec<Report> {
        Vec::new()
    }

    /// Everything a later one needs.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        self.client.snapshot().encode()
    }

    /// What the last message that was not taken had wrong.
    #[must_use]
    pub fn wrong(&self) -> &str {
        ""
    }
}
