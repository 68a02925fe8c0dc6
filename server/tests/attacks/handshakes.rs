//! Before a connection is one: pages of elsewhere, requests that trickle in or are no requests.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Error;

use crate::MEGABYTE;
use crate::support::process::Process;
use crate::support::raw::{FIN, Raw, TEXT, frame};
use crate::support::{Door, Server};

const HEAD: &str = "GET /ws HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wsc.v1\r\n";

/// The status with which a page of `origin` is refused; 101: it is let in.
async fn status(server: &Server, host: &str, origin: &str) -> u16 {
    let headers = [("sec-websocket-protocol", "wsc.v1"), ("host", host), ("origin", origin)];
    match server.request("/ws", &headers).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn row_1_a_page_of_another_origin_is_refused_before_the_upgrade() {
    // Without a list: the hub's own pages, and without tokens those of this machine.
    let server = Server::start().await;
    for host in ["evil.example:8080", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80"] {
        // Nor a page under a name that was resolved to this machine, where there are no tokens.
        assert_eq!(status(&server, host, &format!("http://{host}")).await, 403, "{host}");
    }
    for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "app.localhost"] {
        assert_eq!(status(&server, host, &format!("http://{host}")).await, 101, "{host}");
        assert_eq!(status(&server, host, "http://evil.example").await, 403, "{host}");
    }
    // Where front ends are developed: another port, or another name of the same machine.
    assert_eq!(status(&server, "127.0.0.1:8080", "http://localhost:5173").await, 101);
    assert_eq!(status(&server, "evil.example:8080", "http://localhost:5173").await, 403);
    let list =
        |settings: &mut wsc_server::Settings| settings.auth.origins = vec!["https://app.example".to_owned()];
    let server = Server::with(list, |builder| builder).await;
    assert_eq!(status(&server, "hub", "https://app.example").await, 101);
    for origin in [
        "https://app.example.evil.example",
        "http://app.example",
        "https://app.example:444",
        "https://app.example/",
        "https://evil.example",
        "null",
        "http://hub",
    ] {
        assert_eq!(status(&server, "hub", origin).await, 403, "{origin}");
    }
}

/// Writes byte after byte until the hub hangs up; when that was.
async fn trickle(socket: &mut TcpStream, bytes: &[u8]) -> Duration {
    let began = Instant::now();
    let mut rest = [0; 1024];
    for byte in bytes {
        if socket.write_all(&[*byte]).await.is_err() {
            break;
        }
        let read = tokio::time::timeout(Duration::from_millis(100), socket.read(&mut rest)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            break;
        }
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_2_requests_that_trickle_in_end_at_their_deadline() {
    let hub = Process::start(&[]);
    let watch = hub.watch().await;
    let mut slow = JoinSet::new();
    for _ in 0..300 {
        let mut socket = TcpStream::connect(hub.address).await.unwrap();
        slow.spawn(async move { trickle(&mut socket, &HEAD.as_bytes().repeat(10)).await });
    }
    while let Some(ended) = slow.join_next().await {
        let ended = ended.unwrap();
        assert!(ended > Duration::from_secs(8) && ended < Duration::from_secs(14), "{ended:?}");
    }
    watch.unharmed(20 * MEGABYTE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_2_first_frames_and_later_ones_that_trickle_in_end_at_their_deadline() {
    let hub = Process::start(&["peer.connect_timeout=1s", "peer.heartbeat=1s"]);
    let mut slow = JoinSet::new();
    let endless = frame(FIN | TEXT, &[b'x'; 10_000]);
    for number in 0..50 {
        let (door, bytes) = (*hub, endless.clone());
        slow.spawn(async move {
            let mut raw = Raw::open(&door).await;
            trickle(&mut raw.socket, &bytes).await
        });
        let (door, bytes) = (*hub, endless.clone());
        slow.spawn(async move {
            let mut raw = Raw::connect(&door, &format!("u{number}")).await;
            trickle(&mut raw.socket, &bytes).await
        });
    }
    while let Some(ended) = slow.join_next().await {
        // An end comes within a second of its deadline, and the socket is let go of two seconds later.
        assert!(ended.unwrap() < Duration::from_secs(10));
    }
}

/// Writes a request and reads what comes back, until nothing does.
async fn answer(door: &Door, request: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(door.address).await.unwrap();
    // The hub may have answered and hung up before it has all.
    let _ = socket.write_all(request).await;
    let mut all = Vec::new();
    while let Ok(Ok(1..)) = tokio::time::timeout(Duration::from_millis(400), socket.read_buf(&mut all)).await
    {
    }
    all
}

#[tokio::test]
async fn row_3_requests_that_are_too_large_or_ambiguous_are_refused() {
    let hub = Process::start(&[]);
    let watch = hub.watch().await;
    let head = |more: &str| format!("{HEAD}{more}\r\n");
    let many: String = (0..200).map(|number| format!("X-{number}: x\r\n")).collect();
    let table = [
        ("two hundred headers", head(&many), "431"),
        ("one long header", head(&format!("X: {}\r\n", "x".repeat(40_000))), "431"),
        ("a megabyte of headers", head(&"X: xxxxxxxx\r\n".repeat(80_000)), "431"),
        ("a long path", HEAD.replace("/ws", &"/x".repeat(20_000)) + "\r\n", "431"),
        ("a body", head("Content-Length: 5\r\n") + "GET /", "400"),
        ("a chunked body", head("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", "400"),
        ("a body of two lengths", head("Content-Length: 5\r\nContent-Length: 6\r\n") + "GET /", "400"),
        ("a body of two kinds", head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "400"),
        ("a folded header", head("X: a\r\n b\r\n"), "400"),
        ("a space before the colon", head("X : a\r\n"), "400"),
        ("a bare line feed in a header", head("X: a\nY: b\r\n\u{0}"), "400"),
        ("another version", HEAD.replace("13", "8") + "\r\n", "400"),
        ("a short key", HEAD.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhl") + "\r\n", "400"),
        ("another method", HEAD.replace("GET", "POST") + "\r\n", "405"),
        ("no HTTP at all", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n".to_owned(), "400"),
    ];
    for (name, request, status) in table {
        let said = String::from_utf8_lossy(&answer(&hub, request.as_bytes()).await).into_owned();
        let found = said.split(' ').nth(1).unwrap_or_default();
        assert_eq!(found, status, "{name}: {said}");
        assert!(!said.contains(" 101 "), "{name}: {said}");
    }
    watch.unharmed(10 * MEGABYTE).await;
}

#[tokio::test]
async fn row_3_what_follows_an_upgrade_at_once_is_frames_and_no_second_request() {
    let hub = Process::start(&[]);
    let connect = json!({"message_type": "connect", "protocol": 1, "user_id": "alice"}).to_string();
    let request = [HEAD.as_bytes(), b"\r\n", &frame(FIN | TEXT, connect.as_bytes())].concat();
    let said = String::from_utf8_lossy(&answer(&hub, &request).await).into_owned();
    assert!(said.starts_with("HTTP/1.1 101 ") && said.contains(r#""user_id":"alice""#), "{said}");
    // Read as a frame it has bits that are reserved.
    let request =
        [HEAD.as_bytes(), b"\r\nGET /healthz HTTP/1.1\r\nHost: hub\r\nX: ", &[b'x'; 80], b"\r\n\r\n"]
            .concat();
    let said = answer(&hub, &request).await;
    assert!(
        said.starts_with(b"HTTP/1.1 101 ") && said.ends_with(b"\r\n\r\n\x88\x02\x03\xea"),
        "{}",
        said.escape_ascii()
    );
}

/// Whether a request on a socket of its own is answered, rather than cut off.
async fn is_let_in(hub: &Process) -> bool {
    let mut socket = TcpStream::connect(hub.address).await.unwrap();
    // It may be closed before it has said anything.
    let _ = socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_end_with_their_socket() {
    let hub = Process::start(&["limits.pending_per_address=1"]);
    let mut socket = TcpStream::connect(hub.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(1000);
    // Until nothing more is taken: the hub's answers fill what there is for them.
    assert_eq!(crate::flood(&mut socket, &request, 60).await, 0);
    assert!(!is_let_in(&hub).await, "it counts as long as it is there");
    let until = Instant::now() + Duration::from_secs(25);
    while !is_let_in(&hub).await {
        assert!(Instant::now() < until, "it stays for ever");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
