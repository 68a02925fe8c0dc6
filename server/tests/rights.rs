//! Rights that end while a connection lives.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use serde_json::json;
use support::{Client, Server};
use wsc_server::token::{Claims, Keys};
use wsc_server::{Hub, MemoryStore, Settings};

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
async fn a_request_needs_one_of_its_capabilities_and_a_refusal_names_them() {
    let server = guarded().await;
    let no = "the token does not allow this: it lacks the capability";
    let mut nobody = connect(&server, "nobody", &[]).await;
    let mut admin = connect(&server, "admin", &["admin"]).await;
    let mut observer = connect(&server, "observer", &["observe"]).await;
    let mut watcher = connect(&server, "watcher", &["presence"]).await;
    for (request, needs) in [
        (json!({"message_type": "health_check"}), ""),
        (json!({"message_type": "conversations"}), ""),
        (json!({"message_type": "unwatch"}), ""),
        (json!({"message_type": "unobserve"}), ""),
        (json!({"message_type": "user_status_changed", "data": {"status": "busy"}}), ""),
        (json!({"message_type": "check_user_status", "data": {"user_ids": ["bob"]}}), "`presence`"),
        (json!({"message_type": "watch", "data": {"user_ids": ["bob"]}}), "`presence`"),
        (json!({"message_type": "get_user_info", "data": {"user_id": "bob"}}), "`presence`"),
        (json!({"message_type": "get_online_users"}), "`presence` or `admin`"),
        (json!({"message_type": "observe"}), "`observe`"),
        (json!({"message_type": "kick", "data": {"user_id": "bob"}}), "`admin`"),
        (json!({"message_type": "group_remove", "data": {"group_id": "g", "user_id": "bob"}}), "`admin`"),
        (json!({"message_type": "group_disband", "data": {"group_id": "g"}}), "`admin`"),
    ] {
        let mut request = request;
        request["message_id"] = "1".into();
        for (client, name) in [
            (&mut nobody, ""),
            (&mut admin, "`admin`"),
            (&mut observer, "`observe`"),
            (&mut watcher, "`presence`"),
        ] {
            let answer = client.ask(request.clone()).await;
            let allowed = needs.is_empty() || (!name.is_empty() && needs.contains(name));
            let refused = answer["reason"] == format!("{no} {needs}") && answer["code"] == 80303;
            assert_eq!(refused, !allowed, "{name} asks {request}: {answer}");
        }
    }
}
