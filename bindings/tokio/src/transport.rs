//! An address of a hub and the connection to it, with TLS or without. Never interprets frames.

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream};
use wsc_core::limits;

use crate::error::BuildError;
use crate::upgrade::{Connection, Refusal, Socket, upgrade};

/// The largest frame of a hub: its limit, and room for `connected` with a thousand groups.
const FRAME: usize = 256 * 1024;

/// Where a hub is, and how to reach it.
#[derive(Clone)]
pub(crate) struct Transport {
    /// As it was given.
    address: String,
    uri: Uri,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there is only one"))]
    connector: Connector,
}

impl Transport {
    /// Checks the address; `/ws` is its path when it has none, and `http` is `ws`. A connector for `wss` is made where none is
    /// given.
    pub(crate) fn new(address: &str, connector: &mut Option<Connector>) -> Result<Self, BuildError> {
        let fault = || BuildError::Address(address.to_owned());
        let uri: Uri = address.trim().parse().map_err(|_| fault())?;
        let mut parts = uri.into_parts();
        let secure = match parts.scheme.as_ref().map(|scheme| scheme.as_str()) {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(fault()),
        };
        parts.scheme = Some(if secure { "wss" } else { "ws" }.parse().map_err(|_| fault())?);
        if parts.path_and_query.as_ref().is_none_or(|path| path.as_str() == "/") {
            parts.path_and_query = Some("/ws".parse().map_err(|_| fault())?);
        }
        let uri = Uri::from_parts(parts).map_err(|_| fault())?;
        let connector = match (secure, &connector) {
            (false, _) => Connector::Plain,
            (true, Some(connector)) => connector.clone(),
            (true, None) => connector.insert(trusting(None)?).clone(),
        };
        Ok(Self { address: address.trim().to_owned(), uri, connector })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Opens a socket.
    pub(crate) async fn open(self) -> Result<Socket, Refusal> {
        let connection = self.connect().await?;
        upgrade(connection, &self.uri, Some(limits::SUBPROTOCOL), config(FRAME)).await
    }

    /// Opens a socket to what is not a hub, and so knows no subprotocol, with a larger frame.
    #[cfg(feature = "echo")]
    pub(crate) async fn open_plain(self, frame: usize) -> Result<Socket, Refusal> {
        let connection = self.connect().await?;
        upgrade(connection, &self.uri, None, config(frame)).await
    }

    async fn connect(&self) -> Result<Connection, Refusal> {
        let secure = self.uri.scheme_str() == Some("wss");
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let failed = |error: std::io::Error| Refusal::failed(&error);
        let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        #[cfg(feature = "tls")]
        if let Connector::Rustls(config) = &self.connector {
            let name = rustls::pki_types::ServerName::try_from(host.to_owned());
            let name = name.map_err(|error| Refusal::failed(&error))?;
            let tls = tokio_rustls::TlsConnector::from(std::sync::Arc::clone(config));
            return tls.connect(name, stream).await.map(MaybeTlsStream::Rustls).map_err(failed);
        }
        Ok(MaybeTlsStream::Plain(stream))
    }
}

/// The same way, whoever named it.
impl PartialEq for Transport {
    fn eq(&self, other: &Self) -> bool {
        self.uri == other.uri
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.uri.fmt(f)
    }
}

fn config(frame: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(16 * frame)
        .max_message_size(Some(frame))
        .max_frame_size(Some(frame))
}

/// TLS that trusts the usual authorities, and those of a PEM file.
#[cfg(feature = "tls")]
pub(crate) fn trusting(authorities: Option<&str>) -> Result<Connector, BuildError> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = authorities {
        let usual = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| BuildError::Authorities(error.into()))?;
            roots.add(certificate).map_err(|error| BuildError::Authorities(error.into()))?;
        }
        if roots.len() == usual {
            return Err(BuildError::Authorities("there is no certificate in it".into()));
        }
    }
    // The provider is named: a program that links two of them has no default one.
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| BuildError::NoTls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Connector::Rustls(std::sync::Arc::new(config)))
}

#[cfg(not(feature = "tls"))]
fn trusting(_: Option<&str>) -> Result<Connector, BuildError> {
    Err(BuildError::NoTls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secure_address_needs_tls() {
        assert_eq!(Transport::new("wss://h", &mut None).is_ok(), cfg!(feature = "tls"));
    }

    #[test]
    fn an_address_without_a_path_gets_one_and_others_keep_theirs() {
        let path = |address| Transport::new(address, &mut None).map(|transport| transport.uri.to_string());
        assert_eq!(path("ws://h:1").ok().as_deref(), Some("ws://h:1/ws"));
        assert_eq!(path("ws://h:1/").ok().as_deref(), Some("ws://h:1/ws"));
        assert_eq!(path("ws://h/x?y=z").ok().as_deref(), Some("ws://h/x?y=z"));
        for address in ["h:1", "ftp://h", "", "ws://", "no address"] {
            assert!(path(address).is_err(), "{address}");
        }
    }

    #[test]
    fn an_address_may_be_written_as_a_browser_has_it() {
        let uri = |address| Transport::new(address, &mut None).map(|transport| transport.uri.to_string());
        assert_eq!(uri("http://h:1").ok().as_deref(), Some("ws://h:1/ws"));
        assert_eq!(uri(" ws://h:1/x ").ok().as_deref(), Some("ws://h:1/x"));
        assert_eq!(uri("https://h").ok().as_deref(), cfg!(feature = "tls").then_some("wss://h/ws"));
    }
}
