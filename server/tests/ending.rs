//! What a client sent before its connection ended is done, however it ended.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use support::ill::ill;
use support::raw::{self, CLOSE, FIN, Raw, TEXT};
use support::{Door, Server};
use tokio::io::AsyncWriteExt as _;
use wsc_server::{GroupKey, HookFuture, Message, Scope, Sender, Verdict};

/// How a connection ends after what it sent.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Fin,
    /// The whole socket is closed at once, with answers unread: the hub's writes fail.
    Gone,
    /// A frame that ends the connection with 4011.
    Violation,
    /// Bytes that are not WebSocket.
    Garbage,
}

const ENDS: [End; 5] = [End::Close, End::Fin, End::Gone, End::Violation, End::Garbage];

/// Sends some frames and the end as one piece.
async fn send_and_end(door: &Door, user: &str, frames: &[Value], end: End) {
    let mut raw = Raw::connect(door, user).await;
    let mut bytes = Vec::new();
    for text in frames {
        bytes.extend(raw::frame(FIN | TEXT, text.to_string().as_bytes()));
    }
    match end {
        End::Close => bytes.extend(raw::frame(FIN | CLOSE, &1000_u16.to_be_bytes())),
        End::Violation => bytes.extend(raw::frame(FIN | TEXT, br#"{"message_type":"connect"}"#)),
        End::Garbage => bytes.extend([0xff; 40]),
        End::Fin | End::Gone => {}
    }
    raw.write(&bytes, usize::MAX).await;
    match end {
        End::Fin => raw.socket.shutdown().await.unwrap(),
        End::Gone => drop(raw),
        End::Close | End::Violation | End::Garbage => {
            let mut rest = Vec::new();
            let read = tokio::io::AsyncReadExt::read_to_end(&mut raw.socket, &mut rest);
            let _ = tokio::time::timeout(Duration::from_secs(10), read).await.expect("the hub hangs up");
        }
    }
}

async fn until(what: impl AsyncFn() -> bool) -> bool {
    for _ in 0..500 {
        if what().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn requests_that_arrived_before_an_end_are_done() {
    for end in ENDS {
        let (server, illness) = ill().await;
        // Each request takes longer than it takes to read all of them.
        illness.write_ms.store(5, Ordering::Relaxed);
        let mut alice = server.connect("alice", "a1").await;
        let seq = alice.send_to("bob", "1", "hello").await["seq_no"].clone();
        let mut frames = vec![
            json!({"message_type": "read", "message_id": "r", "stream": "inbox", "peer": "alice", "seq_no": seq}),
        ];
        for number in 0..10 {
            let group = format!("g{number}");
            frames.push(json!({"message_type": "group_join", "message_id": group, "group_ids": [group]}));
        }
        frames
            .push(json!({"message_type": "text", "message_id": "t", "receiver": "alice", "content": "bye"}));
        send_and_end(&server, "bob", &frames, end).await;
        assert_eq!(alice.message().await["content"], "bye", "{end:?}");
        let hub = &server.hub;
        for number in 0..10 {
            let group = GroupKey::new(&Scope::default(), &format!("g{number}"));
            let joined =
                until(async || hub.members(&group, None, 10).await.is_ok_and(|page| page.total == 1)).await;
            assert!(joined, "{end:?}: {number}");
        }
        let ask = json!({"message_type": "receipts", "message_id": "q", "data": {"message_ids": ["1"]}});
        assert_eq!(alice.ask(ask).await["data"]["receipts"][0]["stage"], "read", "{end:?}");
    }
}

#[tokio::test]
async fn a_message_the_application_decides_about_when_its_sender_ends_is_sent() {
    for end in ENDS {
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let opened = Arc::clone(&gate);
        let hook = move |builder: wsc_server::Builder| {
            builder.on_message(move |_, message| {
                let gate = Arc::clone(&opened);
                Box::pin(async move {
                    gate.acquire().await.unwrap().forget();
                    Verdict::Route(Box::new(message))
                })
            })
        };
        let server = Server::with(|_| {}, hook).await;
        let mut alice = server.connect("alice", "a1").await;
        let text = json!({"message_type": "text", "message_id": "t", "receiver": "alice", "content": "bye"});
        let sending = send_and_end(&server, "bob", std::slice::from_ref(&text), end);
        let deciding = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            gate.add_permits(1);
        };
        tokio::join!(sending, deciding);
        assert_eq!(alice.message().await["content"], "bye", "{end:?}");
    }
}

#[tokio::test]
async fn who_hung_up_is_gone_as_soon_as_what_it_sent_is_done() {
    for end in ENDS {
        let server = Server::start().await;
        let ping = json!({"message_type": "health_check", "message_id": "h"});
        send_and_end(&server, "bob", &[ping], end).await;
        let hub = server.hub.clone();
        assert!(until(async || hub.connections() == 0).await, "{end:?}");
    }
}

#[tokio::test]
async fn who_waits_for_an_answer_when_the_hub_ends_holds_nobody_else_up() {
    let hook = |_: &Sender, message: Message<'static>| -> HookFuture<'static, Verdict> {
        Box::pin(async move {
            if message.content == "undecided" {
                std::future::pending::<()>().await;
            }
            Verdict::Route(Box::new(message))
        })
    };
    let change = |settings: &mut wsc_server::Settings| {
        (settings.shards, settings.drain) = (1, Duration::from_secs(4));
    };
    let server = Server::with(change, |builder| builder.on_message(hook)).await;
    let mut undecided = Vec::new();
    for number in 0..6 {
        let mut mallory = server.connect("mallory", &format!("m{number}")).await;
        let message =
            json!({"message_type": "text", "message_id": "1", "receiver": "bob", "content": "undecided"});
        mallory.say(&message).await;
        undecided.push(mallory);
    }
    let mut bob = server.connect("bob", "b1").await;
    bob.send_to("bob", "1", "x").await;
    let hub = server.hub.clone();
    let drain = tokio::spawn(async move { hub.drain().await });
    assert_eq!(bob.closed().await.map(|(code, _)| code), Some(1001));
    drain.await.unwrap();
}
