//! The channels on which hubs hear of streams, users and observers, by name.

use std::time::Duration;

use redis::Client;

use super::super::key::{Scope, StreamKey, UserKey};
use super::RedisStore;
use super::layout::{self, Layout};

/// How to reach the server, and the names of channels there.
pub(crate) struct Channels {
    pub(crate) client: Client,
    layout: Layout,
    id: String,
}

impl RedisStore {
    pub(crate) fn channels(&self) -> Channels {
        let link = &self.inner.link;
        Channels { client: link.client.clone(), layout: link.layout.clone(), id: link.id.clone() }
    }
}

impl Channels {
    /// What is published about a stream: by scripts where it stands, by hubs what is for its readers.
    pub(crate) fn stream(&self, stream: &StreamKey) -> String {
        self.layout.key("c", &layout::name(stream))
    }

    /// How a user appears.
    pub(crate) fn presence(&self, user: &UserKey) -> String {
        self.layout.key("w", &layout::inbox(user))
    }

    /// Copies for the observers of a tenant.
    pub(crate) fn observed(&self, scope: &Scope) -> String {
        self.layout.key("ob", &layout::name(&StreamKey::Broadcast(scope.clone())))
    }

    /// On which this process hears itself.
    pub(crate) fn own(&self) -> String {
        format!("{}n:{}", self.layout.prefix(0), self.id)
    }
}

/// How long to wait before another attempt: by chance, the longer the more failed.
pub(crate) fn pause(failures: u32) -> Duration {
    const LEAST: Duration = Duration::from_millis(50);
    const MOST: Duration = Duration::from_secs(2);
    let longest = LEAST.saturating_mul(1 << failures.min(10)).min(MOST);
    let mut bytes = [0; 4];
    // Without entropy it is no pause by chance, but one of the longest.
    let part = match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    };
    longest.mul_f64(part)
}
