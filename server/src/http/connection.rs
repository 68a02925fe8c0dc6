//! HTTP on one accepted socket, until it has become a WebSocket or has ended.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use wsc_core::ErrorCode;

use super::descriptors::Descriptors;
use super::refusal::Refusal;
use super::router;
use super::socket::{self, HttpSocket, Monitor};
use crate::admission::address::Accepted;
use crate::hub::Hub;

/// Time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The same on one of the last file descriptors.
const SCARCE_HEAD_TIME: Duration = Duration::from_secs(2);
/// When a client that is refused for want of descriptors may try again, in milliseconds.
const SCARCE_WAIT_MS: u64 = 5000;

/// Why a socket is closed without an answer.
const TOO_MANY: &str = "closed: too many sockets of this address are not authenticated yet (limits.pending_per_address; \
     behind a proxy: http.trusted_proxies)";

/// The other end of an accepted socket.
pub(super) struct Remote {
    /// `None`: from a Unix socket.
    pub(super) address: Option<SocketAddr>,
    /// Set when it has one of the last file descriptors.
    pub(super) scarce: Option<Arc<Descriptors>>,
}

impl Remote {
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip())
    }

    /// Time for a handshake of TLS, and again for the head of a request.
    pub(super) fn head_time(&self) -> Duration {
        if self.scarce.is_some() { SCARCE_HEAD_TIME } else { HEAD_TIME }
    }
}

/// Admits a socket, which counts until the returned value is dropped. `None`: its address has too many; it gets no
/// answer, as it has not asked anything yet. A trusted proxy's is not counted: its requests say
/// where they come from.
pub(super) fn admit(remote: &Remote, hub: &Hub) -> Option<Accepted> {
    let admission = &hub.node().admission;
    let counted = remote.ip().filter(|address| !admission.proxies.trust(Some(*address)));
    let accepted = admission.addresses.accept(counted);
    if accepted.is_none() {
        admission.refusals.log(remote.ip(), TOO_MANY);
    }
    accepted
}

/// Serves HTTP on a socket.
pub(super) async fn serve_http<S>(socket: S, remote: Remote, hub: Hub)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    serve_routes(router::routes(), socket, remote, hub).await;
}

/// The same with another table of routes.
pub(super) async fn serve_routes<S>(routes: &'static Router, socket: S, remote: Remote, hub: Hub)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (head, address) = (hub.node().settings.http.head, remote.ip());
    let (head_time, is_scarce) = (remote.head_time(), remote.scarce.is_some());
    let (socket, monitor) = HttpSocket::new(socket, head);
    let service = Arc::new(Service { routes, hub: hub.clone(), remote, monitor: monitor.clone(), head });
    let service = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .keep_alive(!is_scarce)
        .max_buf_size(head)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let ended = tokio::select! {
        ended = connection => ended,
        () = monitor.stalled(head_time) => return tracing::debug!("an HTTP client took nothing of its answers"),
    };
    if let Some(status) = monitor.unreadable() {
        hub.node().admission.refusals.log(address, socket::refusal(status, head));
    }
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

struct Service {
    routes: &'static Router,
    hub: Hub,
    remote: Remote,
    monitor: Monitor,
    head: usize,
}

impl Service {
    async fn answer(&self, request: Request<Incoming>) -> Response {
        if socket::is_too_large(&request, self.head) {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.as_u16();
            self.monitor.set_unreadable(status);
            let mut response = socket::refusal(status, self.head).response();
            // As hyper does where it could not read the head to its end.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
        if let Some(descriptors) = &self.remote.scarce
            && request.uri().path() == "/ws"
        {
            let (status, reason) = (StatusCode::SERVICE_UNAVAILABLE, "the hub is full");
            let refusal = Refusal::later(status, ErrorCode::Busy, reason, SCARCE_WAIT_MS);
            descriptors.warn(&"all but the reserve of descriptors are in use");
            return refusal.response();
        }
        router::answer(self.routes, &self.hub, request.map(Body::new), self.remote.address).await
    }
}
