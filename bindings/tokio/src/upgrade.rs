//! The HTTP/1.1 request that makes a connection a WebSocket, and what a refusal of it means. Never interprets frames.
//!
//! Only the hub's own refusal, known by its JSON, may end a client for good. Whatever else answers (a proxy while the hub
//! is being replaced, a login page) is an attempt that failed.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::http::header::{
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, Response, StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use wsc_core::CloseCode;

pub(crate) type Connection = MaybeTlsStream<TcpStream>;
pub(crate) type Socket = WebSocketStream<Connection>;

/// Bytes of the head of an answer.
const HEAD: usize = 64 * 1024;
/// Bytes of the body of a refusal. The hub's are shorter.
const BODY: usize = 4 * 1024;
/// How long the body of a refusal may take.
const BODY_TIME: Duration = Duration::from_secs(2);
/// Bytes of the hub's reason that are told.
const REASON: usize = 200;
/// The codes of the hub.
const CODES: std::ops::Range<u32> = 80_000..90_000;

/// A socket that did not open.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The close that means the same; `None`: the attempt failed, and the next one may succeed.
    pub(crate) code: Option<CloseCode>,
    pub(crate) reason: String,
}

impl Refusal {
    /// A failure below HTTP, with its causes.
    pub(crate) fn failed(error: &dyn Error) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !reason.contains(&text) {
                reason = format!("{reason}: {text}");
            }
            cause = error.source();
        }
        Self { code: None, reason }
    }
}

/// Asks for a WebSocket at this address; with `protocol`, for that subprotocol.
pub(crate) async fn upgrade(
    connection: Connection,
    uri: &Uri,
    protocol: Option<&'static str>,
    config: WebSocketConfig,
) -> Result<Socket, Refusal> {
    let (request, key) = request(uri, protocol)?;
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD)
        .handshake(TokioIo::new(connection))
        .await
        .map_err(|error| Refusal::failed(&error))?;
    let mut exchange = std::pin::pin!(exchange(sender, request, &key, protocol, config));
    tokio::select! {
        biased;
        outcome = &mut exchange => return outcome,
        // It has ended, or is a WebSocket's from here on: the exchange knows.
        _ = connection.with_upgrades() => {}
    }
    exchange.await
}

/// Sends the request and takes the answer, while the connection is driven beside.
async fn exchange(
    mut sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    key: &[u8],
    protocol: Option<&'static str>,
    config: WebSocketConfig,
) -> Result<Socket, Refusal> {
    let response = sender.send_request(request).await.map_err(|error| Refusal::failed(&error))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(response).await);
    }
    let header = |name| response.headers().get(name).map(HeaderValue::as_bytes);
    if header(SEC_WEBSOCKET_ACCEPT) != Some(derive_accept_key(key).as_bytes())
        || header(SEC_WEBSOCKET_PROTOCOL) != protocol.map(str::as_bytes)
    {
        let reason = "the answer is not that of a hub: Sec-WebSocket-Accept or Sec-WebSocket-Protocol";
        return Err(Refusal { code: None, reason: reason.to_owned() });
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(|error| Refusal::failed(&error))?;
    let Ok(parts) = upgraded.downcast::<TokioIo<Connection>>() else {
        return Err(Refusal { code: None, reason: "the connection is gone".to_owned() });
    };
    let read = parts.read_buf.to_vec();
    Ok(WebSocketStream::from_partially_read(parts.io.into_inner(), read, Role::Client, Some(config)).await)
}

/// The request, and the key in it.
fn request(uri: &Uri, protocol: Option<&'static str>) -> Result<(Request<Empty<Bytes>>, Vec<u8>), Refusal> {
    let request = uri.into_client_request().map_err(|error| Refusal::failed(&error))?;
    let (mut parts, ()) = request.into_parts();
    if let Some(protocol) = protocol {
        parts.headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    if let Some(path) = parts.uri.path_and_query().cloned() {
        parts.uri = path.into();
    }
    let key = parts.headers.get(SEC_WEBSOCKET_KEY).map(|key| key.as_bytes().to_vec());
    Ok((Request::from_parts(parts, Empty::new()), key.unwrap_or_default()))
}

/// What an answer other than an upgrade means.
async fn refusal(response: Response<Incoming>) -> Refusal {
    let status = response.status().as_u16();
    let body = timeout(BODY_TIME, Limited::new(response.into_body(), BODY).collect()).await;
    let said = body.ok().and_then(Result::ok).and_then(|body| Said::of(&body.to_bytes()));
    let Some(said) = said else {
        return Refusal { code: None, reason: format!("http status {status}, not from a hub") };
    };
    let code = match status {
        401 => Some(CloseCode::Unauthorized),
        403 => Some(CloseCode::Forbidden),
        429 => Some(CloseCode::RateLimited),
        503 => Some(CloseCode::TryAgainLater),
        400 | 404 | 426 => Some(CloseCode::Violation),
        _ => None,
    };
    let reason = &said.reason[..said.reason.floor_char_boundary(REASON)];
    let hint = said.retry_after_ms.map(|wait| format!(" retry_after_ms={wait}")).unwrap_or_default();
    Refusal { code, reason: format!("http status {status}: {reason}{hint}") }
}

/// The body of a refusal of the hub.
struct Said {
    reason: String,
    retry_after_ms: Option<u64>,
}

impl Said {
    /// `None`: the body is not the hub's.
    fn of(body: &[u8]) -> Option<Self> {
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        let code = body.get("code")?.as_u64().and_then(|code| u32::try_from(code).ok())?;
        let reason = body.get("reason")?.as_str().filter(|reason| !reason.is_empty())?;
        let retry_after_ms = body.get("retry_after_ms").and_then(serde_json::Value::as_u64);
        CODES.contains(&code).then(|| Self { reason: reason.to_owned(), retry_after_ms })
    }
}
