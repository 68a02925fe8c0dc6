//! Extractors for the handlers of an API: the authenticated user, and a JSON body. They refuse in JSON.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use wsc_core::ErrorCode;

use super::identity::{check_origin, identify};
use super::refusal::Refusal;
use super::request::Credentials;
use crate::admission::identity::Identity;
use crate::hub::Hub;

/// The hub of a request, and the address it comes from.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) hub: Hub,
    /// The client's address, as a trusted proxy names it; `None`: unknown.
    pub(super) address: Option<IpAddr>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // Set on every request by `answer`.
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let missing = || Refusal::new(status, ErrorCode::Temporary, "the request has no caller");
        parts.extensions.get().cloned().ok_or_else(missing)
    }
}

/// Time for the body of a request.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The user who sends a request.
pub(super) struct Authenticated(pub(super) Identity);

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Caller { hub, .. } = Caller::from_request_parts(parts, state).await?;
        if hub.is_draining() {
            return Err(Refusal::draining());
        }
        check_origin(&hub, &parts.headers)?;
        let credentials = Credentials::of(&parts.uri, &parts.headers)?;
        identify(&hub, &credentials).map(Self)
    }
}

/// A JSON body, no longer than a frame may be.
pub(super) struct Json<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let Caller { hub, .. } = Caller::from_request_parts(&mut parts, state).await?;
        if !is_json(&parts.headers) {
            let reason = "the body must be JSON, and Content-Type application/json";
            return Err(Refusal::invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
        }
        let limit = hub.node().settings.peer.frame;
        let too_large = || {
            let reason = format!("the body is longer than {limit} bytes");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::MessageTooLarge, reason)
        };
        // A client that waits for `100 Continue` has not sent it yet.
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        let bytes = tokio::time::timeout(BODY_TIME, to_bytes(body, limit)).await;
        let bytes = match bytes {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) if is_too_long(&error) => return Err(too_large()),
            Ok(Err(_)) => return Err(Refusal::invalid(StatusCode::BAD_REQUEST, "the body ended early")),
            Err(_) => {
                return Err(Refusal::invalid(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"));
            }
        };
        let value = axum::Json::from_bytes(&bytes);
        let value = value.map_err(|error| Refusal::invalid(StatusCode::BAD_REQUEST, error.body_text()))?;
        Ok(Self(value.0))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

fn is_too_long(error: &axum::Error) -> bool {
    let cause = std::error::Error::source(error);
    cause.is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>())
}
