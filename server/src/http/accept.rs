//! Accepts sockets until the hub drains: plain, over TLS, from a Unix socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use super::connection::{self, Remote};
use super::descriptors::Descriptors;
use super::proxy_protocol;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::admission::address::Accepted;
use crate::hub::Hub;

/// How long accepting rests when the process has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// Where sockets come from.
#[non_exhaustive]
pub enum Listener {
    /// Plain TCP.
    Tcp(TcpListener),
    /// TCP with TLS.
    #[cfg(feature = "tls")]
    Tls(TcpListener, Arc<Tls>),
    /// A Unix socket. The permissions of its file decide who may connect.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// An accepted socket.
enum Socket {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(TcpStream, Arc<Tls>),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                listener.accept().await.map(|(socket, remote)| (Socket::Tcp(socket), Some(remote)))
            }
            #[cfg(feature = "tls")]
            Self::Tls(listener, tls) => {
                let (socket, remote) = listener.accept().await?;
                Ok((Socket::Tls(socket, Arc::clone(tls)), Some(remote)))
            }
            #[cfg(unix)]
            Self::Unix(listener) => listener.accept().await.map(|(socket, _)| (Socket::Unix(socket), None)),
        }
    }
}

impl Socket {
    fn is_scarce(&self, descriptors: &Descriptors) -> bool {
        match self {
            Self::Tcp(socket) => descriptors.are_scarce(socket),
            #[cfg(feature = "tls")]
            Self::Tls(socket, _) => descriptors.are_scarce(socket),
            #[cfg(unix)]
            Self::Unix(socket) => descriptors.are_scarce(socket),
        }
    }
}

/// Serves a hub on a listener until the hub begins to drain. Errors of single connections end those alone.
///
/// ```
/// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
/// # hub::block_on(async {
/// use wsc_server::{Hub, MemoryStore, http};
/// let hub = Hub::builder(MemoryStore::new(Default::default())).start()?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let serving = tokio::spawn(http::serve(listener, hub.clone()));
/// // Clients connect; then the hub ends in order, and with it the serving.
/// hub.drain().await;
/// serving.await??;
/// # Ok(()) });
/// ```
pub async fn serve(listener: impl Into<Listener>, hub: Hub) -> io::Result<()> {
    let listener = listener.into();
    let mut draining = hub.draining();
    let descriptors = Arc::new(Descriptors::of_this_process());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|draining| *draining) => return Ok(()),
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors or memory: connections live on; retrying at once would not help.
                descriptors.warn(&error);
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
        };
        let scarce = socket.is_scarce(&descriptors).then(|| Arc::clone(&descriptors));
        let remote = Remote { address: address.map(canonical), scarce };
        if hub.node().admission.begins_with_proxy_protocol(remote.ip()) {
            tokio::spawn(serve_proxied(socket, remote, hub.clone()));
        } else if let Some(accepted) = connection::admit(&remote, &hub) {
            // Counted here, in the order in which they come.
            tokio::spawn(serve_socket(socket, remote, accepted, hub.clone()));
        }
    }
}

/// An address in the one form that it has: a listener for IPv6 gives those of IPv4 as a part of it.
fn canonical(remote: SocketAddr) -> SocketAddr {
    SocketAddr::new(remote.ip().to_canonical(), remote.port())
}

/// Serves one accepted connection, for applications that accept connections themselves, or have another transport. Returns when the connection has become a WebSocket, which is the hub's from then on, or has ended.
///
/// ```
/// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
/// # hub::block_on(async {
/// # use wsc_server::{Hub, MemoryStore, http};
/// # use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
/// # let hub = Hub::builder(MemoryStore::new(Default::default())).start()?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let address = listener.local_addr()?;
/// # let client = tokio::spawn(async move {
/// #     let mut client = tokio::net::TcpStream::connect(address).await?;
/// #     client.write_all(b"GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").await?;
/// #     let mut answer = String::new();
/// #     client.read_to_string(&mut answer).await.map(|_| answer)
/// # });
/// let (socket, remote) = listener.accept().await?;
/// http::serve_connection(socket, remote, hub).await;
/// # assert!(client.await??.starts_with("HTTP/1.1 200"));
/// # Ok(()) });
/// ```
pub async fn serve_connection<S>(socket: S, remote: SocketAddr, hub: Hub)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let remote = Remote { address: Some(canonical(remote)), scarce: None };
    let Some(accepted) = connection::admit(&remote, &hub) else { return };
    connection::serve_http(socket, remote, hub).await;
    drop(accepted);
}

/// Reads the header of the PROXY protocol, then serves the socket.
async fn serve_proxied(mut socket: Socket, mut remote: Remote, hub: Hub) {
    let reading = async {
        match &mut socket {
            Socket::Tcp(socket) => proxy_protocol::read(socket).await,
            #[cfg(feature = "tls")]
            Socket::Tls(socket, _) => proxy_protocol::read(socket).await,
            #[cfg(unix)]
            Socket::Unix(socket) => proxy_protocol::read(socket).await,
        }
    };
    let read = tokio::time::timeout(remote.head_time(), reading).await;
    match read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        // The port of a client is of no interest to anybody.
        Ok(Some(client)) => remote.address = Some(SocketAddr::new(client, 0)),
        Ok(None) => {}
        Err(error) => {
            let reason = format_args!("closed: {error}; the proxy should send it (http.proxy_protocol)");
            hub.node().admission.refusals.log(remote.ip(), reason);
            return;
        }
    }
    if let Some(accepted) = connection::admit(&remote, &hub) {
        serve_socket(socket, remote, accepted, hub).await;
    }
}

async fn serve_socket(socket: Socket, remote: Remote, accepted: Accepted, hub: Hub) {
    match socket {
        Socket::Tcp(socket) => {
            let _ = socket.set_nodelay(true);
            connection::serve_http(socket, remote, hub).await;
        }
        #[cfg(feature = "tls")]
        Socket::Tls(socket, tls) => {
            let _ = socket.set_nodelay(true);
            match tokio::time::timeout(remote.head_time(), tls.acceptor().accept(socket)).await {
                Ok(Ok(socket)) => connection::serve_http(socket, remote, hub).await,
                Ok(Err(error)) => {
                    let reason = format_args!("the TLS handshake failed: {error}");
                    hub.node().admission.refusals.log(remote.ip(), reason);
                }
                Err(_) => {
                    let reason = format_args!("no TLS handshake within {:?}", remote.head_time());
                    hub.node().admission.refusals.log(remote.ip(), reason);
                }
            }
        }
        #[cfg(unix)]
        Socket::Unix(socket) => connection::serve_http(socket, remote, hub).await,
    }
    drop(accepted);
}
