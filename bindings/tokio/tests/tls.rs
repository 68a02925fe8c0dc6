//! TLS before a hub that a test plays.
#![cfg(feature = "tls")]
#![allow(missing_docs, reason = "tests")]

mod hub;

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use hub::{Hub, soon};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto::aws_lc_rs};
use wsc_client::{BuildError, Client, Notice};

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tls").join(name)
}

/// What stands before a hub and takes TLS; its port.
async fn front(hub: &Hub) -> u16 {
    let certificate = CertificateDer::from_pem_file(file("hub.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(file("hub.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a key that fits");
    let (acceptor, behind) =
        (TlsAcceptor::from(Arc::new(config)), hub.listener.local_addr().expect("an address"));
    let listener = TcpListener::bind("localhost:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut near) = acceptor.accept(near).await else { return };
                let mut far = TcpStream::connect(behind).await.expect("the hub");
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_where_it_was_given_and_not_otherwise() {
    let hub = Hub::new().await;
    let address = format!("wss://localhost:{}", front(&hub).await);
    let stranger = Client::builder(&address).user("alice").build().await.expect("built");
    let mut told = stranger.notices();
    stranger.connect().await;
    let ours = std::fs::read_to_string(file("authority.pem")).expect("readable");
    let alice = Client::builder(&address).user("alice").authorities(ours).connect().await.expect("built");
    // Only one gets as far as the hub.
    let (_link, _) = soon(hub.greet(1, 0)).await;
    soon(alice.connected()).await.expect("connected");
    assert_ne!(stranger.state(), wsc_client::State::Connected);
    // And the other says why.
    match soon(told.next()).await {
        Some(Notice::Disconnected { connected: false, reason, .. }) => {
            assert!(reason.contains("UnknownIssuer"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let stranger = tokio::time::timeout(std::time::Duration::from_millis(300), stranger.connected()).await;
    assert!(stranger.is_err(), "{stranger:?}");
    for wrong in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let built = Client::builder(&address).authorities(wrong).build().await;
        assert!(matches!(built, Err(BuildError::Authorities(_))), "{wrong}");
    }
}
