//! The table of routes: which handler answers a path and a method. All else is refused in JSON.

use std::net::SocketAddr;
use std::sync::LazyLock;

use axum::BoxError;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use tower_service::Service as _;

use super::extract::Caller;
use super::refusal::{LogLine, Refusal};
use super::{page, upgrade};
use crate::hub::Hub;

static ROUTES: LazyLock<Router> = LazyLock::new(|| {
    finish(
        page::routes()
            .route("/ws", get(upgrade::upgrade))
            .route("/healthz", get("ok\n"))
            .route("/readyz", get(ready)),
    )
});

/// The hub's routes.
pub(super) fn routes() -> &'static Router {
    &ROUTES
}

/// The same routes, with refusals in place of axum's empty answers where none fits.
pub(super) fn finish(routes: Router) -> Router {
    let not_found =
        async || Refusal::invalid(StatusCode::NOT_FOUND, "there is nothing at this path").response();
    let not_allowed = async || {
        let reason = "this path does not take this method; the header Allow names those it takes";
        Refusal::invalid(StatusCode::METHOD_NOT_ALLOWED, reason).response()
    };
    routes.fallback(not_found).method_not_allowed_fallback(not_allowed)
}

impl Hub {
    /// Answers one HTTP request: the WebSocket at `/ws`, `/healthz`, `/readyz`, and the page at `/`. For applications
    /// that run their own server; `remote` is the address that the request came from if it is known: where that is a
    /// trusted proxy's, its headers say where the client is.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// use http::{Request, StatusCode};
    /// use wsc_server::{Hub, MemoryStore};
    /// let hub = Hub::builder(MemoryStore::new(Default::default())).start()?;
    /// let answer = hub.answer(Request::get("/healthz").body(String::new())?, None).await;
    /// assert_eq!(answer.status(), StatusCode::OK);
    /// # Ok(()) });
    /// ```
    pub async fn answer<B>(
        &self,
        request: http::Request<B>,
        remote: Option<SocketAddr>,
    ) -> http::Response<impl hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + use<B>>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        answer(routes(), self, request.map(Body::new), remote).await
    }
}

/// Answers a request by a table, and logs a refusal.
pub(super) async fn answer(
    routes: &Router,
    hub: &Hub,
    mut request: Request,
    remote: Option<SocketAddr>,
) -> Response {
    let peer = remote.map(|remote| remote.ip().to_canonical());
    let admission = &hub.node().admission;
    let address = admission.proxies.client(request.headers(), peer);
    request.extensions_mut().insert(Caller { hub: hub.clone(), address });
    let answered = routes.clone().call(request).await;
    let mut response = answered.unwrap_or_else(|never| match never {});
    if let Some(LogLine(line)) = response.extensions_mut().remove() {
        admission.refusals.log(address, line);
    }
    response
}

/// Whether load balancers may send clients.
async fn ready(Caller { hub, .. }: Caller) -> Response {
    match hub.not_ready() {
        None => "ready\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
    }
}

#[cfg(test)]
mod tests;
