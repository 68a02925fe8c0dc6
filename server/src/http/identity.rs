//! Authenticates a request: the same for a WebSocket and for every other route.

use http::{HeaderMap, StatusCode};
use wsc_core::ErrorCode;

use super::refusal::Refusal;
use super::request::{Credentials, text};
use crate::admission::identity::Identity;
use crate::admission::refusals::cut;
use crate::hub::Hub;

/// Refuses pages of an origin that is not on the hub's list.
pub(super) fn check_origin(hub: &Hub, headers: &HeaderMap) -> Result<(), Refusal> {
    let [origin, host] = ["origin", "host"].map(|name| text(headers, name));
    if hub.node().admission.allows_origin(origin.as_deref(), host.as_deref()) {
        return Ok(());
    }
    let [origin, host] = [&origin, &host].map(|text| cut(text.as_deref().unwrap_or_default()));
    let reason = "this origin is not on the hub's list";
    Err(Refusal {
        detail: format!(", auth.origins: Origin {origin}, Host {host}"),
        ..Refusal::new(StatusCode::FORBIDDEN, ErrorCode::PermissionDenied, reason)
    })
}

/// The token's user; without authentication, the user that the client claims to be.
pub(super) fn identify(hub: &Hub, credentials: &Credentials) -> Result<Identity, Refusal> {
    let admission = &hub.node().admission;
    let identity = admission.identify(credentials.token.as_deref(), &credentials.dev).map_err(|error| {
        if admission.is_authenticating() {
            Refusal::new(StatusCode::UNAUTHORIZED, ErrorCode::AuthenticationFailed, error.to_string())
        } else {
            Refusal::invalid(StatusCode::BAD_REQUEST, error.to_string())
        }
    })?;
    if hub.node().hooks.connect(&identity).is_err() {
        let reason = "refused by the application";
        return Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::PermissionDenied, reason));
    }
    Ok(identity)
}
