//! The identity and capabilities of a connection: from a token, or on a hub without authentication as the client claims.

use std::fmt;
use std::sync::Arc;

use wsc_core::frame::{Capability, Query};

use crate::log::key::UserKey;

/// An authenticated device.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user, with the tenant.
    pub user: UserKey,
    /// The user's type.
    pub user_type: Arc<str>,
    /// The device the token is for; empty: any.
    pub device: Arc<str>,
    /// What the user may do.
    pub capabilities: Capabilities,
    /// Groups named by the token, to be joined at connect.
    pub groups: Vec<Arc<str>>,
    /// When the token was issued, in seconds; 0: unknown.
    pub issued_at: u64,
    /// When the token ends, in milliseconds since the Unix epoch; 0: never (no authentication).
    pub expires_at: u64,
}

/// What a user may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Send messages to users and groups.
    pub send: bool,
    /// Send to everybody.
    pub broadcast: bool,
    /// Get copies of others' messages.
    pub observe: bool,
    /// See presence.
    pub presence: bool,
    /// Kick, remove, disband, list everybody.
    pub admin: bool,
    /// Send without limits: for senders on a server.
    pub unlimited: bool,
    /// Groups that may be joined or created; one ending in `*` stands for all with that beginning.
    pub groups: Vec<Arc<str>>,
}

impl Capabilities {
    /// Everything but `unlimited`: development without authentication.
    ///
    /// ```
    /// let capabilities = wsc_server::Capabilities::all();
    /// assert!(capabilities.admin && capabilities.may_join("team") && !capabilities.unlimited);
    /// ```
    #[must_use]
    pub fn all() -> Self {
        Self {
            send: true,
            broadcast: true,
            observe: true,
            presence: true,
            admin: true,
            // The limits are there to be met in development too.
            unlimited: false,
            groups: vec!["*".into()],
        }
    }

    /// What a list of names gives; without a list: `send`, `presence` and the groups of the token.
    ///
    /// ```
    /// use wsc_server::Capabilities;
    /// let named = Capabilities::from_names(Some(["broadcast", "group:team-*"]), &[]);
    /// assert!(named.broadcast && named.may_join("team-7") && !named.send);
    /// let unnamed = Capabilities::from_names(None::<[&str; 0]>, &["news".into()]);
    /// assert!(unnamed.send && unnamed.presence && unnamed.may_join("news"));
    /// ```
    #[must_use]
    pub fn from_names<'n>(names: Option<impl IntoIterator<Item = &'n str>>, groups: &[Arc<str>]) -> Self {
        let Some(names) = names else {
            return Self { send: true, presence: true, groups: groups.to_vec(), ..Self::default() };
        };
        let mut capabilities = Self::default();
        for name in names {
            match name {
                "send" => capabilities.send = true,
                "broadcast" => capabilities.broadcast = true,
                "observe" => capabilities.observe = true,
                "presence" => capabilities.presence = true,
                "admin" => capabilities.admin = true,
                "unlimited" => capabilities.unlimited = true,
                other => capabilities.groups.extend(other.strip_prefix("group:").map(Into::into)),
            }
        }
        capabilities
    }

    /// Whether there is a capability.
    ///
    /// ```
    /// use wsc_core::frame::Capability;
    /// let capabilities = wsc_server::Capabilities { observe: true, ..Default::default() };
    /// assert!(capabilities.has(Capability::Observe) && !capabilities.has(Capability::Admin));
    /// ```
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Presence => self.presence,
            Capability::Observe => self.observe,
            Capability::Admin => self.admin,
        }
    }

    /// Whether a request may be made.
    pub(crate) fn allow(&self, query: &Query<'_>) -> Result<(), Missing> {
        let needs = query.needs();
        if needs.is_empty() || needs.iter().any(|capability| self.has(*capability)) {
            Ok(())
        } else {
            Err(Missing(needs))
        }
    }

    /// Whether a group may be joined or created.
    ///
    /// ```
    /// let capabilities = wsc_server::Capabilities { groups: vec!["team-*".into()], ..Default::default() };
    /// assert!(capabilities.may_join("team-7") && !capabilities.may_join("news"));
    /// ```
    #[must_use]
    pub fn may_join(&self, group: &str) -> bool {
        self.groups.iter().any(|rule| match rule.strip_suffix('*') {
            Some(prefix) => group.starts_with(prefix),
            None => **rule == *group,
        })
    }
}

/// The token has none of these capabilities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing(&'static [Capability]);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token does not allow this: it lacks the capability ")?;
        for (index, capability) in self.0.iter().enumerate() {
            write!(f, "{}`{}`", if index > 0 { " or " } else { "" }, capability.name())?;
        }
        Ok(())
    }
}
