//! Where the command listens: several addresses, Unix sockets, TLS with a certificate that changes.

#![cfg(all(feature = "command", unix))]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use support::process::wsc;
use support::{Door, PATIENCE};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::aws_lc_rs};

/// A hub and the URLs that it says.
struct Hub {
    child: Child,
    urls: Vec<String>,
    log: PathBuf,
}

impl Hub {
    async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let log = folder.join(format!("log{}", Instant::now().elapsed().as_nanos()));
        let mut command = wsc(&[&["serve", "--store", "memory"], arguments].concat());
        command.stderr(std::fs::File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let out = tokio::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, BufReader::new(out).read_line(&mut line)).await.unwrap().unwrap();
        let urls = line.trim().strip_prefix("listening on ");
        let urls = urls.unwrap_or_else(|| panic!("{}", std::fs::read_to_string(&log).unwrap()));
        Self { child, urls: urls.split(", ").map(str::to_owned).collect(), log }
    }

    fn door(&self, index: usize) -> Door {
        let (_, address) = self.urls[index].split_once("://").unwrap();
        Door { address: address.parse().unwrap() }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log says something.
    async fn says(&self, what: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.log().contains(what) {
            assert!(Instant::now() < until, "{what}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    fn end(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn healthy(mut socket: impl AsyncRead + AsyncWrite + Unpin) -> String {
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_hub_listens_on_all_its_addresses_and_says_each() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", folder.path().join("hub.sock").display());
    let mut hub = Hub::start(folder.path(), &["--listen", "127.0.0.1:0,[::1]:0", "--listen", &unix]).await;
    assert_eq!(hub.urls.len(), 3, "{:?}", hub.urls);
    assert!(hub.urls[0].starts_with("http://127.0.0.1:") && hub.urls[1].starts_with("http://[::1]:"));
    assert_eq!(hub.urls[2], unix);
    for index in 0..2 {
        let socket = TcpStream::connect(hub.door(index).address).await.unwrap();
        assert!(healthy(socket).await.starts_with("HTTP/1.1 200"));
    }
    let file = folder.path().join("hub.sock");
    let socket = UnixStream::connect(&file).await.unwrap();
    assert!(healthy(socket).await.starts_with("HTTP/1.1 200"));
    // A WebSocket over it, beside one over TCP.
    let request = tokio_tungstenite::tungstenite::ClientRequestBuilder::new("ws://hub/ws".parse().unwrap())
        .with_sub_protocol("wsc.v1");
    let socket = UnixStream::connect(&file).await.unwrap();
    let (mut alice, _) = tokio_tungstenite::client_async(request, socket).await.unwrap();
    let mut bob = hub.door(0).connect("bob", "b1").await;
    use futures_util::SinkExt as _;
    for frame in [
        json!({"message_type": "connect", "protocol": 1, "user_id": "alice"}),
        json!({"message_type": "text", "message_id": "1", "receiver": "bob", "content": "over a file"}),
    ] {
        alice.send(tokio_tungstenite::tungstenite::Message::text(frame.to_string())).await.unwrap();
    }
    assert_eq!(bob.message().await["content"], "over a file");
    assert_eq!(hub.end(), Some(0));
    assert!(!file.exists(), "the hub takes its file away");
}

#[tokio::test]
async fn a_socket_file_is_replaced_only_when_nobody_listens_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.sock");
    let unix = format!("unix:{}", file.display());
    let first = Hub::start(folder.path(), &["--listen", &unix]).await;
    let second = run(&["serve", "--store", "memory", "--listen", &unix]);
    assert_eq!(second.status.code(), Some(1));
    assert!(complaint(&second).contains("in use by another process"), "{}", complaint(&second));
    assert!(healthy(UnixStream::connect(&file).await.unwrap()).await.starts_with("HTTP/1.1 200"));
    drop(first);
    assert!(std::fs::symlink_metadata(&file).unwrap().file_type().is_socket(), "it was killed");
    let third = Hub::start(folder.path(), &["--listen", &unix]).await;
    assert!(healthy(UnixStream::connect(&file).await.unwrap()).await.starts_with("HTTP/1.1 200"));
    drop(third);
    // Somebody else's file stays.
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "precious").unwrap();
    let refused = run(&["serve", "--store", "memory", "--listen", &unix]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint(&refused).contains("not a socket"), "{}", complaint(&refused));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

fn run(arguments: &[&str]) -> Output {
    wsc(arguments).output().unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn what_keeps_a_hub_from_starting_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let missing = folder.path().join("missing");
    let (socket, file) = (format!("unix:{}/hub.sock", missing.display()), folder.path().join("file"));
    std::fs::write(&file, "text").unwrap();
    let (key, certificate) =
        (format!("tls.key={}", file.display()), format!("tls.certificate={}", file.display()));
    let no_file = format!("tls.certificate={}", missing.display());
    let data = format!("data={}", file.join("data").display());
    for (arguments, what) in [
        (vec!["--listen", &taken], "choose another port"),
        (vec!["--listen", "192.0.2.1:8080", "--secret-file", text(&file)], "not an address of this machine"),
        (vec!["--listen", "no.such.host.invalid:1"], "the host is not known"),
        (vec!["--listen", "8080"], "expected HOST:PORT"),
        (vec!["--listen", &socket], "the directory does not exist"),
        (vec!["--secret-file", text(&missing)], "cannot be read"),
        (vec!["--secret-file", text(folder.path())], "cannot be read"),
        (
            vec!["--listen", "127.0.0.1:0", "--set", "store=embedded", "--set", &data],
            "name a directory for the store",
        ),
        (vec!["--listen", "https://127.0.0.1:0"], "needs tls.certificate and tls.key"),
        (vec!["--listen", "https://127.0.0.1:0", "--set", &no_file, "--set", &key], "cannot be read"),
        (vec!["--listen", "https://127.0.0.1:0", "--set", &certificate, "--set", &key], "has no certificate"),
    ] {
        let refused = run(&[&["serve", "--set", "store=memory"], arguments.as_slice()].concat());
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        let complaint = complaint(&refused);
        assert!(complaint.contains("error: ") && complaint.contains(what), "{arguments:?}: {complaint}");
    }
    drop(listener);
    let help = String::from_utf8(run(&["serve", "--help"]).stdout).unwrap();
    assert!(help.contains("Exit codes: 0"), "{help}");
}

/// An authority and certificates for `localhost` that it signed.
struct Authority(rcgen::CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(rcgen::CertifiedIssuer::self_signed(parameters, rcgen::KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a new certificate and its key, and gives the certificate.
    fn sign(&self, certificate: &Path, key: &Path) -> CertificateDer<'static> {
        let pair = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let signed = parameters.signed_by(&pair, &self.0).unwrap();
        std::fs::write(certificate, signed.pem()).unwrap();
        std::fs::write(key, pair.serialize_pem()).unwrap();
        signed.der().clone()
    }

    /// A connection over TLS.
    async fn connect(
        &self,
        door: Door,
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.secure(TcpStream::connect(door.address).await?, version).await
    }

    /// TLS over a socket.
    async fn secure(
        &self,
        socket: TcpStream,
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    }
}

fn certificate_of(socket: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    socket.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_certificate_is_changed_without_a_restart_and_a_broken_one_changes_nothing() {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("hub.pem"), folder.path().join("hub.key"));
    let authority = Authority::new();
    let first = authority.sign(&certificate, &key);
    let keys = [format!("tls.certificate={}", certificate.display()), format!("tls.key={}", key.display())];
    let arguments =
        ["--listen", "127.0.0.1:0", "--listen", "https://127.0.0.1:0", "--set", &keys[0], "--set", &keys[1]];
    let hub = Hub::start(folder.path(), &arguments).await;
    assert!(hub.urls[0].starts_with("http://") && hub.urls[1].starts_with("https://"), "{:?}", hub.urls);
    let door = hub.door(1);
    for version in [&TLS12, &TLS13] {
        let socket = authority.connect(door, version).await.unwrap();
        assert_eq!(socket.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
        assert_eq!(certificate_of(&socket), first);
        assert!(healthy(socket).await.starts_with("HTTP/1.1 200"));
    }
    let socket = authority.connect(door, &TLS13).await.unwrap();
    let request =
        ClientRequestBuilder::new("wss://localhost/ws".parse().unwrap()).with_sub_protocol("wsc.v1");
    let (mut alice, _) = tokio_tungstenite::client_async(request, socket).await.unwrap();
    let connect = json!({"message_type": "connect", "protocol": 1, "user_id": "alice"});
    alice.send(Message::text(connect.to_string())).await.unwrap();
    assert!(alice.next().await.unwrap().unwrap().to_text().unwrap().contains("connected"));
    // A stranger's authority is not trusted, and the log says that handshakes fail.
    assert!(Authority::new().connect(door, &TLS13).await.is_err());
    hub.says("the TLS handshake failed").await;

    std::fs::write(&certificate, "no certificate").unwrap();
    hub.says("the new certificate cannot be used; the old one stays").await;
    let other_key = folder.path().join("other.key");
    authority.sign(&certificate, &other_key);
    hub.says("cannot be used together").await;
    assert_eq!(certificate_of(&authority.connect(door, &TLS13).await.unwrap()), first);
    let second = authority.sign(&certificate, &key);
    hub.says("the new certificate is used").await;
    for version in [&TLS12, &TLS13] {
        assert_eq!(certificate_of(&authority.connect(door, version).await.unwrap()), second);
    }
    // Who was connected still is.
    let mut bob = hub.door(0).connect("bob", "b1").await;
    let text = json!({"message_type": "text", "message_id": "1", "receiver": "bob", "content": "still here"});
    alice.send(Message::text(text.to_string())).await.unwrap();
    assert_eq!(bob.message().await["content"], "still here");
}

#[tokio::test]
async fn a_socket_that_begins_no_handshake_counts_as_pending_and_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("hub.pem"), folder.path().join("hub.key"));
    let authority = Authority::new();
    authority.sign(&certificate, &key);
    let keys = [format!("tls.certificate={}", certificate.display()), format!("tls.key={}", key.display())];
    let limit = "limits.pending_per_address=2";
    let arguments = ["--listen", "https://127.0.0.1:0", "--set", &keys[0], "--set", &keys[1], "--set", limit];
    let hub = Hub::start(folder.path(), &arguments).await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(TcpStream::connect(hub.door(0).address).await.unwrap());
    }
    assert!(authority.connect(hub.door(0), &TLS13).await.is_err(), "two wait already");
    hub.says("limits.pending_per_address").await;
    let began = Instant::now();
    for socket in &mut silent {
        let read = tokio::time::timeout(Duration::from_secs(15), socket.read(&mut [0; 16])).await;
        assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
    }
    assert!(began.elapsed() > Duration::from_secs(5), "{:?}", began.elapsed());
    hub.says("no TLS handshake within").await;
    let until = Instant::now() + PATIENCE;
    while authority.connect(hub.door(0), &TLS13).await.is_err() {
        assert!(Instant::now() < until, "{}", hub.log());
    }
}

#[tokio::test]
async fn the_command_trusts_an_authority_of_ones_own_where_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("hub.pem"), folder.path().join("hub.key"));
    let authority = Authority::new();
    authority.sign(&certificate, &key);
    let ca = folder.path().join("authority.pem");
    std::fs::write(&ca, authority.0.pem()).unwrap();
    let keys = [format!("tls.certificate={}", certificate.display()), format!("tls.key={}", key.display())];
    let arguments = ["--listen", "https://localhost:0", "--set", &keys[0], "--set", &keys[1]];
    let hub = Hub::start(folder.path(), &arguments).await;
    let url = format!("wss://localhost:{}", hub.door(0).address.port());
    let send = ["send", "--url", &url, "--user", "alice", "--to", "bob", "--timeout", "2s", "hello"];
    let refused = run(&send);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        complaint(&refused).contains("UnknownIssuer") && complaint(&refused).contains("--ca FILE"),
        "{}",
        complaint(&refused)
    );
    let trusted = run(&[&send[..], &["--ca", text(&ca)]].concat());
    assert_eq!(trusted.status.code(), Some(0), "{}", complaint(&trusted));
    let wrong = run(&[&send[..], &["--ca", text(&key)]].concat());
    assert!(complaint(&wrong).contains("there is no certificate"), "{}", complaint(&wrong));
    let missing = run(&[&send[..], &["--ca", "missing"]].concat());
    assert!(complaint(&missing).contains("cannot be read"), "{}", complaint(&missing));
}

#[tokio::test]
async fn the_proxy_protocol_comes_before_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("hub.pem"), folder.path().join("hub.key"));
    let authority = Authority::new();
    authority.sign(&certificate, &key);
    let keys = [
        format!("tls.certificate={}", certificate.display()),
        format!("tls.key={}", key.display()),
        "http.trusted_proxies=127.0.0.1".to_owned(),
        "http.proxy_protocol=true".to_owned(),
    ];
    let set = keys.iter().flat_map(|key| ["--set", key.as_str()]);
    let arguments: Vec<&str> = ["--listen", "https://127.0.0.1:0"].into_iter().chain(set).collect();
    let hub = Hub::start(folder.path(), &arguments).await;
    let mut socket = TcpStream::connect(hub.door(0).address).await.unwrap();
    socket.write_all(b"PROXY TCP4 203.0.113.1 10.0.0.1 4711 8443\r\n").await.unwrap();
    let mut socket = authority.secure(socket, &TLS13).await.unwrap();
    socket.write_all(b"GET /ws HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 426"), "{answer}");
    hub.says("address=203.0.113.1 ").await;
}
