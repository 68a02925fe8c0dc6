//! The front door: accepts sockets, speaks HTTP, hands WebSockets on.

mod accept;
mod descriptors;
mod explained;
mod handshake;
mod http;
mod page;
mod proxy_protocol;
mod refusal;
mod request;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;

pub use self::accept::{Listener, serve, serve_connection};
#[cfg(feature = "tls")]
pub use self::tls::{Tls, TlsError};

use std::net::SocketAddr;

use ::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::Full;

use crate::hub::Hub;

impl Hub {
    /// Answers one HTTP request: the WebSocket at `/ws`, `/healthz`, `/readyz`, and the page at `/`. For applications
    /// that run their own server; `remote` is the address that the request came from if it is known: where that is a
    /// trusted proxy's, its headers say where the client is.
    #[expect(clippy::unused_async, reason = "routes to come read from the store")]
    pub async fn answer<B: Send + 'static>(
        &self,
        request: Request<B>,
        remote: Option<SocketAddr>,
    ) -> Response<Full<Bytes>> {
        if request.method() == Method::OPTIONS
            || request.method() != Method::GET && request.method() != Method::HEAD
        {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/ws" => self.upgrade(request, remote),
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => match self.not_ready() {
                None => text(StatusCode::OK, "ready\n"),
                Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
            path => page::file(path).unwrap_or_else(|| text(StatusCode::NOT_FOUND, "nothing here\n")),
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
