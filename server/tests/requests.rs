//! Requests: groups, receipts, read marks, conversations, observing; their order and their errors.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Server;
use wsc_server::{GroupKey, Scope};

#[tokio::test]
async fn a_join_opens_the_stream_on_all_devices_and_a_leave_closes_it() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut b1 = server.connect("bob", "b1").await;
    let mut b2 = server.connect("bob", "b2").await;
    let join = json!({"message_type": "group_join", "message_id": "j", "group_ids": ["team"]});
    assert_eq!(alice.ask(join.clone()).await["stream"], "group:team");
    alice
        .send(json!({"message_type": "text", "message_id": "1", "group_ids": ["team"], "content": "before"}))
        .await;
    let joined = b1.ask(join.clone()).await;
    assert_eq!(
        (&joined["message_type"], &joined["from"], &joined["head"]),
        (&json!("group_changed"), &json!(2), &json!(1))
    );
    assert_eq!(joined["data"], json!({"group_id": "team", "action": "joined", "user_id": "bob"}));
    let told = b2.hear().await;
    assert_eq!((&told["stream"], &told["request_id"]), (&json!("group:team"), &json!(null)));
    let told = alice.hear_type("group_changed").await;
    assert_eq!((&told["stream"], &told["data"]["user_id"]), (&json!(null), &json!("bob")));
    assert_eq!(b1.ask(join).await["stream"], json!(null));
    alice
        .send(json!({"message_type": "text", "message_id": "2", "group_ids": ["team"], "content": "after"}))
        .await;
    for bob in [&mut b1, &mut b2] {
        let entry = bob.message().await;
        assert_eq!((&entry["content"], &entry["seq_no"]), (&json!("after"), &json!(2)));
    }
    let leave = json!({"message_type": "group_leave", "message_id": "l", "group_ids": ["team"]});
    let left = |frame: &Value| {
        assert_eq!((&frame["data"]["action"], &frame["stream"]), (&json!("left"), &json!("group:team")));
        assert_eq!(
            (&frame["epoch"], &frame["from"], &frame["head"]),
            (&json!(null), &json!(null), &json!(null))
        );
    };
    left(&b1.ask(leave.clone()).await);
    left(&b2.hear().await);
    let told = alice.hear_type("group_changed").await;
    assert_eq!((&told["data"]["user_id"], &told["stream"]), (&json!("bob"), &json!(null)));
    alice.send(json!({"message_type": "text", "message_id": "3", "group_ids": ["team"]})).await;
    b1.silence().await;
    b2.silence().await;
    assert_eq!(b1.ask(leave).await["code"], 81401);
    assert_eq!(
        b1.send(json!({"message_type": "text", "message_id": "4", "group_ids": ["team"]})).await["code"],
        81401
    );
    let mut again = server.connect("bob", "b1").await;
    assert_eq!(again.connected["streams"]["group:team"], json!(null));
    let join = json!({"message_type": "group_join", "message_id": "j2", "group_ids": ["team"]});
    assert_eq!(again.ask(join).await["from"], 4);
}

#[tokio::test]
async fn members_are_listed_in_pages_removed_and_disbanded() {
    let server = Server::start().await;
    let group = json!({"group_id": "team"});
    let mut alice = server.connect_with("alice", "a1", group.clone()).await;
    let mut bob = server.connect_with("bob", "b1", group.clone()).await;
    let mut carol = server.connect_with("carol", "c1", group).await;
    let members = |after: &str| json!({"message_type": "group_members", "message_id": "m", "data": {"group_id": "team", "limit": 2, "after": after}});
    assert_eq!(
        alice.ask(members("")).await["data"],
        json!({"users": ["alice", "bob"], "next": "bob", "total": 3})
    );
    assert_eq!(alice.ask(members("bob")).await["data"], json!({"users": ["carol"], "total": 3}));
    let remove = json!({"message_type": "group_remove", "message_id": "r", "data": {"group_id": "team", "user_id": "bob"}});
    assert_eq!(alice.ask(remove).await["message_type"], "ack");
    assert_eq!(bob.hear_type("group_changed").await["data"]["user_id"], "carol");
    let removed = bob.hear_type("group_changed").await;
    assert_eq!((&removed["data"]["action"], &removed["stream"]), (&json!("removed"), &json!("group:team")));
    let disband = json!({"message_type": "group_disband", "message_id": "d", "data": {"group_id": "team"}});
    assert_eq!(alice.ask(disband.clone()).await["message_type"], "ack");
    let disbanded = carol.hear_type("group_changed").await;
    assert_eq!(
        (&disbanded["data"]["action"], &disbanded["data"]["user_id"]),
        (&json!("removed"), &json!("bob"))
    );
    let disbanded = carol.hear_type("group_changed").await;
    assert_eq!(disbanded["data"], json!({"group_id": "team", "action": "disbanded", "user_id": "carol"}));
    assert_eq!(disbanded["stream"], "group:team");
    assert_eq!(alice.ask(disband).await["message_type"], "ack");
    assert_eq!(alice.ask(members("")).await["code"], 81401);
}

#[tokio::test]
async fn receipts_are_told_and_can_be_asked_for() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    let message = json!({"message_type": "text", "message_id": "1", "receiver": "bob", "require_ack": true});
    alice.send(message).await;
    let ask = json!({"message_type": "receipts", "message_id": "r", "data": {"message_ids": ["1", "none"]}});
    let stages = |first: &str| json!([{"message_id": "1", "stage": first}, {"message_id": "none", "stage": "unknown"}]);
    assert_eq!(alice.ask(ask.clone()).await["data"]["receipts"], stages("accepted"));
    assert_eq!(bob.message().await["seq_no"], 1);
    bob.acknowledge("inbox", 1).await;
    let told = alice.hear_type("delivered").await;
    assert_eq!(
        (&told["receiver"], &told["receiver_client"], &told["message_ids"]),
        (&json!("bob"), &json!("b1"), &json!(["1"]))
    );
    assert_eq!(alice.ask(ask.clone()).await["data"]["receipts"], stages("delivered"));
    let read =
        json!({"message_type": "read", "message_id": "m", "stream": "inbox", "peer": "alice", "seq_no": 1});
    assert_eq!(bob.ask(read).await["message_type"], "ack");
    let told = alice.hear_type("read").await;
    assert_eq!(
        (&told["receiver"], &told["message_ids"], &told["sender"]),
        (&json!("bob"), &json!(["1"]), &json!(null))
    );
    assert_eq!(alice.ask(ask).await["data"]["receipts"], stages("read"));
}

#[tokio::test]
async fn a_read_mark_reaches_the_user_s_other_devices_and_conversations_count_what_is_unread() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut b1 = server.connect_with("bob", "b1", json!({"group_id": "team"})).await;
    let mut b2 = server.connect("bob", "b2").await;
    for id in ["1", "2", "3"] {
        alice.send_to("bob", id, id).await;
    }
    b1.send_to("alice", "4", "mine").await;
    let ask = json!({"message_type": "conversations", "message_id": "c"});
    let told = b1.ask(ask.clone()).await["data"]["conversations"].clone();
    assert_eq!(told[0], json!({"peer": "alice", "last": 4, "read": 0, "unread": 3}));
    assert_eq!(told[1], json!({"group_id": "team", "last": 0, "read": 0, "unread": 0}));
    let read =
        json!({"message_type": "read", "message_id": "m", "stream": "inbox", "peer": "alice", "seq_no": 2});
    b1.ask(read).await;
    loop {
        let entry = b2.message().await;
        if entry["message_type"] == "read" {
            assert_eq!(entry["data"], json!({"stream": "inbox", "peer": "alice", "seq_no": 2}));
            break;
        }
    }
    let told = b2.ask(ask).await["data"]["conversations"].clone();
    assert_eq!(told[0], json!({"peer": "alice", "last": 4, "read": 2, "unread": 1}));
    let beyond =
        json!({"message_type": "read", "message_id": "x", "stream": "inbox", "peer": "alice", "seq_no": 99});
    assert_eq!(b2.ask(beyond).await["code"], 80401);
}

#[tokio::test]
async fn volatile_messages_are_handed_on_and_never_kept() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    alice.say(&json!({"message_type": "typing", "message_id": "1", "receiver": "bob"})).await;
    let typing = bob.message().await;
    assert_eq!(
        (&typing["sender"], &typing["stream"], &typing["seq_no"]),
        (&json!("alice"), &json!(null), &json!(null))
    );
    let ack = alice.send(json!({"message_type": "x", "message_id": "2", "receiver": "bob", "volatile": true, "require_ack": true})).await;
    assert_eq!((&ack["status"], &ack["seq_no"]), (&json!("accepted"), &json!(null)));
    assert_eq!(bob.message().await["message_type"], "x");
    let bob = server.connect("bob", "b2").await;
    assert_eq!(bob.connected["streams"]["inbox"]["head"], 0);
}

#[tokio::test]
async fn observers_get_marked_copies() {
    let server = Server::start().await;
    let mut eve = server.connect("eve", "e1").await;
    assert_eq!(eve.ask(json!({"message_type": "observe", "message_id": "o"})).await["message_type"], "ack");
    let mut alice = server.connect("alice", "a1").await;
    alice.send_to("bob", "1", "stored").await;
    let copy = eve.message().await;
    assert_eq!(
        (&copy["observed"], &copy["content"], &copy["seq_no"]),
        (&json!(true), &json!("stored"), &json!(null))
    );
    alice.say(&json!({"message_type": "typing", "message_id": "2", "receiver": "bob"})).await;
    assert_eq!(eve.message().await["observed"], true);
    eve.ask(json!({"message_type": "unobserve", "message_id": "u"})).await;
    alice.send_to("bob", "3", "unseen").await;
    eve.silence().await;
}

#[tokio::test]
async fn a_kicked_user_is_told_why_and_closed_with_4010() {
    let server = Server::start().await;
    let mut admin = server.connect("admin", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    let kick =
        json!({"message_type": "kick", "message_id": "k", "data": {"user_id": "bob", "reason": "spam"}});
    assert_eq!(admin.ask(kick).await["message_type"], "ack");
    assert_eq!(bob.hear_type("kick_out").await["data"]["reason"], "spam");
    assert_eq!(bob.closed().await, Some((4010, "spam".to_owned())));
}

#[tokio::test]
async fn a_request_that_cannot_be_understood_is_refused_in_its_turn_and_under_its_own_name() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let wrong = [
        r#""message_type":"read","stream":"inbox","peer":"bob""#,
        r#""message_type":"read","stream":5,"seq_no":1"#,
        r#""message_type":"group_join""#,
        r#""message_type":"group_leave","group_ids":"team""#,
        r#""message_type":"group_remove","data":{"group_id":"team"}"#,
        r#""message_type":"group_disband","data":{}"#,
        r#""message_type":"kick","data":5"#,
        r#""message_type":"group_members","data":{"group_id":"a\u0000"}"#,
        r#""message_type":"fetch","stream":"elsewhere""#,
        r#""message_type":"fetch","stream":"inbox","from":-1"#,
        r#""message_type":"receipts","data":{"message_ids":[5]}"#,
        r#""message_type":"conversations","data":{"limit":"x"}"#,
        r#""message_type":"check_user_status","data":{"user_ids":[""]}"#,
        r#""message_type":"get_online_users","data":[]"#,
        r#""message_type":"watch","data":{"user_ids":"bob"}"#,
        r#""message_type":"unwatch","data":{"group_id":5}"#,
        r#""message_type":"user_status_changed","data":{"status":5}"#,
        r#""message_type":"observe","data":{"group_id":"\n"}"#,
        r#""message_type":"unobserve","data":true"#,
        r#""message_type":"refresh","token":5"#,
        r#""message_type":"get_user_info""#,
        r#""message_type":"health_check","limit":"x""#,
        r#""message_type":"ping","limit":"x""#,
        // It breaks after its id.
        r#""message_type":"conversations","data":{"#,
    ];
    for (number, members) in wrong.iter().enumerate() {
        alice.say(&json!({"message_type": "conversations", "message_id": format!("c{number}")})).await;
        alice.raw(&format!(r#"{{"message_id":"w{number}",{members}}}"#)).await;
    }
    for (number, members) in wrong.iter().enumerate() {
        assert_eq!(alice.hear().await["request_id"], format!("c{number}"), "before {members}");
        let error = alice.hear().await;
        assert_eq!(error["request_id"], format!("w{number}"), "{members}: {error}");
        assert_eq!(
            (&error["code"], &error["message_id"]),
            (&json!(80401), &json!(null)),
            "{members}: {error}"
        );
    }
    // A message's error names the message; a request is named even by what cannot be an id.
    alice.raw(r#"{"message_id":"m","message_type":"text","receiver":5}"#).await;
    assert_eq!(alice.hear().await["message_id"], "m");
    let long = "i".repeat(65);
    alice.say(&json!({"message_type": "conversations", "message_id": long})).await;
    assert_eq!(alice.hear().await["request_id"], json!(long));
}

#[tokio::test]
async fn requests_are_answered_in_order() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    for id in 0..40 {
        let kind = ["conversations", "health_check", "fetch"][id % 3];
        alice.say(&json!({"message_type": kind, "message_id": id.to_string(), "stream": "inbox"})).await;
    }
    for id in 0..40 {
        assert_eq!(alice.hear().await["request_id"], id.to_string());
    }
}

#[tokio::test]
async fn who_asks_in_a_large_group_pays_for_it() {
    let server = Server::with(|settings| settings.peer.requests = 4, |builder| builder).await;
    let group = GroupKey::new(&Scope::default(), "team");
    for number in 0..2500 {
        server.hub.join(&group, &format!("user-{number}")).await.unwrap();
    }
    server.hub.join(&group, "alice").await.unwrap();
    let mut alice = server.connect("alice", "a1").await;
    let began = Instant::now();
    for id in ["1", "2"] {
        let ask = json!({"message_type": "get_online_users", "message_id": id, "data": {"group_id": "team"}});
        assert_eq!(alice.ask(ask).await["data"]["total"], 1);
    }
    // Three thousands twice, of which four are there.
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
}
