//! What one connection may cost the others, and what a hook or a store that does not answer costs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Server;
use support::ill::{ill, ill_with};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use wsc_server::{GroupKey, Message, Recipient, Scope, SendError, UserKey};

struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn group(name: &str) -> GroupKey {
    GroupKey::new(&Scope::default(), name)
}

#[tokio::test]
async fn a_hook_that_never_answers_ends_its_connection_and_is_dropped() {
    let dropped = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&dropped);
    let hook = move |builder: wsc_server::Builder| {
        builder.on_message(move |_, _| {
            let held = Dropped(Arc::clone(&seen));
            Box::pin(async move {
                let _held = held;
                std::future::pending().await
            })
        })
    };
    let server = Server::with(|settings| settings.peer.stall = Duration::from_millis(300), hook).await;
    let mut alice = server.connect("alice", "a1").await;
    let text =
        json!({"message_type": "text", "message_id": "1", "receiver": "bob", "content": "x"}).to_string();
    alice.raw(&text).await;
    let (code, reason) = alice.closed().await.unwrap();
    assert_eq!(code, 1013, "{reason}");
    assert!(reason.starts_with("retry_after_ms="), "{reason}");
    assert!(dropped.load(Ordering::Relaxed));
}

#[tokio::test]
async fn receipts_of_many_messages_read_each_member_once_and_write_nothing() {
    let (server, illness) = ill().await;
    let mut alice = server.connect_with("alice", "a1", json!({"group_id": "team"})).await;
    let mut bob = server.connect_with("bob", "b1", json!({"group_id": "team"})).await;
    server.hub.join(&group("team"), "carol").await.unwrap();
    let ids: Vec<String> = (0..50).map(|number| format!("m{number}")).collect();
    let mut last = 0;
    for id in &ids {
        let message =
            json!({"message_type": "text", "message_id": id, "group_ids": ["team"], "content": "x"});
        last = alice.send(message).await["seq_no"].as_u64().unwrap();
    }
    bob.say(&json!({"message_type": "ack", "stream": "group:team", "seq_no": last})).await;
    // The ping's answer comes after the acknowledgement was taken.
    bob.ask(json!({"message_type": "ping", "message_id": "p"})).await;
    let (delivered, writes) =
        (illness.delivered.load(Ordering::Relaxed), illness.writes.load(Ordering::Relaxed));
    let ask = json!({"message_type": "receipts", "message_id": "r", "data": {"message_ids": ids}});
    let answer = alice.ask(ask).await;
    let receipts = answer["data"]["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 50);
    for receipt in receipts {
        assert_eq!((&receipt["delivered"], &receipt["read"]), (&json!(1), &json!(0)), "{receipt}");
    }
    assert_eq!(illness.delivered.load(Ordering::Relaxed) - delivered, 2);
    assert_eq!(illness.writes.load(Ordering::Relaxed) - writes, 0);
}

#[tokio::test]
async fn who_reads_a_long_conversation_waits_and_nobody_else_does() {
    let (server, illness) = ill_with(|settings| settings.peer.requests = 2).await;
    let alice = Recipient::User(UserKey::new(&Scope::default(), "alice"));
    for _ in 0..9_000 {
        server.hub.send(&alice, Message::to_user("", "x")).await.unwrap();
    }
    let mut alice = server.connect_with("alice", "a1", json!({"start": "head"})).await;
    let mut bob = server.connect("bob", "b1").await;
    let before = illness.headers.load(Ordering::Relaxed);
    let conversations = json!({"message_type": "conversations", "message_id": "c"});
    let answer = alice.ask(conversations).await;
    assert_eq!(answer["data"]["conversations"][0]["unread"], 9_000);
    assert_eq!(illness.headers.load(Ordering::Relaxed), before, "the store knows what is unread");
    let began = Instant::now();
    let read = json!({
        "message_type": "read", "message_id": "r", "stream": "inbox", "peer": "system", "seq_no": 9_000,
    });
    let others = async {
        bob.ask(json!({"message_type": "health_check", "message_id": "h"})).await;
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    };
    tokio::join!(alice.ask(read), others);
    let pages = illness.headers.load(Ordering::Relaxed) - before;
    assert!(pages >= 5, "{pages}");
    assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_read_mark_needs_a_conversation() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    let sent = alice.send_to("bob", "1", "hello").await["seq_no"].clone();
    let got = bob.message().await["seq_no"].clone();
    let read = |peer: &str, seq: &Value| json!({"message_type": "read", "message_id": "r", "stream": "inbox", "peer": peer, "seq_no": seq});
    assert_eq!(bob.ask(read("alice", &got)).await["message_type"], "ack");
    assert_eq!(bob.ask(read("nobody", &got)).await["code"], 80403);
    // With whom one has only written there is a conversation too.
    assert_eq!(alice.ask(read("bob", &sent)).await["message_type"], "ack");
    assert_eq!(alice.ask(read("mallory", &sent)).await["code"], 80403);
}

#[tokio::test]
async fn sockets_that_say_nothing_are_counted_per_address() {
    let server = Server::with(|settings| settings.limits.pending_per_address = 3, |builder| builder).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    // They are accepted in order.
    let mut one_more = TcpStream::connect(server.address).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), one_more.read(&mut [0; 16])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    drop(silent);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut all = Vec::new();
    for number in 0..10 {
        // Who is authenticated counts no more.
        all.push(server.connect("alice", &format!("a{number}")).await);
    }
}

#[tokio::test]
async fn a_limit_of_0_sockets_per_address_is_none() {
    let server = Server::with(|settings| settings.limits.pending_per_address = 0, |builder| builder).await;
    let mut silent = Vec::new();
    for _ in 0..1100 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    server.connect("alice", "a1").await;
}

#[tokio::test]
async fn a_thousand_cursors_for_a_thousand_groups_are_each_found() {
    let server = Server::start().await;
    let mut cursors = serde_json::Map::new();
    for number in 0..1000 {
        server.hub.join(&group(&format!("g{number}")), "alice").await.unwrap();
    }
    let epoch = server.connect("bob", "b1").await.connected["streams"]["inbox"]["epoch"].clone();
    for number in 0..1000 {
        cursors.insert(format!("group:g{number}"), json!({"epoch": epoch, "seq": 0}));
    }
    let began = Instant::now();
    let alice = server.connect_with("alice", "a1", json!({"cursors": cursors})).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let streams = alice.connected["streams"].as_object().unwrap();
    assert_eq!(streams.len(), 1002);
    assert!(streams.values().all(|stream| stream["from"] == 1));
}

#[tokio::test]
async fn a_hub_whose_store_hangs_ends_in_time() {
    let (server, illness) = ill_with(|settings| settings.drain = Duration::from_secs(1)).await;
    let mut alice = server.connect("alice", "a1").await;
    illness.write_ms.store(600_000, Ordering::Relaxed);
    alice.say(&json!({"message_type": "text", "message_id": "1", "receiver": "bob", "content": "x"})).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let drained = tokio::time::timeout(Duration::from_secs(8), server.hub.drain()).await;
    assert!(drained.is_ok());
}

#[tokio::test]
async fn the_application_cannot_send_to_a_group_that_does_not_exist() {
    let server = Server::start().await;
    for volatile in [false, true] {
        let message = Message { volatile, ..Message::to_group("", "hello") };
        let sent = server.hub.send(&Recipient::Group(group("none")), message).await;
        assert!(matches!(sent, Err(SendError::NoGroup)), "{sent:?}");
    }
    server.hub.join(&group("team"), "bob").await.unwrap();
    let sent = server.hub.send(&Recipient::Group(group("team")), Message::to_group("", "hello")).await;
    assert_eq!(sent.unwrap().seq, 1);
}

/// A bare client that acknowledges some messages: those that ask for it.
#[tokio::test]
async fn what_asks_for_no_acknowledgement_needs_none_of_a_bare_client_that_has_given_some() {
    let server =
        Server::with(|settings| settings.peer.ack_timeout = Duration::from_millis(2_500), |builder| builder)
            .await;
    let mut bob = server.request("/ws?user_id=bob&client_id=phone", &[]).await.unwrap();
    let mut alice = server.connect("alice", "a1").await;
    let text = |id: &str, asks: bool| json!({"message_type": "text", "message_id": id, "receiver": "bob", "content": id, "require_ack": asks});
    alice.send(text("1", true)).await;
    bob.message().await;
    bob.say(&json!({"message_type": "ack", "message_id": "1"})).await;
    alice.hear_type("delivered").await;
    alice.send(text("2", false)).await;
    let end = Instant::now() + Duration::from_secs(5);
    let mut heard = Vec::new();
    while let Ok(packet) = tokio::time::timeout_at(end.into(), bob.packet()).await {
        if let Packet::Text(text) = packet.unwrap().unwrap() {
            heard.push(serde_json::from_str::<Value>(&text).unwrap()["message_id"].clone());
        }
    }
    assert_eq!(heard, ["2"]);
    // What asks for an acknowledgement waits for it, and what came after it with it.
    alice.send(text("3", true)).await;
    alice.send(text("4", false)).await;
    alice.silence().await;
    bob.message().await;
    bob.message().await;
    bob.say(&json!({"message_type": "ack", "message_id": "3"})).await;
    assert_eq!(alice.hear_type("delivered").await["message_ids"], json!(["3"]));
}

#[tokio::test]
async fn a_bare_message_with_the_longest_id_reaches_all_its_groups() {
    let server = Server::start().await;
    for name in ["one", "two"] {
        for user in ["alice", "bob"] {
            server.hub.join(&group(name), user).await.unwrap();
        }
    }
    let mut bob = server.connect("bob", "b1").await;
    let mut alice = server.request("/ws?user_id=alice", &[]).await.unwrap();
    let id = "i".repeat(64);
    alice
        .say(&json!({"message_type": "text", "message_id": id, "group_ids": ["one", "two"], "content": "x"}))
        .await;
    let (one, two) = (bob.message().await, bob.message().await);
    assert_eq!((&one["stream"], &two["stream"]), (&json!("group:one"), &json!("group:two")));
    assert_eq!(one["message_id"], json!(id));
    assert!(two["message_id"].as_str().unwrap().ends_with(".1"), "{two}");
}

#[tokio::test]
async fn who_is_closed_for_the_rate_is_told_how_long_it_really_takes() {
    let change = |settings: &mut wsc_server::Settings| {
        settings.limits.first_contacts = 1;
        settings.peer.stall = Duration::from_millis(300);
    };
    let server = Server::with(change, |builder| builder).await;
    let mut alice = server.connect("alice", "a1").await;
    alice.send_to("bob", "1", "x").await;
    let began = Instant::now();
    alice.say(&json!({"message_type": "text", "message_id": "2", "receiver": "carol", "content": "x"})).await;
    let (code, reason) = alice.closed().await.unwrap();
    let hint: u64 = reason.strip_prefix("retry_after_ms=").unwrap().parse().unwrap();
    let waited = u64::try_from(began.elapsed().as_millis()).unwrap();
    // A new contact is possible an hour after the first.
    assert!(code == 4029 && hint <= 3_600_000 && hint + waited + 1_000 >= 3_600_000, "{code} {reason}");
}

#[tokio::test]
async fn a_drain_ends_in_its_time_with_a_reader_that_takes_nothing_and_a_store_that_does_not_answer() {
    let change = |settings: &mut wsc_server::Settings| {
        settings.drain = Duration::from_secs(2);
        settings.limits.send_bytes = 0;
    };
    let (server, illness) = ill_with(change).await;
    let _stuck = server.connect("bob", "b1").await;
    let mut alice = server.connect("alice", "a1").await;
    let content = "x".repeat(60_000);
    // More than the kernel takes for a socket that is not read.
    for id in 0..400 {
        alice.send_to("bob", &id.to_string(), &content).await;
    }
    illness.write_ms.store(60_000, Ordering::Relaxed);
    alice.say(&json!({"message_type": "text", "message_id": "last", "receiver": "bob"})).await;
    let began = Instant::now();
    server.hub.drain().await;
    let took = began.elapsed();
    assert!(took < Duration::from_millis(2500), "{took:?}");
}
