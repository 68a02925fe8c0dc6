//! What a request is refused with before it is a WebSocket: a status, and JSON with a code and a reason.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use wsc_core::ErrorCode;
use wsc_core::frame::ObjectWriter;

/// A refusal before the upgrade.
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

    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
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
