//! Requests: groups, receipts, read marks, conversations, presence, observing.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{Client, Server};
use tokio_tungstenite::tungstenite::Message;
use wsc_server::{GroupKey, Scope};

/// What a client must be ready to take.
const LIMIT: usize = 64 * 1024 + 4 * 1024;

/// Asks, and gives all frames of the answer. Each is within the limit, and all but the last say that it goes on.
async fn ask_whole(client: &mut Client, request: &Value) -> Vec<Value> {
    client.say(request).await;
    let mut frames = Vec::new();
    loop {
        let packet = client.packet().await.unwrap().unwrap();
        let Message::Text(text) = packet else { continue };
        assert!(text.len() <= LIMIT, "{} bytes", text.len());
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame["request_id"] != request["message_id"] {
            continue;
        }
        assert_ne!(frame["message_type"], "error", "{frame}");
        let goes_on = frame["status"] == "partial";
        frames.push(frame);
        if !goes_on {
            return frames;
        }
    }
}

/// All items of a list that comes in pages.
async fn all_pages(client: &mut Client, mut request: Value, name: &str) -> Vec<Value> {
    let (mut items, mut pages) = (Vec::new(), 0);
    loop {
        let page = ask_whole(client, &request).await;
        assert_eq!(page.len(), 1);
        let data = &page[0]["data"];
        let list = data[name].as_array().unwrap();
        assert!(!list.is_empty());
        items.extend(list.iter().cloned());
        pages += 1;
        if data["next"].is_null() {
            assert!(pages > 1, "one page is no test");
            return items;
        }
        request["data"]["after"] = data["next"].clone();
    }
}

/// An id as long as it may be, and twice that when it is written.
fn long_id(number: usize) -> String {
    format!("{}{number:04}", "\"".repeat(124))
}

fn long_ids(count: usize) -> BTreeSet<String> {
    (0..count).map(long_id).collect()
}

#[tokio::test]
async fn pages_end_where_a_frame_does_and_go_on_with_the_next() {
    let server = Server::with(|settings| settings.connects_per_address = 0, |builder| builder).await;
    let long_request = "\"".repeat(64);
    let team = GroupKey::new(&Scope::default(), &long_id(0));
    let mut alice = server.connect_with("alice", "a1", json!({"group_id": long_id(0)})).await;
    let mut online = Vec::new();
    for number in 0..300 {
        if number % 100 == 0 {
            alice.ask(json!({"message_type": "ping", "message_id": "p"})).await;
        }
        server.hub.join(&team, &long_id(number)).await.unwrap();
        online.push(server.connect(&long_id(number), "d").await);
        alice.send_to(&long_id(number), &format!("m{number}"), "x").await;
    }
    let mut users = long_ids(300);
    let conversations =
        json!({"message_type": "conversations", "message_id": long_request, "data": {"limit": 1000}});
    let found = all_pages(&mut alice, conversations, "conversations").await;
    let peers: BTreeSet<String> =
        found.iter().filter_map(|found| Some(found["peer"].as_str()?.to_owned())).collect();
    assert_eq!((found.len(), &peers), (301, &users));
    users.insert("alice".to_owned());
    for message_type in ["group_members", "get_online_users"] {
        let data = json!({"group_id": long_id(0), "limit": 1000});
        let request = json!({"message_type": message_type, "message_id": long_request, "data": data});
        let found = all_pages(&mut alice, request, "users").await;
        let names: BTreeSet<String> = found.iter().map(|user| user.as_str().unwrap().to_owned()).collect();
        assert_eq!((found.len(), &names), (301, &users), "{message_type}");
    }
    let everybody =
        json!({"message_type": "get_online_users", "message_id": long_request, "data": {"limit": 1000}});
    assert_eq!(all_pages(&mut alice, everybody, "users").await.len(), 301);
}

#[tokio::test]
async fn an_answer_longer_than_a_frame_comes_in_several() {
    let server = Server::start().await;
    let team = GroupKey::new(&Scope::default(), "team");
    for number in 0..1000 {
        server.hub.join(&team, &long_id(number)).await.unwrap();
    }
    let mut admin = server.connect("admin", "a1").await;
    let request = "\"".repeat(64);
    let watch = json!({"message_type": "watch", "message_id": request, "data": {"group_id": "team"}});
    let frames = ask_whole(&mut admin, &watch).await;
    assert!(frames.len() > 1);
    let mut users = BTreeSet::new();
    for frame in &frames {
        assert_eq!(frame["message_type"], "user_status_response");
        for user in frame["data"]["users"].as_array().unwrap() {
            assert_eq!(user["status"], "offline");
            assert!(users.insert(user["user_id"].as_str().unwrap().to_owned()), "told twice");
        }
    }
    assert_eq!(users, long_ids(1000));
    // What needs one frame comes in one, and does not say that it is the last.
    let status =
        json!({"message_type": "check_user_status", "message_id": "s", "data": {"user_ids": ["bob"]}});
    assert_eq!(ask_whole(&mut admin, &status).await[0]["status"], json!(null));
}

#[tokio::test]
async fn a_watcher_learns_when_each_of_many_was_last_seen() {
    let server = Server::start().await;
    let users: Vec<String> = (0..250).map(|number| format!("u{number}")).collect();
    for user in &users {
        drop(server.connect(user, "d").await);
    }
    let mut alice = server.connect("alice", "a1").await;
    // The last seen of those who are gone stands in the store.
    while server.hub.presence(&Scope::default(), &["u249".into()])[0].is_online() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let watch = json!({"message_type": "watch", "message_id": "w", "data": {"user_ids": users}});
    let frames = ask_whole(&mut alice, &watch).await;
    for user in frames.iter().flat_map(|frame| frame["data"]["users"].as_array().unwrap()) {
        assert!(user["last_seen_ms"].as_u64().unwrap() > 0, "{user}");
    }
}

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
        settings.send_bytes = 0;
        settings.slow_ms = 60_000;
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

/// What the hub hands out in several frames the client hands over as one answer.
#[cfg(feature = "command")]
#[tokio::test]
async fn a_client_gets_the_whole_of_an_answer_in_several_frames() {
    use wsc_client::RequestError;
    use wsc_core::frame::Query;
    let server = Server::start().await;
    let team = GroupKey::new(&Scope::default(), "team");
    for number in 0..1000 {
        server.hub.join(&team, &long_id(number)).await.unwrap();
    }
    let client =
        wsc_client::Client::builder(format!("ws://{}", server.address)).user("admin").build().await.unwrap();
    client.connect().await;
    let watch = || Query::Watch { users: Vec::new(), group: "team".into() };
    let answered = async {
        loop {
            match client.ask(watch()).await {
                Err(RequestError::Failed(_)) => tokio::task::yield_now().await,
                answer => return answer.unwrap(),
            }
        }
    };
    let (message_type, data) = tokio::time::timeout(support::PATIENCE, answered).await.expect("an answer");
    let data: Value = serde_json::from_str(&data).unwrap();
    let users = data["users"].as_array().unwrap().iter();
    let users: BTreeSet<String> = users.map(|user| user["user_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((message_type.as_str(), users), ("user_status_response", long_ids(1000)));
}
