//! How many come from one address, and how many there are in all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use wsc_core::budget::Budget;

use super::quota::Quota;
use crate::Settings;

/// Addresses kept at most; the ones without pending sockets go first.
const KEPT: usize = 100_000;

/// What is known of the addresses that connect.
pub(crate) struct Addresses {
    began: Instant,
    pending: usize,
    per_second: u32,
    connections: Quota,
    known: Mutex<HashMap<IpAddr, Address>>,
}

struct Address {
    /// Sockets that have not become WebSockets.
    sockets: usize,
    /// WebSockets that are not authenticated.
    pending: usize,
    connects: Budget,
}

/// Why one more is too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMany {
    /// From this address; try again after this many milliseconds.
    FromAddress(u64),
    /// In all.
    InAll,
}

impl Addresses {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            began: Instant::now(),
            pending: settings.limits.pending_per_address,
            per_second: settings.limits.connects_per_address,
            connections: Quota::new(settings.limits.connections),
            known: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Address>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits one more socket, which has sent nothing yet. `None`: there are too many from its address. One without
    /// an address is not counted.
    pub(crate) fn accept(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Accepted> {
        let addresses = Arc::clone(self);
        let Some(address) = address else { return Some(Accepted { addresses, address: None }) };
        let mut known = self.lock();
        let now = self.now();
        let entry = self.of(&mut known, address, now);
        if self.pending != 0 && entry.sockets + entry.pending >= self.pending {
            return None;
        }
        entry.sockets += 1;
        Some(Accepted { addresses, address: Some(address) })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn of<'k>(&self, known: &'k mut HashMap<IpAddr, Address>, address: IpAddr, now: u64) -> &'k mut Address {
        if known.len() >= KEPT {
            known.retain(|_, address| address.pending + address.sockets > 0);
        }
        let fresh = || Address { sockets: 0, pending: 0, connects: Budget::new(self.per_second, now) };
        known.entry(address).or_insert_with(fresh)
    }

    /// Admits one more WebSocket, which is not authenticated yet.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Permit, TooMany> {
        if !self.connections.take() {
            return Err(TooMany::InAll);
        }
        // Releases the quota if its address has too many.
        let mut permit = Permit { addresses: Arc::clone(self), pending: None };
        if let Some(address) = address {
            let now = self.now();
            let mut known = self.lock();
            let entry = self.of(&mut known, address, now);
            if self.pending != 0 && entry.pending >= self.pending {
                return Err(TooMany::FromAddress(1000));
            }
            entry.connects.take(1, now).map_err(TooMany::FromAddress)?;
            entry.pending += 1;
            permit.pending = Some(Box::new(address));
        }
        Ok(permit)
    }

    fn settle(&self, address: IpAddr) {
        if let Some(address) = self.lock().get_mut(&address) {
            address.pending -= 1;
        }
    }
}

/// A socket's place until it is closed or becomes a WebSocket; given back when dropped.
pub(crate) struct Accepted {
    addresses: Arc<Addresses>,
    address: Option<IpAddr>,
}

impl Drop for Accepted {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        if let Some(address) = self.addresses.lock().get_mut(&address) {
            address.sockets -= 1;
        }
    }
}

/// One connection's place; given back when dropped.
pub(crate) struct Permit {
    addresses: Arc<Addresses>,
    /// Boxed: a connection has it for a short time only.
    pending: Option<Box<IpAddr>>,
}

impl Permit {
    /// The connection is authenticated: it counts no more as pending.
    pub(crate) fn authenticated(&mut self) {
        if let Some(address) = self.pending.take() {
            self.addresses.settle(*address);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.authenticated();
        self.addresses.connections.release();
    }
}
