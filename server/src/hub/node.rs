//! What all shards of a hub share. Everything in it may be used from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};

use super::hooks::Hooks;
use super::observers::Observers;
use super::presence::Presence;
use super::shard::Shards;
use super::waiters::Waiters;
use crate::Settings;
use crate::admission::Admission;
use crate::log::Log;

/// The shared part of a hub.
pub(crate) struct Node {
    pub(crate) settings: Settings,
    /// The hub's name.
    pub(crate) id: Arc<str>,
    pub(crate) shards: Arc<Shards>,
    pub(crate) log: Log,
    pub(crate) admission: Admission,
    pub(crate) presence: Presence,
    pub(crate) observers: Observers,
    pub(crate) hooks: Hooks,
    /// Sends of the application whose receipts are waited for.
    pub(crate) waiters: Waiters,
    /// Connections on all shards.
    pub(crate) connections: AtomicUsize,
    pub(crate) draining: AtomicBool,
    /// A device has shown that the store was put back to an earlier time. Once is all there can be: only while a store
    /// is not open can it be put back.
    pub(crate) went_back: AtomicBool,
    /// How often in a row the store could not be maintained.
    pub(crate) maintenance_failures: AtomicU32,
}
