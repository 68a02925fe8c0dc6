//! The form of what the hub writes, whatever clients and the application give it: JSON without a doubled key, within the
//! limit for readers.
//!
//! `WSC_FRAMES` sets how many random messages, `WSC_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed unwrap is a failed test; the seed is printed"
)]

#[path = "../../core/tests/codec/strict.rs"]
mod strict;
mod support;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use strict::Strict;
use support::{Client, PATIENCE, Server};
use tokio_tungstenite::tungstenite::Message as Packet;
use wsc_server::{Message, Recipient, Scope, UserKey};

/// The default limit and the margin above it.
const FRAME: usize = 64 * 1024;
const LIMIT: usize = FRAME + 4 * 1024;

/// What a packet of the hub says, after the checks; nothing for pings.
fn checked(packet: &Packet, reader: &str) -> Option<Value> {
    let (json, length) = match packet {
        Packet::Text(text) => (text.as_str(), text.len()),
        Packet::Binary(bytes) => {
            let header = u32::from_be_bytes(*bytes.first_chunk().unwrap()) as usize;
            (std::str::from_utf8(&bytes[4..4 + header]).unwrap(), bytes.len())
        }
        Packet::Ping(_) | Packet::Pong(_) => return None,
        other => panic!("{reader} got {other:?}"),
    };
    assert!(length <= LIMIT, "{reader} got {length} bytes: {}", &json[..200.min(json.len())]);
    if let Err(error) = serde_json::from_str::<Strict>(json) {
        panic!("{reader} got {error}: {json}");
    }
    Some(serde_json::from_str(json).unwrap())
}

/// The messages a reader gets, by their ids, until all have come.
async fn all_of(client: &mut Client, reader: &str, count: usize) -> HashMap<String, Value> {
    let mut found = HashMap::new();
    while found.len() < count {
        let Some(frame) = checked(&client.packet().await.unwrap().unwrap(), reader) else { continue };
        if frame["message_type"] == "error" && frame["sender"].is_null() {
            panic!("{reader}: {frame}");
        }
        if let (Some(id), true) = (frame["message_id"].as_str(), frame["sender"].is_string()) {
            if let (Some(stream), Some(seq)) = (frame["stream"].as_str(), frame["seq_no"].as_u64())
                && frame["request_id"].is_null()
            {
                client.acknowledge(stream, seq).await;
            }
            found.insert(id.to_owned(), frame);
        }
    }
    found
}

/// Of one character that must be escaped, as long as an id may be.
fn longest(character: char, last: &str) -> String {
    format!("{}{last}", character.to_string().repeat(128 - last.len()))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A generator: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn one<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// The inside of a JSON string.
    fn string(&mut self) -> String {
        const PARTS: &[&str] = &[
            "plain",
            "\\b",
            "\\f",
            "\\u0000",
            "\\u001F",
            "\\n",
            "\\\"",
            "\\\\",
            "\\/",
            "\\u0041",
            "\u{7f}",
            "é",
            "漢",
            "😀",
            "\\ud83d",
            "\\ud83d\\ude00",
            "\u{2028}",
            "offline",
            " ",
        ];
        let repeat = if self.below(8) == 0 { 1 + self.below(4000) } else { 1 };
        (0..self.below(4)).map(|_| self.one(PARTS)).collect::<String>().repeat(repeat)
    }

    /// A JSON object of different keys, some of which mean something to the hub.
    fn object(&mut self, depth: usize) -> String {
        let space = self.one(&["", " ", "\t"]);
        let members: Vec<String> = (0..self.below(5))
            .filter_map(|number| {
                let key = match number {
                    0 => self.one(&["offline", "\\u006fffline", "gap", "code"]).to_owned(),
                    number => format!("{number}{}", self.string()),
                };
                if key.len() > 1000 {
                    return None;
                }
                let value = match self.below(if depth == 0 { 4 } else { 6 }) {
                    0 => "null".to_owned(),
                    1 => "false".to_owned(),
                    2 => "-1.5e-7".to_owned(),
                    3 => format!("\"{}\"", self.string()),
                    4 => format!("[{}]", self.object(depth - 1)),
                    _ => self.object(depth - 1),
                };
                Some(format!("\"{key}\"{space}:{space}{value}"))
            })
            .collect();
        format!("{{{space}{}{space}}}", members.join(&format!("{space},{space}")))
    }

    /// The members of a message without id and target.
    fn members(&mut self) -> String {
        let mut members = format!(r#""message_type":"{}""#, self.one(&["text", "image", "my own"]));
        for name in [
            "content",
            "sender_name",
            "receiver_name",
            "session_id",
            "trace_id",
            "priority",
            "reply_to_msg_id",
        ] {
            if self.below(3) == 0 {
                members.push_str(&format!(r#","{name}":"{}""#, self.string()));
            }
        }
        if self.below(2) == 0 {
            members.push_str(&format!(r#","data":{}"#, self.object(3)));
        }
        for name in ["require_ack", "volatile"] {
            if self.below(6) == 0 {
                members.push_str(&format!(r#","{name}":true"#));
            }
        }
        members
    }
}

/// Messages of exactly the longest length, of what grows most when it is written again.
fn longest_members() -> Vec<String> {
    let units = [
        "x", "\\b", "\\f", "\\u0008", "\\u0001", "\\\"", "\\\\", "\\/", "\\u0041", "\\ud83d", "\u{7f}", "é",
        "\\u00e9",
    ];
    let mut all: Vec<String> = units
        .iter()
        .map(|unit| {
            format!(r#""message_type":"text","content":"{}""#, unit.repeat((FRAME - 700) / unit.len()))
        })
        .collect();
    all.push(format!(r#""message_type":"text","data":{{"x":"{}"}}"#, "\\ud83d".repeat((FRAME - 700) / 6)));
    all.push(format!(r#""message_type":"text","data":{{{}}}"#, " ".repeat(FRAME - 700)));
    all
}

#[tokio::test]
async fn whatever_is_accepted_reaches_every_reader_within_the_limit_and_without_a_doubled_key() {
    let seed = std::env::var("WSC_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed
        .unwrap_or_else(|| u64::from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos()));
    println!("WSC_SEED={seed}");
    let count = std::env::var("WSC_FRAMES").ok().and_then(|count| count.parse().ok()).unwrap_or(150);
    let mut random = Random(seed);
    let change = |settings: &mut wsc_server::Settings| settings.limits.send_bytes = 0;
    let server = Server::with(change, |builder| builder).await;
    // Every name is as long as it may be, and twice that when it is written.
    let (app, namespace, group) = (longest('"', "app"), longest('\\', "ns"), longest('"', "group"));
    let (sender, receiver, kind) = (longest('"', "alice"), longest('\\', "bob"), longest('"', "type"));
    let who = json!({"app_id": app, "namespace": namespace, "user_type": kind, "group_id": group});
    let bare = |user: &str, device: &str| {
        let names = [
            ("user_id", user),
            ("device_id", device),
            ("app_id", &app),
            ("namespace", &namespace),
            ("group_id", &group),
        ];
        let query: Vec<String> =
            names.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        format!("/ws?{}", query.join("&"))
    };
    drop(server.connect_with(&receiver, "away", who.clone()).await);
    drop(server.request(&bare(&receiver, "bare-away"), &[]).await.unwrap());
    let mut live = server.connect_with(&receiver, &longest('"', "d1"), who.clone()).await;
    let mut bare_live = server.request(&bare(&receiver, "bare-live"), &[]).await.unwrap();
    let mut observer = server.connect_with("eve", "e1", who.clone()).await;
    observer.ask(json!({"message_type": "observe", "message_id": "o"})).await;
    let mut alice = server.connect_with(&sender, &longest('\\', "a1"), who.clone()).await;

    let mut members: Vec<(String, bool)> =
        longest_members().into_iter().map(|members| (members, true)).collect();
    members.extend((0..count).map(|_| (random.members(), false)));
    let (mut sent, mut stored, mut missed) = (Vec::new(), 0, 0);
    for (number, (members, is_longest)) in members.iter().enumerate() {
        let id = format!("{}{number:04}", "\"".repeat(60));
        let name = |text: &str| serde_json::to_string(text).unwrap();
        let target = if number % 2 == 0 {
            format!(r#""receiver":{}"#, name(&receiver))
        } else {
            format!(r#""group_ids":[{}]"#, name(&group))
        };
        let mut frame = format!(r#"{{"message_id":{},{target},{members}}}"#, name(&id));
        if *is_longest {
            // Filled up to the last byte.
            let unused = format!(r#","sender_name":"{}"}}"#, "y".repeat(FRAME - frame.len() - 17));
            frame.truncate(frame.len() - 1);
            frame.push_str(&unused);
            assert_eq!(frame.len(), FRAME);
        } else if frame.len() > FRAME {
            continue;
        }
        let room = FRAME.saturating_sub(4 + frame.len());
        let binary = number % 5 == 4 && room > 100;
        if binary {
            let header = u32::try_from(frame.len()).unwrap().to_be_bytes();
            let payload = vec![0xff; if number % 2 == 0 { room } else { 100 }];
            alice.socket_send(Packet::binary([&header, frame.as_bytes(), &payload].concat())).await;
        } else {
            alice.raw(&frame).await;
        }
        if frame.contains(r#""volatile":true"#) {
            // It may come or not.
            continue;
        }
        let ack = loop {
            let Some(ack) = checked(&alice.packet().await.unwrap().unwrap(), "the sender") else { continue };
            if ack["message_id"] == json!(id) {
                break ack;
            }
        };
        assert_eq!(ack["status"], "accepted", "{ack} for {}", &frame[..300.min(frame.len())]);
        stored += 1;
        sent.push(id);
        for (client, reader) in [
            (&mut live, "a live reader"),
            (&mut bare_live, "a bare live reader"),
            (&mut observer, "an observer"),
        ] {
            let id = sent.last().unwrap();
            let finding = async {
                loop {
                    let (found_id, frame) = all_of(client, reader, 1).await.into_iter().next().unwrap();
                    if found_id == *id {
                        break frame;
                    }
                }
            };
            // Copies are dropped where the one before them is still on its way.
            let patience = if reader == "an observer" { Duration::from_secs(1) } else { PATIENCE };
            let Ok(found) = tokio::time::timeout(patience, finding).await else {
                assert_eq!(reader, "an observer", "it misses {id}");
                missed += 1;
                continue;
            };
            assert!(found["create_at"].as_str().unwrap().ends_with('Z'), "{reader}: {found}");
            if reader.contains("bare") {
                assert!(!(binary && found["content"] == ""), "a binary message that shows nothing: {found}");
            }
        }
    }
    println!("{stored} messages, of which an observer missed {missed}");
    assert!(missed * 10 < stored);
    let mut away = server.connect_with(&receiver, "away", who.clone()).await;
    all_of(&mut away, "a reader of stored entries", stored).await;
    let mut bare_away = server.request(&bare(&receiver, "bare-away"), &[]).await.unwrap();
    for (id, frame) in all_of(&mut bare_away, "a bare reader of stored entries", stored).await {
        assert_eq!(frame["data"]["offline"], true, "{id}");
    }
    let mut reader = server
        .connect_with(&receiver, "history", json!({"app_id": app, "namespace": namespace, "start": "head"}))
        .await;
    let mut fetched = 0;
    for stream in ["inbox".to_owned(), format!("group:{group}")] {
        let mut from = 1;
        loop {
            let request_id = "\"".repeat(64);
            reader.say(&json!({"message_type": "fetch", "message_id": request_id, "stream": stream, "from": from})).await;
            let page = loop {
                let Some(frame) = checked(&reader.packet().await.unwrap().unwrap(), "history") else {
                    continue;
                };
                if frame["message_type"] == "fetched" {
                    break frame["data"].clone();
                }
                fetched +=
                    usize::from(frame["source"] == "history" && frame["request_id"] == json!(request_id));
            };
            from = page["to"].as_u64().unwrap() + 1;
            if page["more"] == false {
                break;
            }
        }
    }
    assert_eq!(fetched, stored);
}

#[tokio::test]
async fn what_some_reader_could_not_take_is_refused_when_it_is_sent() {
    // The application makes messages of what bare clients type, with escapes that were not there before.
    let route = |builder: wsc_server::Builder| {
        builder.on_message(|_, mut message| {
            message.receiver = "bob".into();
            Box::pin(async move { wsc_server::Verdict::Route(Box::new(message)) })
        })
    };
    let server = Server::with(|_| {}, route).await;
    let mut bob = server.connect("bob", "b1").await;
    let mut alice = server.request("/ws?user_id=alice", &[]).await.unwrap();
    alice.raw(&"\"".repeat(60_000)).await;
    let error = alice.hear().await;
    assert_eq!((&error["message_type"], &error["data"]["code"]), (&json!("error"), &json!(80402)));
    alice.raw(&"x".repeat(60_000)).await;
    assert_eq!(bob.message().await["content"].as_str().unwrap().len(), 60_000);
    let to = Recipient::User(UserKey::new(&Scope::default(), "bob"));
    for volatile in [false, true] {
        let message = |length| Message { volatile, ..Message::to_user("", "x".repeat(length)) };
        let refused = server.hub.send(&to, message(LIMIT)).await;
        assert!(matches!(refused, Err(wsc_server::SendError::TooLarge)), "{refused:?}");
        server.hub.send(&to, message(FRAME)).await.unwrap();
        assert_eq!(bob.message().await["content"].as_str().unwrap().len(), FRAME);
    }
    for data in ["[1]", "{\"a\":", "{}}", "5"] {
        let message = Message { data: data.into(), ..Message::to_user("", "x") };
        let refused = server.hub.send(&to, message).await;
        assert!(matches!(refused, Err(wsc_server::SendError::Field(_))), "{data}: {refused:?}");
    }
}

#[tokio::test]
async fn empty_data_is_left_out_whatever_stands_between_its_braces() {
    let server = Server::start().await;
    let mut bob = server.connect("bob", "b1").await;
    let mut alice = server.connect("alice", "a1").await;
    for (number, data) in ["{}", "{ }", "{\n\t}", "null"].iter().enumerate() {
        alice
            .raw(&format!(r#"{{"message_type":"text","message_id":"{number}","receiver":"bob","content":"x","data":{data}}}"#))
            .await;
        let frame: Map<String, Value> = bob.message().await.as_object().unwrap().clone();
        assert!(!frame.contains_key("data"), "{data}: {frame:?}");
    }
}
