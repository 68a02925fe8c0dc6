//! The names of things in the log: tenants, users, groups, streams. Every key begins with its scope, so nothing
//! can cross from one tenant to another by mistake.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A tenant: application id and namespace. Part of every key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// The application id, `app_id` on the wire.
    pub app: Arc<str>,
    /// The namespace inside the application.
    pub namespace: Arc<str>,
}

impl Scope {
    /// The application id used where a token names none.
    pub const DEFAULT_APP: &'static str = "__default_app__";
    /// The namespace used where a token names none.
    pub const DEFAULT_NAMESPACE: &'static str = "__default_ns__";

    /// A scope from its two names.
    ///
    /// ```
    /// let scope = wsc_server::Scope::new("shop", "staging");
    /// assert_eq!(&*wsc_server::Scope::default().app, wsc_server::Scope::DEFAULT_APP);
    /// ```
    ///
    /// ```
    /// let scope = wsc_server::Scope::new("shop", "staging");
    /// assert_ne!(scope, wsc_server::Scope::default());
    /// ```
    pub fn new(app: &str, namespace: &str) -> Self {
        Self { app: app.into(), namespace: namespace.into() }
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::new(Self::DEFAULT_APP, Self::DEFAULT_NAMESPACE)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.namespace)
    }
}

/// One user of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserKey {
    /// The tenant.
    pub scope: Scope,
    /// The user id, `uid` in a token.
    pub user: Arc<str>,
}

impl UserKey {
    /// A user of a scope.
    ///
    /// ```
    /// let bob = wsc_server::UserKey::new(&Default::default(), "bob");
    /// assert_eq!((&*bob.user, &*bob.scope.app), ("bob", "__default_app__"));
    /// ```
    pub fn new(scope: &Scope, user: &str) -> Self {
        Self { scope: scope.clone(), user: user.into() }
    }
}

/// One group of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupKey {
    /// The tenant.
    pub scope: Scope,
    /// The group id.
    pub group: Arc<str>,
}

impl GroupKey {
    /// A group of a scope.
    ///
    /// ```
    /// let team = wsc_server::GroupKey::new(&Default::default(), "team");
    /// assert_eq!(&*team.group, "team");
    /// ```
    pub fn new(scope: &Scope, group: &str) -> Self {
        Self { scope: scope.clone(), group: group.into() }
    }
}

/// An append-only log with contiguous positions from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamKey {
    /// What is meant for one user, and the user's own messages to users.
    Inbox(UserKey),
    /// A group's messages, stored once however many members it has.
    Group(GroupKey),
    /// Messages to everybody of a tenant.
    Broadcast(Scope),
}

impl StreamKey {
    /// The tenant the stream belongs to.
    ///
    /// ```
    /// use wsc_server::{Scope, StreamKey};
    /// assert_eq!(StreamKey::Broadcast(Scope::default()).scope(), &Scope::default());
    /// ```
    pub fn scope(&self) -> &Scope {
        match self {
            Self::Inbox(user) => &user.scope,
            Self::Group(group) => &group.scope,
            Self::Broadcast(scope) => scope,
        }
    }
}
