//! Answers that are longer than a frame: pages that end by bytes, and lists that come in parts.

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
    let server = Server::with(|settings| settings.limits.connects_per_address = 0, |builder| builder).await;
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
    while server.hub.presence(&Scope::default(), &["u249".into()]).await.unwrap()[0].is_online() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let watch = json!({"message_type": "watch", "message_id": "w", "data": {"user_ids": users}});
    let frames = ask_whole(&mut alice, &watch).await;
    for user in frames.iter().flat_map(|frame| frame["data"]["users"].as_array().unwrap()) {
        assert!(user["last_seen_ms"].as_u64().unwrap() > 0, "{user}");
    }
}

/// What the hub hands out in several frames the client hands over as one answer.
#[cfg(feature = "command")]
#[tokio::test]
async fn a_client_gets_the_whole_of_an_answer_in_several_frames() {
    let server = Server::start().await;
    let team = GroupKey::new(&Scope::default(), "team");
    for number in 0..1000 {
        server.hub.join(&team, &long_id(number)).await.unwrap();
    }
    let client =
        wsc_client::Client::builder(format!("ws://{}", server.address)).user("admin").build().await.unwrap();
    client.connect().await;
    client.connected().await.unwrap();
    let watch = client.request(r#"{"message_type":"watch","data":{"group_id":"team"}}"#);
    let answer = tokio::time::timeout(support::PATIENCE, watch).await.expect("in time").unwrap();
    let data: Value = serde_json::from_str(&answer.data).unwrap();
    let users = data["users"].as_array().unwrap().iter();
    let users: BTreeSet<String> = users.map(|user| user["user_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((answer.message_type.as_str(), users), ("user_status_response", long_ids(1000)));
}
