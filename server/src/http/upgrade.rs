//! The upgrade of a request to a WebSocket: every refusal comes before it, as JSON.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use wsc_core::{ErrorCode, limits};

use super::extract::Caller;
use super::handshake::{self, Opening};
use super::identity::{check_origin, identify};
use super::refusal::Refusal;
use super::request::{Credentials, text};
use super::socket::HttpSocket;
use crate::admission::address::TooMany;
use crate::hub::Hub;
use crate::net::wire::{Socket, Wire};

/// Upgrades a request, or refuses it.
pub(super) async fn upgrade(
    Caller { hub, address }: Caller,
    mut request: Request,
) -> Result<Response, Refusal> {
    let node = hub.node();
    if hub.is_draining() {
        return Err(Refusal::draining());
    }
    let key = websocket_key(&request)?;
    let bare = !chooses_protocol(&request)?;
    check_origin(&hub, request.headers())?;
    let permit = node.admission.addresses.enter(address).map_err(|many| match many {
            TooMany::FromAddress(wait) => {
                let (status, reason) = (StatusCode::TOO_MANY_REQUESTS, "too many from this address");
                let detail = ", limits.connects_per_address and limits.pending_per_address; behind a proxy: http.trusted_proxies";
                Refusal {
                    detail: detail.to_owned(),
                    ..Refusal::later(status, ErrorCode::RateLimited, reason, wait)
                }
            }
            TooMany::InAll => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Refusal::later(status, ErrorCode::Busy, "the hub is full", 5000)
            }
        })?;
    let credentials = Credentials::of(request.uri(), request.headers())?;
    // A token in the request is checked at once; a bare client sends its credentials nowhere else.
    let identity = if bare || (node.admission.is_authenticating() && credentials.token.is_some()) {
        Some(identify(&hub, &credentials)?)
    } else {
        None
    };
    let connection_id: Arc<str> = uuid::Uuid::now_v7().simple().to_string().into();
    let client_id =
        if credentials.client.is_empty() { connection_id.to_string() } else { credentials.client.clone() };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if !bare {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(limits::SUBPROTOCOL));
    }
    for (name, value) in [("x-wsc-client-id", client_id.as_str()), ("x-wsc-node-id", &*node.id)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    let opening = Opening { credentials, identity, bare, connection_id, permit, address };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(open(hub, upgrade, opening));
    Ok(response)
}

async fn open(hub: Hub, upgrade: OnUpgrade, opening: Opening) {
    match upgrade.await {
        Ok(upgraded) => handshake::run(&hub, wire_of(upgraded), opening).await,
        Err(error) => tracing::debug!(%error, "an upgrade ended early"),
    }
}

/// The socket itself where it is plain TCP, so that the hub can write without waiting.
fn wire_of(upgraded: Upgraded) -> Wire {
    match upgraded.downcast::<TokioIo<HttpSocket<TcpStream>>>() {
        Ok(parts) => Wire::new(Socket::Tcp(parts.io.into_inner().into_inner()), &parts.read_buf),
        Err(upgraded) => Wire::new(Socket::Other(Box::new(TokioIo::new(upgraded))), &[]),
    }
}

/// The key of a well-formed WebSocket request.
fn websocket_key(request: &Request) -> Result<String, Refusal> {
    let headers = request.headers();
    let lists = |name: &str, wanted: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(wanted))
    };
    if request.method() != Method::GET || !lists("upgrade", "websocket") || !lists("connection", "upgrade") {
        let reason = "a WebSocket lives here: connect with ws:// or wss://";
        return Err(Refusal::invalid(StatusCode::UPGRADE_REQUIRED, reason));
    }
    let bad = |reason| Refusal::invalid(StatusCode::BAD_REQUEST, reason);
    let has_length = headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length.as_bytes() != b"0");
    if has_length || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(bad("an upgrade request has no body"));
    }
    if text(headers, "sec-websocket-version").as_deref() != Some("13") {
        return Err(bad("Sec-WebSocket-Version must be 13"));
    }
    text(headers, "sec-websocket-key")
        .filter(|key| key.len() == 24)
        .ok_or_else(|| bad("Sec-WebSocket-Key is missing"))
}

/// Whether `wsc.v1` is offered; `false`: bare. An error when only others are.
fn chooses_protocol(request: &Request) -> Result<bool, Refusal> {
    let mut offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().peekable();
    if offered.peek().is_none() {
        return Ok(false);
    }
    let mut names = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if names.any(|name| name.trim() == limits::SUBPROTOCOL) {
        Ok(true)
    } else {
        Err(Refusal::invalid(
            StatusCode::BAD_REQUEST,
            "the subprotocol must be wsc.v1, or none for bare mode",
        ))
    }
}
