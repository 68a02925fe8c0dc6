//! Messages between users, groups and everybody.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::Server;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;
use wsc_server::log::embedded::EmbeddedOptions;
use wsc_server::{EmbeddedStore, GroupKey, Hub, Scope, Verdict};

#[tokio::test]
async fn a_message_to_a_user_is_accepted_and_handed_over() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    let ack = alice.send_to("bob", "m1", "hello").await;
    assert_eq!(
        (&ack["message_type"], &ack["status"], &ack["seq_no"]),
        (&json!("ack"), &json!("accepted"), &json!(1))
    );
    let entry = bob.message().await;
    assert_eq!(entry["content"], "hello");
    assert_eq!(
        (&entry["sender"], &entry["stream"], &entry["seq_no"]),
        (&json!("alice"), &json!("inbox"), &json!(1))
    );
    assert_eq!((&entry["sender_client"], &entry["source"]), (&json!("a1"), &json!(null)));
}

#[tokio::test]
async fn a_message_waits_for_every_device_and_the_sender_s_other_devices_get_it_too() {
    let server = Server::start().await;
    drop(server.connect("bob", "b1").await);
    drop(server.connect("bob", "b2").await);
    let mut alice = server.connect("alice", "a1").await;
    let mut other = server.connect("alice", "a2").await;
    alice.send_to("bob", "m1", "hello").await;
    let skip = alice.hear_type("skip").await;
    assert_eq!((&skip["from"], &skip["to"]), (&json!(1), &json!(1)));
    assert_eq!(other.message().await["content"], "hello");
    for device in ["b1", "b2"] {
        let mut bob = server.connect("bob", device).await;
        assert_eq!(bob.connected["streams"]["inbox"]["head"], 1);
        let entry = bob.message().await;
        assert_eq!((&entry["content"], &entry["source"]), (&json!("hello"), &json!("offline")));
        bob.acknowledge("inbox", 1).await;
        bob.say(&json!({"message_type": "ping"})).await;
        assert_eq!(bob.hear().await["message_type"], "pong");
        drop(bob);
        let mut again = server.connect("bob", device).await;
        assert_eq!(again.connected["streams"]["inbox"]["from"], 2);
        again.silence().await;
    }
}

#[tokio::test]
async fn the_same_id_again_is_the_same_message_and_other_content_is_an_error() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let first = alice.send_to("bob", "m1", "hello").await;
    let again = alice.send_to("bob", "m1", "hello").await;
    assert_eq!((&again["seq_no"], &again["duplicate"]), (&first["seq_no"], &json!(true)));
    assert_eq!(again["create_at"], first["create_at"]);
    assert_eq!(alice.send_to("bob", "m1", "other").await["code"], 80406);
}

#[tokio::test]
async fn a_group_s_message_reaches_its_members_and_nobody_else() {
    let server = Server::start().await;
    let group = json!({"group_id": "team"});
    let mut alice = server.connect_with("alice", "a1", group.clone()).await;
    let mut bob = server.connect_with("bob", "b1", group).await;
    let mut carol = server.connect("carol", "c1").await;
    let message =
        json!({"message_type": "text", "message_id": "g1", "group_ids": ["team"], "content": "all"});
    let ack = alice.send(message.clone()).await;
    assert_eq!((&ack["stream"], &ack["seq_no"]), (&json!("group:team"), &json!(1)));
    let entry = bob.message().await;
    assert_eq!((&entry["stream"], &entry["content"]), (&json!("group:team"), &json!("all")));
    assert_eq!(carol.send(message).await["code"], 81401);
    carol.silence().await;
}

#[tokio::test]
async fn everybody_gets_a_broadcast() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    let ack =
        alice.send(json!({"message_type": "text", "message_id": "1", "broadcast_type": "global"})).await;
    assert_eq!(ack["stream"], "broadcast");
    assert_eq!(bob.message().await["stream"], "broadcast");
}

#[tokio::test]
async fn a_group_of_many_gets_every_message_once() {
    let server = Server::start().await;
    let mut members = Vec::new();
    for number in 0..60 {
        members.push(server.connect_with(&format!("m{number}"), "d", json!({"group_id": "team"})).await);
    }
    let mut alice = server.connect_with("alice", "a1", json!({"group_id": "team"})).await;
    for id in 0..20 {
        alice
            .say(&json!({"message_type": "text", "message_id": id.to_string(), "group_ids": ["team"]}))
            .await;
    }
    for (number, member) in members.iter_mut().enumerate() {
        for seq in 1..=20 {
            assert_eq!(member.message().await["seq_no"], seq, "member {number}");
        }
    }
}

#[tokio::test]
async fn messages_in_pieces_do_not_mix_with_those_of_other_connections() {
    let server = Server::with(|settings| settings.shards = 1, |builder| builder).await;
    let (mut alice, mut bob) = (server.connect("alice", "a1").await, server.connect("bob", "b1").await);
    let mut carol = server.connect("carol", "c1").await;
    for round in 0..3 {
        let text = |who: &str| {
            let id = format!("{who}{round}");
            json!({"message_type": "text", "message_id": id, "receiver": "carol", "content": who}).to_string()
        };
        let (first, second) = (pieces(&text("alice")), pieces(&text("bob")));
        // Each piece is on its way alone, and a ping comes in between.
        for (one, other) in first.iter().zip(&second) {
            for (client, bytes) in [(&mut alice, one), (&mut bob, other)] {
                client.socket.get_mut().write_all(bytes).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        for who in ["alice", "bob"] {
            assert_eq!(carol.message().await["content"], who);
        }
        for client in [&mut alice, &mut bob] {
            assert!(matches!(client.packet().await, Some(Ok(Message::Pong(_)))));
            assert_eq!(client.hear().await["status"], "accepted");
        }
    }
}

/// A message in two frames with a ping between them, cut so that frames do not end where pieces do.
fn pieces(text: &str) -> Vec<Vec<u8>> {
    let frame = |first: u8, payload: &[u8]| {
        let mut bytes = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
        bytes.extend_from_slice(payload);
        bytes
    };
    let (one, other) = text.as_bytes().split_at(30);
    let all = [frame(0x01, one), frame(0x89, b"life"), frame(0x80, other)].concat();
    let (head, rest) = all.split_at(1);
    let (middle, end) = rest.split_at(40);
    vec![head.to_vec(), middle.to_vec(), end.to_vec()]
}

#[tokio::test]
async fn half_a_surrogate_pair_is_handed_out_as_json_that_every_parser_takes() {
    let server = Server::start().await;
    let mut bob = server.connect("bob", "b1").await;
    let mut alice = server.connect("alice", "a1").await;
    alice
        .raw(r#"{"message_type":"text","message_id":"1","receiver":"bob","content":"hi \ud83d","data":{ "k\ud83d" : ["\ud83d\ude00","\ude00","\\ud83d"] }}"#)
        .await;
    assert_eq!(alice.hear_type("ack").await["message_id"], "1");
    // The client reads with serde_json, which refuses halves.
    let frame = bob.message().await;
    assert_eq!(frame["content"], "hi \u{fffd}");
    assert_eq!(frame["data"], json!({"k\u{fffd}": ["\u{1f600}", "\u{fffd}", "\\ud83d"]}));
}

#[tokio::test]
async fn what_cannot_be_stored_costs_nobody_else_anything() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), EmbeddedOptions::default()).unwrap();
    let hook = |_: &wsc_server::Sender, mut message: wsc_server::Message<'static>| {
        if message.content == "astray" {
            message.receiver = "x".repeat(2000).into();
        }
        let verdict = Verdict::Route(Box::new(message));
        Box::pin(std::future::ready(verdict)) as wsc_server::HookFuture<'static, Verdict>
    };
    let server = Server::over(Hub::builder(store).on_message(hook)).await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    let too_long = GroupKey::new(&Scope::default(), &"x".repeat(2000));
    for number in 0..20 {
        let id = format!("b{number}");
        // Beside it others write: often all of it is one batch.
        let (join, stored) =
            tokio::join!(server.hub.join(&too_long, "alice"), bob.send_to("alice", &id, "x"),);
        assert!(join.is_err());
        assert_eq!(stored["message_type"], "ack", "{stored}");
    }
    let refused = alice.send_to("bob", "1", "astray").await;
    assert_eq!((&refused["message_type"], &refused["code"]), (&json!("error"), &json!(80401)));
    assert_eq!(alice.send_to("bob", "2", "x").await["message_type"], "ack");
}
