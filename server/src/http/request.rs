//! The credentials in a request: tokens, and go-wsc's parameters.

use std::borrow::Cow;

use http::{HeaderMap, StatusCode, Uri, header};

use super::refusal::Refusal;
use crate::admission::DevIdentity;

/// What a request tells about its sender.
pub(super) struct Credentials {
    /// The token, if there is one.
    pub(super) token: Option<String>,
    /// The identity that counts on a hub without authentication.
    pub(super) dev: DevIdentity,
    /// `device_id`.
    pub(super) device: String,
    /// `client_id`.
    pub(super) client: String,
}

impl Credentials {
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        let query = uri.query().unwrap_or("");
        let either = |name: &str, header: &str| {
            parameter(query, name).map(Cow::into_owned).or_else(|| text(headers, header)).unwrap_or_default()
        };
        let bearer = text(headers, header::AUTHORIZATION.as_str());
        let bearer = bearer.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        let in_query = parameter(query, "token").map(|token| token.trim().to_owned());
        if matches!((&bearer, &in_query), (Some(one), Some(other)) if one != other) {
            return Err(Refusal::invalid(StatusCode::BAD_REQUEST, "two different tokens"));
        }
        Ok(Self {
            token: bearer.or(in_query),
            dev: DevIdentity {
                user: either("user_id", "x-user-id"),
                user_type: either("user_type", "x-user-type"),
                app: either("app_id", "x-app-id"),
                namespace: either("namespace", "x-namespace"),
                groups: either("group_id", "x-group-id"),
            },
            device: either("device_id", "x-device-id"),
            client: either("client_id", "x-client-id"),
        })
    }
}

/// A header as text.
pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A parameter of a query string, decoded; empty ones count as absent.
fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let (_, value) = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name)?;
    (!value.is_empty()).then_some(value)
}
