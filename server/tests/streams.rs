//! Streams: resuming, covering, acknowledging, gaps.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::Server;

#[tokio::test]
async fn a_device_goes_on_at_the_cursor_of_its_frame() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    for id in 1..=5 {
        alice.send_to("bob", &id.to_string(), &id.to_string()).await;
    }
    let epoch = alice.connected["streams"]["inbox"]["epoch"].clone();
    let cursor = |seq: u64| json!({"cursors": {"inbox": {"epoch": epoch, "seq": seq}}});
    let mut bob = server.connect_with("bob", "b1", cursor(3)).await;
    assert_eq!(bob.connected["streams"]["inbox"]["from"], 4);
    assert_eq!(bob.message().await["content"], "4");
    assert_eq!(bob.message().await["content"], "5");
    // Without a cursor the stored position counts, which the frame raised.
    let bob = server.connect("bob", "b1").await;
    assert_eq!(bob.connected["streams"]["inbox"]["from"], 4);
}

#[tokio::test]
async fn a_cursor_from_the_future_or_of_another_epoch_is_told_and_begins_at_the_oldest() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    alice.send_to("bob", "1", "1").await;
    let epoch = alice.connected["streams"]["inbox"]["epoch"].clone();
    for (epoch, seq) in [(epoch, 2), (json!("elsewhere"), 1)] {
        let cursors = json!({"cursors": {"inbox": {"epoch": epoch, "seq": seq}}});
        let mut bob = server.connect_with("bob", "b1", cursors).await;
        let gap = bob.hear().await;
        assert_eq!((&gap["message_type"], &gap["reason"]), (&json!("gap"), &json!("epoch")));
        assert_eq!((&gap["from"], &gap["to"]), (&json!(1), &json!(0)));
        assert_eq!(bob.message().await["seq_no"], 1);
    }
}

#[tokio::test]
async fn a_new_device_begins_at_the_user_s_start_and_at_the_head_if_it_says_so() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    alice.send(json!({"message_type": "text", "message_id": "0", "broadcast_type": "global"})).await;
    alice.send_to("bob", "1", "1").await;
    let bob = server.connect("bob", "b1").await;
    assert_eq!(bob.connected["streams"]["inbox"]["from"], 1);
    // The broadcast's head when the user was first seen.
    assert_eq!(bob.connected["streams"]["broadcast"]["from"], 2);
    let bob = server.connect_with("bob", "b2", json!({"start": "head"})).await;
    assert_eq!(bob.connected["streams"]["inbox"]["from"], 2);
    // An ephemeral device begins at the heads.
    let bob = server.connect("bob", "").await;
    assert_eq!(bob.connected["streams"]["inbox"]["from"], 2);
    assert_eq!(bob.connected["device_id"], bob.connected["connection_id"]);
}

#[tokio::test]
async fn an_acknowledgement_beyond_what_was_covered_closes_with_4011() {
    let server = Server::start().await;
    let mut bob = server.connect("bob", "b1").await;
    bob.acknowledge("group:none", 77).await;
    bob.acknowledge("inbox", 1).await;
    assert_eq!(bob.closed().await.unwrap().0, 4011);
}

#[tokio::test]
async fn at_most_window_entries_are_under_way_and_the_rest_follows_the_acknowledgements() {
    let server = Server::with(|settings| settings.peer.window = 4, |builder| builder).await;
    let mut bob = server.connect("bob", "b1").await;
    let mut alice = server.connect("alice", "a1").await;
    for id in 1..=11 {
        alice.say(&json!({"message_type": "text", "message_id": id.to_string(), "receiver": "bob"})).await;
    }
    for seq in 1..=4 {
        assert_eq!(bob.message().await["seq_no"], seq);
    }
    bob.silence().await;
    bob.acknowledge("inbox", 2).await;
    assert_eq!(bob.message().await["seq_no"], 5);
    assert_eq!(bob.message().await["seq_no"], 6);
    bob.silence().await;
    bob.acknowledge("inbox", 6).await;
    for seq in 7..=10 {
        assert_eq!(bob.message().await["seq_no"], seq);
    }
    bob.acknowledge("inbox", 10).await;
    assert_eq!(bob.message().await["seq_no"], 11);
}

#[tokio::test]
async fn entries_that_nobody_acknowledges_close_with_4013_and_come_again() {
    let server =
        Server::with(|settings| settings.peer.ack_timeout = Duration::from_millis(200), |builder| builder)
            .await;
    let mut bob = server.connect("bob", "b1").await;
    let mut alice = server.connect("alice", "a1").await;
    alice.send_to("bob", "1", "hello").await;
    assert_eq!(bob.closed().await.unwrap().0, 4013);
    let mut bob = server.connect("bob", "b1").await;
    assert_eq!(bob.message().await["content"], "hello");
}

#[tokio::test]
async fn what_is_not_for_a_device_is_skipped_and_nothing_is_left_out() {
    let server = Server::start().await;
    let mut b1 = server.connect("bob", "b1").await;
    let mut b2 = server.connect("bob", "b2").await;
    let mut alice = server.connect("alice", "a1").await;
    let to_b2 =
        json!({"message_type": "text", "message_id": "1", "receiver": "bob", "receiver_client": "b2"});
    alice.send(to_b2).await;
    let stored =
        json!({"message_type": "text", "message_id": "2", "receiver": "bob", "skip_send_to_client": true});
    alice.send(stored).await;
    alice.send_to("bob", "3", "both").await;
    let skip = b1.hear().await;
    assert_eq!((&skip["message_type"], &skip["from"], &skip["to"]), (&json!("skip"), &json!(1), &json!(2)));
    assert_eq!(b1.hear().await["seq_no"], 3);
    assert_eq!(b2.hear().await["seq_no"], 1);
    let skip = b2.hear().await;
    assert_eq!((&skip["from"], &skip["to"]), (&json!(2), &json!(2)));
    assert_eq!(b2.hear().await["seq_no"], 3);
}

#[tokio::test]
async fn an_expired_message_is_a_gap_and_cannot_be_fetched() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    alice
        .send(json!({"message_type": "text", "message_id": "1", "receiver": "bob", "expires_in_ms": 1}))
        .await;
    alice.send_to("bob", "2", "stays").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut bob = server.connect("bob", "b1").await;
    let gap = bob.hear().await;
    assert_eq!((&gap["reason"], &gap["from"], &gap["to"]), (&json!("expired"), &json!(1), &json!(1)));
    assert_eq!(bob.hear().await["seq_no"], 2);
    bob.say(&json!({"message_type": "fetch", "message_id": "f", "stream": "inbox"})).await;
    assert_eq!(bob.hear().await["seq_no"], 2);
    assert_eq!(bob.hear().await["message_type"], "fetched");
}

#[tokio::test]
async fn history_is_fetched_page_by_page_in_both_directions() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    for id in 1..=7 {
        alice.send_to("bob", &id.to_string(), &id.to_string()).await;
    }
    let mut bob = server.connect_with("bob", "", json!({})).await;
    let mut page = async |request: Value| {
        bob.say(&request).await;
        let mut seqs = Vec::new();
        loop {
            let frame = bob.hear().await;
            if frame["message_type"] == "fetched" {
                return (seqs, frame["data"].clone());
            }
            assert_eq!((&frame["source"], &frame["request_id"]), (&json!("history"), &json!("f")));
            seqs.push(frame["seq_no"].as_u64().unwrap());
        }
    };
    let fetch = |more: Value| {
        let mut request = json!({"message_type": "fetch", "message_id": "f", "stream": "inbox", "limit": 3});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    let (seqs, data) = page(fetch(json!({}))).await;
    assert_eq!(
        (seqs, data),
        (vec![1, 2, 3], json!({"from": 1, "to": 3, "floor": 1, "head": 7, "more": true}))
    );
    let (seqs, data) = page(fetch(json!({"from": 7}))).await;
    assert_eq!((seqs, data), (vec![7], json!({"from": 7, "to": 7, "floor": 1, "head": 7, "more": false})));
    let (seqs, data) = page(fetch(json!({"reverse": true}))).await;
    assert_eq!(
        (seqs, data),
        (vec![7, 6, 5], json!({"from": 5, "to": 7, "floor": 1, "head": 7, "more": true}))
    );
    let (seqs, data) = page(fetch(json!({"reverse": true, "from": 1}))).await;
    assert_eq!((seqs, data), (vec![1], json!({"from": 1, "to": 1, "floor": 1, "head": 7, "more": false})));
    let (seqs, data) = page(fetch(json!({"from": 8}))).await;
    assert_eq!((seqs, data["more"].clone()), (vec![], json!(false)));
}

#[tokio::test]
async fn a_newer_connection_of_a_device_replaces_the_older() {
    let server = Server::start().await;
    let mut first = server.connect("bob", "b1").await;
    let mut second = server.connect("bob", "b1").await;
    assert_eq!(first.closed().await.unwrap().0, 4009);
    let mut other = server.connect("bob", "b2").await;
    second.silence().await;
    other.silence().await;
}

#[tokio::test]
async fn a_connect_that_was_overtaken_does_not_replace_the_newer_connection() {
    let server = Server::start().await;
    let mut newer = server.connect_with("bob", "b1", json!({"sent_ms": 2000})).await;
    let mut late = server.socket().await;
    let frame = json!({"message_type": "connect", "protocol": 1, "device_id": "b1", "user_id": "bob", "sent_ms": 1000});
    late.say(&frame).await;
    assert_eq!(late.closed().await.unwrap().0, 1013);
    newer.silence().await;
    // A clock that was set back by much is not late.
    let _bob = server.connect_with("bob", "b1", json!({"sent_ms": 1_000_000})).await;
    let _bob = server.connect_with("bob", "b1", json!({"sent_ms": 1})).await;
}

#[tokio::test]
async fn a_large_backlog_arrives_in_order_while_new_messages_come() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let message = |id: u64| json!({"message_type": "text", "message_id": id.to_string(), "receiver": "bob", "content": "x".repeat(500)});
    for id in 1..=3000 {
        alice.say(&message(id)).await;
        if id % 500 == 0 {
            while alice.hear_type("ack").await["message_id"] != *id.to_string() {}
        }
    }
    let mut bob = server.connect("bob", "b1").await;
    for id in 3001..=4000 {
        alice.say(&message(id)).await;
    }
    for seq in 1..=4000_u64 {
        let entry = bob.message().await;
        assert_eq!((&entry["seq_no"], &entry["message_id"]), (&json!(seq), &json!(seq.to_string())));
        if seq % 1000 == 0 {
            bob.acknowledge("inbox", seq).await;
        }
    }
}
