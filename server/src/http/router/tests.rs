//! A route of an API over a real socket: JSON in, JSON out, for whoever the token names.

use std::time::Duration;

use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::http::connection::{Remote, serve_routes};
use crate::http::extract::{Authenticated, Json};
use crate::token::{Claims, Keys};
use crate::{MemoryStore, Settings};

const SECRET: &[u8] = b"secret";

#[derive(Deserialize, Serialize)]
struct Note {
    text: String,
}

async fn note(Authenticated(user): Authenticated, Json(note): Json<Note>) -> axum::Json<Value> {
    axum::Json(json!({"user": &*user.user.user, "text": note.text}))
}

/// The hub's own routes, and one more.
static API: LazyLock<Router> =
    LazyLock::new(|| finish(Router::new().route("/notes/{id}", post(note)).route("/readyz", get(ready))));

fn hub(guarded: bool) -> Hub {
    let origins = vec!["https://app.example".to_owned()];
    let mut settings = Settings { shards: 1, ..Settings::default() };
    (settings.peer.frame, settings.auth.origins) = (1000, origins);
    let builder = Hub::builder(MemoryStore::new(settings.retention)).settings(settings);
    let builder = builder
        .on_connect(|identity| if &*identity.user.user == "mallory" { Err("no".to_owned()) } else { Ok(()) });
    let builder = if guarded { builder.keys(Keys::new(SECRET, [])) } else { builder };
    builder.start().unwrap()
}

fn token(user: &str) -> String {
    let claims = Claims { uid: user.to_owned(), exp: 4_000_000_000, ..Claims::default() };
    format!("Authorization: Bearer {}\r\n", claims.sign(SECRET).unwrap())
}

fn connect(hub: &Hub) -> DuplexStream {
    let (ours, theirs) = duplex(64 * 1024);
    tokio::spawn(serve_routes(&API, theirs, Remote { address: None, scarce: None }, hub.clone()));
    ours
}

/// What comes back, to the end: the head, and the body as JSON.
async fn read(socket: &mut DuplexStream) -> (String, Value) {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(30), socket.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), serde_json::from_str(body).unwrap())
}

async fn ask(hub: &Hub, headers: &str, body: &str) -> (String, Value) {
    let mut socket = connect(hub);
    let request = format!("POST /notes/1 HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n{headers}\r\n{body}");
    socket.write_all(request.as_bytes()).await.unwrap();
    read(&mut socket).await
}

fn with_length(body: &str) -> String {
    format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
}

#[tokio::test]
async fn a_route_gets_its_json_and_who_sent_it() {
    let body = r#"{"text":"hello"}"#;
    let chunks = "6\r\n{\"text\r\na\r\n\":\"hello\"}\r\n0\r\n\r\n";
    let chunked = "content-type: Application/JSON; charset=utf-8\r\nTransfer-Encoding: chunked\r\n";
    let guarded = hub(true);
    for (headers, body) in [(with_length(body), body), (chunked.to_owned(), chunks)] {
        let (head, answer) = ask(&guarded, &format!("{}{headers}", token("alice")), body).await;
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert_eq!(answer, json!({"user": "alice", "text": "hello"}));
    }
    let (_, answer) = ask(&hub(false), &format!("X-User-ID: bob\r\n{}", with_length(body)), body).await;
    assert_eq!(answer["user"], "bob", "without authentication a client says who it is");
}

#[tokio::test]
async fn a_sender_that_is_not_let_in_is_refused_as_at_the_upgrade() {
    let guarded = hub(true);
    let body = r#"{"text":"hello"}"#;
    let cross = |origin: &str| format!("{}Origin: {origin}\r\n", token("alice"));
    for (headers, status, code) in [
        (String::new(), 401, 80304),
        ("Authorization: Bearer nonsense\r\n".to_owned(), 401, 80304),
        ("X-User-ID: alice\r\n".to_owned(), 401, 80304),
        (token("mallory"), 403, 80303),
        (cross("https://evil.example"), 403, 80303),
        (cross("https://app.example"), 200, 0),
    ] {
        let (head, answer) = ask(&guarded, &format!("{headers}{}", with_length(body)), body).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{headers}: {head}");
        assert_eq!(answer["code"].as_u64().unwrap_or(0), code, "{headers}: {answer}");
        assert_eq!(head.contains("www-authenticate: bearer"), status == 401, "{head}");
    }
    guarded.drain().await;
    let (head, answer) = ask(&guarded, &format!("{}{}", token("alice"), with_length(body)), body).await;
    assert!(head.starts_with("http/1.1 503 ") && head.contains("retry-after: 1"), "{head}");
    assert_eq!(answer, json!({"code": 80903, "reason": "draining", "retry_after_ms": 1000}));
}

#[tokio::test]
async fn a_body_that_cannot_be_taken_is_refused_in_json() {
    let guarded = hub(true);
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(1000));
    let chunks = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    for (headers, body, status, code, reason) in [
        (with_length(&long), long.as_str(), 413, 80402, "longer than 1000 bytes"),
        (chunked.to_owned(), chunks.as_str(), 413, 80402, "longer than 1000 bytes"),
        ("Content-Length: 2\r\n".to_owned(), "{}", 415, 80401, "application/json"),
        (
            "Content-Type: text/plain\r\nContent-Length: 2\r\n".to_owned(),
            "{}",
            415,
            80401,
            "application/json",
        ),
        (with_length("{"), "{", 400, 80401, "EOF"),
        (with_length(r#"{"text":1}"#), r#"{"text":1}"#, 400, 80401, "text: invalid type"),
        (with_length(""), "", 400, 80401, "EOF"),
    ] {
        let (head, answer) = ask(&guarded, &format!("{}{headers}", token("alice")), body).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{headers}: {head}");
        assert_eq!(answer["code"], code, "{answer}");
        assert!(answer["reason"].as_str().unwrap().contains(reason), "{answer}");
    }
}

#[tokio::test]
async fn a_body_too_long_is_refused_before_it_is_sent() {
    let mut socket = connect(&hub(true));
    let head = format!(
        "POST /notes/1 HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n{}Content-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n",
        token("alice")
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let (head, answer) = read(&mut socket).await;
    assert!(head.starts_with("http/1.1 413 "), "{head}");
    assert_eq!(answer["code"], 80402);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let mut socket = connect(&hub(true));
    let head = format!(
        "POST /notes/1 HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n{}{}{{",
        token("alice"),
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n",
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let (head, answer) = read(&mut socket).await;
    assert!(head.starts_with("http/1.1 408 "), "{head}");
    assert_eq!(answer["code"], 80401);
}

#[tokio::test]
async fn another_method_is_refused_with_what_is_allowed() {
    let mut socket = connect(&hub(true));
    socket.write_all(b"GET /notes/1 HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").await.unwrap();
    let (head, _) = read(&mut socket).await;
    assert!(head.starts_with("http/1.1 405 ") && head.contains("allow: post"), "{head}");
}
