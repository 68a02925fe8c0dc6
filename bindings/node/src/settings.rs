//! The settings of a session, as JavaScript gives them.

use std::sync::Arc;

use napi::{Error, Result, Status};
use napi_derive::napi;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use wsc_client::{Builder, Client};

/// What a client is told. Absent: as by default.
#[napi(object, object_to_js = false)]
pub struct Settings {
    /// The hub's WebSocket.
    pub url: String,
    /// The client's name and version, told to the hub.
    pub client: String,
    /// A token that does not change.
    pub token: Option<String>,
    /// Whether tokens are asked for.
    pub asks: Option<bool>,
    /// Who to be, where the hub runs without authentication.
    pub user: Option<String>,
    /// The user's type, without authentication.
    pub user_type: Option<String>,
    /// The application, without authentication.
    pub app: Option<String>,
    /// The namespace, without authentication.
    pub namespace: Option<String>,
    /// This installation's id.
    pub device: Option<String>,
    /// The groups to read.
    pub groups: Option<Vec<String>>,
    /// A new device begins at the heads.
    pub start_at_head: Option<bool>,
    /// Authorities that are trusted beside the usual ones, as PEM.
    pub ca: Option<String>,
    /// The outbox file; absent: memory.
    pub outbox: Option<String>,
    /// Unsettled sends kept at most.
    pub outbox_count: Option<u32>,
    /// In bytes.
    pub outbox_bytes: Option<u32>,
}

impl Settings {
    pub(crate) fn builder(self) -> Result<Builder> {
        type Setting = fn(Builder, String) -> Builder;
        let texts: [(Option<String>, Setting); 7] = [
            (self.token, Builder::token),
            (self.user, Builder::user),
            (self.user_type, Builder::user_type),
            (self.app, Builder::app),
            (self.namespace, Builder::namespace),
            (self.device, Builder::device),
            (self.outbox, Builder::outbox),
        ];
        let mut builder = Client::builder(self.url).name(self.client);
        for (text, set) in texts {
            if let Some(text) = text {
                builder = set(builder, text);
            }
        }
        if let Some(groups) = self.groups {
            builder = builder.groups(groups);
        }
        if self.asks == Some(true) {
            builder = builder.asks_for_tokens();
        }
        if self.start_at_head == Some(true) {
            builder = builder.start_at_head();
        }
        if let Some(pem) = self.ca {
            builder = builder.tls(Arc::new(trusting(&pem)?));
        }
        let count = self.outbox_count.filter(|count| *count > 0).unwrap_or(10_000);
        let bytes = self.outbox_bytes.filter(|bytes| *bytes > 0).unwrap_or(16 * 1024 * 1024);
        Ok(builder.outbox_limits(count as usize, bytes as usize))
    }
}

fn trusting(pem: &str) -> Result<ClientConfig> {
    let wrong =
        |what: String| Error::new(Status::InvalidArg, format!("ca: {what}; give the text of a PEM file"));
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let usual = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.len() == usual {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
