//! What runs out, and what stands still: descriptors, disks, time.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use wsc_server::log::embedded::EmbeddedOptions;
use wsc_server::{EmbeddedStore, Hub, Settings};

use crate::MEGABYTE;
use crate::support::process::Process;
use crate::support::{Client, PATIENCE, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_18_without_descriptors_those_who_are_connected_go_on_and_nothing_spins() {
    let hub = Process::with_files(64, &[]);
    let mut alice = hub.connect("alice", "a1").await;
    let watch = hub.watch().await;
    let mut sockets = Vec::new();
    // More than it has descriptors for, and fewer than the kernel lets wait.
    for _ in 0..100 {
        sockets.push(TcpStream::connect(hub.address).await.unwrap());
    }
    let before = hub.worked();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let worked = hub.worked() - before;
    assert!(worked < Duration::from_secs(1), "it spins: {worked:?} of 3 s");
    alice.send_to("alice", "1", "x").await;
    assert!(hub.log().contains("could not be accepted"), "{}", hub.log());
    watch.unharmed(10 * MEGABYTE).await;
    // And when there are some again, everybody gets in.
    drop(sockets);
    gets_in(&hub).await;
}

/// Somebody gets in as soon as the hub has seen that others' sockets are closed.
async fn gets_in(hub: &Process) {
    let until = Instant::now() + PATIENCE;
    while hub.request("/ws", &[("sec-websocket-protocol", "wsc.v1")]).await.is_err() {
        assert!(Instant::now() < until, "nobody gets in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The status and body of a request on a socket of its own.
async fn get(hub: &Process, path: &str) -> String {
    let mut socket = TcpStream::connect(hub.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_18_a_low_limit_of_descriptors_is_raised_where_the_system_lets() {
    let hub = Process::with_few_files(64, &[]);
    let mut clients = Vec::new();
    for number in 0..200 {
        clients.push(hub.connect(&format!("u{number}"), "d").await);
    }
    assert!(hub.log().contains("limit raised"), "{}", hub.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_18_operators_get_in_when_clients_have_taken_all_descriptors_but_the_reserve() {
    let hub = Process::with_files(128, &[]);
    let mut clients = Vec::new();
    let refused = loop {
        match hub.request("/ws", &[("sec-websocket-protocol", "wsc.v1")]).await {
            Ok(client) => clients.push(client),
            Err(Error::Http(response)) => break response,
            Err(error) => panic!("{error}"),
        }
        assert!(clients.len() < 128);
    };
    assert!(clients.len() > 50, "{}", clients.len());
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let body: serde_json::Value = serde_json::from_slice(refused.body().as_deref().unwrap()).unwrap();
    assert_eq!(body["code"], 80903);
    // Sockets that say nothing take the reserve, and more: each gives its descriptor back soon.
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(hub.address).await.unwrap());
    }
    for path in ["/healthz", "/readyz"] {
        let answer = get(&hub, path).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let log = hub.log();
    let warnings: Vec<_> =
        log.lines().filter(|line| line.contains("WARN") && line.contains("ulimit")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    drop(clients);
    gets_in(&hub).await;
}

/// A file system of its own in a folder, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(folder.path()).status();
        status.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn row_18_a_full_disk_refuses_new_messages_and_everything_else_goes_on() {
    let Some(disk) = SmallDisk::mount("size=8m") else {
        println!("skipped: no small file system can be mounted here");
        return;
    };
    let store = EmbeddedStore::open(disk.0.path().join("store"), EmbeddedOptions::default()).unwrap();
    let mut settings = Settings::default();
    (settings.shards, settings.peer.stall, settings.limits.send_bytes) = (2, Duration::from_millis(500), 0);
    let server = Server::over(Hub::builder(store).settings(settings)).await;
    let mut alice = server.connect("alice", "a1").await;
    assert_eq!(server.hub.not_ready(), None);
    // Text that cannot be made smaller.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    };
    let mut accepted = 0_u64;
    let (code, reason) = 'full: loop {
        let content: String = (0..30_000).map(|_| noise()).collect();
        let id = format!("m{accepted:06}");
        alice
            .say(&json!({"message_type": "text", "message_id": id, "receiver": "bob", "content": content}))
            .await;
        loop {
            match alice.packet().await {
                Some(Ok(Message::Text(text))) if text.contains("\"accepted\"") => {
                    accepted += 1;
                    break;
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    break 'full (u16::from(frame.code), frame.reason.as_str().to_owned());
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(accepted < 2000, "the disk is never full");
    };
    assert!(code == 1013 && reason.contains("retry_after_ms="), "{code} {reason}");
    assert!(accepted > 10 && server.hub.not_ready().is_some());
    // Who was away gets all that was accepted, and nothing that was refused.
    let mut bob = server.connect("bob", "b1").await;
    for seq in 1..=accepted {
        assert_eq!(bob.message().await["seq_no"], seq);
    }
    bob.silence().await;
    bob.say(&json!({"message_type": "fetch", "message_id": "f", "stream": "inbox", "limit": 1})).await;
    assert_eq!(bob.message().await["seq_no"], 1);
    // A sender waits, and is then sent away with a hint; volatile messages pass.
    let mut alice = server.connect("alice", "a1").await;
    alice.say(&json!({"message_type": "typing", "message_id": "t", "receiver": "bob"})).await;
    assert_eq!(bob.message().await["message_type"], "typing");
    alice.say(&json!({"message_type": "text", "message_id": "new", "receiver": "bob"})).await;
    let closed = tokio::time::timeout(Duration::from_secs(5), alice.closed()).await.unwrap();
    assert_eq!(closed.unwrap().0, 1013);
    bob.silence().await;
}

/// Pings again and again until the connection ends, which is told, or for some time.
async fn live(mut client: Client, time: Duration) -> Result<(), String> {
    let until = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < until {
        client.say(&json!({"message_type": "ping", "message_id": "p"})).await;
        match client.packet().await {
            Some(Ok(Message::Text(_))) => {}
            other => return Err(format!("{other:?}")),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_19_a_hub_that_stood_still_does_not_close_those_who_went_on() {
    let hub = Process::start(&["peer.heartbeat=3s"]);
    let mut lives = tokio::task::JoinSet::new();
    for number in 0..50 {
        lives.spawn(live(hub.connect(&format!("u{number}"), "d").await, Duration::from_secs(13)));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Longer than any of them may be silent. What they say meanwhile waits in the kernel.
    hub.signal("-STOP");
    tokio::time::sleep(Duration::from_secs(9)).await;
    hub.signal("-CONT");
    let mut ended = Vec::new();
    while let Some(life) = lives.join_next().await {
        ended.extend(life.unwrap().err());
    }
    assert!(ended.is_empty(), "{} of 50, {}", ended.len(), ended[0]);
    // It is a hub as before.
    let watch = hub.watch().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    watch.unharmed(10 * MEGABYTE).await;
}
