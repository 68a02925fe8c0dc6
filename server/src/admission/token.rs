//! Tokens: JSON Web Tokens whose key says which algorithm and which applications it signs for.

use std::collections::HashSet;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use wsc_core::names::is_id;

use super::groups_of;
use super::identity::{Capabilities, Identity};
use crate::hub::clock;
use crate::log::key::{Scope, UserKey};

/// How far clocks may differ, in seconds.
const LEEWAY_S: u64 = 5;

/// The claims of a token, with go-wsc's names.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Claims {
    /// The user.
    pub uid: String,
    /// The user's type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub utp: String,
    /// The device, if the token is for one only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub did: String,
    /// The application.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub aid: String,
    /// The namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tid: String,
    /// Groups, a comma list.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gid: String,
    /// What the user may do; absent: `send`, `presence` and the groups of `gid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Vec<String>>,
    /// When the token ends, in seconds since the Unix epoch.
    pub exp: u64,
    /// When it was issued, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iat: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none, or in development no user id.
    #[error("no token, or without authentication no user_id")]
    Missing,
    /// It has ended.
    #[error("the token expired")]
    Expired,
    /// Signature, algorithm, application or claims are not right.
    #[error("the token was not accepted")]
    Invalid,
}

/// A shared secret (HS256) and the applications it signs for.
pub struct Keys {
    decoding: DecodingKey,
    apps: HashSet<String>,
}

impl Keys {
    /// A secret that signs for the given applications; none: the default one only.
    #[must_use]
    pub fn new(secret: &[u8], apps: impl IntoIterator<Item = String>) -> Self {
        let mut apps: HashSet<String> = apps.into_iter().collect();
        if apps.is_empty() {
            apps.insert(Scope::DEFAULT_APP.to_owned());
        }
        Self { decoding: DecodingKey::from_secret(secret), apps }
    }

    /// Checks a token: algorithm, signature, times, application, ids.
    pub fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.leeway = LEEWAY_S;
        // By the hub's own clock, below.
        validation.validate_exp = false;
        let claims = match jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation) {
            Ok(decoded) => decoded.claims,
            Err(_) => return Err(TokenError::Invalid),
        };
        if claims.exp.saturating_add(LEEWAY_S) < clock::wall() / 1000 {
            return Err(TokenError::Expired);
        }
        let or =
            |text: &str, default: &str| -> Arc<str> { if text.is_empty() { default } else { text }.into() };
        let scope = Scope {
            app: or(&claims.aid, Scope::DEFAULT_APP),
            namespace: or(&claims.tid, Scope::DEFAULT_NAMESPACE),
        };
        let ids = [&claims.uid, &claims.did, &claims.utp, &claims.aid, &claims.tid];
        let ids = ids.into_iter().all(|id| id.is_empty() || is_id(id));
        if claims.uid.is_empty() || !ids || !self.apps.contains(&*scope.app) {
            return Err(TokenError::Invalid);
        }
        let groups = groups_of(&claims.gid);
        let names = claims.cap.as_ref().map(|names| names.iter().map(String::as_str));
        Ok(Identity {
            user: UserKey::new(&scope, &claims.uid),
            user_type: or(&claims.utp, "visitor"),
            device: claims.did.into(),
            capabilities: Capabilities::from_names(names, &groups),
            groups,
            issued_at: claims.iat,
            expires_at: claims.exp.saturating_mul(1000),
        })
    }
}

impl Claims {
    /// Signs a token with a shared secret.
    ///
    /// ```
    /// use wsc_server::token::{Claims, Keys};
    /// let token = Claims { uid: "alice".into(), exp: 4_000_000_000, ..Claims::default() }.sign(b"secret")?;
    /// let identity = Keys::new(b"secret", []).verify(&token).unwrap();
    /// assert_eq!(&*identity.user.user, "alice");
    /// # Ok::<(), wsc_server::token::TokenError>(())
    /// ```
    pub fn sign(&self, secret: &[u8]) -> Result<String, TokenError> {
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), self, &key).map_err(|_| TokenError::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: u64 = 4_000_000_000;

    fn verify(claims: &Claims) -> Result<Identity, TokenError> {
        Keys::new(b"secret", []).verify(&claims.sign(b"secret").unwrap())
    }

    fn claims() -> Claims {
        Claims { uid: "alice".into(), exp: LATER, ..Claims::default() }
    }

    #[test]
    fn a_token_says_who_and_what() {
        let claims = Claims { gid: "a, b".into(), did: "d1".into(), iat: 7, ..claims() };
        let identity = verify(&claims).unwrap();
        assert_eq!(identity.groups, ["a".into(), "b".into()]);
        assert!(identity.capabilities.send && identity.capabilities.may_join("b"));
        assert!(!identity.capabilities.broadcast && !identity.capabilities.admin);
        assert_eq!((&*identity.device, identity.issued_at, identity.expires_at), ("d1", 7, LATER * 1000));
    }

    #[test]
    fn a_capability_list_gives_what_it_names_and_nothing_else() {
        let cap = Some(vec!["broadcast".into(), "group:team-*".into()]);
        let may = verify(&Claims { cap, gid: "x".into(), ..claims() }).unwrap().capabilities;
        assert!(may.broadcast && may.may_join("team-7"));
        assert!(!may.send && !may.may_join("x") && !may.may_join("team"));
    }

    #[test]
    fn another_secret_another_app_no_user_or_no_time_left_is_refused() {
        let other = Keys::new(b"other", []).verify(&claims().sign(b"secret").unwrap());
        assert_eq!(other.unwrap_err(), TokenError::Invalid);
        assert_eq!(verify(&Claims { aid: "elsewhere".into(), ..claims() }).unwrap_err(), TokenError::Invalid);
        assert_eq!(verify(&Claims { uid: String::new(), ..claims() }).unwrap_err(), TokenError::Invalid);
        assert_eq!(verify(&Claims { uid: "a\nb".into(), ..claims() }).unwrap_err(), TokenError::Invalid);
        assert_eq!(verify(&Claims { tid: "x".repeat(129), ..claims() }).unwrap_err(), TokenError::Invalid);
        assert_eq!(verify(&Claims { exp: 1000, ..claims() }).unwrap_err(), TokenError::Expired);
    }

    #[test]
    fn the_algorithm_is_the_key_s_not_the_token_s() {
        let header = Header::new(Algorithm::HS512);
        let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(b"secret")).unwrap();
        assert_eq!(Keys::new(b"secret", []).verify(&token).unwrap_err(), TokenError::Invalid);
        // {"alg":"none"} with the claims and no signature.
        let none = "eyJhbGciOiJub25lIn0.eyJ1aWQiOiJhbGljZSIsImV4cCI6NDAwMDAwMDAwMH0.";
        assert_eq!(Keys::new(b"secret", []).verify(none).unwrap_err(), TokenError::Invalid);
    }
}
