//! Clients behind proxies: whose address counts, and what is said when one has too many.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::{Duration, Instant};

use support::process::Process;
use support::{Client, Door, PATIENCE, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "wsc.v1");

/// A hub that trusts proxies of some networks, and lets three sockets of an address wait.
async fn trusting(proxies: &[&str]) -> Server {
    let proxies = proxies.iter().map(|proxy| (*proxy).to_owned()).collect();
    let change = |settings: &mut wsc_server::Settings| {
        settings.limits.pending_per_address = 3;
        settings.http.trusted_proxies = proxies;
    };
    Server::with(change, |builder| builder).await
}

/// A socket that has said nothing but where it comes from.
async fn waiting(door: &Door, name: &'static str, from: &str) -> Result<Client, Error> {
    door.request("/ws", &[PROTOCOL, (name, from)]).await
}

#[tokio::test]
async fn many_clients_behind_a_trusted_proxy_are_many_addresses() {
    let server = trusting(&["127.0.0.0/8"]).await;
    let mut clients = Vec::new();
    for number in 0..200 {
        let address = format!("203.0.113.{number}");
        clients.push(waiting(&server, "x-forwarded-for", &address).await.unwrap());
        let address = format!("for=\"[2001:db8::{number:x}]:4711\";proto=https");
        clients.push(waiting(&server, "forwarded", &address).await.unwrap());
    }
}

#[tokio::test]
async fn a_client_behind_a_trusted_proxy_that_has_too_many_is_told_when_to_come_again() {
    let server = trusting(&["127.0.0.1"]).await;
    let mut clients = Vec::new();
    // What it writes itself into the header stands on the left, and makes no other client of it.
    for number in 0..3 {
        let way = format!("198.51.100.{number}, 203.0.113.9");
        clients.push(waiting(&server, "x-forwarded-for", &way).await.unwrap());
    }
    match waiting(&server, "x-forwarded-for", "198.51.100.9, 203.0.113.9").await {
        Err(Error::Http(refused)) => {
            assert_eq!(
                (refused.status().as_u16(), &refused.headers()["retry-after"]),
                (429, &"1".parse().unwrap())
            );
            let body: serde_json::Value = serde_json::from_slice(refused.body().as_deref().unwrap()).unwrap();
            assert_eq!((&body["code"], &body["retry_after_ms"]), (&80801.into(), &1000.into()));
        }
        other => panic!("{other:?}", other = other.map(|_| ())),
    }
    clients.push(waiting(&server, "x-forwarded-for", "203.0.113.10").await.unwrap());
    // Once it has said who it is, it does not count any more.
    let mut first = clients.remove(0);
    first.say(&serde_json::json!({"message_type": "connect", "protocol": 1, "user_id": "alice"})).await;
    first.hear_type("connected").await;
    waiting(&server, "x-forwarded-for", "203.0.113.9").await.unwrap();
}

#[tokio::test]
async fn a_quote_that_a_client_leaves_open_makes_no_other_client_of_it() {
    let server = trusting(&["127.0.0.1"]).await;
    let mut clients = Vec::new();
    // The proxy adds its own element to what the client wrote.
    let way = |number: u8| format!("for=198.51.100.{number};by=\", for=203.0.113.9");
    for number in 0..3 {
        clients.push(waiting(&server, "forwarded", &way(number)).await.unwrap());
    }
    assert!(waiting(&server, "forwarded", &way(9)).await.is_err());
    assert!(waiting(&server, "forwarded", "for=203.0.113.9").await.is_err());
    clients.push(waiting(&server, "forwarded", "for=203.0.113.10").await.unwrap());
}

#[tokio::test]
async fn who_is_not_trusted_cannot_say_where_he_comes_from() {
    let server = trusting(&["10.0.0.0/8"]).await;
    let mut clients = Vec::new();
    for number in 0..3 {
        clients.push(waiting(&server, "x-forwarded-for", &format!("203.0.113.{number}")).await.unwrap());
    }
    assert!(waiting(&server, "x-forwarded-for", "203.0.113.9").await.is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn a_proxy_on_a_unix_socket_is_trusted_where_it_is_said() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let server = trusting(&["unix"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.sock");
    let listener = tokio::net::UnixListener::bind(&file).unwrap();
    tokio::spawn(wsc_server::http::serve(listener, server.hub.clone()));
    let request = |from: &'static str| {
        let mut request = "ws://hub/ws".into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "wsc.v1".parse().unwrap());
        request.headers_mut().insert("x-forwarded-for", from.parse().unwrap());
        let file = file.clone();
        async move {
            let socket = tokio::net::UnixStream::connect(file).await.unwrap();
            tokio_tungstenite::client_async(request, socket).await
        }
    };
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(request("203.0.113.9").await.unwrap());
    }
    assert!(matches!(request("203.0.113.9").await, Err(Error::Http(refused)) if refused.status() == 429));
    clients.push(request("203.0.113.10").await.unwrap());
    // Over TCP nobody is a proxy.
    for number in 0..3 {
        assert!(waiting(&server, "x-forwarded-for", &format!("203.0.113.{number}")).await.is_ok());
    }
}

/// Header of the PROXY protocol, then a request.
async fn proxied(door: &Door, header: &[u8], piece: usize) -> String {
    let mut socket = TcpStream::connect(door.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let request = "GET /ws HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: wsc.v2\r\n\r\n";
    for piece in [header, request.as_bytes()].concat().chunks(piece) {
        if socket.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut answer = vec![0; 1024];
    let read = tokio::time::timeout(PATIENCE, socket.read(&mut answer)).await;
    answer.truncate(read.expect("an answer or the end").unwrap_or(0));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_proxy_protocol_says_where_a_connection_comes_from() {
    let hub = Process::start(&["http.trusted_proxies=127.0.0.1", "http.proxy_protocol=true"]);
    let two = |command: u8, family: u8, addresses: &[u8]| {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family], &length, addresses].concat()
    };
    for (header, address) in [
        (b"PROXY TCP4 203.0.113.1 10.0.0.1 4711 8080\r\n".to_vec(), "203.0.113.1"),
        (b"PROXY TCP6 2001:db8::1 ::1 4711 8080\r\n".to_vec(), "2001:db8::1"),
        (two(0x21, 0x11, &[203, 0, 113, 2, 10, 0, 0, 1, 18, 103, 31, 144]), "203.0.113.2"),
        (two(0x20, 0, &[]), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ] {
        for piece in [1, 7, usize::MAX] {
            // The subprotocol is one that the hub refuses and logs.
            let answer = proxied(&hub, &header, piece).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{address}: {answer}");
        }
        let log = hub.log();
        let lines = log.lines().filter(|line| line.contains(&format!("address={address} ")));
        assert!(lines.count() >= 3, "{address}: {log}");
    }
    // Without the header there is no way in past the proxy, and the log says why.
    let answer = proxied(&hub, b"", usize::MAX).await;
    assert_eq!(answer, "");
    assert!(hub.log().contains("does not begin with it"), "{}", hub.log());
    // Who is not trusted has no business with it.
    let hub = Process::start(&["http.trusted_proxies=10.0.0.0/8", "http.proxy_protocol=true"]);
    let answer = proxied(&hub, b"PROXY TCP4 203.0.113.1 10.0.0.1 4711 8080\r\n", usize::MAX).await;
    assert!(answer.contains("this is not a valid HTTP/1.1 request"), "{answer}");
}

#[tokio::test]
async fn sockets_that_are_closed_without_an_answer_are_counted_in_the_log() {
    let hub = Process::start(&["limits.pending_per_address=3"]);
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(hub.address).await.unwrap());
    }
    let until = Instant::now() + PATIENCE;
    while !hub.log().contains("http.trusted_proxies") {
        assert!(Instant::now() < until, "{}", hub.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lines = hub.log().lines().filter(|line| line.contains("http.trusted_proxies")).count();
    assert!(lines <= 60, "{lines}");
}
