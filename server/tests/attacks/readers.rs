//! Readers that take nothing, or too slowly, or are no longer there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use wsc_server::FailureKind;

use crate::MEGABYTE;
use crate::support::process::Process;
use crate::support::{PATIENCE, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_12_readers_that_take_nothing_are_closed_and_cost_no_memory() {
    let hub = Process::start(&["peer.slow=2s", "limits.send_bytes=0", "limits.sends=0", "log_level=debug"]);
    let mut deaf = Vec::new();
    for number in 0..20 {
        deaf.push(hub.connect(&format!("deaf{number}"), "d").await);
    }
    let watch = hub.watch().await;
    let mut alice = hub.connect("alice", "a1").await;
    // More than the kernels take, for each of them, and volatile: only what waits for a reader takes memory.
    let content = "x".repeat(60_000);
    for number in 0..2000 {
        let to = format!("deaf{}", number % 20);
        let message = json!({"message_type": "text", "message_id": "m", "receiver": to, "content": content, "volatile": true});
        alice.say(&message).await;
    }
    alice.ask(json!({"message_type": "ping", "message_id": "p"})).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    // 256 KiB may wait for each, and one frame above.
    watch.unharmed(20 * (256 + 128) * 1024 + 10 * MEGABYTE).await;
    // What was under way reaches nobody; they are told in vain.
    assert_eq!(hub.log().matches("code=4008").count(), deaf.len(), "{}", hub.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_12_what_a_reader_does_not_take_waits_in_the_log_and_comes_later() {
    let hub = Process::start(&["peer.slow=1s", "limits.send_bytes=0"]);
    let mut bob = hub.connect("bob", "b1").await;
    let mut alice = hub.connect("alice", "a1").await;
    let content = "x".repeat(60_000);
    for number in 1..=250 {
        alice.send_to("bob", &format!("m{number}"), &content).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut next = 1;
    while let Some(Ok(packet)) = bob.packet().await {
        if packet.to_text().is_ok_and(|text| text.contains("\"sender\"")) {
            next += 1;
        }
        if packet.is_close() {
            break;
        }
    }
    assert!(next < 250, "the kernels took all of it");
    let mut bob = hub.connect("bob", "b1").await;
    let from = bob.connected["streams"]["inbox"]["from"].as_u64().unwrap();
    assert_eq!(from, 1, "nothing was acknowledged");
    for seq in from..=250 {
        assert_eq!(bob.message().await["seq_no"], seq);
    }
}

#[tokio::test]
async fn row_12_answers_are_not_made_before_the_last_ones_are_taken() {
    let hub = Process::start(&["peer.requests=0"]);
    let mut alice = hub.connect("alice", "a1").await;
    let content = "x".repeat(60_000);
    for id in ["1", "2", "3", "4", "5"] {
        alice.send_to("alice", id, &content).await;
    }
    let watch = hub.watch().await;
    let mut clients = Vec::new();
    for number in 0..10 {
        let mut client = hub.connect_with("alice", &format!("d{number}"), json!({"start": "head"})).await;
        for id in 0..60 {
            client
                .say(&json!({"message_type": "fetch", "message_id": format!("f{id}"), "stream": "inbox"}))
                .await;
        }
        clients.push(client);
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    watch.unharmed(20 * MEGABYTE).await;
    // All are answered in the end.
    for client in &mut clients[..2] {
        for id in 0..60 {
            let answer = client.hear_type("fetched").await;
            assert_eq!(answer["request_id"], format!("f{id}"));
        }
    }
}

#[tokio::test]
async fn row_12_a_slow_reader_that_goes_on_reading_is_not_closed() {
    let change = |settings: &mut wsc_server::Settings| {
        settings.peer.slow = Duration::from_millis(3000);
        settings.peer.socket = 4 * MEGABYTE;
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

#[tokio::test]
async fn row_18_a_connection_that_says_nothing_is_closed_with_4012() {
    let server =
        Server::with(|settings| settings.peer.heartbeat = Duration::from_millis(200), |builder| builder)
            .await;
    let mut client = server.connect("alice", "a1").await;
    assert_eq!(client.closed().await.unwrap().0, 4012);
}

#[tokio::test]
async fn row_20_the_heartbeat_keeps_what_lies_between_from_cutting() {
    // nginx, HAProxy and the load balancers of the clouds cut what is idle for 60 s, unless told otherwise.
    let server = Server::start().await;
    let client = server.connect("alice", "a1").await;
    assert!(client.connected["heartbeat_ms"].as_u64().unwrap() < 30_000);
}

#[tokio::test]
async fn row_20_a_wire_that_ends_without_a_close_is_a_connection_that_ended() {
    let broken = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&broken);
    let hooks = |builder: wsc_server::Builder| {
        builder.on_failure(FailureKind::ConnectionError, move |_| seen.store(true, Ordering::Relaxed))
    };
    let server = Server::with(|_| {}, hooks).await;
    let mut alice = server.connect("alice", "a1").await;
    for reset in [false, true] {
        let bob = server.connect("bob", "b1").await;
        let socket = bob.socket.into_inner();
        if reset {
            socket.set_zero_linger().unwrap();
        }
        drop(socket);
        let began = Instant::now();
        while server.hub.connections() > 1 {
            assert!(began.elapsed() < PATIENCE, "the connection is still there");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // On a thread of its own, a moment later.
        while !broken.swap(false, Ordering::Relaxed) {
            assert!(began.elapsed() < PATIENCE, "the application was not told");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    alice.send_to("bob", "1", "meanwhile").await;
    let mut bob = server.connect("bob", "b1").await;
    assert_eq!(bob.message().await["content"], "meanwhile");
}
