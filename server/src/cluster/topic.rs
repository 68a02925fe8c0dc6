//! What can be listened to.

use crate::log::key::{Scope, StreamKey, UserKey};

/// What hubs tell each other about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// A stream: that it has changed, and what is for whoever reads it now.
    Stream(StreamKey),
    /// How a user appears to others.
    Presence(UserKey),
    /// Copies for the observers of a tenant.
    Observed(Scope),
}
