//! Rights that end while a connection lives, and what a sender may not bring about.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{Client, Server};
use wsc_server::token::{Claims, Keys};
use wsc_server::{Hub, MemoryStore, Recipient, Scope, Settings, UserKey};

const SECRET: &[u8] = b"secret";

async fn guarded() -> Server {
    let settings = Settings::default();
    let store = MemoryStore::new(settings.retention);
    Server::over(Hub::builder(store).settings(settings).keys(Keys::new(SECRET, []))).await
}

fn token(user: &str, capabilities: &[&str]) -> String {
    let cap = Some(capabilities.iter().map(|name| (*name).to_owned()).collect());
    Claims { uid: user.to_owned(), exp: 4_000_000_000, cap, ..Claims::default() }.sign(SECRET).unwrap()
}

async fn connect(server: &Server, user: &str, capabilities: &[&str]) -> Client {
    server.connect_with("ignored", "d", json!({"token": token(user, capabilities)})).await
}

#[tokio::test]
async fn a_refresh_without_a_right_ends_what_the_right_had_begun() {
    let server = guarded().await;
    let mut watcher = connect(&server, "watcher", &["observe", "presence"]).await;
    watcher.ask(json!({"message_type": "observe", "message_id": "o"})).await;
    watcher.ask(json!({"message_type": "watch", "message_id": "w", "data": {"user_ids": ["bob"]}})).await;
    let mut alice = connect(&server, "alice", &["send"]).await;
    alice.send_to("carol", "1", "seen").await;
    assert_eq!(watcher.message().await["observed"], true);
    let fresh = token("watcher", &["send"]);
    watcher.ask(json!({"message_type": "refresh", "message_id": "r", "token": fresh})).await;
    alice.send_to("carol", "2", "not seen").await;
    let _bob = connect(&server, "bob", &[]).await;
    watcher.silence().await;
}

#[tokio::test]
async fn another_message_with_the_same_id_does_not_stand_for_one_of_the_application() {
    let server = guarded().await;
    let bob = UserKey::new(&Scope::default(), "bob");
    let message = wsc_server::Message { message_id: "m".into(), ..wsc_server::Message::to_user("", "hello") };
    let mut sent = server.hub.send(&Recipient::User(bob), message).await.unwrap();
    let mut mallory = connect(&server, "mallory", &["send"]).await;
    let mut eve = connect(&server, "eve", &["send"]).await;
    mallory
        .send(json!({"message_type": "text", "message_id": "m", "receiver": "eve", "require_ack": true}))
        .await;
    eve.message().await;
    eve.acknowledge("inbox", 1).await;
    mallory.hear_type("delivered").await;
    let told = tokio::time::timeout(Duration::from_millis(200), sent.delivered()).await;
    assert!(told.is_err(), "bob has no device, and yet it was delivered");
}

#[tokio::test]
async fn the_client_s_word_about_the_sender_counts_for_nothing() {
    let server = guarded().await;
    let mut bob = connect(&server, "bob", &[]).await;
    let mut mallory = connect(&server, "mallory", &["send"]).await;
    for (id, volatile) in [("1", false), ("2", true)] {
        mallory
            .say(&json!({"message_type": "text", "message_id": id, "receiver": "bob", "volatile": volatile,
                "sender": "alice", "sender_type": "admin", "sender_client": "a1", "stream": "broadcast",
                "seq_no": 77, "source": "history", "observed": true, "request_id": "r",
                "create_at": "1999-01-01T00:00:00Z"}))
            .await;
        let got = bob.message().await;
        assert_eq!((&got["sender"], &got["sender_client"]), (&json!("mallory"), &json!("d")), "{got}");
        assert_ne!(got["sender_type"], "admin");
        assert!(got["observed"].is_null() && got["request_id"].is_null() && got["source"].is_null(), "{got}");
        assert_ne!(got["seq_no"], 77);
        assert!(!got["create_at"].as_str().unwrap().starts_with("1999"));
    }
    // Without the right nothing is sent, volatile or not, and no group is joined by asking.
    for volatile in [false, true] {
        let message =
            json!({"message_type": "text", "message_id": "3", "receiver": "mallory", "volatile": volatile});
        assert_eq!(bob.send(message).await["code"], 80303);
    }
    let join = json!({"message_type": "group_join", "message_id": "j", "group_ids": ["team"]});
    assert_eq!(bob.ask(join).await["code"], 80303);
}
