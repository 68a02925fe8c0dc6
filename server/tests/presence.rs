//! Presence: who is told of whom, and what an invisible user shows.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::Server;

#[tokio::test]
async fn watchers_hear_who_comes_changes_and_goes() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let watch = json!({"message_type": "watch", "message_id": "w", "data": {"user_ids": ["bob"]}});
    let now = alice.ask(watch).await;
    assert_eq!(now["data"]["users"][0]["status"], "offline");
    let mut bob = server.connect("bob", "b1").await;
    let came = alice.hear_type("user_joined").await;
    assert_eq!((&came["data"]["user_id"], &came["data"]["status"]), (&json!("bob"), &json!("online")));
    assert_eq!(came["sender"], json!(null));
    let status = |status: &str| json!({"message_type": "user_status_changed", "message_id": "s", "data": {"status": status}});
    bob.ask(status("busy")).await;
    assert_eq!(alice.hear_type("user_status_changed").await["data"]["status"], "busy");
    bob.ask(status("invisible")).await;
    assert_eq!(alice.hear_type("user_left").await["data"]["status"], "offline");
    assert_eq!(bob.ask(status("asleep")).await["code"], 80401);
    bob.ask(status("online")).await;
    alice.hear_type("user_joined").await;
    drop(bob);
    alice.hear_type("user_left").await;
    let online = json!({"message_type": "get_online_users", "message_id": "o"});
    assert_eq!(alice.ask(online).await["data"], json!({"users": ["alice"], "total": 1}));
}

#[tokio::test]
async fn a_watcher_that_was_slow_learns_how_everybody_is_in_the_end() {
    let change = |settings: &mut wsc_server::Settings| {
        settings.limits.send_bytes = 0;
        settings.peer.slow = Duration::from_millis(60_000);
    };
    let server = Server::with(change, |builder| builder).await;
    let mut alice = server.connect("alice", "a1").await;
    let (mut bob, mut carol) = (server.connect("bob", "b1").await, server.connect("carol", "c1").await);
    let watch =
        json!({"message_type": "watch", "message_id": "w", "data": {"user_ids": ["bob", "carol", "dave"]}});
    alice.ask(watch).await;
    // More than fits between the hub and a client that does not read.
    let content = "x".repeat(60_000);
    for number in 0..400 {
        bob.send_to("alice", &number.to_string(), &content).await;
    }
    let status = |status: &str| json!({"message_type": "user_status_changed", "message_id": "s", "data": {"status": status}});
    for now in ["busy", "away", "online", "busy"] {
        bob.ask(status(now)).await;
        carol.ask(status(now)).await;
    }
    bob.ask(status("away")).await;
    carol.ask(status("invisible")).await;
    let dave = server.connect("dave", "d1").await;
    let mut last = std::collections::BTreeMap::new();
    let done = |last: &std::collections::BTreeMap<String, String>| {
        let is = |user: &str, status: &str| last.get(user).is_some_and(|last| last == status);
        is("bob", "away") && is("carol", "offline") && is("dave", "online")
    };
    while !done(&last) {
        let frame = alice.hear().await;
        if let Some(seq) = frame["seq_no"].as_u64() {
            alice.acknowledge("inbox", seq).await;
        }
        let data = &frame["data"];
        let users = data["users"].as_array().cloned().unwrap_or_else(|| vec![data.clone()]);
        for user in users.iter().filter(|user| user["user_id"].is_string()) {
            assert_eq!(frame["sender"], json!(null));
            let text = |name: &str| user[name].as_str().unwrap().to_owned();
            last.insert(text("user_id"), text("status"));
        }
    }
    // And goes on to hear what changes.
    drop(dave);
    assert_eq!(alice.hear_type("user_left").await["data"]["user_id"], "dave");
}

#[tokio::test]
async fn an_invisible_user_was_last_seen_when_it_was_last_visible() {
    use std::time::{Duration, Instant, SystemTime};
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    bob.ask(
        json!({"message_type": "user_status_changed", "message_id": "s", "data": {"status": "invisible"}}),
    )
    .await;
    let left = u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut seq = 0;
    // What it acknowledges is kept when it goes, and so is when it went.
    for round in 0..3 {
        alice.send_to("bob", &format!("m{round}"), "x").await;
        seq += 1;
        assert_eq!(bob.message().await["seq_no"], seq);
        bob.acknowledge("inbox", seq).await;
        bob.ask(json!({"message_type": "ping", "message_id": "p"})).await;
        drop(bob);
        bob = server.connect("bob", if round == 1 { "b2" } else { "b1" }).await;
        if round == 1 {
            seq = 0;
            // A device that was never here gets all there is.
            for _ in 0..2 {
                seq = bob.message().await["seq_no"].as_u64().unwrap();
            }
        }
    }
    drop(bob);
    // Until long after the registry of those who are here has forgotten it.
    let end = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < end {
        for request in [
            json!({"message_type": "check_user_status", "message_id": "c", "data": {"user_ids": ["bob"]}}),
            json!({"message_type": "watch", "message_id": "w", "data": {"user_ids": ["bob"]}}),
            json!({"message_type": "get_user_info", "message_id": "i", "data": {"user_id": "bob"}}),
            json!({"message_type": "unwatch", "message_id": "u"}),
        ] {
            let data = alice.ask(request).await["data"].clone();
            let user = data["users"].get(0).unwrap_or(&data);
            if user.is_object() {
                assert_eq!(user["status"], "offline", "{user}");
                let seen = user["last_seen_ms"].as_u64().unwrap();
                assert!(
                    seen > 0 && seen <= left,
                    "seen {} ms after it was invisible",
                    seen.saturating_sub(left)
                );
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
