//! Clients that take more than their share, and readers that take nothing.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Client, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wsc_server::FailureKind;

/// A text frame of a client, with a mask of zeros.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Writes a frame again and again and reads nothing. `true`: the hub stopped reading.
async fn is_held_up(client: &mut Client, text: &str) -> bool {
    let many = frame(text).repeat(1000);
    for _ in 0..600 {
        let written = client.socket.get_mut().write_all(&many);
        match tokio::time::timeout(Duration::from_secs(2), written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => return true,
        }
    }
    false
}

#[tokio::test]
async fn who_takes_no_answers_is_not_read_any_more() {
    let server = Server::start().await;
    let mut client = server.connect("alice", "a1").await;
    assert!(is_held_up(&mut client, r#"{"message_type":"fetch","message_id":"1"}"#).await);
    let mut client = server.request("/ws?user_id=alice", &[]).await.unwrap();
    assert!(is_held_up(&mut client, r#"{"message_type":"ping"}"#).await);
}

#[tokio::test]
async fn answers_are_not_made_before_the_last_ones_are_taken() {
    let server = Server::start().await;
    let mut alice = server.connect("alice", "a1").await;
    let content = "x".repeat(60_000);
    for id in ["1", "2", "3", "4", "5"] {
        alice.send_to("alice", id, &content).await;
    }
    let before = resident();
    let mut clients = Vec::new();
    for number in 0..10 {
        let mut client = server.connect_with("alice", &format!("d{number}"), json!({"start": "head"})).await;
        for id in 0..60 {
            client
                .say(&json!({"message_type": "fetch", "message_id": format!("f{id}"), "stream": "inbox"}))
                .await;
        }
        clients.push(client);
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 40_000_000, "{grown} bytes more");
    // All are answered in the end.
    for client in &mut clients[..2] {
        for id in 0..60 {
            let answer = client.hear_type("fetched").await;
            assert_eq!(answer["request_id"], format!("f{id}"));
        }
    }
}

#[tokio::test]
async fn a_frame_full_of_groups_does_not_hold_up_the_others() {
    let server = Server::with(|settings| settings.shards = 1, |builder| builder).await;
    let mut bob = server.connect("bob", "b1").await;
    let mut alice = server.request("/ws?user_id=alice", &[]).await.unwrap();
    let groups: Vec<String> = (0..9000).map(|number| format!("{number:x}")).collect();
    let begin = Instant::now();
    alice.say(&json!({"message_type": "text", "message_id": "g", "group_ids": groups})).await;
    assert_eq!(alice.hear().await["message_type"], "error");
    bob.say(&json!({"message_type": "ping"})).await;
    bob.hear_type("pong").await;
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

/// Bytes of memory this process has.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

#[tokio::test]
async fn a_slow_reader_that_goes_on_reading_is_not_closed() {
    let change = |settings: &mut wsc_server::Settings| {
        settings.slow_ms = 3000;
        settings.socket_limit = 4 * 1024 * 1024;
    };
    let slow = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&slow);
    let hooks = |builder: wsc_server::Builder| {
        builder.on_failure(FailureKind::QueueFull, move |_| seen.store(true, Ordering::Relaxed))
    };
    let server = Server::with(change, hooks).await;
    let mut bob = server.connect("bob", "b1").await;
    let mut alice = server.connect("alice", "a1").await;
    let content = "x".repeat(60_000);
    // Until the kernel takes no more and bytes wait in the hub, and then more of them than at first.
    for id in 0..250 {
        alice.send_to("bob", &id.to_string(), &content).await;
    }
    let mut buffer = vec![0; 100_000];
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bob.socket.get_mut().read_exact(&mut buffer).await.unwrap();
    }
    assert!(!slow.load(Ordering::Relaxed), "it was called too slow");
}
