//! TLS for a listener: a certificate and its key from PEM files, read again when the files change. Connections that are
//! there keep what they have; a file that cannot be used changes nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at. A change counts when two looks saw the same: two files are not written at once.
const PERIOD: Duration = Duration::from_secs(2);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("the file {path} cannot be read: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file of the certificate has none.
    #[error(
        "{0} has no certificate; give a PEM file with the hub's certificate first and its authorities after it"
    )]
    NoCertificate(PathBuf),
    /// The file of the key has none.
    #[error("{0} has no private key; give a PEM file with one that is not encrypted")]
    NoKey(PathBuf),
    /// Certificate or key cannot be used, or do not belong together.
    #[error("the certificate {certificate} and the key {key} cannot be used together: {source}")]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// The hub's half of TLS 1.2 and 1.3.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    loaded: Files,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

/// What stands in both files.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The certificate of the next handshake.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// A certificate with what leads to its authority, and its key, from PEM files.
    ///
    /// ```no_run
    /// # async fn example(hub: wsc_server::Hub) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use wsc_server::http::{Listener, Tls, serve};
    /// let tls = Arc::new(Tls::from_files("hub.pem", "hub.key")?);
    /// let listener = tokio::net::TcpListener::bind("0.0.0.0:8443").await?;
    /// serve(Listener::Tls(listener, tls), hub).await?;
    /// # Ok(()) }
    /// ```
    pub fn from_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.into(), key.into());
        // Named: a program that links two of them has no default one.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let loaded = read(&certificate, &key)?;
        let pair = pair(&loaded, &certificate, &key, &provider)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(pair))));
        let fault = |source| TlsError::Pair { certificate: certificate.clone(), key: key.clone(), source };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(fault)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { certificate, key, loaded, current, acceptor })
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Reads the files again whenever they change, for ever. New handshakes get the new certificate; what cannot be used
    /// is an error in the log, and the old certificate stays.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), wsc_server::http::TlsError> {
    /// let tls = std::sync::Arc::new(wsc_server::http::Tls::from_files("hub.pem", "hub.key")?);
    /// let watched = std::sync::Arc::clone(&tls);
    /// tokio::spawn(async move { watched.watch().await });
    /// # Ok(()) }
    /// ```
    pub async fn watch(&self) {
        let (mut judged, mut seen) = (Ok(self.loaded.clone()), None);
        loop {
            tokio::time::sleep(PERIOD).await;
            let (certificate, key) = (self.certificate.clone(), self.key.clone());
            let reading = tokio::task::spawn_blocking(move || read(&certificate, &key));
            let Ok(now) = reading.await else { return };
            let now = now.map_err(|error| error.to_string());
            if seen.as_ref() == Some(&now) && judged != now {
                match now.clone().and_then(|files| self.load(&files).map_err(|error| error.to_string())) {
                    Ok(()) => {
                        let certificate = self.certificate.display();
                        tracing::info!(%certificate, "the new certificate is used");
                    }
                    Err(error) => {
                        tracing::error!(%error, "the new certificate cannot be used; the old one stays");
                    }
                }
                judged = now.clone();
            }
            seen = Some(now);
        }
    }

    fn load(&self, files: &Files) -> Result<(), TlsError> {
        let fresh = pair(files, &self.certificate, &self.key, &aws_lc_rs::default_provider())?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Files, TlsError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| TlsError::File { path: path.to_path_buf(), source })
    };
    Ok(Files { certificate: read(certificate)?, key: read(key)? })
}

fn pair(
    files: &Files,
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(&files.certificate).collect();
    let chain = chain.unwrap_or_default();
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.to_path_buf()));
    }
    let secret = PrivateKeyDer::from_pem_slice(&files.key).map_err(|_| TlsError::NoKey(key.to_path_buf()))?;
    CertifiedKey::from_der(chain, secret, provider).map_err(|source| TlsError::Pair {
        certificate: certificate.to_path_buf(),
        key: key.to_path_buf(),
        source,
    })
}
