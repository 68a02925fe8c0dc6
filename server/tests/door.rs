//! The door: tokens, origins, limits, bad input, closing, draining.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{Client, Server};
use tokio_tungstenite::tungstenite::{Error, Message};
use wsc_server::token::{Claims, Keys};
use wsc_server::{Hub, MemoryStore, Settings};

const SECRET: &[u8] = b"secret";

async fn guarded() -> Server {
    let mut settings = Settings::default();
    settings.shards = 2;
    settings.auth.origins = vec!["https://app.example".to_owned()];
    let store = MemoryStore::new(settings.retention);
    Server::over(Hub::builder(store).settings(settings).keys(Keys::new(SECRET, []))).await
}

fn claims(user: &str) -> Claims {
    Claims { uid: user.to_owned(), exp: 4_000_000_000, iat: 1_700_000_000, ..Claims::default() }
}

fn token(claims: &Claims) -> String {
    claims.sign(SECRET).unwrap()
}

async fn connect(server: &Server, claims: &Claims, device: &str) -> Client {
    let more = json!({"token": token(claims), "user_id": "ignored"});
    server.connect_with("ignored", device, more).await
}

fn refused(result: Result<Client, Error>) -> (u16, serde_json::Value) {
    match result.err() {
        Some(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (response.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default())
        }
        other => panic!("expected an HTTP refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn the_token_says_who_it_is_wherever_it_stands() {
    let server = guarded().await;
    let alice = connect(&server, &claims("alice"), "a1").await;
    assert_eq!(alice.connected["user_id"], "alice");
    let bearer = format!("Bearer {}", token(&claims("bob")));
    let in_query = format!("/ws?token={}", token(&claims("bob")));
    let protocol = ("sec-websocket-protocol", "wsc.v1");
    for (path, headers) in
        [("/ws", vec![protocol, ("authorization", bearer.as_str())]), (in_query.as_str(), vec![protocol])]
    {
        let mut bob = server.request(path, &headers).await.unwrap();
        bob.say(&json!({"message_type": "connect", "protocol": 1, "device_id": "b1"})).await;
        assert_eq!(bob.hear().await["user_id"], "bob");
    }
}

#[tokio::test]
async fn refusals_before_the_upgrade_are_json_with_the_right_status() {
    let server = guarded().await;
    let protocol = ("sec-websocket-protocol", "wsc.v1");
    let (status, body) = refused(server.request("/ws?token=nonsense", &[protocol]).await);
    assert_eq!((status, &body["code"]), (401, &json!(80304)));
    let (status, body) =
        refused(server.request("/ws", &[protocol, ("origin", "https://evil.example")]).await);
    assert_eq!((status, &body["code"]), (403, &json!(80303)));
    server.request("/ws", &[protocol, ("origin", "https://app.example")]).await.unwrap();
    let (status, body) = refused(server.request("/ws", &[("sec-websocket-protocol", "other.v1")]).await);
    assert_eq!((status, &body["code"]), (400, &json!(80401)));
    let (status, _) = refused(server.request("/ws", &[]).await);
    assert_eq!(status, 401, "a bare client needs a token too");
    let one = token(&claims("alice"));
    let two = format!("/ws?token={}", token(&claims("bob")));
    let (status, _) =
        refused(server.request(&two, &[protocol, ("authorization", &format!("Bearer {one}"))]).await);
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_bad_first_frame_closes_with_its_own_code() {
    let server = guarded().await;
    let expired = token(&Claims { exp: 1000, ..claims("alice") });
    let other_device = token(&Claims { did: "d1".to_owned(), ..claims("alice") });
    let other_app = token(&Claims { aid: "other".to_owned(), ..claims("alice") });
    let good = token(&claims("alice"));
    let connect = |token: &str| {
        format!(r#"{{"message_type":"connect","protocol":1,"device_id":"d2","token":"{token}"}}"#)
    };
    for (frame, code) in [
        (connect(""), 4001),
        (connect("nonsense"), 4001),
        (connect(&other_app), 4001),
        (connect(&expired), 4002),
        (connect(&other_device), 4003),
        (connect(&good).replace(":1,", ":2,"), 4011),
        ("null".to_owned(), 4011),
        (r#"{"message_type":"ping"}"#.to_owned(), 4011),
    ] {
        let mut client = server.socket().await;
        client.raw(&frame).await;
        assert_eq!(client.closed().await.unwrap().0, code, "{frame}");
    }
    let mut client = server.socket().await;
    client.socket_send(Message::binary(vec![0_u8; 8])).await;
    assert_eq!(client.closed().await.unwrap().0, 4011);
}

#[tokio::test]
async fn a_connection_without_connect_frame_is_closed_with_4012() {
    let server = Server::with(
        |settings| settings.peer.connect_timeout = Duration::from_millis(200),
        |builder| builder,
    )
    .await;
    let mut client = server.socket().await;
    assert_eq!(client.closed().await.unwrap().0, 4012);
}

#[tokio::test]
async fn capabilities_are_the_token_s() {
    let server = guarded().await;
    let cap = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let mut plain = connect(&server, &claims("alice"), "a1").await;
    let broadcast = json!({"message_type": "text", "message_id": "1", "broadcast_type": "global"});
    assert_eq!(plain.send(broadcast.clone()).await["code"], 80303);
    for request in ["observe", "kick", "group_disband", "get_online_users"] {
        let data = json!({"user_id": "bob", "group_id": if request == "observe" || request == "get_online_users" { "" } else { "g" }});
        let answer = plain.ask(json!({"message_type": request, "message_id": "r", "data": data})).await;
        assert_eq!(answer["code"], 80303, "{request}");
    }
    let join = json!({"message_type": "group_join", "message_id": "j", "group_ids": ["team-7"]});
    assert_eq!(plain.ask(join.clone()).await["code"], 80303);
    let able = Claims { cap: cap(&["broadcast", "group:team-*"]), ..claims("bob") };
    let mut able = connect(&server, &able, "b1").await;
    assert_eq!(able.send(broadcast).await["status"], "accepted");
    assert_eq!(able.ask(join).await["data"]["action"], "joined");
    assert_eq!(able.send_to("alice", "2", "no").await["code"], 80303);
}

#[tokio::test]
async fn a_draining_hub_tells_flushes_closes_and_lets_nobody_in() {
    let server = Server::with(|settings| settings.drain = Duration::from_secs(4), |builder| builder).await;
    let mut alice = server.connect("alice", "a1").await;
    for id in 0..200 {
        alice.say(&json!({"message_type": "text", "message_id": id.to_string(), "receiver": "bob"})).await;
    }
    let hub = server.hub.clone();
    let drain = tokio::spawn(async move { hub.drain().await });
    let mut acks = 0;
    let code = loop {
        match alice.packet().await {
            Some(Ok(Message::Text(text))) if text.contains("\"status\":\"accepted\"") => acks += 1,
            Some(Ok(Message::Close(Some(frame)))) => break u16::from(frame.code),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((code, acks > 0), (1001, true));
    drain.await.unwrap();
}

#[tokio::test]
async fn an_application_may_refuse_rewrite_take_and_hear() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use wsc_server::{ErrorCode, FailureKind, Verdict};
    let (gone, offline) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count_gone, count_offline) = (Arc::clone(&gone), Arc::clone(&offline));
    let server = Server::with(
        |_| {},
        move |builder| {
            builder
                .on_connect(
                    |identity| if &*identity.user.user == "mallory" { Err("no".into()) } else { Ok(()) },
                )
                .on_message(|_, mut message| {
                    Box::pin(async move {
                        tokio::task::yield_now().await;
                        match message.content.as_ref() {
                            "panic" => panic!("on purpose"),
                            "bad" => Verdict::Refuse(ErrorCode::Filtered, "not so".into()),
                            "mine" => Verdict::Handled,
                            _ => {
                                message.content = message.content.to_uppercase().into();
                                Verdict::Route(Box::new(message))
                            }
                        }
                    })
                })
                .on_disconnect(move |_, _, _| {
                    count_gone.fetch_add(1, Ordering::Relaxed);
                })
                .on_failure(FailureKind::UserOffline, move |_| {
                    count_offline.fetch_add(1, Ordering::Relaxed);
                })
        },
    )
    .await;
    let mut mallory = server.socket().await;
    mallory.say(&json!({"message_type": "connect", "protocol": 1, "user_id": "mallory"})).await;
    assert_eq!(mallory.closed().await.unwrap().0, 4003);
    let mut alice = server.connect("alice", "a1").await;
    assert_eq!(alice.send_to("bob", "1", "bad").await["code"], 80404);
    assert_eq!(alice.send_to("bob", "2", "panic").await["code"], 80404);
    assert_eq!(alice.send_to("bob", "3", "mine").await["seq_no"], json!(null));
    assert_eq!(
        alice.send(json!({"message_type": "text", "message_id": "4", "content": "mine"})).await["status"],
        "accepted"
    );
    alice.send_to("bob", "5", "hello").await;
    let mut bob = server.connect("bob", "b1").await;
    assert_eq!(bob.message().await["content"], "HELLO");
    drop(alice);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((gone.load(Ordering::Relaxed), offline.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn the_application_sends_and_hears_how_far_it_got() {
    use wsc_server::{Recipient, Scope, UserKey};
    let server = Server::start().await;
    let mut bob = server.connect("bob", "b1").await;
    let user = UserKey::new(&Scope::default(), "bob");
    let message = wsc_server::Message::to_user("", "hello");
    let mut sent = server.hub.send(&Recipient::User(user.clone()), message.clone()).await.unwrap();
    let entry = bob.message().await;
    assert_eq!((&entry["sender"], &entry["content"]), (&json!("system"), &json!("hello")));
    bob.acknowledge("inbox", 1).await;
    tokio::time::timeout(support::PATIENCE, sent.delivered()).await.unwrap();
    let read =
        json!({"message_type": "read", "message_id": "m", "stream": "inbox", "peer": "system", "seq_no": 1});
    bob.ask(read).await;
    tokio::time::timeout(support::PATIENCE, sent.read()).await.unwrap();
    let found = server.hub.find_connections(|connection| &*connection.user.user == "bob").await;
    assert_eq!((found.len(), &*found[0].device), (1, "b1"));
    assert_eq!(server.hub.send_where(message, |connection| &*connection.user_type == "visitor").await, 1);
    assert_eq!(bob.message().await["content"], "hello");
    server.hub.kick(&user, None, "enough").await.unwrap();
    assert_eq!(bob.closed().await.unwrap().0, 4010);
}

/// Tokens that are wrong in one way each: a part of the reason, and the close code of the frame.
fn wrong_tokens() -> Vec<(String, &'static str, u16)> {
    let sign = |claims: serde_json::Value, secret: &[u8], algorithm| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&jsonwebtoken::Header::new(algorithm), &claims, &key).unwrap()
    };
    let signed = |claims| sign(claims, SECRET, jsonwebtoken::Algorithm::HS256);
    let later = 4_000_000_000.5;
    vec![
        (signed(json!({"uid": "alice", "exp": 1_700_000_000.5})), "expired", 4002),
        (signed(json!({"uid": "alice", "exp": later, "nbf": later})), "not yet valid", 4001),
        (signed(json!({"uid": "alice", "exp": "later"})), "claim exp must be a number", 4001),
        (signed(json!({"uid": "alice"})), "no claim exp", 4001),
        (signed(json!({"exp": later})), "no claim uid", 4001),
        (signed(json!({"uid": 7, "exp": later})), "claim uid must be a string", 4001),
        (signed(json!({"uid": "alice", "exp": later, "aid": "other"})), "application", 4001),
        (
            sign(json!({"uid": "alice", "exp": later}), b"other", jsonwebtoken::Algorithm::HS256),
            "signature",
            4001,
        ),
        (
            sign(json!({"uid": "alice", "exp": later}), SECRET, jsonwebtoken::Algorithm::HS384),
            "algorithm",
            4001,
        ),
        ("nonsense".to_owned(), "not a valid JWT", 4001),
    ]
}

#[cfg(feature = "command")]
#[tokio::test]
async fn a_wrong_token_is_refused_with_its_reason_in_the_answer_the_frame_and_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    // As an editor on Windows writes it.
    std::fs::write(&secret, [b"\xef\xbb\xbf", SECRET, b"\r\n"].concat()).unwrap();
    let server = support::process::Process::start(&[&format!("secret_file={}", secret.display())]);
    let protocol = ("sec-websocket-protocol", "wsc.v1");
    for (token, reason, code) in wrong_tokens() {
        let (status, body) = refused(server.request(&format!("/ws?token={token}"), &[protocol]).await);
        assert_eq!((status, &body["code"]), (401, &json!(80304)), "{reason}");
        assert!(body["reason"].as_str().unwrap().contains(reason), "{body}");
        let mut client = server.socket().await;
        client.say(&json!({"message_type": "connect", "protocol": 1, "token": token})).await;
        let error = client.hear().await;
        assert!(error["reason"].as_str().unwrap().contains(reason), "{error}");
        let closed = client.closed().await.unwrap();
        assert_eq!(closed.0, code, "{reason}");
        assert!(closed.1.contains(reason), "{closed:?}");
        let log = server.log();
        let lines = log.lines().filter(|line| line.contains(reason) && line.contains("127.0.0.1"));
        assert_eq!(lines.count(), 2, "{reason}: {log}");
        assert!(!log.contains(&token), "{log}");
    }
}

#[tokio::test]
async fn white_space_around_a_token_and_fractions_of_its_times_do_not_count() {
    let server = guarded().await;
    let claims = json!({"uid": "alice", "exp": 4_000_000_000.25, "iat": 1_700_000_000.75, "nbf": 1.5});
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let protocol = ("sec-websocket-protocol", "wsc.v1");
    let bearer = format!("Bearer   {token}");
    let query = format!("/ws?token=%20{token}%0A");
    for (path, headers) in [
        ("/ws", vec![protocol, ("authorization", bearer.as_str())]),
        (query.as_str(), vec![protocol]),
        (query.as_str(), vec![protocol, ("authorization", bearer.as_str())]),
    ] {
        let mut client = server.request(path, &headers).await.unwrap();
        client.say(&json!({"message_type": "connect", "protocol": 1, "token": format!("\t{token}\n")})).await;
        assert_eq!(client.hear().await["user_id"], "alice");
    }
    let mut client = server.socket().await;
    client.say(&json!({"message_type": "connect", "protocol": 1, "token": format!(" {token} \n")})).await;
    assert_eq!(client.hear().await["user_id"], "alice");
    client.say(&json!({"message_type": "refresh", "message_id": "r", "token": format!(" {token}\n")})).await;
    assert_eq!(client.hear_type("ack").await["request_id"], "r");
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_leaves_the_connection_with_the_one_it_has() {
    let server = guarded().await;
    let mut client = server.socket().await;
    client.say(&json!({"message_type": "connect", "protocol": 1, "token": token(&claims("alice"))})).await;
    assert_eq!(client.hear().await["user_id"], "alice");
    let expired = Claims { exp: 1, ..claims("alice") };
    for (bad, reason) in [
        ("<html>502</html>".to_owned(), "the token is not a valid JWT"),
        (token(&expired), "the token has expired (claim exp)"),
        (token(&claims("mallory")), "the token is for another user, scope or device"),
    ] {
        client.say(&json!({"message_type": "refresh", "message_id": "r", "token": bad})).await;
        let error = client.hear_type("error").await;
        assert_eq!((&error["request_id"], &error["code"]), (&json!("r"), &json!(80304)));
        assert_eq!(error["reason"], reason);
    }
    client.say(&json!({"message_type": "ping", "message_id": "p"})).await;
    assert_eq!(client.hear_type("pong").await["request_id"], "p");
}

#[cfg(feature = "command")]
#[tokio::test]
async fn each_origin_that_is_refused_is_a_line_in_the_log_and_every_spelling_of_an_allowed_one_is_let_in() {
    let patterns = "https://*.example.com,https://App.Example,https://b.example:443,http://localhost:*";
    let server = support::process::Process::start(&[&format!("auth.origins={patterns}")]);
    let protocol = ("sec-websocket-protocol", "wsc.v1");
    for origin in [
        "https://chat.example.com",
        "https://app.example",
        "https://app.example:443",
        "https://b.example",
        "http://localhost:5173",
        "http://localhost",
    ] {
        server.request("/ws", &[protocol, ("origin", origin)]).await.expect(origin);
    }
    for origin in ["https://a.b.example.com", "http://app.example", "https://evil.example", "null"] {
        let (status, _) = refused(server.request("/ws", &[protocol, ("origin", origin)]).await);
        assert_eq!(status, 403, "{origin}");
        let log = server.log();
        let told = |line: &&str| line.contains("INFO") && line.contains(origin) && line.contains("127.0.0.1");
        assert_eq!(log.lines().filter(told).count(), 1, "{origin}: {log}");
    }
    // A flood of them does not fill a disk.
    for _ in 0..200 {
        refused(server.request("/ws", &[protocol, ("origin", "https://flood.example")]).await);
    }
    let lines = server.log().lines().filter(|line| line.contains("flood")).count();
    assert!((1..=60).contains(&lines), "{lines}");
}

/// What comes back on a socket of its own, until the hub hangs up or has upgraded.
async fn answer(address: std::net::SocketAddr, request: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    while !all.starts_with(b"HTTP/1.1 101") {
        let read = tokio::time::timeout(support::PATIENCE, socket.read_buf(&mut all)).await;
        if matches!(read.expect("the hub should answer and hang up"), Ok(0) | Err(_)) {
            break;
        }
    }
    String::from_utf8(all).unwrap()
}

#[cfg(feature = "command")]
#[tokio::test]
async fn a_head_up_to_the_limit_passes_and_a_larger_one_is_refused_in_json() {
    let head = |more: &str| {
        format!(
            "GET /ws HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: wsc.v1\r\n{more}\r\n"
        )
    };
    let cookies = |size: usize| head(&format!("Cookie: {}\r\n", "c".repeat(size)));
    let server = support::process::Process::start(&[]);
    let small = support::process::Process::start(&["http.head=8KiB"]);
    for (door, request, status, reason) in [
        (&*server, head("Content-Length: 0\r\n"), 101, ""),
        (&*server, cookies(20_000), 101, ""),
        (&*server, cookies(33_000), 431, "32768 bytes"),
        (&*server, head(&"X: x\r\n".repeat(200)), 431, "100 headers"),
        (&*server, head("X : x\r\n"), 400, "not a valid HTTP/1.1 request"),
        (&*server, head("Content-Length: 1\r\n"), 400, "no body"),
        (&*small, cookies(7_000), 101, ""),
        (&*small, cookies(9_000), 431, "8192 bytes"),
    ] {
        let said = answer(door.address, &request).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
        if status != 101 {
            let (head, body) = said.split_once("\r\n\r\n").unwrap();
            assert!(head.to_ascii_lowercase().contains(&format!("content-length: {}", body.len())), "{said}");
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["code"], 80401);
            assert!(body["reason"].as_str().unwrap().contains(reason), "{body}");
        }
    }
    assert!(server.log().contains("32768 bytes"), "{}", server.log());
}
