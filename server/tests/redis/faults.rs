//! What happens when the server, the network or an operator fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wsc_server::log::conformance::{
    START, all, answers, append, attach, delivered, epoch, group, inbox, join, leave, open, seqs, to_group,
    to_user, user, written,
};
use wsc_server::log::redis::{RedisOptions, RedisStore, read_tip};
use wsc_server::log::store::{
    Appended, AttachOutcome, Durability, JoinBy, Store as _, StoreError, Target, Tip, Write, Written,
};

use super::server::Redis;
use super::{Store, options, store};

fn stored(seq: u64) -> Appended {
    Appended::Stored { seq, own_seq: Some(seq) }
}

async fn send(store: &RedisStore, number: u64) -> Result<Written, StoreError> {
    let write = Write::Append(to_user("ann", "bob", &number.to_string(), START));
    answers(store, &[write]).await.remove(0)
}

/// A way to the server on which answers are lost: every so many bytes from the server end the connection instead.
async fn eater(port: u16, every: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().port();
    let (eaten, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(usize::MAX / 2)));
    let count = Arc::clone(&eaten);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (left, count) = (Arc::clone(&left), Arc::clone(&count));
            tokio::spawn(async move {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let ((mut from, mut to), (mut back_from, mut back_to)) =
                    (client.into_split(), server.into_split());
                let there = tokio::spawn(async move { tokio::io::copy(&mut from, &mut back_to).await });
                let mut buffer = vec![0; 65_536];
                let mut answers = 0;
                while let Ok(read @ 1..) = back_from.read(&mut buffer).await {
                    answers += 1;
                    // The handshake passes; then an answer is lost now and then.
                    if answers > 8 && left.fetch_add(1, Ordering::Relaxed) % every == 0 {
                        count.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                    if to.write_all(&buffer[..read]).await.is_err() {
                        break;
                    }
                }
                there.abort();
            });
        }
    });
    (here, eaten)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_repeated_because_its_answer_was_lost_is_made_once() {
    let redis = Redis::start();
    let (port, eaten) = eater(redis.port, 5).await;
    let url = format!("redis://127.0.0.1:{port}");
    let patience = Duration::from_secs(20);
    let store = RedisStore::open(RedisOptions { url, patience, ..options(&redis) }).unwrap();
    for number in 1..=200 {
        let written = send(&store, number).await.unwrap();
        let Written::Append(Appended::Stored { seq, .. } | Appended::Duplicate { seq, .. }) = written else {
            panic!("{written:?}")
        };
        assert_eq!(seq, number, "one position each");
    }
    assert!(eaten.load(Ordering::Relaxed) > 5, "answers were lost");
    assert_eq!(wsc_server::log::conformance::tip(&store, &inbox("bob")).await.head, 200);
}

#[tokio::test]
async fn a_server_that_flushes_always_is_killed_and_goes_on_in_the_same_epoch() {
    let mut redis = Redis::durable();
    let store = RedisStore::open(RedisOptions { durability: Durability::Fsync, ..options(&redis) }).unwrap();
    let before = epoch(&store).await;
    for number in 1..=5 {
        assert_eq!(send(&store, number).await.unwrap(), Written::Append(stored(number)));
        redis.kill();
        assert!(redis.launch());
    }
    assert_eq!(epoch(&store).await, before);
    assert_eq!(seqs(&all(&store, &inbox("bob")).await), [1, 2, 3, 4, 5]);
    // Without the setting a restart proves nothing any more.
    redis.run(&["CONFIG", "SET", "appendfsync", "everysec"]);
    let other = RedisStore::open(options(&redis)).unwrap();
    assert_eq!(epoch(&other).await, before, "the process is the same");
    redis.kill();
    assert!(redis.launch());
    assert_ne!(epoch(&other).await, before);
    let opened = open(&other, "bob", None).await.streams.remove(0);
    assert_eq!((&opened.lineage[0].epoch, opened.lineage[0].survived), (&before, 5));
    assert!(opened.lineage[0].is_proven);
}

#[tokio::test]
async fn a_server_that_keeps_nothing_begins_a_new_epoch() {
    let mut made = store(1);
    let before = epoch(&made.store).await;
    assert_eq!(send(&made.store, 1).await.unwrap(), Written::Append(stored(1)));
    made.redis.kill();
    assert!(made.redis.launch());
    assert!(matches!(send(&made.store, 2).await, Err(StoreError::Epoch | StoreError::Unavailable(_))));
    assert_ne!(epoch(&made.store).await, before);
    assert_eq!(send(&made.store, 3).await.unwrap(), Written::Append(stored(1)));
}

#[tokio::test]
async fn whoever_empties_the_server_begins_a_new_epoch() {
    let Store { store, redis } = store(1);
    let before = epoch(&store).await;
    append(&store, to_user("ann", "bob", "1", START)).await;
    redis.run(&["FLUSHALL"]);
    assert!(matches!(send(&store, 2).await, Err(StoreError::Epoch)));
    let between = epoch(&store).await;
    assert_ne!(between, before);
    assert_eq!(send(&store, 3).await.unwrap(), Written::Append(stored(1)));
    // A read notices it, too.
    redis.run(&["FLUSHALL"]);
    assert_eq!(all(&store, &inbox("bob")).await.head, 0);
    assert_ne!(epoch(&store).await, between);
    assert!(matches!(send(&store, 4).await, Err(StoreError::Epoch)), "it is told once");
    assert_eq!(send(&store, 4).await.unwrap(), Written::Append(stored(1)));
}

#[tokio::test]
async fn scripts_that_were_forgotten_are_loaded_again() {
    let Store { store, redis } = store(1);
    for number in 1..=3 {
        redis.run(&["SCRIPT", "FLUSH"]);
        assert_eq!(send(&store, number).await.unwrap(), Written::Append(stored(number)));
    }
}

#[tokio::test]
async fn without_memory_nothing_is_half_done_and_it_goes_on_when_there_is_some() {
    let redis = Redis::start();
    let patience = Duration::from_millis(300);
    let store = RedisStore::open(RedisOptions { patience, ..options(&redis) }).unwrap();
    assert_eq!(send(&store, 1).await.unwrap(), Written::Append(stored(1)));
    redis.run(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let writes: Vec<Write> =
        (2..5).map(|id| Write::Append(to_user("ann", "bob", &id.to_string(), START))).collect();
    for answer in answers(&store, &writes).await {
        let Err(StoreError::Unavailable(text)) = answer else { panic!("{answer:?}") };
        assert!(text.contains("raise maxmemory"), "{text}");
    }
    for who in ["ann", "bob"] {
        assert_eq!(seqs(&all(&store, &inbox(who)).await), [1], "reads go on");
    }
    redis.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(send(&store, 2).await.unwrap(), Written::Append(stored(2)));
}

#[tokio::test]
async fn a_server_that_is_away_too_long_is_unavailable_and_the_store_lives_on() {
    let mut redis = Redis::durable();
    let patience = Duration::from_millis(1500);
    let store = RedisStore::open(RedisOptions { patience, ..options(&redis) }).unwrap();
    redis.kill();
    let writes: Vec<Write> =
        (1..4).map(|id| Write::Append(to_user("ann", "bob", &id.to_string(), START))).collect();
    for answer in answers(&store, &writes).await {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    assert!(matches!(store.tips(&[inbox("bob")]).await, Err(StoreError::Unavailable(_))));
    assert!(redis.launch());
    assert_eq!(send(&store, 1).await.unwrap(), Written::Append(stored(1)));
}

#[tokio::test]
async fn what_an_older_connection_still_had_on_its_way_is_refused() {
    let Store { store, redis } = store(1);
    append(&store, to_user("ann", "bob", "1", START)).await;
    let key = redis.run(&["KEYS", "wsc:{0}:f:*"]);
    let key = key.lines().nth(2).unwrap();
    // A newer connection of the same process has been seen.
    redis.run(&["SET", key, "99"]);
    let patience = tokio::time::timeout(Duration::from_secs(1), send(&store, 2)).await;
    assert!(patience.is_err(), "it waits for its own number");
    assert_eq!(all(&store, &inbox("bob")).await.head, 1);
}

/// The messages of a channel that subscribes by its name.
async fn subscribe(redis: &Redis, channel: &str) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", redis.port)).await.unwrap();
    let command = format!("*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n{channel}\r\n", channel.len());
    socket.write_all(command.as_bytes()).await.unwrap();
    let mut answer = [0; 512];
    assert!(socket.read(&mut answer).await.unwrap() > 0);
    socket
}

/// The tip that is published next.
async fn published(socket: &mut TcpStream) -> Tip {
    let mut answer = [0; 512];
    let read = tokio::time::timeout(Duration::from_secs(5), socket.read(&mut answer)).await.unwrap().unwrap();
    // The message is what stands after the third length.
    let mut rest = &answer[..read];
    for _ in 0..3 {
        let at = rest.iter().position(|byte| *byte == b'$').unwrap();
        rest = &rest[at + 1..];
    }
    let at = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
    read_tip(&rest[at + 2..rest.len() - 2]).unwrap()
}

#[tokio::test]
async fn every_change_of_a_stream_is_published_once_a_batch() {
    let Store { store, redis } = store(1);
    let tip = async |stream| wsc_server::log::conformance::tip(&store, &stream).await;
    let team = wsc_server::StreamKey::Group(group("team"));
    let mut group_hears = subscribe(&redis, "wsc:{0}:c:g15:__default_app__14:__default_ns__team").await;
    let mut ann_hears = subscribe(&redis, "wsc:{0}:c:i15:__default_app__14:__default_ns__ann").await;
    join(&store, "team", "ann", JoinBy::Application, START).await;
    assert_eq!(published(&mut group_hears).await, tip(team.clone()).await);
    assert_eq!(published(&mut ann_hears).await, tip(inbox("ann")).await);
    let three = ["1", "2", "3"].map(|id| Write::Append(to_group("ann", "team", id, START)));
    assert!(store.write(0, &three).await.iter().all(Result::is_ok));
    let last = published(&mut group_hears).await;
    assert_eq!((last.head, &last), (3, &tip(team.clone()).await));
    let kick = Write::Status { user: user("ann"), status: wsc_core::kind::UserStatus::Busy };
    answers(&store, &[kick]).await;
    assert_eq!(published(&mut ann_hears).await, tip(inbox("ann")).await);
    let target = Target::User(user("ann"));
    append(&store, wsc_server::log::conformance::message("bob", target, "4", START)).await;
    assert_eq!(published(&mut ann_hears).await.head, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attach_is_decided_again_when_something_changes_meanwhile() {
    let Store { store, redis } = store(1);
    let other = RedisStore::open(options(&redis)).unwrap();
    let (ended, mut end) = tokio::sync::oneshot::channel();
    let changing = tokio::spawn(async move {
        let mut changes = 0;
        while end.try_recv().is_err() {
            join(&other, "team", "ann", JoinBy::Application, START).await;
            assert!(leave(&other, "team", "ann", false, START).await);
            changes += 2;
        }
        changes
    });
    for number in 0..200 {
        let attaches = ["bob", "ann", "cid"].map(|who| Write::Attach(Box::new(attach(who, "d1", START))));
        let answers = written(&store, &attaches).await;
        let ready = answers.iter().map(|answer| match answer {
            Written::Attach(attached) => match &attached.outcome {
                AttachOutcome::Ready(attachment) => attachment,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        });
        // Every change counts one: she is a member at odd versions.
        let ready: Vec<_> = ready.collect();
        let is_member = !ready[1].groups.is_empty();
        assert_eq!(ready[1].streams[0].0.version % 2 == 1, is_member, "attach {number}");
        for others in [ready[0], ready[2]] {
            assert_eq!((others.groups.len(), others.streams[0].0.version), (0, 0));
        }
    }
    ended.send(()).unwrap();
    assert!(changing.await.unwrap() > 200, "it changed all the time");
}

#[tokio::test]
async fn what_was_delivered_is_brought_over_into_a_new_epoch_for_each_write_of_a_batch() {
    let Store { store, redis: _redis } = store(1);
    let team = wsc_server::StreamKey::Group(group("team"));
    let ranges = |after, to| {
        [
            delivered("ann", &[(inbox("ann"), after, to)], &[]),
            delivered("ann", &[(team.clone(), after, to)], &[]),
        ]
    };
    for id in ["1", "2", "3"] {
        append(&store, to_user("bob", "ann", id, START)).await;
        append(&store, to_group("bob", "team", id, START)).await;
    }
    written(&store, &ranges(0, 1)).await;
    let ended = epoch(&store).await;
    written(&store, &[Write::BeginEpoch { stream: inbox("ann"), ended }]).await;
    written(&store, &ranges(2, 3)).await;
    for stream in [&inbox("ann"), &team] {
        let kept = store.delivered(&user("ann"), stream).await.unwrap();
        assert_eq!(kept.iter().collect::<Vec<_>>(), [(0, 1), (2, 3)], "{stream:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_that_store_the_same_message_in_two_steps_make_one_copy() {
    let Store { store: here, redis } = store(16);
    let there = RedisStore::open(RedisOptions { partitions: 16, ..options(&redis) }).unwrap();
    for number in 0..400 {
        let both = [&here, &there].map(|hub| async move {
            let Written::Append(Appended::Stored { own_seq, .. } | Appended::Duplicate { own_seq, .. }) =
                send(hub, number).await.unwrap()
            else {
                panic!("it is stored")
            };
            own_seq
        });
        let [here, there] = both;
        let (here, there) = tokio::join!(here, there);
        assert_eq!((here, there), (Some(number + 1), Some(number + 1)), "message {number}");
    }
}
