//! Opening a WebSocket to the hub. Never interprets frames.

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header::SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, handshake::client::Request};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};
use wsc_core::CloseCode;

use crate::error::BuildError;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The largest frame of a hub: its limit, and room for `connected` with a thousand groups.
const FRAME: usize = 256 * 1024;

/// Where the hub is, and how to reach it.
#[derive(Clone)]
pub(crate) struct Transport {
    uri: Uri,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there is only one"))]
    connector: Connector,
}

/// A socket that did not open: the close that means the same.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Option<CloseCode>,
    pub(crate) reason: String,
}

impl Transport {
    /// Checks the address; `/ws` is its path when it has none.
    pub(crate) fn new(address: &str, connector: Option<Connector>) -> Result<Self, BuildError> {
        let fault = || BuildError::Address(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| fault())?;
        let mut parts = uri.into_parts();
        let secure = match parts.scheme.as_ref().map(|scheme| scheme.as_str()) {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(fault()),
        };
        if parts.path_and_query.as_ref().is_none_or(|path| path.as_str() == "/") {
            parts.path_and_query = Some("/ws".parse().map_err(|_| fault())?);
        }
        let uri = Uri::from_parts(parts).map_err(|_| fault())?;
        let connector = match (secure, connector) {
            (false, _) => Connector::Plain,
            (true, Some(connector)) => connector,
            (true, None) => trusting(None)?,
        };
        Ok(Self { uri, connector })
    }

    fn request(&self) -> Result<Request, Error> {
        let mut request = self.uri.clone().into_client_request()?;
        let protocol = HeaderValue::from_static(wsc_core::limits::SUBPROTOCOL);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        Ok(request)
    }

    /// Opens a socket.
    pub(crate) async fn open(self) -> Result<Socket, Refusal> {
        let request = self.request().map_err(refusal)?;
        self.upgrade(request, config(FRAME)).await.map_err(refusal)
    }

    async fn upgrade(self, request: Request, config: WebSocketConfig) -> Result<Socket, Error> {
        #[cfg(feature = "tls")]
        let opened = tokio_tungstenite::connect_async_tls_with_config(
            request,
            Some(config),
            true,
            Some(self.connector),
        )
        .await;
        #[cfg(not(feature = "tls"))]
        let opened = tokio_tungstenite::connect_async_with_config(request, Some(config), true).await;
        opened.map(|(socket, _)| socket)
    }

    /// Opens a socket to what is no hub, and so knows no subprotocol, with a larger frame.
    #[cfg(feature = "echo")]
    pub(crate) async fn open_plain(self, frame: usize) -> Result<Socket, Error> {
        let request = self.uri.clone().into_client_request()?;
        self.upgrade(request, config(frame)).await
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
            let certificate = certificate.map_err(|error| BuildError::Authorities(error.to_string()))?;
            roots.add(certificate).map_err(|error| BuildError::Authorities(error.to_string()))?;
        }
        if roots.len() == usual {
            return Err(BuildError::Authorities("there is no certificate in it".to_owned()));
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

/// A refusal before the upgrade is the close that means the same; anything else is a connection that failed.
fn refusal(error: Error) -> Refusal {
    let Error::Http(response) = error else { return Refusal { code: None, reason: error.to_string() } };
    let status = response.status().as_u16();
    let code = match status {
        401 => Some(CloseCode::Unauthorized),
        403 => Some(CloseCode::Forbidden),
        429 => Some(CloseCode::RateLimited),
        503 => Some(CloseCode::TryAgainLater),
        400 | 404 | 426 => Some(CloseCode::Violation),
        _ => None,
    };
    let body = response.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(body);
    let mut reason = format!("http status {status}");
    if let Some(detail) = detail(&body) {
        reason.push_str(": ");
        reason.push_str(detail);
    }
    if let Some((_, rest)) = body.split_once("\"retry_after_ms\":") {
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        reason.push_str(" retry_after_ms=");
        reason.push_str(&digits);
    }
    Refusal { code, reason }
}

/// The hub's reason in the JSON of a refusal, up to the first letter that is not itself there.
fn detail(body: &str) -> Option<&str> {
    const LONGEST: usize = 200;
    let (_, rest) = body.split_once("\"reason\":\"")?;
    let detail = &rest[..rest.find(['"', '\\'])?];
    Some(&detail[..detail.floor_char_boundary(LONGEST)]).filter(|detail| !detail.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_before_the_upgrade_says_what_the_hub_says() {
        let of = |status: u16, body: &str| {
            let response = tokio_tungstenite::tungstenite::http::Response::builder().status(status);
            let response = response.body(Some(body.as_bytes().to_vec())).expect("a response");
            refusal(Error::Http(Box::new(response)))
        };
        let refused =
            of(429, r#"{"code":80801,"reason":"too many from this address","retry_after_ms":1500}"#);
        assert_eq!(refused.code, Some(CloseCode::RateLimited));
        assert_eq!(refused.reason, "http status 429: too many from this address retry_after_ms=1500");
        // What is no hub may say anything.
        for body in ["", "<html>", r#"{"reason":""}"#, r#"{"reason":"unended"#, r#"{"reason":7}"#] {
            assert_eq!(of(403, body).reason, "http status 403", "{body}");
        }
        assert!(of(403, &format!(r#"{{"reason":"{}"}}"#, "é".repeat(500))).reason.len() < 250);
    }

    #[test]
    fn a_secure_address_needs_tls() {
        assert_eq!(Transport::new("wss://h", None).is_ok(), cfg!(feature = "tls"));
    }

    #[test]
    fn an_address_without_a_path_gets_one_and_others_keep_theirs() {
        let path = |address| Transport::new(address, None).map(|transport| transport.uri.to_string());
        assert_eq!(path("ws://h:1").ok().as_deref(), Some("ws://h:1/ws"));
        assert_eq!(path("ws://h:1/").ok().as_deref(), Some("ws://h:1/ws"));
        assert_eq!(path("ws://h/x?y=z").ok().as_deref(), Some("ws://h/x?y=z"));
        for address in ["h:1", "http://h", "", "ws://", "no address"] {
            assert!(path(address).is_err(), "{address}");
        }
    }
}
