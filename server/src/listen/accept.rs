//! Accepts sockets until the hub drains.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::descriptors::Descriptors;
use super::http::{self, Guest};
use crate::hub::Hub;

/// How long accepting rests when the process has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Why a socket is closed without an answer.
const TOO_MANY: &str = "closed: too many sockets of this address have not said who they are (limits.pending_per_address; \
     behind a proxy: http.trusted_proxies)";

/// Serves a hub on a listener until the hub begins to drain. Errors of single connections end those alone.
pub async fn serve(listener: TcpListener, hub: Hub) -> io::Result<()> {
    let mut draining = hub.draining();
    let descriptors = Arc::new(Descriptors::of_this_process());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|draining| *draining) => return Ok(()),
        };
        let (socket, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors or memory: those who are connected go on; spinning would not help.
                descriptors.warn(&error);
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
        };
        let _ = socket.set_nodelay(true);
        let scarce = descriptors.are_scarce(&socket).then(|| Arc::clone(&descriptors));
        tokio::spawn(welcome(socket, Guest { remote: Some(remote), scarce }, hub.clone()));
    }
}

/// Serves one accepted connection, for those who accept by themselves: from a place of their own, or over another
/// transport. Returns when the connection has become a WebSocket, which is the hub's from then on, or has ended.
pub async fn serve_connection<S>(socket: S, remote: SocketAddr, hub: Hub)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    welcome(socket, Guest { remote: Some(remote), scarce: None }, hub).await;
}

async fn welcome<S>(socket: S, guest: Guest, hub: Hub)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let admission = &hub.node().admission;
    let Some(accepted) = admission.addresses.accept(guest.address()) else {
        // Nothing is said to one too many: it has not asked anything yet.
        admission.refusals.log(guest.address(), TOO_MANY);
        return;
    };
    http::speak(socket, guest, hub).await;
    drop(accepted);
}
