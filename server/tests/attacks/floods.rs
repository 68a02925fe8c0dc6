//! More than a client may say: control frames, messages, requests, and JSON that is costly or wrong.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::process::Process;
use crate::support::raw::{FIN, PING, PONG, Raw, TEXT, frame};
use crate::support::{Client, Server};
use crate::{MEGABYTE, flood};

const SECONDS: u32 = 3;
const WHILE: Duration = Duration::from_secs(SECONDS as u64);
/// Until the kernels have what they take, on a machine that has other work.
const LONG: u32 = 10;

/// What the kernels may take at once when the hub has read some.
const KERNEL: usize = MEGABYTE;

/// Connections that write the same without end and read nothing; in the end at most `a_second` bytes are taken of each,
/// and nobody else is harmed.
async fn held_up(keys: &[&str], bytes: &[u8], seconds: u32, a_second: usize) {
    let hub = Process::start(keys);
    let watch = hub.watch().await;
    let mut attackers = JoinSet::new();
    for number in 0..3 {
        let (door, many) = (*hub, bytes.repeat(1000));
        attackers.spawn(async move {
            let mut raw = Raw::connect(&door, &format!("u{number}")).await;
            flood(&mut raw.socket, &many, seconds).await
        });
    }
    while let Some(taken) = attackers.join_next().await {
        let taken = taken.unwrap();
        println!("taken in the last second: {taken}");
        assert!(taken <= a_second, "{taken}");
    }
    watch.unharmed(10 * MEGABYTE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_9_a_flood_of_pings_and_pongs_is_read_slowly() {
    let pings = [frame(FIN | PING, &[7; 125]), frame(FIN | PONG, b"")].concat();
    held_up(&[], &pings, SECONDS, 2000 * pings.len() + KERNEL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_9_who_takes_no_answers_is_not_read_any_more() {
    // However many are allowed.
    held_up(&["peer.controls=0"], &frame(FIN | PING, &[7; 125]), LONG, 0).await;
    held_up(&["peer.controls=0"], &frame(FIN | TEXT, br#"{"message_type":"ping"}"#), LONG, 0).await;
    let fetch = br#"{"message_type":"fetch","message_id":"1","stream":"inbox"}"#;
    held_up(&["peer.requests=0"], &frame(FIN | TEXT, fetch), LONG, 0).await;
}

#[tokio::test]
async fn row_9_bare_clients_that_take_no_answers_are_not_read_any_more_either() {
    let hub = Process::start(&["peer.controls=0"]);
    let watch = hub.watch().await;
    let mut bare = hub.request("/ws?user_id=mallory", &[]).await.unwrap();
    let pings = frame(FIN | TEXT, br#"{"message_type":"ping"}"#).repeat(1000);
    let taken = flood(bare.socket.get_mut(), &pings, LONG).await;
    assert_eq!(taken, 0);
    watch.unharmed(10 * MEGABYTE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_a_flood_of_messages_is_read_slowly() {
    let content = "x".repeat(1000);
    let message =
        json!({"message_type": "text", "message_id": "m", "receiver": "nobody", "content": content});
    let message = frame(FIN | TEXT, message.to_string().as_bytes());
    held_up(&[], &message, SECONDS, 2000 * message.len() + KERNEL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_of_a_flood_of_volatile_messages_what_is_over_the_rate_is_dropped() {
    let hub = Process::start(&[]);
    let watch = hub.watch().await;
    let mut bob = hub.connect("bob", "b1").await;
    let message = json!({"message_type": "text", "message_id": "m", "receiver": "bob", "volatile": true});
    let many = frame(FIN | TEXT, message.to_string().as_bytes()).repeat(1000);
    let mut mallory = Raw::connect(&hub, "mallory").await;
    let attack = tokio::spawn(async move { flood(&mut mallory.socket, &many, SECONDS).await });
    let until = tokio::time::Instant::now() + WHILE + Duration::from_secs(1);
    let mut got = 0_u32;
    while tokio::time::timeout_at(until, bob.message()).await.is_ok() {
        got += 1;
    }
    // A thousand in a second, and one second's worth at once.
    assert!((1000..=1000 * (SECONDS + 2)).contains(&got), "{got}");
    assert!(attack.await.unwrap() > KERNEL, "the hub should go on reading");
    watch.unharmed(10 * MEGABYTE).await;
}

#[tokio::test]
async fn row_10_over_the_rate_a_sender_waits_in_order_and_then_is_closed_with_4029() {
    let server = Server::with(|settings| settings.limits.sends = 50, |builder| builder).await;
    let mut alice = server.connect("alice", "a1").await;
    let mut bob = server.connect("bob", "b1").await;
    for id in 1..=75 {
        alice.say(&json!({"message_type": "text", "message_id": id.to_string(), "receiver": "bob"})).await;
    }
    for id in 1..=75 {
        assert_eq!(bob.message().await["message_id"], id.to_string());
    }
    let few = |settings: &mut wsc_server::Settings| {
        settings.limits.first_contacts = 1;
        settings.peer.stall = Duration::from_millis(500);
    };
    let server = Server::with(few, |builder| builder).await;
    let mut alice = server.connect("alice", "a1").await;
    alice.send_to("bob", "1", "").await;
    alice.say(&json!({"message_type": "text", "message_id": "2", "receiver": "carol"})).await;
    let (code, reason) = alice.closed().await.unwrap();
    assert!(code == 4029 && reason.contains("retry_after_ms="), "{code} {reason}");
}

#[tokio::test]
async fn row_10_what_cannot_be_understood_is_answered_and_harms_nobody() {
    let server = Server::start().await;
    let mut bob = server.connect("bob", "b1").await;
    let mut alice = server.connect("alice", "a1").await;
    for (frame, code) in [
        (json!({"message_type": "text", "message_id": "m", "receiver": "bob", "content": 5}), 80401),
        (json!({"message_type": "text", "message_id": "m", "receiver": ""}), 80403),
        (
            json!({"message_type": "text", "message_id": "m", "receiver": "a", "broadcast_type": "global"}),
            80403,
        ),
        (json!({"message_type": "text", "message_id": "m", "group_ids": ["a", "b"]}), 80403),
        (json!({"message_type": "text", "message_id": "m", "receiver": "a\u{7}b"}), 80403),
        (json!({"message_type": "text", "message_id": "m", "receiver": "x".repeat(129)}), 80403),
        (json!({"message_type": "x".repeat(65), "message_id": "m", "receiver": "bob"}), 80401),
        (json!({"message_type": "text", "message_id": "m", "receiver": "bob", "expires_in_ms": 0}), 80401),
        (json!({"message_type": "connected", "message_id": "m", "receiver": "bob"}), 80401),
        (json!({"message_type": "kick_out", "message_id": "m", "receiver": "bob"}), 80401),
        (json!({"message_type": "error", "message_id": "m", "receiver": "bob"}), 80401),
    ] {
        assert_eq!(alice.send(frame.clone()).await["code"], code, "{frame}");
    }
    for nonsense in ["", "null", "[]", "{", "\"ping\"", "{\"a\":1e999}", "{}", "7"] {
        alice.raw(nonsense).await;
        assert_eq!(alice.hear().await["code"], 80401, "{nonsense}");
    }
    alice.raw(&"[".repeat(60_000)).await;
    alice.raw("{\"message_type\":\"text\",\"message_type\":\"text\"}").await;
    assert_eq!(alice.closed().await.unwrap().0, 4011, "the tenth in a minute");
    bob.silence().await;
}

/// Frames of the largest size in which something is as deep, as long, or as often there as it can be.
fn bombs() -> Vec<String> {
    let long = "1".repeat(65_000);
    let message = r#"{"message_type":"text","message_id":"m","receiver":"nobody","volatile":true,"data":"#;
    let twice = r#""a":1,"#.repeat(10_000);
    let unknown: String = (0..7000).map(|number| format!(r#""{number}":0,"#)).collect();
    vec![
        "{\"a\":".repeat(13_000),
        "[".repeat(65_000),
        format!("{message}{}1{}}}", "{\"a\":".repeat(10_000), "}".repeat(10_000)),
        format!("{message}{{{}\"b\":1}}}}", twice.get(..64_980).unwrap_or(&twice)),
        format!("{{{unknown}\"message_type\":\"ping\"}}"),
        format!(r#"{{"message_type":"read","message_id":"m","stream":"inbox","peer":"x","seq_no":{long}}}"#),
        format!(r#"{{"message_type":"ack","stream":"inbox","seq_no":-{long}}}"#),
        format!(r#"{{"message_type":"ack","stream":"inbox","seq_no":1e{}}}"#, &long[..9]),
        format!(
            r#"{{"message_type":"receipts","message_id":"m","data":{{"message_ids":[{}"x"]}}}}"#,
            "\"\",".repeat(21_000)
        ),
        format!(
            r#"{{"message_type":"fetch","message_id":"m","stream":"group:{}"}}"#,
            "\\u0000".repeat(10_000)
        ),
        format!(r#"{{"message_type":"text","message_id":"m","receiver":"{}"}}"#, "\\ud83d".repeat(10_000)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_bombs_of_json_cost_no_more_than_their_bytes() {
    let hub = Process::start(&["limits.connects_per_address=0"]);
    let watch = hub.watch().await;
    let mut attackers = JoinSet::new();
    for number in 0..3 {
        let door = *hub;
        attackers.spawn(async move {
            let until = Instant::now() + WHILE;
            // Who is closed for it comes again.
            for bomb in bombs().iter().cycle() {
                if Instant::now() > until {
                    return;
                }
                let mut client = door.connect(&format!("u{number}"), "d").await;
                client.raw(bomb).await;
                let heard = tokio::time::timeout(Duration::from_secs(5), heard(&mut client)).await;
                assert!(heard.is_ok(), "nothing came of {}", &bomb[..80]);
            }
        });
    }
    while let Some(ended) = attackers.join_next().await {
        ended.unwrap();
    }
    watch.unharmed(20 * MEGABYTE).await;
}

/// Waits until the hub has dealt with all that was sent before.
async fn heard(client: &mut Client) {
    client.say(&json!({"message_type": "ping", "message_id": "p"})).await;
    while let Some(Ok(packet)) = client.packet().await {
        if packet.to_text().is_ok_and(|text| text.contains(r#""request_id":"p""#)) {
            return;
        }
    }
}

#[tokio::test]
async fn row_11_a_frame_full_of_groups_does_not_hold_up_the_others() {
    let hub = Process::start(&[]);
    let watch = hub.watch().await;
    let mut alice = hub.request("/ws?user_id=alice", &[]).await.unwrap();
    let groups: Vec<String> = (0..9000).map(|number| format!("{number:x}")).collect();
    let message = json!({"message_type": "text", "message_id": "g", "group_ids": groups});
    let until = Instant::now() + WHILE;
    while Instant::now() < until {
        alice.say(&message).await;
        assert_eq!(alice.hear().await["message_type"], "error");
    }
    watch.unharmed(10 * MEGABYTE).await;
}

#[tokio::test]
async fn row_11_who_observes_too_many_groups_is_told() {
    let server = Server::with(|settings| settings.peer.requests = 0, |builder| builder).await;
    let mut alice = server.connect("alice", "a1").await;
    let observe = |number: u32| json!({"message_type": "observe", "message_id": "o", "data": {"group_id": format!("g{number}")}});
    for number in 0..1000 {
        assert_eq!(alice.ask(observe(number)).await["message_type"], "ack");
    }
    assert_eq!(alice.ask(observe(1000)).await["code"], 80401);
    // One that is observed already is no further one.
    assert_eq!(alice.ask(observe(999)).await["message_type"], "ack");
}

#[tokio::test]
async fn row_11_groups_are_counted_and_joining_and_leaving_is_slowed_down() {
    let hub = Process::start(&["limits.groups=50"]);
    let watch = hub.watch().await;
    let mut alice = hub.connect("alice", "a1").await;
    let of = |what: &str, number: u32| json!({"message_type": what, "message_id": "g", "group_ids": [format!("g{number}")]});
    for number in 0..50 {
        assert_eq!(alice.ask(of("group_join", number)).await["data"]["action"], "joined");
    }
    assert_eq!(alice.ask(of("group_join", 50)).await["message_type"], "error");
    let began = Instant::now();
    for turn in 0..150 {
        alice.ask(of("group_leave", turn % 50)).await;
        alice.ask(of("group_join", turn % 50)).await;
    }
    // A hundred requests a second, and one second's worth at once.
    assert!(began.elapsed() > Duration::from_millis(1500), "{:?}", began.elapsed());
    watch.unharmed(10 * MEGABYTE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_11_who_comes_and_goes_all_the_time_is_told_to_watchers_rarely() {
    let hub = Process::start(&["limits.connects_per_address=0"]);
    let watch = hub.watch().await;
    let mut watcher = hub.connect("watcher", "w").await;
    watcher
        .ask(json!({"message_type": "watch", "message_id": "w", "data": {"user_ids": ["flapping"]}}))
        .await;
    let mut times = 0;
    let until = Instant::now() + WHILE;
    while Instant::now() < until {
        drop(hub.connect("flapping", "f").await);
        times += 1;
    }
    let mut told = 0;
    watcher.say(&json!({"message_type": "ping", "message_id": "p"})).await;
    while watcher.hear().await["message_type"] != "pong" {
        told += 1;
    }
    assert!(times > 30 && told <= 10, "{times} times, and {told} times told");
    watch.unharmed(20 * MEGABYTE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_very_many_devices_holds_nobody_up() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).unwrap();
    let hub = Process::start(&["limits.connects_per_address=0"]);
    let watch = hub.watch().await;
    let mut devices = Vec::new();
    for number in 0..1500 {
        devices.push(hub.connect("mallory", &format!("d{number}")).await);
    }
    // All at once they are written for the last time.
    drop(devices);
    let mut mallory = hub.connect("mallory", "last").await;
    mallory.send_to("mallory", "1", "x").await;
    watch.unharmed(30 * MEGABYTE).await;
}
