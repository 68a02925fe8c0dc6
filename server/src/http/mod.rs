//! The front door: accepts sockets, answers HTTP by a table of routes, hands WebSockets on.

mod accept;
mod connection;
mod descriptors;
#[cfg_attr(not(test), expect(dead_code, reason = "for the routes of an API; the hub has none yet"))]
mod extract;
mod handshake;
mod identity;
mod page;
mod proxy_protocol;
mod refusal;
mod request;
mod router;
mod socket;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;

pub use self::accept::{Listener, serve, serve_connection};
#[cfg(feature = "tls")]
pub use self::tls::{Tls, TlsError};
