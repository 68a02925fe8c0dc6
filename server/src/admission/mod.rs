//! Decides who may connect: tokens, origins, and limits per address.

pub(crate) mod address;
pub(crate) mod identity;
mod origin;
mod proxies;
mod quota;
pub(crate) mod refusals;
pub mod token;

pub(crate) use address::Permit;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use self::address::Addresses;
use self::identity::{Capabilities, Identity};
use self::origin::Origins;
use self::proxies::Proxies;
use self::refusals::RefusalLog;
use self::token::{Keys, TokenError};
use crate::Settings;
use crate::log::key::{Scope, UserKey};
use crate::settings::SettingsError;

/// The identity that a client claims (only on a hub without authentication).
#[derive(Clone, Debug, Default)]
pub(crate) struct DevIdentity {
    pub(crate) user: String,
    pub(crate) user_type: String,
    pub(crate) app: String,
    pub(crate) namespace: String,
    pub(crate) groups: String,
}

impl DevIdentity {
    /// This, with the other's fields where this has none.
    pub(crate) fn or(self, other: Self) -> Self {
        let pick = |one: String, other: String| if one.is_empty() { other } else { one };
        Self {
            user: pick(self.user, other.user),
            user_type: pick(self.user_type, other.user_type),
            app: pick(self.app, other.app),
            namespace: pick(self.namespace, other.namespace),
            groups: pick(self.groups, other.groups),
        }
    }
}

/// Checks of tokens, origins and addresses.
pub(crate) struct Admission {
    keys: Option<Keys>,
    origins: Origins,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) refusals: RefusalLog,
    pub(crate) proxies: Proxies,
    /// Whether connections of trusted proxies begin with the PROXY protocol.
    proxy_protocol: bool,
    /// Names that many connections share.
    names: Mutex<HashSet<Arc<str>>>,
}

/// The smallest limit for a head that hyper takes.
const SMALLEST_HEAD: usize = 8192;
/// Maximum of shared names; beyond, each connection has its own.
const KEPT_NAMES: usize = 10_000;

impl Settings {
    /// Whether a hub can be started with them; the error says which is wrong and what to write.
    ///
    /// ```
    /// use wsc_server::Settings;
    /// let mut settings = Settings::default();
    /// assert!(settings.check().is_ok());
    /// settings.auth.origins = vec!["not an origin".to_owned()];
    /// println!("{}", settings.check().unwrap_err());
    /// ```
    pub fn check(&self) -> Result<(), SettingsError> {
        Admission::new(self, None).map(drop).map_err(SettingsError)
    }
}

impl Admission {
    /// The error is a setting that cannot be.
    pub(crate) fn new(settings: &Settings, keys: Option<Keys>) -> Result<Self, String> {
        if settings.http.head < SMALLEST_HEAD {
            return Err(format!("http.head must be at least {SMALLEST_HEAD} bytes"));
        }
        let proxies = Proxies::parse(&settings.http.trusted_proxies)?;
        if settings.http.proxy_protocol && proxies.is_empty() {
            return Err("http.proxy_protocol needs http.trusted_proxies: who is believed".to_owned());
        }
        Ok(Self {
            keys,
            origins: Origins::parse(&settings.auth.origins)?,
            proxies,
            proxy_protocol: settings.http.proxy_protocol,
            addresses: Arc::new(Addresses::new(settings)),
            refusals: RefusalLog::new(),
            names: Mutex::default(),
        })
    }

    /// Whether a connection from this address begins with the PROXY protocol.
    pub(crate) fn begins_with_proxy_protocol(&self, address: Option<IpAddr>) -> bool {
        self.proxy_protocol && self.proxies.trust(address)
    }

    /// Whether tokens are asked for.
    pub(crate) fn is_authenticating(&self) -> bool {
        self.keys.is_some()
    }

    /// Checks a token. Without authentication there are no tokens to be accepted.
    pub(crate) fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        self.keys.as_ref().ok_or(TokenError::NoKey)?.verify(token).map(|identity| self.share(identity))
    }

    /// The same identity, sharing the names that many connections have in common.
    fn share(&self, mut identity: Identity) -> Identity {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut share = |name: &mut Arc<str>| match names.get(name) {
            Some(kept) => *name = Arc::clone(kept),
            None if names.len() < KEPT_NAMES => {
                names.insert(Arc::clone(name));
            }
            None => {}
        };
        share(&mut identity.user.scope.app);
        share(&mut identity.user.scope.namespace);
        share(&mut identity.user_type);
        identity.capabilities.groups.iter_mut().for_each(share);
        identity
    }

    /// The token's user; without authentication, the user that the client claims to be.
    pub(crate) fn identify(&self, token: Option<&str>, dev: &DevIdentity) -> Result<Identity, TokenError> {
        if let Some(keys) = &self.keys {
            return keys.verify(token.ok_or(TokenError::Missing)?).map(|identity| self.share(identity));
        }
        let others = [&dev.user_type, &dev.app, &dev.namespace];
        let others = others.into_iter().all(|id| id.is_empty() || wsc_core::names::is_id(id));
        if !wsc_core::names::is_id(&dev.user) || !others {
            let unnamed = token.is_some() && dev.user.is_empty();
            return Err(if unnamed { TokenError::NoKey } else { TokenError::Names });
        }
        let or = |text: &str, default: &str| if text.is_empty() { default.into() } else { text.into() };
        let scope = Scope {
            app: or(&dev.app, Scope::DEFAULT_APP),
            namespace: or(&dev.namespace, Scope::DEFAULT_NAMESPACE),
        };
        Ok(self.share(Identity {
            user: UserKey { scope, user: dev.user.as_str().into() },
            user_type: or(&dev.user_type, "visitor"),
            device: "".into(),
            capabilities: Capabilities::all(),
            groups: groups_of(&dev.groups),
            issued_at: u64::MAX,
            expires_at: 0,
        }))
    }

    /// Whether a browser page of this origin may connect to this host.
    pub(crate) fn allows_origin(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        self.origins.allow(origin, host, self.is_authenticating())
    }
}

/// Group ids of a comma list; what cannot be an id is left out.
pub(crate) fn groups_of(list: &str) -> Vec<Arc<str>> {
    list.split(',').map(str::trim).filter(|group| wsc_core::names::is_id(group)).map(Into::into).collect()
}
