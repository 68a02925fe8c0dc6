//! What answers the upgrade in place of a hub, and the hub's own refusals, over real sockets.
#![allow(missing_docs, reason = "tests")]

mod hub;

use std::time::Duration;

use futures_util::StreamExt;
use hub::{Hub, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wsc_client::{Client, CloseCode, Closed, Notice, State};

/// What is answered, in pieces that are written one after the other.
type Answer<'a> = &'a [&'a str];

/// Answers one request with these pieces; the connection stays open.
async fn answer(hub: &Hub, pieces: Answer<'_>) -> TcpStream {
    let (mut stream, _) = soon(hub.listener.accept()).await.expect("a connection");
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).await.expect("a request") > 0);
    stream.set_nodelay(true).expect("set");
    for piece in pieces {
        stream.write_all(piece.as_bytes()).await.expect("answered");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    stream
}

async fn refused(pieces: Answer<'_>) -> (Hub, Client, Option<CloseCode>, String) {
    let hub = Hub::new().await;
    let client = hub.client().build().await.expect("built");
    let mut notices = client.notices();
    client.connect().await;
    let _stream = answer(&hub, pieces).await;
    let Some(Notice::Disconnected { connected: false, code, reason }) = soon(notices.next()).await else {
        panic!("no notice of {pieces:?}")
    };
    (hub, client, code, reason)
}

async fn is_tried_again(pieces: Answer<'_>) {
    let (hub, client, code, reason) = refused(pieces).await;
    assert_eq!(code, None, "{pieces:?}");
    let status = &pieces[0][9..12];
    assert!(reason.contains(status), "{reason} of {pieces:?}");
    let (_link, _) = hub.greet(1, 0).await;
    soon(client.connected()).await.expect("connected");
}

#[tokio::test]
async fn what_a_proxy_answers_is_an_attempt_that_failed() {
    let page = "Content-Type: text/html\r\nContent-Length: 22\r\n\r\n<html>not found</html>";
    let endless = "x".repeat(100_000);
    let answers: [Answer<'_>; 14] = [
        &["HTTP/1.1 404 Not Found\r\n", page],
        &["HTTP/1.1 403 Forbidden\r\n", page],
        &["HTTP/1.1 400 Bad Request\r\n", page],
        &["HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n", page],
        &["HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"],
        &["HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"],
        &["HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/login\r\nContent-Length: 0\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\n", page],
        &["HTTP/1.1 502 Bad Gateway\r\n", page],
        &["HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"],
        &["HTTP/1.1 404 Not Found\r\nContent-Length: 32\r\n\r\n", r#"{"code":404,"reason":"no route"}"#],
        &["HTTP/1.1 403 Forbidden\r\nContent-Length: 28\r\n\r\n", r#"{"code":80303,"message":"x"}"#],
        // A body without an end, in either sense.
        &["HTTP/1.1 403 Forbidden\r\n\r\n", &endless],
        &["HTTP/1.1 403 Forbidden\r\nContent-Length: 32\r\n\r\n", r#"{"code":80303,"#],
    ];
    futures_util::future::join_all(answers.into_iter().map(is_tried_again)).await;
}

#[tokio::test]
async fn an_upgrade_to_another_protocol_is_an_attempt_that_failed() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let (_hub, client, code, reason) =
        refused(&[head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"]).await;
    assert_eq!(code, None);
    assert!(reason.contains("Sec-WebSocket-Accept"), "{reason}");
    assert!(matches!(client.state(), State::Waiting { .. }));
}

#[tokio::test]
async fn the_hub_s_own_refusal_is_final_and_gives_its_reason() {
    let body = r#"{"code":80303,"reason":"this origin is not on the hub's list"}"#;
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let begun = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n";
    // Whole, in pieces, and as a proxy may pass it on.
    for pieces in [&[&*format!("{begun}{length}{body}")][..], &[begun, &length, body], &[begun, &chunked]] {
        let (_hub, client, code, reason) = refused(pieces).await;
        assert_eq!(code, Some(CloseCode::Forbidden));
        assert_eq!(reason, "http status 403: this origin is not on the hub's list");
        let closed = soon(client.connected()).await.expect_err("closed");
        assert_eq!(closed.0, Closed::Hub { code: CloseCode::Forbidden, reason });
    }
}

#[tokio::test]
async fn the_time_that_the_hub_names_is_waited_for() {
    let body = r#"{"code":80903,"reason":"draining","retry_after_ms":3000}"#;
    let head = format!("HTTP/1.1 503 Service Unavailable\r\nContent-Length: {}\r\n\r\n", body.len());
    let begun = tokio::time::Instant::now();
    let (hub, client, code, _) = refused(&[&head, body]).await;
    assert_eq!(code, Some(CloseCode::TryAgainLater));
    let (_link, _) = hub.greet(1, 0).await;
    assert!(begun.elapsed() >= Duration::from_millis(2900), "{:?}", begun.elapsed());
    soon(client.connected()).await.expect("connected");
}
