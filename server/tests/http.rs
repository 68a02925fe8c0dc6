//! What the hub's HTTP answers beside the upgrade: paths, methods, refusals.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use support::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer: its first line and headers in lower case, and its body.
async fn answer(server: &Server, request_line: &str) -> (String, String) {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let request = format!("{request_line} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut all = String::new();
    let read = tokio::time::timeout(support::PATIENCE, socket.read_to_string(&mut all)).await;
    read.expect("an answer in time").unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_json_and_what_is_allowed_is_named() {
    let server = Server::start().await;
    for (request, status, allow) in [
        ("GET /nothing", 404, None),
        ("POST /nothing", 404, None),
        ("GET //healthz", 404, None),
        ("OPTIONS *", 404, None),
        ("CONNECT hub:80", 404, None),
        ("POST /healthz", 405, Some("get,head")),
        ("OPTIONS /ws", 405, Some("get,head")),
        ("DELETE /ws", 405, Some("get,head")),
        ("PUT /", 405, Some("get,head")),
        ("BREW /page.js", 405, Some("get,head")),
    ] {
        let (head, body) = answer(&server, request).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{request}: {head}");
        assert!(head.contains("content-type: application/json"), "{request}: {head}");
        let allowed = head.lines().find_map(|line| line.strip_prefix("allow: "));
        assert_eq!(allowed, allow, "{request}");
        let body: serde_json::Value = serde_json::from_str(&body).expect(request);
        assert_eq!(body["code"], 80401, "{request}");
        assert!(body["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{request}");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let server = Server::start().await;
    for path in ["/", "/page.js", "/healthz", "/readyz", "/nothing"] {
        let (head, body) = answer(&server, &format!("HEAD {path}")).await;
        let (full, full_body) = answer(&server, &format!("GET {path}")).await;
        let without_date = |head: &str| {
            let lines = head.lines().filter(|line| !line.starts_with("date: "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!((without_date(&head), body.as_str()), (without_date(&full), ""), "{path}");
        assert!(full.contains(&format!("content-length: {}", full_body.len())), "{path}: {full}");
        assert!(!full_body.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn serving_ends_at_once_where_the_hub_has_drained_before() {
    let hub = wsc_server::Hub::builder(wsc_server::MemoryStore::new(Default::default())).start().unwrap();
    hub.drain().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = wsc_server::http::serve(listener, hub);
    tokio::time::timeout(support::PATIENCE, serving).await.expect("it ends").unwrap();
}
