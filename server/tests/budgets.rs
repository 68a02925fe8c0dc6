//! What a user may send, as the wire shows it: budgets belong to users, and connecting again renews none.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{Client, Server};
use wsc_server::token::{Claims, Keys};

const SECRET: &[u8] = b"a secret of sixteen bytes";

async fn text(client: &mut Client, id: u32) -> bool {
    let receiver = format!("u{id}");
    client.say(&json!({"message_type": "text", "message_id": id.to_string(), "receiver": receiver, "content": "x"})).await;
    let answer = tokio::time::timeout(Duration::from_millis(400), client.hear_type("ack"));
    answer.await.is_ok()
}

#[tokio::test]
async fn connecting_again_gives_no_new_first_contacts() {
    let server = Server::with(|settings| settings.limits.first_contacts = 3, |builder| builder).await;
    let mut reached = 0;
    for connection in 0..4 {
        let mut bot = server.connect("bot", "b1").await;
        for number in 0..2 {
            if text(&mut bot, 10 * connection + number).await {
                reached += 1;
            } else {
                break;
            }
        }
        drop(bot);
    }
    assert_eq!(reached, 3);
    // Whom it has written to before it may write to.
    let mut bot = server.connect("bot", "b2").await;
    let known = json!({"message_type": "text", "message_id": "again", "receiver": "u0", "content": "x"});
    assert_eq!(bot.send(known).await["message_type"], "ack");
}

#[tokio::test]
async fn a_server_s_sender_with_the_capability_has_no_budgets() {
    let keys = |builder: wsc_server::Builder| builder.keys(Keys::new(SECRET, []));
    let tight = |settings: &mut wsc_server::Settings| {
        (settings.limits.first_contacts, settings.limits.sends) = (3, 5);
    };
    let server = Server::with(tight, keys).await;
    let token = |cap: &[&str]| {
        let cap = Some(cap.iter().map(|name| (*name).to_owned()).collect());
        Claims { uid: "bot".to_owned(), exp: 4_000_000_000, cap, ..Claims::default() }.sign(SECRET).unwrap()
    };
    let mut bot = server.connect_with("", "b1", json!({"token": token(&["send", "unlimited"])})).await;
    for id in 0..50 {
        assert!(text(&mut bot, id).await, "{id}");
    }
    let mut bot = server.connect_with("", "b2", json!({"token": token(&["send"])})).await;
    for id in 60..63 {
        assert!(text(&mut bot, id).await, "{id}");
    }
    assert!(!text(&mut bot, 63).await);
}
