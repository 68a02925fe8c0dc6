//! What all shards of a hub share. Everything in it may be used from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};

use wsc_core::peer;

use crate::Settings;
use crate::admission::Admission;
use crate::admission::token::Keys;
use crate::cluster::broker::Broker;
use crate::cluster::router::Router;
use crate::failure::Failures;
use crate::log::Log;
use crate::log::store::Store;
use crate::registry::hooks::Hooks;
use crate::registry::observers::Observers;
use crate::registry::pending::PendingReceipts;
use crate::registry::presence::Presence;
use crate::settings::SettingsError;
use crate::shard::letter::ReplyTo;

/// The shared part of a hub.
pub(crate) struct Node {
    pub(crate) settings: Settings,
    /// What [`Settings::peer`] is for the core.
    pub(crate) peer: peer::Settings,
    /// The hub's name.
    pub(crate) id: Arc<str>,
    pub(crate) log: Log<ReplyTo>,
    pub(crate) router: Router,
    pub(crate) admission: Admission,
    pub(crate) presence: Presence,
    pub(crate) observers: Observers,
    pub(crate) hooks: Hooks,
    /// Sends of the application whose receipts are waited for.
    pub(crate) pending: PendingReceipts,
    pub(crate) failures: Failures,
    /// Connections on all shards.
    pub(crate) connections: AtomicUsize,
    pub(crate) draining: AtomicBool,
    /// A device has shown that the store was put back to an earlier time. Once is all there can be: only while a store
    /// is not open can it be put back.
    pub(crate) went_back: AtomicBool,
    /// How often in a row the store could not be maintained.
    pub(crate) maintenance_failures: AtomicU32,
}

impl Node {
    /// A hub's shared part, of which nothing runs yet. The error is a setting that cannot be.
    pub(crate) fn new(
        id: Arc<str>,
        settings: Settings,
        store: Arc<dyn Store>,
        cluster: Option<(u128, Box<dyn Broker>)>,
        keys: Option<Keys>,
        hooks: Hooks,
        failures: Failures,
    ) -> Result<Self, SettingsError> {
        let router = match cluster {
            None => Router::alone(settings.shards),
            Some((incarnation, broker)) => Router::shared(settings.shards, incarnation, broker),
        };
        Ok(Self {
            id,
            log: Log::new(store),
            admission: Admission::new(&settings, keys).map_err(SettingsError)?,
            presence: Presence::new(settings.presence.offline_after, router.cluster.is_some()),
            router,
            observers: Observers::default(),
            hooks,
            pending: PendingReceipts::default(),
            failures,
            connections: 0.into(),
            draining: false.into(),
            went_back: false.into(),
            maintenance_failures: 0.into(),
            peer: settings.peer.core(),
            settings,
        })
    }
}
