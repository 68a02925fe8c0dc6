//! What a request is refused with: a status, and JSON with a code and a reason.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use wsc_core::ErrorCode;
use wsc_core::frame::ObjectWriter;

/// A refusal.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: ErrorCode,
    pub(super) reason: Cow<'static, str>,
    /// For the log only.
    pub(super) detail: String,
    pub(super) retry_after_ms: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: ErrorCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, reason: reason.into(), detail: String::new(), retry_after_ms: None }
    }

    /// The refusal of what is not as it must be.
    pub(super) fn invalid(status: StatusCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status, ErrorCode::InvalidFormat, reason)
    }

    /// The refusal of whatever comes while the hub drains.
    pub(super) fn draining() -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Busy, "draining", 1000)
    }

    /// A refusal that may be tried again.
    pub(super) fn later(
        status: StatusCode,
        code: ErrorCode,
        reason: impl Into<Cow<'static, str>>,
        retry_after_ms: u64,
    ) -> Self {
        Self { retry_after_ms: Some(retry_after_ms), ..Self::new(status, code, reason) }
    }

    pub(super) fn body(&self) -> String {
        let mut body = String::new();
        let mut writer = ObjectWriter::new(&mut body);
        writer.count("code", u64::from(self.code.number())).text("reason", &self.reason);
        if let Some(wait) = self.retry_after_ms {
            writer.count("retry_after_ms", wait);
        }
        writer.end();
        body
    }

    /// The answer, without a line in the log.
    pub(super) fn response(&self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.div_ceil(1000)));
        }
        response
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{} (status {})", self.reason, self.detail, self.status.as_u16())
    }
}

/// The log line of a refusal; an extension of the answer, taken out of it before it is sent.
#[derive(Clone)]
pub(super) struct LogLine(pub(super) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.response();
        response.extensions_mut().insert(LogLine(self.to_string()));
        response
    }
}
