//! How long devices are kept: who is connected is seen.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;
use support::ill::ill_with;

#[tokio::test]
async fn a_connected_device_that_says_nothing_is_written_down_as_seen() {
    let (server, illness) =
        ill_with(|settings| settings.retention.device = Duration::from_millis(4_000)).await;
    let writes = || illness.writes.load(Ordering::Relaxed);
    let bob = server.connect("bob", "b1").await;
    let before = writes();
    let until = Instant::now() + Duration::from_secs(8);
    while writes() < before + 2 {
        assert!(Instant::now() < until, "{} writes", writes() - before);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // And when it leaves, though it has acknowledged nothing.
    let before = writes();
    drop(bob);
    while writes() == before {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(feature = "command")]
#[tokio::test]
async fn a_connected_device_is_not_evicted_by_others_that_come_and_go() {
    use support::process::Process;
    let directory = tempfile::TempDir::new().unwrap();
    let data = directory.path().join("data");
    let keys = ["--set", "limits.devices=2", "--set", "peer.cursor=1s"];
    let hub = Process::on_disk(&data, &keys);
    let mut alice = hub.connect("alice", "a1").await;
    for id in ["1", "2", "3"] {
        alice.send_to("bob", id, "x").await;
    }
    let mut idle = hub.connect("bob", "idle").await;
    for _ in 0..3 {
        idle.message().await;
    }
    idle.acknowledge("inbox", 3).await;
    idle.ask(json!({"message_type": "receipts", "message_id": "r", "data": {"message_ids": []}})).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    for device in ["b1", "b2", "b3", "b4"] {
        drop(hub.connect("bob", device).await);
    }
    // Whether it is known must not depend on its own end.
    hub.kill();
    let hub = Process::on_disk(&data, &keys);
    let idle = hub.connect("bob", "idle").await;
    assert_eq!(idle.connected["streams"]["inbox"]["from"], 4);
    drop(idle);
    let forgotten = hub.connect("bob", "b1").await;
    assert_eq!(forgotten.connected["streams"]["inbox"]["from"], 1);
}

#[cfg(feature = "command")]
#[tokio::test]
async fn two_connections_that_share_a_device_are_both_served_when_one_leaves() {
    let (server, _) = ill_with(|settings| settings.limits.devices = 1).await;
    let mut one = server.request("/ws?user_id=bob", &[]).await.unwrap();
    let two = server.request("/ws?user_id=bob", &[]).await.unwrap();
    let mut alice = server.connect("alice", "a1").await;
    drop(two);
    alice.send_to("bob", "1", "x").await;
    assert_eq!(one.message().await["message_id"], "1");
}
