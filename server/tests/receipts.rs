//! Receipts: in which order a sender hears what became of a message.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::collections::HashSet;

use serde_json::json;
use support::Server;

const MESSAGES: usize = 2000;

/// Two users whose home shards differ, so that nothing but the hub orders what their shards say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_never_comes_before_the_ack_of_its_message() {
    let without_limits = |settings: &mut wsc_server::Settings| {
        (settings.sends, settings.peer.controls) = (0, 0);
    };
    let server = Server::with(without_limits, |builder| builder).await;
    // Of all receivers: a receipt may come so late that the next connection gets it.
    let mut stored = HashSet::new();
    for (round, receiver) in ["bob", "carl", "dora", "emil"].into_iter().enumerate() {
        let mut quick = server.connect(receiver, "b1").await;
        let mut alice = server.connect("alice", "a1").await;
        let reading = tokio::spawn(async move {
            for _ in 0..MESSAGES {
                let seq = quick.message().await["seq_no"].as_u64().unwrap();
                quick.acknowledge("inbox", seq).await;
            }
            quick
        });
        for number in 0..MESSAGES {
            let id = format!("{receiver}-{number}");
            alice
                .say(&json!({"message_type": "text", "message_id": id, "receiver": receiver,
                    "content": "x", "require_ack": true}))
                .await;
        }
        // Receipts are hints, which a slow reader misses; acknowledgements are not.
        while stored.len() < (round + 1) * MESSAGES {
            let frame = alice.hear().await;
            match frame["message_type"].as_str().unwrap() {
                "ack" => drop(stored.insert(frame["message_id"].as_str().unwrap().to_owned())),
                "delivered" => {
                    for id in frame["message_ids"].as_array().unwrap() {
                        assert!(stored.contains(id.as_str().unwrap()), "{id} has no ack yet");
                    }
                }
                _ => {}
            }
        }
        drop(reading.await.unwrap());
    }
}
