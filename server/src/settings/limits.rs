//! How many and how much: per user, per address, in all.

use wsc_core::limits;

/// How many and how much: per user, per address, in all.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Devices kept per user.
    pub devices: usize,
    /// Groups per user.
    pub groups: usize,
    /// Users a user may write to for the first time within an hour; 0: no limit.
    pub first_contacts: u32,
    /// Messages a user may send per second; 0: no limit.
    pub sends: u32,
    /// Bytes a user may send per second; 0: no limit.
    pub send_bytes: u32,
    /// Connections on this hub; 0: no limit.
    pub connections: usize,
    /// Sockets of one address that are not yet authenticated; 0: no limit.
    pub pending_per_address: usize,
    /// Connects of one address per second; 0: no limit.
    pub connects_per_address: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            devices: 16,
            groups: limits::GROUPS,
            first_contacts: 1000,
            sends: 1000,
            send_bytes: 4 * 1024 * 1024,
            connections: 0,
            pending_per_address: 1000,
            connects_per_address: 1000,
        }
    }
}
