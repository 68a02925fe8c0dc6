//! What happens at the same time, and what breaks underneath.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;
use support::ill::ill;
use wsc_server::{GroupKey, Scope};

#[tokio::test]
async fn a_connect_does_not_wait_for_the_memberships_of_others_to_rest() {
    let (server, illness) = ill().await;
    illness.open_ms.store(20, Ordering::Relaxed);
    let hub = server.hub.clone();
    tokio::spawn(async move {
        let group = GroupKey::new(&Scope::default(), "busy");
        for number in 0.. {
            hub.join(&group, &format!("u{number}")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    for number in 0..3 {
        server.connect("bob", &format!("b{number}")).await;
    }
}

#[tokio::test]
async fn a_join_while_its_user_attaches_opens_the_stream_once_and_misses_nothing() {
    let (server, illness) = ill().await;
    let mut alice = server.connect("alice", "a1").await;
    // The join goes to the log before the attach, with it, and after it.
    for (round, wait_ms) in [0, 1, 2, 3, 30, 90, 150].into_iter().enumerate() {
        let team = format!("team{round}");
        let group = GroupKey::new(&Scope::default(), &team);
        server.hub.join(&group, "alice").await.unwrap();
        illness.write_ms.store(60, Ordering::Relaxed);
        let hub = server.hub.clone();
        let user = format!("bob{round}");
        let joining = user.clone();
        let join = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            hub.join(&group, &joining).await.unwrap();
        });
        let mut bob = server.connect(&user, "b1").await;
        join.await.unwrap();
        illness.write_ms.store(0, Ordering::Relaxed);
        alice.send(json!({"message_type": "text", "message_id": team, "group_ids": [team]})).await;
        let name = format!("group:{team}");
        let at_once = bob.connected["streams"][&name]["from"].as_u64();
        let later = if at_once.is_none() { Some(bob.hear_type("group_changed").await) } else { None };
        let opened = later.map(|changed| changed["from"].as_u64().unwrap());
        assert_eq!(at_once.or(opened), Some(1), "{wait_ms} ms: {}", bob.connected);
        assert_eq!(bob.message().await["message_id"], team, "{wait_ms} ms");
    }
}

#[tokio::test]
async fn a_request_that_another_one_s_change_answers_is_answered_once() {
    let (server, illness) = ill().await;
    let mut alice = server.connect("alice", "a1").await;
    let group = GroupKey::new(&Scope::default(), "team");
    illness.write_ms.store(100, Ordering::Relaxed);
    for (request, action) in [("group_join", "joined"), ("group_leave", "removed")] {
        let (hub, group) = (server.hub.clone(), group.clone());
        // The application was first; its change is on its way when the request comes.
        let first = tokio::spawn(async move {
            match request {
                "group_join" => drop(hub.join(&group, "alice").await.unwrap()),
                _ => drop(hub.remove(&group, "alice").await.unwrap()),
            }
        });
        tokio::time::sleep(Duration::from_millis(30)).await;
        alice.say(&json!({"message_type": request, "message_id": "j", "group_ids": ["team"]})).await;
        alice.say(&json!({"message_type": "health_check", "message_id": "h"})).await;
        let changed = alice.hear().await;
        assert_eq!((&changed["request_id"], &changed["data"]["action"]), (&json!("j"), &json!(action)));
        assert_eq!(alice.hear().await["request_id"], "h");
        first.await.unwrap();
    }
}

#[tokio::test]
async fn a_device_that_comes_back_at_once_goes_on_after_what_it_acknowledged() {
    let (server, illness) = ill().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    illness.write_ms.store(3, Ordering::Relaxed);
    for seq in 1..=30 {
        alice.send_to("bob", &seq.to_string(), "x").await;
        assert_eq!(bob.message().await["seq_no"], seq);
        bob.acknowledge("inbox", seq).await;
        bob.say(&json!({"message_type": "ping"})).await;
        bob.hear_type("pong").await;
        let next = server.connect("bob", "b1").await;
        assert_eq!(next.connected["streams"]["inbox"]["from"], seq + 1);
        bob = next;
    }
}

#[tokio::test]
async fn of_two_connects_of_a_device_at_once_the_newer_stays() {
    let (server, illness) = ill().await;
    illness.write_ms.store(100, Ordering::Relaxed);
    let mut first = server.socket().await;
    let connect = json!({"message_type": "connect", "protocol": 1, "device_id": "b1", "user_id": "bob"});
    first.say(&connect).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let mut second = server.connect("bob", "b1").await;
    assert_eq!(first.closed().await.unwrap().0, 4009);
    second.say(&json!({"message_type": "ping"})).await;
    second.hear_type("pong").await;
}

#[tokio::test]
async fn who_attaches_while_the_hub_drains_is_told_to_go_elsewhere() {
    let (server, illness) = ill().await;
    illness.write_ms.store(300, Ordering::Relaxed);
    let mut bob = server.socket().await;
    bob.say(&json!({"message_type": "connect", "protocol": 1, "device_id": "b1", "user_id": "bob"})).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let hub = server.hub.clone();
    let begin = Instant::now();
    let drain = tokio::spawn(async move { hub.drain().await });
    assert_eq!(bob.closed().await.map(|(code, _)| code), Some(1001));
    drain.await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_panic_while_the_log_is_read_costs_one_connection() {
    let (server, illness) = ill().await;
    let mut alice = server.connect("alice", "a1").await;
    alice.send_to("bob", "1", "x").await;
    illness.panics_at_read.store(true, Ordering::Relaxed);
    let mut bob = server.connect("bob", "b1").await;
    assert_eq!(bob.closed().await.unwrap().0, 1013);
    let request = json!({"message_type": "fetch", "message_id": "f", "stream": "inbox"});
    alice.say(&request).await;
    assert_eq!(alice.closed().await.unwrap().0, 1013);
    illness.panics_at_read.store(false, Ordering::Relaxed);
    let mut bob = server.connect("bob", "b1").await;
    assert_eq!(bob.message().await["message_id"], "1");
}

#[tokio::test]
async fn a_panic_while_the_log_is_written_is_a_store_that_cannot_write() {
    let (server, illness) = ill().await;
    let mut alice = server.connect("alice", "a1").await;
    illness.panics_at_write.store(true, Ordering::Relaxed);
    alice.say(&json!({"message_type": "text", "message_id": "1", "receiver": "bob"})).await;
    let begin = Instant::now();
    while server.hub.not_ready().is_none() {
        assert!(begin.elapsed() < support::PATIENCE, "the hub should notice");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Who waits for an answer is not left waiting.
    assert_eq!(alice.closed().await.unwrap().0, 1013);
    let mut bob = server.socket().await;
    bob.say(&json!({"message_type": "connect", "protocol": 1, "device_id": "b1", "user_id": "bob"})).await;
    assert_eq!(bob.closed().await.unwrap().0, 1013);
    let group = GroupKey::new(&Scope::default(), "team");
    tokio::time::timeout(support::PATIENCE, server.hub.join(&group, "bob")).await.unwrap().unwrap_err();
}
