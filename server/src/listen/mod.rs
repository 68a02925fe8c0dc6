//! The front door: accepts sockets, speaks HTTP, hands WebSockets on.

mod explained;
mod handshake;
mod page;
mod request;
mod upgrade;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use self::explained::Explained;
use crate::hub::Hub;

/// Time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long accepting rests when the process has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Serves a hub on a listener until the hub begins to drain. Errors of single connections end those alone.
pub async fn serve(listener: TcpListener, hub: Hub) -> io::Result<()> {
    let mut draining = hub.draining();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|draining| *draining) => return Ok(()),
        };
        let (socket, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors or memory: those who are connected go on; spinning would not help.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
        };
        let _ = socket.set_nodelay(true);
        tokio::spawn(serve_connection(socket, remote, hub.clone()));
    }
}

/// Serves one accepted connection, for those who accept by themselves: over TLS, or from a place of their own. Returns
/// when the connection has become a WebSocket, which is the hub's from then on, or has ended.
pub async fn serve_connection<S>(socket: S, remote: SocketAddr, hub: Hub)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Nothing is said to one too many: it has not asked anything yet.
    let Some(accepted) = hub.node().admission.addresses.accept(remote.ip()) else { return };
    let head = hub.node().settings.head_limit;
    let refusals = hub.clone();
    let (socket, unreadable) = Explained::new(socket, head);
    let refused = unreadable.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (hub, refused) = (hub.clone(), refused.clone());
        async move {
            if explained::is_too_large(&request, head) {
                refused.set(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.as_u16());
                return Ok::<_, Infallible>(explained::too_large(head));
            }
            Ok(hub.answer(request, Some(remote)).await)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(head)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let ended = connection.await;
    drop(accepted);
    if let Some(status) = unreadable.status() {
        let reason = format_args!("{} (status {status})", explained::reason(status, head));
        refusals.node().admission.refusals.log(Some(remote.ip()), reason);
    }
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

impl Hub {
    /// Answers one HTTP request: the WebSocket at `/ws`, `/healthz`, `/readyz`, and the page at `/`. For applications
    /// that run their own server; `remote` is the client's address if it is known.
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
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
