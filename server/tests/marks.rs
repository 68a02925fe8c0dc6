//! Read marks on their way to the user's other devices, when the hub ends meanwhile.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![cfg(feature = "command")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::Client;
use support::process::Process;
use tempfile::TempDir;

async fn mark(client: &mut Client, seq: u64) {
    let read = json!({"message_type": "read", "message_id": format!("r{seq}"), "stream": "inbox", "peer": "alice", "seq_no": seq});
    assert_eq!(client.ask(read).await["message_type"], "ack");
}

/// The marks that a device finds in the inbox, or that come at once: a hub that begins passes on what is left while
/// devices attach.
async fn marks(client: &mut Client) -> Vec<u64> {
    let mut found = Vec::new();
    while let Ok(message) = tokio::time::timeout(Duration::from_millis(500), client.message()).await {
        if message["message_type"] == "read" {
            assert_eq!((&message["sender"], &message["data"]["peer"]), (&json!("bob"), &json!("alice")));
            found.push(message["data"]["seq_no"].as_u64().unwrap());
        }
    }
    found
}

#[tokio::test]
async fn the_last_of_several_marks_reaches_the_other_devices_over_a_drain_and_over_a_kill() {
    for killed in [false, true] {
        let directory = TempDir::new().unwrap();
        let data = directory.path().join("data");
        let hub = Process::on_disk(&data, &[]);
        let mut alice = hub.connect("alice", "a1").await;
        for id in ["1", "2", "3", "4"] {
            alice.send_to("bob", id, "x").await;
        }
        let mut bob = hub.connect("bob", "b1").await;
        // The first is passed on at once, the others within a second of it are not.
        for seq in 1..=4 {
            mark(&mut bob, seq).await;
        }
        if killed {
            hub.kill();
        } else {
            hub.end();
        }
        let hub = Process::on_disk(&data, &[]);
        let mut other = hub.connect("bob", "b2").await;
        let found = marks(&mut other).await;
        assert_eq!(found.last(), Some(&4), "killed: {killed}, {found:?}");
        assert!(found.is_sorted_by(|one, other| one < other), "killed: {killed}, {found:?}");
        // Once is enough.
        drop(other);
        hub.kill();
        let hub = Process::on_disk(&data, &[]);
        let mut third = hub.connect("bob", "b3").await;
        assert_eq!(marks(&mut third).await, found, "killed: {killed}");
    }
}
