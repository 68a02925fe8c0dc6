//! JSON Web Tokens. The key decides the algorithm, and the applications that it signs for.

use std::collections::HashSet;
use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wsc_core::names::is_id;

use super::groups_of;
use super::identity::{Capabilities, Identity};
use crate::clock;
use crate::log::key::{Scope, UserKey};

/// How far clocks may differ, in milliseconds.
const LEEWAY_MS: u64 = 5000;

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

/// Why a token was not accepted. Only tokens with a valid signature get an error about their claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is none.
    #[error("the hub wants a token, and none was given")]
    Missing,
    /// The hub has no key.
    #[error("the hub runs without authentication and takes no tokens: give a user in place of the token")]
    NoKey,
    /// Without authentication: nobody is named, or a name cannot be one.
    #[error(
        "without authentication a user_id is needed, and it, user_type, app_id and namespace must be valid names"
    )]
    Names,
    /// It is not three parts of base64url with JSON in the first two.
    #[error("the token is not a valid JWT")]
    Malformed,
    /// Its header names another algorithm than the key's.
    #[error("the token's algorithm is not the key's; sign with HS256")]
    Algorithm,
    /// It is not signed with the hub's secret.
    #[error("the token's signature is wrong: it is signed with another secret than the hub's, or changed")]
    Signature,
    /// It has ended.
    #[error("the token has expired (claim exp)")]
    Expired,
    /// Its time has not come.
    #[error("the token is not yet valid (claim nbf)")]
    NotYetValid,
    /// A claim that every token needs is not there.
    #[error("the token has no claim {0}")]
    MissingClaim(&'static str),
    /// A claim has the wrong type or a value that cannot be.
    #[error("the token's claim {name} must be {expected}")]
    WrongClaim {
        /// The claim.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The key does not sign for the application.
    #[error("the token's application (claim aid) is not one that its key signs for; see auth.apps")]
    Application,
    /// A token could not be made.
    #[error("the token could not be signed")]
    Signing,
}

/// A shared secret (HS256) and the applications it signs for.
pub struct Keys {
    decoding: DecodingKey,
    apps: HashSet<String>,
}

impl Keys {
    /// A secret that signs for the given applications; none: the default one only.
    ///
    /// ```
    /// let keys = wsc_server::token::Keys::new(b"the secret of the tokens", ["shop".to_owned()]);
    /// ```
    #[must_use]
    pub fn new(secret: &[u8], apps: impl IntoIterator<Item = String>) -> Self {
        let mut apps: HashSet<String> = apps.into_iter().collect();
        if apps.is_empty() {
            apps.insert(Scope::DEFAULT_APP.to_owned());
        }
        Self { decoding: DecodingKey::from_secret(secret), apps }
    }

    /// Checks a token: algorithm, signature, times, application, ids. White space around it does not count.
    ///
    /// ```
    /// use wsc_server::token::{Claims, Keys, TokenError};
    /// let keys = Keys::new(b"secret", []);
    /// let token = Claims { uid: "alice".to_owned(), exp: 4_000_000_000, ..Claims::default() }.sign(b"secret")?;
    /// assert_eq!(&*keys.verify(&token)?.user.user, "alice");
    /// assert_eq!(keys.verify("nonsense").unwrap_err(), TokenError::Malformed);
    /// # Ok::<(), TokenError>(())
    /// ```
    pub fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        let claims = self.signed_claims(token.trim())?;
        let now = clock::wall().ms();
        let expires_at = claims.time("exp")?.ok_or(TokenError::MissingClaim("exp"))?;
        if expires_at.saturating_add(LEEWAY_MS) < now {
            return Err(TokenError::Expired);
        }
        if claims.time("nbf")?.is_some_and(|begins_at| begins_at > now.saturating_add(LEEWAY_MS)) {
            return Err(TokenError::NotYetValid);
        }
        let or =
            |text: &str, default: &str| -> Arc<str> { if text.is_empty() { default } else { text }.into() };
        let user = Some(claims.id("uid")?).filter(|user| !user.is_empty());
        let scope = Scope {
            app: or(claims.id("aid")?, Scope::DEFAULT_APP),
            namespace: or(claims.id("tid")?, Scope::DEFAULT_NAMESPACE),
        };
        if !self.apps.contains(&*scope.app) {
            return Err(TokenError::Application);
        }
        let groups = groups_of(claims.text("gid")?);
        let names = claims.list("cap")?;
        Ok(Identity {
            user: UserKey::new(&scope, user.ok_or(TokenError::MissingClaim("uid"))?),
            user_type: or(claims.id("utp")?, "visitor"),
            device: claims.id("did")?.into(),
            capabilities: Capabilities::from_names(names, &groups),
            groups,
            issued_at: claims.time("iat")?.unwrap_or(0) / 1000,
            expires_at,
        })
    }

    /// The claims of a token whose algorithm and signature are right.
    fn signed_claims(&self, token: &str) -> Result<SignedClaims, TokenError> {
        // What is JSON but not a header lacks `alg`, or has one that the library does not know, such as `none`.
        jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
            ErrorKind::Json(cause) if cause.is_data() => TokenError::Algorithm,
            _ => TokenError::Malformed,
        })?;
        let mut validation = Validation::new(Algorithm::HS256);
        // The hub checks times by its own clock, so that the error names the claim.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        match jsonwebtoken::decode(token, &self.decoding, &validation) {
            Ok(decoded) => Ok(SignedClaims(decoded.claims)),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
                ErrorKind::InvalidSignature => TokenError::Signature,
                _ => TokenError::Malformed,
            }),
        }
    }
}

/// The claims of a token, of any type; absent and `null` are the same.
struct SignedClaims(serde_json::Map<String, Value>);

impl SignedClaims {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A NumericDate (RFC 7519): seconds since the Unix epoch, fractions allowed. In milliseconds; before 1970 is 0.
    fn time(&self, name: &'static str) -> Result<Option<u64>, TokenError> {
        let expected = "a number: seconds since 1970";
        let wrong = TokenError::WrongClaim { name, expected };
        let Some(value) = self.get(name) else { return Ok(None) };
        if let Some(seconds) = value.as_u64() {
            return Ok(Some(seconds.saturating_mul(1000)));
        }
        let seconds = value.as_f64().ok_or(wrong)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float ends at the limits"
        )]
        let milliseconds = (seconds * 1000.0) as u64;
        Ok(Some(milliseconds))
    }

    /// A text; absent: empty.
    fn text(&self, name: &'static str) -> Result<&str, TokenError> {
        let Some(value) = self.get(name) else { return Ok("") };
        value.as_str().ok_or(TokenError::WrongClaim { name, expected: "a string" })
    }

    /// An id; absent: empty.
    fn id(&self, name: &'static str) -> Result<&str, TokenError> {
        let id = self.text(name)?;
        let expected = "1 to 128 bytes without control characters";
        if id.is_empty() || is_id(id) { Ok(id) } else { Err(TokenError::WrongClaim { name, expected }) }
    }

    fn list(&self, name: &'static str) -> Result<Option<Vec<&str>>, TokenError> {
        let wrong = TokenError::WrongClaim { name, expected: "a list of strings" };
        let Some(value) = self.get(name) else { return Ok(None) };
        let items = value.as_array().ok_or(wrong)?.iter().map(Value::as_str);
        items.collect::<Option<Vec<&str>>>().map(Some).ok_or(wrong)
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
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), self, &key).map_err(|_| TokenError::Signing)
    }
}

#[cfg(test)]
mod tests;
