//! Bare mode: what clients of go-wsc say and expect.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Client, Server};
use tokio_tungstenite::tungstenite::Message;
use wsc_server::{GroupKey, Scope};

async fn bare(server: &Server, query: &str) -> Client {
    server.request(&format!("/ws?{query}"), &[]).await.unwrap()
}

fn text(to: &str, id: &str, content: &str) -> Value {
    json!({"message_type": "text", "message_id": id, "receiver": to, "content": content})
}

/// Waits until a user has this many connections, so that what is sent next finds them.
async fn present(server: &Server, user: &'static str, count: usize) {
    let begin = Instant::now();
    while server.hub.find_connections(move |found| &*found.user.user == user).await.len() != count {
        assert!(begin.elapsed() < support::PATIENCE, "{user} should have {count} connections");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ends without a Close frame: only then does go-wsc's client connect again.
async fn ends_silently(client: &mut Client) {
    loop {
        match client.packet().await {
            Some(Ok(Message::Close(frame))) => panic!("a Close frame: {frame:?}"),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}

#[tokio::test]
async fn a_live_message_has_the_fields_go_wsc_always_has() {
    let server = Server::start().await;
    let mut bob = bare(&server, "user_id=bob&client_id=phone").await;
    present(&server, "bob", 1).await;
    let mut alice = bare(&server, "user_id=alice&user_type=agent&client_id=a1").await;
    alice.say(&text("bob", "m1", "hello")).await;
    let frame = bob.hear().await;
    for (name, value) in [
        ("id", "m1"),
        ("message_id", "m1"),
        ("message_type", "text"),
        ("sender", "alice"),
        ("sender_name", ""),
        ("sender_type", "agent"),
        ("receiver", "bob"),
        ("receiver_name", ""),
        ("receiver_type", ""),
        ("session_id", ""),
        ("content", "hello"),
        ("priority", "normal"),
        ("source", "online"),
        ("app_id", "__default_app__"),
        ("namespace", "__default_ns__"),
    ] {
        assert_eq!(frame[name], value, "{name} of {frame}");
    }
    assert!(frame["create_at"].as_str().unwrap().ends_with('Z') && frame["seq_no"] == 1, "{frame}");
    // No `ack`, no `skip`.
    alice.silence().await;
}

#[tokio::test]
async fn who_it_is_may_stand_in_headers_too_and_the_answer_says_which_client_and_node() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let server = Server::start().await;
    let mut request = format!("ws://{}/ws", server.address).into_client_request().unwrap();
    for (name, value) in [
        ("x-user-id", "bob"),
        ("x-client-id", "c7"),
        ("x-app-id", "shop"),
        ("x-namespace", "eu"),
        ("x-user-type", "agent"),
        ("x-group-id", "team"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (_socket, response) = tokio_tungstenite::client_async(request, socket).await.unwrap();
    assert_eq!(response.headers()["x-wsc-client-id"], "c7");
    assert_eq!(response.headers()["x-wsc-node-id"], server.hub.node_id());
    assert!(!response.headers().contains_key("sec-websocket-protocol"));
    present(&server, "bob", 1).await;
    let found = server.hub.find_connections(|_| true).await.remove(0);
    assert_eq!((&*found.user.scope.app, &*found.user.scope.namespace), ("shop", "eu"));
    assert_eq!((&*found.user_type, &*found.device), ("agent", "c7"));
    assert!(found.groups.contains("team"));
}

#[tokio::test]
async fn what_is_no_object_is_the_content_of_a_text_message() {
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::with(
        |_| {},
        move |builder| {
            builder.on_message(move |_, message| {
                sender.send((message.message_type.to_string(), message.content.to_string())).unwrap();
                Box::pin(async { wsc_server::Verdict::Handled })
            })
        },
    )
    .await;
    let mut alice = bare(&server, "user_id=alice").await;
    for text in ["hello", "null", "[1]", "12", "}{", "\"quoted\""] {
        alice.raw(text).await;
        assert_eq!(heard.recv().await.unwrap(), ("text".to_owned(), text.to_owned()));
    }
    // A frame that broke is told to be one, and nobody gets its pieces to read.
    for broken in ["{\"message_type\":", " \t{hello}", "{\"content\":\"\\ud83\"}", "{}}"] {
        alice.raw(broken).await;
        let error = alice.hear().await;
        assert_eq!(
            (&error["message_type"], &error["data"]["code"]),
            (&json!("error"), &json!(80401)),
            "{broken}"
        );
        assert!(error["content"].as_str().unwrap().starts_with("not JSON at byte "), "{error}");
    }
    assert!(heard.try_recv().is_err());
    alice.silence().await;
}

#[tokio::test]
async fn half_a_surrogate_pair_costs_a_bare_client_no_frame() {
    let server = Server::start().await;
    let mut bob = bare(&server, "user_id=bob").await;
    present(&server, "bob", 1).await;
    let mut alice = bare(&server, "user_id=alice").await;
    alice
        .raw(r#"{"message_type":"text","message_id":"1","receiver":"bob","content":"hi \ud83d","sender_name":"\ude00","data":{"k\ud83d":"\ud83d\ude00\ude00"}}"#)
        .await;
    let frame = bob.hear().await;
    assert_eq!((&frame["content"], &frame["sender_name"]), (&json!("hi \u{fffd}"), &json!("\u{fffd}")));
    assert_eq!(frame["data"], json!({"k\u{fffd}": "\u{1f600}\u{fffd}"}));
}

#[tokio::test]
async fn null_fields_count_as_absent_and_a_message_needs_no_id() {
    let server = Server::start().await;
    let mut bob = bare(&server, "user_id=bob").await;
    present(&server, "bob", 1).await;
    let mut alice = bare(&server, "user_id=alice").await;
    for content in ["1", "2"] {
        alice
            .say(&json!({"message_type": "text", "receiver": "bob", "content": content, "data": null,
                "message_id": null, "group_ids": null, "seq_no": null, "require_ack": null}))
            .await;
        let frame = bob.hear().await;
        assert_eq!(frame["content"], content);
        assert!(!frame["message_id"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_id_counts_once_on_a_connection_and_anew_on_the_next() {
    let server = Server::start().await;
    let mut bob = bare(&server, "user_id=bob").await;
    present(&server, "bob", 1).await;
    for round in 1..=2 {
        let mut alice = bare(&server, "user_id=alice&client_id=a").await;
        alice.say(&text("bob", "m1", "hello")).await;
        alice.say(&text("bob", "m1", "hello")).await;
        alice.say(&text("bob", &format!("end{round}"), "end")).await;
        assert_eq!(bob.hear().await["message_id"], "m1");
        assert_eq!(bob.hear().await["content"], "end");
    }
}

#[tokio::test]
async fn an_id_counts_once_for_each_target_and_for_other_content_it_is_an_error() {
    let server = Server::start().await;
    let mut bob = bare(&server, "user_id=bob&group_id=team").await;
    let mut carol = bare(&server, "user_id=carol").await;
    present(&server, "bob", 1).await;
    present(&server, "carol", 1).await;
    let mut alice = bare(&server, "user_id=alice&group_id=team").await;
    alice.say(&text("bob", "m1", "hello")).await;
    alice.say(&text("carol", "m1", "hello")).await;
    alice
        .say(&json!({"message_type": "text", "message_id": "m1", "group_ids": ["team"], "content": "all"}))
        .await;
    // More than a connection was ever known to send without a word in between.
    for number in 0..1500 {
        alice.say(&text("carol", &format!("n{number}"), "x")).await;
    }
    alice.say(&text("bob", "m1", "hello")).await;
    alice.say(&text("bob", "m1", "something else")).await;
    let error = alice.hear().await;
    assert_eq!((&error["message_type"], &error["message_id"]), (&json!("error"), &json!("m1")));
    assert_eq!(error["data"]["code"], 80406);
    alice.say(&text("bob", "end", "end")).await;
    let mut contents = Vec::new();
    for _ in 0..3 {
        contents.push(bob.hear().await["content"].as_str().unwrap().to_owned());
    }
    contents[..2].sort();
    assert_eq!(contents, ["all", "hello", "end"]);
    assert_eq!(carol.hear().await["message_id"], "m1");
    alice.silence().await;
}

#[tokio::test]
async fn what_was_refused_may_be_sent_again_under_its_id() {
    let server = Server::start().await;
    let mut alice = bare(&server, "user_id=alice").await;
    let message = json!({"message_type": "text", "message_id": "1", "group_ids": ["team"], "content": "x"});
    for _ in 0..2 {
        alice.say(&message).await;
        assert_eq!(alice.hear().await["data"]["code"], 81401);
    }
    let team = GroupKey::new(&Scope::default(), "team");
    let mut bob = server.connect_with("bob", "b1", json!({"group_id": "team"})).await;
    server.hub.join(&team, "alice").await.unwrap();
    let is_in =
        |found: &wsc_server::Connection| &*found.user.user == "alice" && found.groups.contains("team");
    while server.hub.find_connections(is_in).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    alice.say(&message).await;
    assert_eq!(bob.message().await["message_id"], "1");
}

#[tokio::test]
async fn connections_of_the_shared_device_count_as_one_device() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let ask = json!({"message_type": "check_user_status", "message_id": "s", "data": {"user_ids": ["bob"]}});
    let first = bare(&server, "user_id=bob").await;
    let _second = bare(&server, "user_id=bob").await;
    present(&server, "bob", 2).await;
    assert_eq!(alice.ask(ask.clone()).await["data"]["users"][0]["devices"], 1);
    let _phone = bare(&server, "user_id=bob&client_id=phone").await;
    present(&server, "bob", 3).await;
    assert_eq!(alice.ask(ask.clone()).await["data"]["users"][0]["devices"], 2);
    drop(first);
    present(&server, "bob", 2).await;
    assert_eq!(alice.ask(ask).await["data"]["users"][0]["devices"], 2);
}

#[tokio::test]
async fn a_binary_message_says_what_it_is() {
    let server = Server::start().await;
    let mut bob = bare(&server, "user_id=bob").await;
    present(&server, "bob", 1).await;
    let mut alice = server.connect("alice", "a1").await;
    for (content, shown) in [("", "binary message of 3 bytes"), ("a picture", "a picture")] {
        let header =
            json!({"message_type": "image", "message_id": shown, "receiver": "bob", "content": content})
                .to_string();
        let length = u32::try_from(header.len()).unwrap().to_be_bytes();
        alice.socket_send(Message::binary([&length, header.as_bytes(), &[1, 2, 3]].concat())).await;
        let frame = bob.hear().await;
        assert_eq!((&frame["message_type"], &frame["content"]), (&json!("image"), &json!(shown)));
    }
}

#[tokio::test]
async fn several_groups_are_one_message_each_and_none_comes_back_to_the_connection_that_sent_it() {
    let server = Server::start().await;
    let mut bob = bare(&server, "user_id=bob&group_id=one,two").await;
    let mut alice = bare(&server, "user_id=alice&group_id=one,two").await;
    let mut other = bare(&server, "user_id=alice&group_id=one,two").await;
    present(&server, "bob", 1).await;
    present(&server, "alice", 2).await;
    alice.say(&json!({"message_type": "text", "message_id": "g", "group_ids": ["one", "two"]})).await;
    for client in [&mut bob, &mut other] {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let frame = client.hear().await;
            seen.push((frame["group_ids"][0].clone(), frame["message_id"].clone()));
        }
        seen.sort_by_key(|(group, _)| group.to_string());
        assert_eq!(seen, [(json!("one"), json!("g")), (json!("two"), json!("g.1"))]);
    }
    alice.silence().await;
}

#[tokio::test]
async fn heartbeats_are_answered_and_binary_frames_ignored() {
    let server = Server::start().await;
    let mut alice = bare(&server, "user_id=alice").await;
    alice.socket_send(Message::binary(vec![1, 2, 3])).await;
    for kind in ["ping", "heartbeat"] {
        alice.say(&json!({"message_type": kind})).await;
        let pong = alice.hear().await;
        assert_eq!((&pong["message_type"], &pong["sender_type"]), (&json!("pong"), &json!("system")));
    }
    alice.silence().await;
}

#[tokio::test]
async fn stored_messages_come_marked_and_a_pong_acknowledges_them() {
    let server = Server::start().await;
    drop(bare(&server, "user_id=bob").await);
    let mut alice = server.connect("alice", "a1").await;
    let data = json!({"x": 1});
    alice.send(json!({"message_type": "text", "message_id": "1", "receiver": "bob", "data": data})).await;
    alice.send_to("bob", "2", "two").await;
    let mut bob = bare(&server, "user_id=bob").await;
    let first = bob.hear().await;
    assert_eq!((&first["source"], &first["data"]), (&json!("offline"), &json!({"offline": true, "x": 1})));
    assert_eq!(bob.hear().await["data"], json!({"offline": true}));
    // The library answers pings while it reads: the hub asks within a second.
    let _ = tokio::time::timeout(Duration::from_millis(2500), bob.hear()).await;
    drop(bob);
    present(&server, "bob", 0).await;
    let mut bob = bare(&server, "user_id=bob").await;
    bob.silence().await;
}

#[tokio::test]
async fn an_ack_by_message_id_acknowledges_all_written_before_it() {
    let server = Server::start().await;
    drop(bare(&server, "user_id=bob&device_id=d").await);
    let mut alice = server.connect("alice", "a1").await;
    for id in ["1", "2", "3"] {
        alice.send_to("bob", id, id).await;
    }
    let mut bob = bare(&server, "user_id=bob&device_id=d").await;
    for id in ["1", "2", "3"] {
        assert_eq!(bob.hear().await["message_id"], id);
    }
    bob.say(&json!({"message_type": "ack", "message_id": "2"})).await;
    bob.say(&json!({"message_type": "ping"})).await;
    assert_eq!(bob.hear().await["message_type"], "pong");
    drop(bob);
    present(&server, "bob", 0).await;
    let mut bob = bare(&server, "user_id=bob&device_id=d").await;
    assert_eq!(bob.hear().await["message_id"], "3");
}

#[tokio::test]
async fn receipts_come_one_frame_for_each_message() {
    let server = Server::start().await;
    let mut alice = bare(&server, "user_id=alice").await;
    let mut bob = server.connect("bob", "b1").await;
    present(&server, "alice", 1).await;
    for id in ["1", "2"] {
        alice
            .say(&json!({"message_type": "text", "message_id": id, "receiver": "bob", "require_ack": true}))
            .await;
        bob.message().await;
    }
    bob.acknowledge("inbox", 2).await;
    for id in ["1", "2"] {
        let receipt = alice.hear().await;
        assert_eq!((&receipt["message_type"], &receipt["message_id"]), (&json!("delivered"), &json!(id)));
        assert_eq!(receipt["sender"], "bob");
        assert!(receipt["create_at"].as_str().unwrap().ends_with('Z'), "{receipt}");
    }
}

#[tokio::test]
async fn a_volatile_message_gets_no_ack() {
    let server = Server::start().await;
    let mut bob = bare(&server, "user_id=bob").await;
    let mut alice = bare(&server, "user_id=alice").await;
    present(&server, "bob", 1).await;
    alice
        .say(&json!({"message_type": "typing", "message_id": "t", "receiver": "bob", "require_ack": true}))
        .await;
    let frame = bob.hear().await;
    assert_eq!((&frame["message_type"], &frame["seq_no"]), (&json!("typing"), &json!(0)));
    alice.silence().await;
}

#[tokio::test]
async fn what_is_gone_is_a_notice_and_what_is_refused_an_error() {
    let server = Server::start().await;
    drop(bare(&server, "user_id=bob&device_id=d").await);
    let mut alice = server.connect("alice", "a1").await;
    alice
        .send(json!({"message_type": "text", "message_id": "1", "receiver": "bob", "expires_in_ms": 20}))
        .await;
    tokio::time::sleep(Duration::from_millis(40)).await;
    let mut bob = bare(&server, "user_id=bob&device_id=d").await;
    let notice = bob.hear().await;
    let gap = json!({"gap": {"stream": "inbox", "from": 1, "to": 1, "reason": "expired"}});
    assert_eq!((&notice["message_type"], &notice["data"]), (&json!("notice"), &gap));
    assert_eq!(notice["sender"], "system");
    bob.say(&json!({"message_type": "text", "message_id": "g", "group_ids": ["none"]})).await;
    let error = bob.hear().await;
    assert_eq!((&error["message_type"], &error["message_id"]), (&json!("error"), &json!("g")));
    assert_eq!(error["data"]["code"], 81401);
    assert!(!error["content"].as_str().unwrap().is_empty());
    bob.say(&json!({"message_type": "fetch", "message_id": "f", "stream": "inbox"})).await;
    assert_eq!(bob.hear().await["message_type"], "error");
}

#[tokio::test]
async fn connections_of_the_shared_device_live_side_by_side_even_when_they_come_at_once() {
    let server = Server::start().await;
    let clients = futures_util::future::join_all((0..20).map(|_| bare(&server, "user_id=bob"))).await;
    present(&server, "bob", 20).await;
    let mut alice = server.connect("alice", "a1").await;
    alice.send_to("bob", "1", "all").await;
    for mut client in clients {
        assert_eq!(client.hear().await["content"], "all");
    }
}

#[tokio::test]
async fn own_messages_are_not_handed_out_later_to_the_device_that_sent_them() {
    let server = Server::start().await;
    let mut alice = bare(&server, "user_id=alice").await;
    let mut other = bare(&server, "user_id=alice").await;
    present(&server, "alice", 2).await;
    alice.say(&text("bob", "1", "mine")).await;
    assert_eq!(other.hear().await["content"], "mine");
    drop((alice, other));
    present(&server, "alice", 0).await;
    bare(&server, "user_id=alice").await.silence().await;
}

#[tokio::test]
async fn the_first_frames_are_client_registered_and_welcome_where_they_are_configured() {
    let change = |settings: &mut wsc_server::Settings| {
        settings.client_registered = true;
        settings.welcome = "hello there".to_owned();
    };
    let server = Server::with(change, |builder| builder).await;
    let mut bob = bare(&server, "user_id=bob&client_id=c1&user_type=agent").await;
    let first = bob.hear().await;
    assert_eq!(first["message_type"], "client_registered");
    let data = &first["data"];
    assert_eq!((&data["client_id"], &data["user_id"]), (&json!("c1"), &json!("bob")));
    assert_eq!((&data["user_type"], &data["node_id"]), (&json!("agent"), &json!(server.hub.node_id())));
    let welcome = bob.hear().await;
    assert_eq!((&welcome["message_type"], &welcome["content"]), (&json!("welcome"), &json!("hello there")));
    assert_eq!(welcome["sender"], "system");
}

#[tokio::test]
async fn a_membership_ends_and_begins_without_holding_up_what_else_is_read() {
    let server = Server::with(|settings| settings.peer.window = 2, |builder| builder).await;
    let mut bob = bare(&server, "user_id=bob&group_id=team").await;
    let mut alice = server.connect_with("alice", "a1", json!({"group_id": "team"})).await;
    present(&server, "bob", 1).await;
    // From now on pongs acknowledge nothing.
    bob.say(&json!({"message_type": "ack", "message_id": "none"})).await;
    for id in ["1", "2"] {
        alice.send(json!({"message_type": "text", "message_id": id, "group_ids": ["team"]})).await;
        assert_eq!(bob.hear().await["message_id"], id);
    }
    alice.send_to("bob", "3", "waits for room in the window").await;
    bob.silence().await;
    server.hub.remove(&GroupKey::new(&Scope::default(), "team"), "bob").await.unwrap();
    assert_eq!(bob.hear().await["message_id"], "3");
}

#[tokio::test]
async fn a_kick_and_a_replacement_say_so_in_a_close_frame() {
    let server = Server::start().await;
    let mut first = bare(&server, "user_id=bob&client_id=c").await;
    present(&server, "bob", 1).await;
    let mut second = bare(&server, "user_id=bob&client_id=c").await;
    assert_eq!(first.closed().await.unwrap().0, 4009);
    // The first gives way before the second is let in.
    present(&server, "bob", 1).await;
    let bob = wsc_server::UserKey::new(&Scope::default(), "bob");
    server.hub.kick(&bob, None, "enough").await.unwrap();
    let notice = second.hear().await;
    assert_eq!((&notice["message_type"], &notice["data"]["reason"]), (&json!("kick_out"), &json!("enough")));
    assert_eq!(second.closed().await.unwrap().0, 4010);
}

#[tokio::test]
async fn what_should_connect_again_is_cut_without_a_close_frame() {
    let change = |settings: &mut wsc_server::Settings| {
        settings.peer.ack_timeout = Duration::from_millis(200);
        settings.drain = Duration::from_secs(2);
    };
    let server = Server::with(change, |builder| builder).await;
    // Never acknowledged: an attempt failed.
    let mut bob = bare(&server, "user_id=bob&client_id=c").await;
    bob.say(&json!({"message_type": "ack", "message_id": "none"})).await;
    present(&server, "bob", 1).await;
    let asks = json!({"message_type": "text", "message_id": "1", "receiver": "bob", "content": "1", "require_ack": true});
    server.connect("alice", "a").await.send(asks).await;
    ends_silently(&mut bob).await;
    // Too big a frame.
    let mut carol = bare(&server, "user_id=carol").await;
    carol.raw(&"x".repeat(70_000)).await;
    ends_silently(&mut carol).await;
    // A hub that goes away.
    let mut dave = bare(&server, "user_id=dave").await;
    present(&server, "dave", 1).await;
    let hub = server.hub.clone();
    tokio::spawn(async move { hub.drain().await });
    ends_silently(&mut dave).await;
}

#[tokio::test]
async fn a_request_without_user_or_with_only_other_subprotocols_is_refused_before_the_upgrade() {
    let server = Server::start().await;
    let long = format!("/ws?user_id=bob&namespace={}", "x".repeat(200));
    for (path, headers) in [
        ("/ws", &[][..]),
        ("/ws?user_id=bob", &[("sec-websocket-protocol", "chat")][..]),
        (&long, &[][..]),
        ("/ws?user_id=bob&app_id=a%0Ab", &[][..]),
    ] {
        match server.request(path, headers).await.err().unwrap() {
            tokio_tungstenite::tungstenite::Error::Http(response) => assert_eq!(response.status(), 400),
            other => panic!("{other:?}"),
        }
    }
}
