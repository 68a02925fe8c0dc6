//! Who is connected where, when several hubs share a store.

use std::sync::Arc;

use wsc_core::kind::UserStatus;

use super::Milliseconds;
use crate::log::key::Scope;

/// That a connection of a user is on a hub. A claim counts while its hub lives ([`Store::beat`](super::Store::beat)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The device; of a connection that claimed no device for itself, the connection's id.
    pub device: Arc<str>,
    /// The hub: 128 random bits for each start of a process.
    pub incarnation: u128,
    /// The connection's id.
    pub connection: Arc<str>,
    /// Grows with each claim of the user: of two claims of one device the higher one is the newer connection.
    pub turn: u64,
    /// When the device sent its `connect`, by its clock; 0: unknown.
    pub sent_ms: Milliseconds,
}

/// What a write does to a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClaimChange {
    /// Nothing: also for a hub that shares its store with nobody, and knows its own connections.
    #[default]
    Keep,
    /// The connection is the device's newest, unless there is a claim whose `connect` was sent later
    /// ([`is_overtaken`](wsc_core::peer::is_overtaken)): then the write changes nothing.
    Take {
        /// The hub.
        incarnation: u128,
        /// The connection's id.
        connection: Arc<str>,
        /// Whether the device has one connection only; `false`: the claim is the connection's own.
        is_exclusive: bool,
        /// When the device sent its `connect`, by its clock; 0: unknown.
        sent_ms: Milliseconds,
    },
    /// The connection ended. A claim that another has replaced stays.
    Release {
        /// What taking it was answered with.
        turn: u64,
        /// The connection's id: in another epoch the turn may be another's.
        connection: Arc<str>,
    },
}

/// A user as others may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Where the user is connected, in order of the devices; also on hubs that are dead. A connection whose claim is gone
    /// was replaced, if the device has a claim with a higher turn, and kicked otherwise.
    pub claims: Vec<Claim>,
    /// The status that the user chose.
    pub status: UserStatus,
    /// When others could last see the user; 0: never.
    pub last_seen: Milliseconds,
    /// When the last claim was released; 0: never.
    pub left: Milliseconds,
    /// The version of the inbox, which counts these changes too.
    pub version: u64,
}

/// A sign of life of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The hub.
    pub incarnation: u128,
    /// The hub's time. A store with a clock of its own goes by that.
    pub now: Milliseconds,
    /// How long the hub counts as living from now on.
    pub lease: Milliseconds,
    /// What other hubs are told of it.
    pub facts: Facts,
    /// The hub ends: it does not count as living any more.
    pub leave: bool,
}

/// What a hub tells the others of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its name, for people.
    pub name: Arc<str>,
    /// Its release.
    pub release: Arc<str>,
    /// It takes no new connections.
    pub is_draining: bool,
    /// How many connections it has.
    pub connections: u64,
    /// Groups that are observed on it; the empty name: everything of the tenant.
    pub observed: Vec<(Scope, Arc<str>)>,
}

/// The hubs that live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// The time, by the store's clock where it has one.
    pub now: Milliseconds,
    /// Whether the hub that asks has counted as living without a break since its last sign of life; so does one that
    /// gives its first.
    pub lived: bool,
    /// Incarnations and what they tell, in order.
    pub alive: Vec<(u128, Facts)>,
}
