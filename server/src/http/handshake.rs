//! From an upgraded socket to an authenticated connection: the `connect` frame is read in a task that ends with it, so
//! that its buffers do not stay.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::tungstenite::protocol::Role;
use wsc_core::frame::{ClientFrame, Connect, ErrorFrame, HubFrame, decode_client, encode_hub};
use wsc_core::{CloseCode, ErrorCode, limits};

use super::request::Credentials;
use crate::admission::identity::Identity;
use crate::admission::token::TokenError;
use crate::admission::{DevIdentity, Permit};
use crate::hub::Hub;
use crate::log::store::Cursor;
use crate::net::bare::Bare;
use crate::net::encode;
use crate::net::linger::linger;
use crate::net::reader;
use crate::net::wire::Wire;
use crate::shard::letter::{Arrival, Letter};

/// Packets before the `connect` frame: pings of an eager client.
const EARLY_PACKETS: usize = 8;
/// The device that bare clients of a user share when they name none.
const SHARED_DEVICE: &str = "default";

/// What is known when the socket is upgraded.
pub(super) struct Opening {
    pub(super) credentials: Credentials,
    /// Known already when the request had a token, and in bare mode.
    pub(super) identity: Option<Identity>,
    pub(super) bare: bool,
    pub(super) connection_id: Arc<str>,
    pub(super) permit: Permit,
    /// The client's address, for the log.
    pub(super) address: Option<IpAddr>,
}

/// Why the connection ends before it began.
struct Rejection {
    code: CloseCode,
    reason: String,
    error: Option<ErrorCode>,
}

impl Rejection {
    fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), error: None }
    }
}

/// Authenticates a connection and sends it to its shard, or closes it with the reason.
pub(super) async fn run(hub: &Hub, wire: Wire, opening: Opening) {
    if opening.bare {
        return arrive_bare(hub, wire, opening);
    }
    let wait = hub.node().settings.peer.connect_timeout;
    let config = reader::config(hub.node().settings.peer.frame);
    let mut socket = WebSocketStream::from_raw_socket(wire, Role::Server, Some(config)).await;
    let first = tokio::time::timeout(wait, first_frame(&mut socket)).await;
    let first = first.unwrap_or_else(|_| Err(Some(Rejection::new(CloseCode::Silent, "no connect frame"))));
    let mut wire = socket.into_inner();
    let address = opening.address;
    let outcome = first.and_then(|text| accept(hub, &text, opening).map_err(Some));
    match outcome {
        Ok(mut arrival) => {
            let Ok(departed) = wire.depart() else { return };
            arrival.wire = Some(departed);
            send_to_shard(hub, arrival);
        }
        Err(Some(refusal)) => {
            let Rejection { code, reason, .. } = &refusal;
            hub.node().admission.refusals.log(address, format_args!("{reason} (close {})", code.number()));
            if let Some(code) = refusal.error {
                let mut text = String::new();
                encode_hub(
                    &HubFrame::Error(ErrorFrame {
                        message_id: "".into(),
                        request_id: "".into(),
                        code,
                        reason: refusal.reason.as_str().into(),
                        retry_after_ms: None,
                    }),
                    &mut text,
                );
                wire.push_frame(text.as_bytes(), false);
            }
            wire.push(encode::close(refusal.code.number(), &refusal.reason));
            linger(wire).await;
        }
        Err(None) => linger(wire).await,
    }
}

/// Reads the first text frame. `None`: the other side is gone or has closed.
async fn first_frame(socket: &mut WebSocketStream<Wire>) -> Result<String, Option<Rejection>> {
    for _ in 0..EARLY_PACKETS {
        match socket.next().await {
            Some(Ok(Packet::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Packet::Ping(_) | Packet::Pong(_))) => {
                // tungstenite keeps the answer to a ping until it is asked to write, and the wire does too.
                let _ = socket.flush().await;
                let _ = poll_fn(|context| socket.get_mut().poll_drain(context)).await;
            }
            Some(Ok(Packet::Close(_))) => {
                // Its answer lies ready, and is written when the wire is shut down.
                let _ = socket.flush().await;
                return Err(None);
            }
            Some(Ok(_)) => {
                return Err(Some(Rejection::new(CloseCode::Violation, "the first frame must be connect")));
            }
            Some(Err(error)) => {
                return Err(reader::close_code(&error).map(|code| Rejection::new(code, "")));
            }
            None => return Err(None),
        }
    }
    Err(Some(Rejection::new(CloseCode::Violation, "the first frame must be connect")))
}

fn accept(hub: &Hub, text: &str, opening: Opening) -> Result<Arrival, Rejection> {
    let connect = match decode_client(text) {
        Ok(ClientFrame::Connect(connect)) => *connect,
        Ok(_) => return Err(Rejection::new(CloseCode::Violation, "the first frame must be connect")),
        Err(error) => {
            let error_code = Some(ErrorCode::InvalidFormat);
            return Err(Rejection {
                error: error_code,
                ..Rejection::new(CloseCode::Violation, error.to_string())
            });
        }
    };
    if connect.protocol != limits::PROTOCOL {
        return Err(Rejection::new(CloseCode::Violation, "protocol: must be 1"));
    }
    let identity = identify(hub, &connect, &opening)?;
    let device = match (&*identity.device, connect.device_id.as_ref()) {
        ("", device) => device.into(),
        (_, "") => Arc::clone(&identity.device),
        (own, device) if own == device => Arc::clone(&identity.device),
        _ => return Err(Rejection::new(CloseCode::Forbidden, "the token is for another device")),
    };
    let cursors = connect.cursors.into_iter();
    let cursor = |epoch: &str, seq| Cursor { epoch: epoch.into(), seq };
    Ok(Arrival {
        wire: None,
        identity,
        name: opening.connection_id,
        device,
        cursors: cursors.map(|found| (found.stream.into_owned(), cursor(&found.epoch, found.seq))).collect(),
        groups: connect.groups.map(|groups| groups.iter().map(|group| group.as_ref().into()).collect()),
        at_head: connect.start == "head",
        sent_ms: connect.sent_ms,
        bare: None,
        permit: opening.permit,
    })
}

/// The user of the connection: by the token of the request or of the frame; without authentication, as it claims.
fn identify(hub: &Hub, connect: &Connect<'_>, opening: &Opening) -> Result<Identity, Rejection> {
    let admission = &hub.node().admission;
    let in_frame = Some(connect.token.trim()).filter(|token| !token.is_empty());
    if let (Some(known), true) = (&opening.identity, admission.is_authenticating()) {
        return match (in_frame, opening.credentials.token.as_deref()) {
            (Some(one), Some(other)) if one != other => {
                Err(Rejection::new(CloseCode::Unauthorized, "two different tokens"))
            }
            _ => Ok(known.clone()),
        };
    }
    let dev = DevIdentity {
        user: connect.user_id.to_string(),
        user_type: connect.user_type.to_string(),
        app: connect.app_id.to_string(),
        namespace: connect.namespace.to_string(),
        groups: connect.group_id.to_string(),
    };
    let identity =
        admission.identify(in_frame, &dev.or(opening.credentials.dev.clone())).map_err(|error| {
            let code = match error {
                TokenError::Expired => CloseCode::TokenExpired,
                _ => CloseCode::Unauthorized,
            };
            Rejection {
                error: Some(ErrorCode::AuthenticationFailed),
                ..Rejection::new(code, error.to_string())
            }
        })?;
    hub.node().hooks.connect(&identity).map_err(|reason| Rejection::new(CloseCode::Forbidden, reason))?;
    Ok(identity)
}

fn arrive_bare(hub: &Hub, wire: Wire, opening: Opening) {
    let Some(identity) = opening.identity else { return };
    let named = [&*identity.device, &opening.credentials.device, &opening.credentials.client];
    let named = named.into_iter().find(|name| wsc_core::names::is_id(name));
    let shared = named.is_none();
    let device: Arc<str> = named.unwrap_or(SHARED_DEVICE).into();
    let client = if opening.credentials.client.is_empty() {
        &*opening.connection_id
    } else {
        opening.credentials.client.as_str()
    };
    let bare = Some(Box::new(Bare::new(shared, client.into(), identity.user.scope.clone())));
    let Ok(departed) = wire.depart() else { return };
    send_to_shard(
        hub,
        Arrival {
            wire: Some(departed),
            identity,
            name: opening.connection_id,
            device,
            cursors: HashMap::new(),
            groups: None,
            at_head: false,
            sent_ms: 0,
            bare,
            permit: opening.permit,
        },
    );
}

fn send_to_shard(hub: &Hub, mut arrival: Arrival) {
    arrival.permit.authenticated();
    let node = hub.node();
    let shards = &node.router.shards;
    let home = shards.home(&arrival.identity.user);
    shards.send(home, Letter::Arrive(Box::new(arrival)));
}
