//! The addresses that `wsc serve` listens on: what they look like, and how each becomes a listener. Accepts nothing.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use wsc_server::http::{Listener, Tls};

/// One entry of `listen`. Written as the URL that a client will use, so that what is printed can be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `HOST:PORT` or `http://HOST:PORT`.
    Plain(String),
    /// `https://HOST:PORT`.
    Tls(String),
    /// `unix:/path`.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Address {
    /// Reads an entry; the error names what is expected.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            Err(format!(
                "listen cannot have {text:?}: {what}; expected HOST:PORT, https://HOST:PORT or unix:/path, such as 127.0.0.1:8080"
            ))
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            #[cfg(unix)]
            return if path.is_empty() { wrong("a path is missing") } else { Ok(Self::Unix(path.into())) };
            #[cfg(not(unix))]
            return wrong(&format!("there are no Unix sockets here for {path:?}"));
        }
        let (scheme, authority) = text.split_once("://").unwrap_or(("http", text));
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains('/') {
            return wrong("an address ends with its port");
        }
        let port = authority.rsplit_once(':').filter(|(host, _)| {
            let bracketed = host.starts_with('[') && host.ends_with(']');
            !host.is_empty() && (bracketed || !host.contains(':'))
        });
        if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            return wrong("host and port are not clear, an IPv6 address stands in brackets");
        }
        match scheme {
            "http" | "ws" => Ok(Self::Plain(authority.to_owned())),
            "https" | "wss" => Ok(Self::Tls(authority.to_owned())),
            _ => wrong("its scheme is not http, https or unix"),
        }
    }

    /// The socket addresses it stands for, the first usable one of which is listened on. Without authentication
    /// everybody who reaches the hub can claim any identity, so only this machine may.
    async fn resolve(&self, host: &str, authenticated: bool) -> Result<Vec<SocketAddr>, String> {
        let found = tokio::net::lookup_host(host).await;
        let found: Vec<SocketAddr> =
            found.map_err(|error| format!("{self}: the host is not known here: {error}"))?.collect();
        match found.iter().find(|address| !address.ip().is_loopback()) {
            Some(outside) if !authenticated => Err(format!(
                "without authentication only this machine may connect, and {self} ({}) can be reached from others; give --secret-file FILE, or --listen 127.0.0.1:{}",
                outside.ip(),
                outside.port()
            )),
            _ => Ok(found),
        }
    }

    /// Listens.
    pub(super) async fn bind(&self, authenticated: bool, tls: Option<&Arc<Tls>>) -> Result<Bound, String> {
        let host = match self {
            Self::Plain(host) | Self::Tls(host) => host,
            #[cfg(unix)]
            Self::Unix(path) => return self.bind_unix(path).await,
        };
        let addresses = self.resolve(host, authenticated).await?;
        let listener = TcpListener::bind(addresses.as_slice()).await.map_err(|error| self.refused(&error))?;
        let address = listener.local_addr().map_err(|error| self.refused(&error))?;
        let (url, listener) = match (self, tls) {
            (Self::Tls(_), Some(tls)) => {
                (format!("https://{address}"), Listener::Tls(listener, Arc::clone(tls)))
            }
            (Self::Tls(_), None) => return Err(format!("{self} needs tls.certificate and tls.key")),
            _ => (format!("http://{address}"), Listener::Tcp(listener)),
        };
        Ok(Bound {
            url,
            listener,
            #[cfg(unix)]
            file: None,
        })
    }

    /// A socket file that nobody listens on was left by a hub that was killed, and is replaced.
    #[cfg(unix)]
    async fn bind_unix(&self, path: &Path) -> Result<Bound, String> {
        use std::os::unix::fs::FileTypeExt as _;
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let is_socket =
                    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
                if !is_socket {
                    return Err(format!(
                        "{self}: there is a file of this name that is not a socket; choose another path"
                    ));
                }
                match tokio::net::UnixStream::connect(path).await {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        std::fs::remove_file(path).map_err(|error| self.refused(&error))?;
                        tracing::info!(path = %path.display(), "a socket file that nobody listened on is replaced");
                        UnixListener::bind(path)
                    }
                    _ => Err(error),
                }
            }
            bound => bound,
        };
        let listener = listener.map_err(|error| self.refused(&error))?;
        let file = Some(SocketFile::new(path));
        Ok(Bound { url: format!("unix:{}", path.display()), listener: Listener::Unix(listener), file })
    }

    fn refused(&self, error: &io::Error) -> String {
        #[cfg(unix)]
        let is_file = matches!(self, Self::Unix(_));
        #[cfg(not(unix))]
        let is_file = false;
        match error.kind() {
            io::ErrorKind::AddrInUse if is_file => {
                format!(
                    "{self} is in use by another process; end that one, or choose another path with --listen"
                )
            }
            io::ErrorKind::AddrInUse => format!(
                "{self} is in use by another process; end that one, or choose another port with --listen (port 0: any free one)"
            ),
            io::ErrorKind::PermissionDenied if is_file => {
                format!("no permission to make {self}; choose a directory that this user may write to")
            }
            io::ErrorKind::PermissionDenied => {
                format!("no permission to listen on {self}; choose a port above 1023 with --listen")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{self} is not an address of this machine; choose one with --listen")
            }
            io::ErrorKind::NotFound => format!("{self}: the directory does not exist; make it first"),
            _ => format!("cannot listen on {self}: {error}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(host) => f.write_str(host),
            Self::Tls(host) => write!(f, "https://{host}"),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address that is listened on.
pub(super) struct Bound {
    pub(super) url: String,
    pub(super) listener: Listener,
    /// Goes when the hub ends.
    #[cfg(unix)]
    pub(super) file: Option<SocketFile>,
}

/// A socket's file, removed when dropped if it is still the same.
#[cfg(unix)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

#[cfg(unix)]
impl SocketFile {
    fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), identity: Self::identity(path) }
    }

    fn identity(path: &Path) -> Option<(u64, u64)> {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
    }
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && Self::identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_the_url_that_is_printed() {
        let plain = |text: &str| Ok(Address::Plain(text.to_owned()));
        let tls = |text: &str| Ok(Address::Tls(text.to_owned()));
        assert_eq!(Address::parse("127.0.0.1:8080"), plain("127.0.0.1:8080"));
        assert_eq!(Address::parse("http://localhost:0/"), plain("localhost:0"));
        assert_eq!(Address::parse("[::1]:8080"), plain("[::1]:8080"));
        assert_eq!(Address::parse("https://0.0.0.0:8443"), tls("0.0.0.0:8443"));
        assert_eq!(Address::parse("wss://[::]:443/"), tls("[::]:443"));
        #[cfg(unix)]
        for text in ["unix:/run/wsc.sock", "unix:///run/wsc.sock"] {
            assert_eq!(Address::parse(text), Ok(Address::Unix("/run/wsc.sock".into())));
        }
    }

    #[test]
    fn what_cannot_be_listened_on_is_an_error_with_the_forms_that_can() {
        for wrong in [
            "",
            ":8080",
            "8080",
            "localhost",
            "::1:8080",
            "[::1]",
            "127.0.0.1:",
            "127.0.0.1:x",
            "127.0.0.1:70000",
            "https://h",
            "https://h:1/ws",
            "ftp://h:1",
            "unix:",
            "unix://",
        ] {
            let error = Address::parse(wrong).unwrap_err();
            assert!(error.contains("HOST:PORT") && error.contains(&format!("{wrong:?}")), "{error}");
        }
    }
}
