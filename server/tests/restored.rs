//! A store that was put back to an earlier time: whoever has seen more hears of it, whenever they come back.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![cfg(all(unix, feature = "command"))]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::Client;
use support::process::Process;
use tempfile::TempDir;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Sends messages numbered from `first` on to both readers.
async fn send(hub: &Process, first: u64, count: u64) {
    let mut alice = hub.connect("alice", "a1").await;
    for number in first..first + count {
        for to in ["bob", "carol"] {
            let id = format!("{to}-{number}");
            alice
                .say(&json!({"message_type": "text", "message_id": id, "receiver": to, "content": "x"}))
                .await;
        }
    }
    for _ in 0..2 * count {
        alice.hear_type("ack").await;
    }
}

/// Reads and acknowledges up to a position.
async fn read(client: &mut Client, to: u64) {
    loop {
        let seq = client.message().await["seq_no"].as_u64().unwrap();
        client.acknowledge("inbox", seq).await;
        if seq == to {
            return;
        }
    }
}

async fn come_back(hub: &Process, user: &str, cursor: &Value) -> Client {
    hub.connect_with(user, "d1", json!({"cursors": {"inbox": cursor}})).await
}

/// The gap that is told first, and the ids of all messages up to the head.
async fn hear(client: &mut Client) -> (Value, Vec<String>) {
    let inbox = client.connected["streams"]["inbox"].clone();
    let gap = client.hear().await;
    let (from, head) = (inbox["from"].as_u64().unwrap(), inbox["head"].as_u64().unwrap());
    let mut ids = Vec::new();
    for seq in from..=head {
        let message = client.message().await;
        assert_eq!(message["seq_no"], seq);
        ids.push(message["message_id"].as_str().unwrap().to_owned());
    }
    (gap, ids)
}

/// How the directory was put back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum PutBack {
    /// As a whole, by copying: the copy shows.
    Copied,
    /// In a way that nothing of the directory shows, as with a snapshot of a disk.
    Unseen,
    /// The same, and the operator says so.
    UnseenAndSaid,
}

#[tokio::test]
async fn readers_that_come_back_before_and_after_the_head_passes_them_both_hear_of_it() {
    for how in [PutBack::Copied, PutBack::Unseen, PutBack::UnseenAndSaid] {
        let directory = TempDir::new().unwrap();
        let (data, backup) = (directory.path().join("data"), directory.path().join("backup"));
        let hub = Process::on_disk(&data, &[]);
        send(&hub, 1, 100).await;
        hub.kill();
        copy(&data, &backup);
        let hub = Process::on_disk(&data, &[]);
        send(&hub, 101, 50).await;
        let mut cursor = Value::Null;
        for user in ["bob", "carol"] {
            let mut reader = hub.connect(user, "d1").await;
            read(&mut reader, 150).await;
            let epoch = reader.connected["streams"]["inbox"]["epoch"].clone();
            cursor = json!({"epoch": epoch, "seq": 150});
        }
        hub.kill();
        // The marker beside the data keeps its number in a snapshot.
        let part = if how == PutBack::Copied { "" } else { "data" };
        fs::remove_dir_all(data.join(part)).unwrap();
        copy(&backup.join(part), &data.join(part));

        let said: &[&str] = if how == PutBack::UnseenAndSaid { &["--restored"] } else { &[] };
        let hub = Process::on_disk(&data, said);
        let mut bob = come_back(&hub, "bob", &cursor).await;
        let (gap, _) = hear(&mut bob).await;
        assert_eq!((&gap["message_type"], &gap["reason"]), (&json!("gap"), &json!("epoch")), "{how:?}");
        send(&hub, 1001, 80).await;
        read(&mut bob, 180).await;
        let mut carol = come_back(&hub, "carol", &cursor).await;
        assert!(carol.connected["streams"]["inbox"]["head"].as_u64().unwrap() >= 150, "{how:?}");
        let (gap, ids) = hear(&mut carol).await;
        assert_eq!((&gap["message_type"], &gap["reason"]), (&json!("gap"), &json!("epoch")), "{how:?}");
        for number in 1001..1081 {
            assert!(ids.contains(&format!("carol-{number}")), "{how:?}: {number}");
        }
        let epoch = &carol.connected["streams"]["inbox"]["epoch"];
        assert_ne!(*epoch, cursor["epoch"], "{how:?}");
        // It has come to rest: the next start is like any other.
        let rested = json!({"epoch": epoch, "seq": 180});
        hub.end();
        let hub = Process::on_disk(&data, &[]);
        let carol = come_back(&hub, "carol", &rested).await;
        let inbox = &carol.connected["streams"]["inbox"];
        assert_eq!((&inbox["epoch"], &inbox["from"]), (epoch, &json!(181)), "{how:?}");
    }
}

#[tokio::test]
async fn connections_of_the_epoch_that_ends_are_closed_and_a_lie_costs_one_epoch_at_most() {
    let directory = TempDir::new().unwrap();
    let hub = Process::on_disk(&directory.path().join("data"), &[]);
    let mut bob = hub.connect("bob", "d1").await;
    let epoch = bob.connected["streams"]["inbox"]["epoch"].clone();
    let liar = |epoch: &Value| json!({"epoch": epoch, "seq": 1000});
    let mallory = come_back(&hub, "mallory", &liar(&epoch)).await;
    assert_eq!(bob.closed().await.map(|(code, _)| code), Some(4014));
    let second = mallory.connected["streams"]["inbox"]["epoch"].clone();
    assert_ne!(second, epoch);
    let mut bob = hub.connect("bob", "d1").await;
    let mut mallory = come_back(&hub, "mallory", &liar(&second)).await;
    // Of its own stream only.
    assert_eq!(mallory.hear_type("gap").await["reason"], "epoch");
    assert_eq!(mallory.connected["streams"]["inbox"]["epoch"], second);
    bob.silence().await;
}
