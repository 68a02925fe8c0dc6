//! Receipts: in which order a sender hears what became of a message, and what is true when asked.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Client, Server};

const MESSAGES: usize = 2000;

/// Two users whose home shards differ, so that nothing but the hub orders what their shards say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_never_comes_before_the_ack_of_its_message() {
    let without_limits = |settings: &mut wsc_server::Settings| {
        (settings.limits.sends, settings.peer.controls) = (0, 0);
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

/// How far these messages of the client got.
async fn stages(client: &mut Client, ids: &[&str]) -> Vec<String> {
    let ask = json!({"message_type": "receipts", "message_id": "r", "data": {"message_ids": ids}});
    let told = client.ask(ask).await;
    let stage = |receipt: &Value| receipt["stage"].as_str().unwrap().to_owned();
    told["data"]["receipts"].as_array().unwrap().iter().map(stage).collect()
}

fn message(id: &str, more: &Value) -> Value {
    let mut message =
        json!({"message_type": "text", "message_id": id, "receiver": "bob", "require_ack": true});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

#[tokio::test]
async fn what_was_delivered_stays_so_when_the_receiver_connects_again() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    alice.send(message("1", &json!({}))).await;
    bob.message().await;
    bob.acknowledge("inbox", 1).await;
    alice.hear_type("delivered").await;
    let epoch = bob.connected["streams"]["inbox"]["epoch"].clone();
    let cursor = json!({"cursors": {"inbox": {"epoch": epoch, "seq": 2}}});
    for (id, cursors) in [("2", json!({})), ("3", cursor)] {
        let mut again = server.connect_with("bob", "b1", cursors).await;
        assert_eq!(stages(&mut alice, &["1"]).await, ["delivered"]);
        alice.send(message(id, &json!({}))).await;
        let seq = again.message().await["seq_no"].as_u64().unwrap();
        again.acknowledge("inbox", seq).await;
        alice.hear_type("delivered").await;
        drop(again);
    }
    assert_eq!(stages(&mut alice, &["1"]).await, ["delivered"]);
}

#[tokio::test]
async fn only_who_got_an_entry_has_had_it_delivered() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    alice.send(message("narrowed", &json!({"receiver_client": "b2"}))).await;
    alice.send(message("stored", &json!({"skip_send_to_client": true}))).await;
    alice.send(message("short", &json!({"expires_in_ms": 1}))).await;
    alice.send(message("own", &json!({"receiver": "alice"}))).await;
    alice.send(message("last", &json!({}))).await;
    while bob.message().await["message_id"] != "last" {}
    bob.acknowledge("inbox", 4).await;
    let mut other = server.connect("alice", "a2").await;
    alice.hear_type("delivered").await;
    let ids = ["narrowed", "stored", "short", "own", "last"];
    assert_eq!(stages(&mut alice, &ids).await, ["accepted", "accepted", "unknown", "accepted", "delivered"]);

    let mut second = server.connect("bob", "b2").await;
    let seq = second.message().await["seq_no"].as_u64().unwrap();
    second.acknowledge("inbox", seq).await;
    assert_eq!(alice.hear_type("delivered").await["message_ids"], json!(["narrowed"]));
    while other.message().await["message_id"] != "own" {}
    other.acknowledge("inbox", 4).await;
    assert_eq!(stages(&mut other, &["narrowed", "own"]).await, ["delivered", "delivered"]);
}

#[tokio::test]
async fn a_message_that_was_read_is_not_told_as_delivered_later() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut first = server.connect("bob", "b1").await;
    let mut second = server.connect("bob", "b2").await;
    for id in ["1", "2"] {
        alice.send(message(id, &json!({}))).await;
        first.message().await;
        second.message().await;
    }
    let read =
        json!({"message_type": "read", "message_id": "m", "stream": "inbox", "peer": "alice", "seq_no": 1});
    first.ask(read).await;
    assert_eq!(alice.hear_type("read").await["message_ids"], json!(["1"]));
    second.acknowledge("inbox", 2).await;
    assert_eq!(alice.hear_type("delivered").await["message_ids"], json!(["2"]));
}

async fn acknowledge_next(client: &mut Client) {
    let seq = client.message().await["seq_no"].as_u64().unwrap();
    client.acknowledge("inbox", seq).await;
}

#[tokio::test]
async fn what_an_ephemeral_device_acknowledged_stays_delivered() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut passing = server.connect("bob", "").await;
    alice.send(message("1", &json!({}))).await;
    acknowledge_next(&mut passing).await;
    assert_eq!(alice.hear_type("delivered").await["message_ids"], json!(["1"]));
    // Nobody waits for a receipt of this one; it is known all the same.
    alice.send(message("2", &json!({"require_ack": false}))).await;
    acknowledge_next(&mut passing).await;
    passing.ask(json!({"message_type": "health_check", "message_id": "h"})).await;
    assert_eq!(stages(&mut alice, &["1", "2"]).await, ["delivered", "delivered"]);
    drop(passing);
    assert_eq!(stages(&mut alice, &["1", "2"]).await, ["delivered", "delivered"]);
}

#[tokio::test]
async fn what_a_device_acknowledged_stays_delivered_when_the_device_is_evicted() {
    let server = Server::with(|settings| settings.limits.devices = 1, |builder| builder).await;
    let mut alice = server.connect("alice", "a1").await;
    let mut first = server.connect("bob", "b1").await;
    alice.send(message("1", &json!({}))).await;
    acknowledge_next(&mut first).await;
    alice.hear_type("delivered").await;
    drop(first);
    for device in ["b2", "b3"] {
        let again = server.connect_with("bob", device, json!({"start": "head"})).await;
        assert_eq!(stages(&mut alice, &["1"]).await, ["delivered"]);
        drop(again);
    }
}

#[tokio::test]
async fn delivered_is_told_once_however_many_devices_get_it() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    for device in ["b1", "b2", "b3"] {
        alice.send(message(device, &json!({}))).await;
        let mut bob = server.connect("bob", device).await;
        // All there is: only the newest was acknowledged by nobody before.
        loop {
            let got = bob.message().await;
            bob.acknowledge("inbox", got["seq_no"].as_u64().unwrap()).await;
            if got["message_id"] == device {
                break;
            }
        }
        assert_eq!(alice.hear_type("delivered").await["message_ids"], json!([device]));
    }
    alice.silence().await;
}

#[tokio::test]
async fn who_begins_at_the_head_has_not_got_what_lies_before() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let phone = server.connect("bob", "phone").await;
    drop(phone);
    alice.send(message("1", &json!({}))).await;
    let mut passing = server.connect("bob", "").await;
    alice.send(message("2", &json!({}))).await;
    acknowledge_next(&mut passing).await;
    assert_eq!(alice.hear_type("delivered").await["message_ids"], json!(["2"]));
    assert_eq!(stages(&mut alice, &["1", "2"]).await, ["accepted", "delivered"]);
    let mut phone = server.connect("bob", "phone").await;
    for _ in 0..2 {
        acknowledge_next(&mut phone).await;
    }
    assert_eq!(alice.hear_type("delivered").await["message_ids"], json!(["1"]));
    alice.silence().await;
}

#[cfg(feature = "command")]
#[tokio::test]
async fn a_stage_that_was_told_stands_after_the_hub_was_killed_and_is_not_told_again() {
    let directory = tempfile::TempDir::new().unwrap();
    let data = directory.path().join("data");
    let hub = support::process::Process::on_disk(&data, &[]);
    let mut alice = hub.connect("alice", "a1").await;
    let mut bob = hub.connect("bob", "").await;
    alice.send(message("1", &json!({}))).await;
    acknowledge_next(&mut bob).await;
    alice.hear_type("delivered").await;
    hub.kill();
    let hub = support::process::Process::on_disk(&data, &[]);
    let mut alice = hub.connect("alice", "a1").await;
    assert_eq!(stages(&mut alice, &["1"]).await, ["delivered"]);
    let mut bob = hub.connect("bob", "b2").await;
    acknowledge_next(&mut bob).await;
    alice.send(message("2", &json!({}))).await;
    acknowledge_next(&mut bob).await;
    assert_eq!(alice.hear_type("delivered").await["message_ids"], json!(["2"]));
}

/// What is only in the hub's memory is gone after a crash, and a stage never goes back.
#[tokio::test]
async fn a_stage_is_told_when_it_is_kept_and_not_before() {
    let (server, illness) = support::ill::ill().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    let join = json!({"message_type": "group_join", "message_id": "j", "group_ids": ["team"]});
    alice.ask(join).await;
    let to_group = json!({"message_type": "text", "message_id": "g", "group_ids": ["team"], "content": "x"});
    alice.send(to_group).await;
    alice.send(message("1", &json!({"require_ack": false}))).await;
    let seq = bob.message().await["seq_no"].as_u64().unwrap();
    // While the hub looks at the group, the receiver of the other message acknowledges it.
    illness.members_ms.store(700, Ordering::Relaxed);
    let ask = json!({"message_type": "receipts", "message_id": "r", "data": {"message_ids": ["1", "g"]}});
    alice.say(&ask).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = illness.writes.load(Ordering::Relaxed);
    bob.acknowledge("inbox", seq).await;
    let told = alice.hear_type("receipts").await;
    let writes = illness.writes.load(Ordering::Relaxed) - before;
    let stage = &told["data"]["receipts"][0]["stage"];
    assert!(*stage == "accepted" || writes > 0, "{told}");
}
