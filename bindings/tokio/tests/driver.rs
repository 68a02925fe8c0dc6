//! The driver against a hub that a test plays over a real socket on the loopback address.
#![allow(missing_docs, reason = "tests")]

mod hub;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use hub::{Hub, content, message_id, soon, text};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;
use wsc_client::{Closed, Delivery, Event, History, Message, Notice, ReceiptError, State, TokenError};
use wsc_core::frame::HubFrame;

#[tokio::test]
async fn a_message_is_sent_accepted_delivered_and_read() {
    let hub = Hub::new().await;
    let client = hub.client().connect().await.expect("built");
    let (mut link, connect) = hub.greet(1, 0).await;
    assert!(connect.contains(r#""user_id":"alice""#));
    soon(client.connected()).await.expect("connected");
    let receipt = client.send(Message { require_ack: true, ..text("a") }).await.expect("taken");
    let frame = link.next().await;
    link.accept(&frame, 7).await;
    assert_eq!(soon(receipt.accepted()).await.expect("accepted").position, 7);
    link.say(r#"{"message_type":"delivered","receiver":"bob","message_ids":["a"]}"#).await;
    soon(receipt.delivered()).await.expect("delivered");
    link.say(r#"{"message_type":"read","receiver":"bob","message_ids":["a"]}"#).await;
    soon(receipt.read()).await.expect("read");
    let refused = client.send(text("b")).await.expect("taken");
    assert_eq!(message_id(&link.next().await), "b");
    link.say(r#"{"message_type":"error","message_id":"b","code":80404,"reason":"no"}"#).await;
    assert!(matches!(soon(refused.accepted()).await, Err(ReceiptError::Refused { .. })));
    assert_eq!(soon(receipt.delivered()).await, Ok(()));
    let unfollowed = client.send(text("c")).await.expect("taken");
    let frame = link.next().await;
    link.accept(&frame, 8).await;
    assert_eq!(soon(unfollowed.read()).await, Err(ReceiptError::NotFollowed));
}

#[tokio::test]
async fn after_a_cut_the_client_resumes_and_sends_again() {
    let hub = Hub::new().await;
    let client = hub.client().build().await.expect("built");
    let mut inbox = client.inbox().messages();
    client.connect().await;
    let (mut link, _) = hub.greet(1, 2).await;
    link.entry(1).await;
    link.entry(2).await;
    assert_eq!(content(soon(inbox.next()).await), "c1");
    assert_eq!(content(soon(inbox.next()).await), "c2");
    while !link.next().await.contains(r#""message_type":"ack","stream":"inbox","seq_no":2"#) {}
    let receipt = client.send(text("a")).await.expect("taken");
    assert_eq!(message_id(&link.next().await), "a");
    drop(link);
    let (mut link, connect) = hub.greet(3, 3).await;
    assert!(connect.contains(r#""inbox":{"epoch":"e1","seq":2}"#), "{connect}");
    let again = link.next().await;
    assert_eq!(message_id(&again), "a");
    link.accept(&again, 3).await;
    soon(receipt.accepted()).await.expect("accepted");
}

#[tokio::test]
async fn without_acknowledgement_by_the_application_nothing_is_acknowledged() {
    let hub = Hub::new().await;
    let client = hub.client().auto_acknowledge(false).connect().await.expect("built");
    let mut inbox = client.inbox().messages();
    let (mut link, _) = hub.greet(1, 0).await;
    link.entry(1).await;
    link.entry(2).await;
    link.say(r#"{"message_type":"gap","stream":"inbox","from":3,"to":5,"reason":"trimmed"}"#).await;
    let first = soon(inbox.next()).await.expect("an entry");
    soon(inbox.next()).await.expect("an entry");
    let gap = soon(inbox.next()).await.expect("a gap");
    assert!(matches!(&gap, Delivery::Gap(gap) if gap.to == 5));
    assert!(timeout(Duration::from_millis(100), link.socket.next()).await.is_err());
    first.acknowledge();
    assert!(link.next().await.contains(r#""seq_no":1"#));
    gap.acknowledge();
    assert!(link.next().await.contains(r#""seq_no":5"#));
}

#[tokio::test]
async fn close_waits_for_answers_and_says_goodbye() {
    let hub = Hub::new().await;
    let client = hub.client().connect().await.expect("built");
    let (mut link, _) = hub.greet(1, 0).await;
    soon(client.connected()).await.expect("connected");
    let receipt = client.send(text("a")).await.expect("taken");
    let closing = tokio::spawn({
        let client = client.clone();
        async move { client.close().await }
    });
    let frame = link.next().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    link.accept(&frame, 1).await;
    let Some(Ok(Frame::Close(Some(close)))) = soon(link.socket.next()).await else { panic!("no close") };
    assert_eq!(u16::from(close.code), 1000);
    assert!(matches!(soon(link.socket.next()).await, None | Some(Err(_))));
    drop(link);
    soon(closing).await.expect("closed");
    soon(receipt.accepted()).await.expect("accepted");
    assert!(client.send(text("b")).await.is_err());
}

#[tokio::test]
async fn the_client_closes_when_its_last_handle_is_dropped() {
    let hub = Hub::new().await;
    let client = hub.client().connect().await.expect("built");
    let (mut link, _) = hub.greet(1, 0).await;
    soon(client.connected()).await.expect("connected");
    drop(client);
    assert!(matches!(soon(link.socket.next()).await, Some(Ok(Frame::Close(_)))));
}

#[tokio::test]
async fn questions_are_answered_with_their_entries() {
    let hub = Hub::new().await;
    let client = hub.client().connect().await.expect("built");
    let (mut link, _) = hub.greet(1, 0).await;
    soon(client.connected()).await.expect("connected");
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.inbox().history(History::newest().limit(2)).await }
    });
    let id = message_id(&link.next().await).to_owned();
    for seq in [9, 8] {
        link.say(&format!(
            r#"{{"message_type":"text","request_id":"{id}","sender":"bob","stream":"inbox","seq_no":{seq}}}"#
        ))
        .await;
    }
    link.say(&format!(
        r#"{{"message_type":"fetched","request_id":"{id}","data":{{"from":8,"to":9,"floor":1,"head":9,"more":true}}}}"#
    ))
    .await;
    let page = soon(asking).await.expect("ended").expect("a page");
    let positions: Vec<_> = page.messages.iter().map(|message| message.seq_no).collect();
    assert_eq!((positions, page.head, page.more), (vec![8, 9], 9, true));
}

#[tokio::test]
async fn presence_is_told_as_it_is_and_as_it_changes_and_asked_for_again_after_a_cut() {
    let hub = Hub::new().await;
    let client = hub.client().connect().await.expect("built");
    let (mut link, _) = hub.greet(1, 0).await;
    soon(client.connected()).await.expect("connected");
    let mut presence = client.presence(["bob"]).await;
    let asked = link.next().await;
    assert!(asked.contains(r#""message_type":"watch""#));
    link.say(&format!(
        r#"{{"message_type":"user_status_response","request_id":"{}","data":{{"users":[{{"user_id":"bob","status":"online"}}]}}}}"#,
        message_id(&asked)
    ))
    .await;
    assert!(soon(presence.next()).await.expect("bob").is_online());
    link.say(r#"{"message_type":"user_left","data":{"user_id":"carol"}}"#).await;
    link.say(r#"{"message_type":"user_left","data":{"user_id":"bob"}}"#).await;
    let bob = soon(presence.next()).await.expect("bob");
    assert_eq!((bob.user.as_str(), bob.is_online()), ("bob", false));
    drop(link);
    let (mut link, _) = hub.greet(1, 0).await;
    assert!(link.next().await.contains(r#""message_type":"watch""#));
    drop(presence);
    assert!(link.next().await.contains(r#""message_type":"unwatch""#));
}

#[tokio::test]
async fn a_token_is_asked_for_and_a_denial_closes() {
    let hub = Hub::new().await;
    let given = || async { Ok("e30.e30.secret".to_owned()) };
    let client = hub.client().token_provider(given).connect().await.expect("built");
    let (link, connect) = hub.greet(1, 0).await;
    assert!(connect.contains(r#""token":"e30.e30.secret""#));
    drop((client, link));
    let denied = || async { Err(TokenError::Denied) };
    let client = hub.client().token_provider(denied).connect().await.expect("built");
    let closed = soon(client.connected()).await.expect_err("closed");
    assert_eq!(closed.0, Closed::NoToken);
}

#[tokio::test]
async fn a_provider_that_panics_or_gives_no_token_is_told_and_asked_again() {
    let hub = Hub::new().await;
    let asked = AtomicUsize::new(0);
    let provider = move || {
        let time = asked.fetch_add(1, Ordering::Relaxed);
        assert!(time != 0, "in the provider");
        async move {
            match time {
                1 => panic!("in its future"),
                2 => Ok("<html>502".to_owned()),
                3 => Err(TokenError::temporary("it is down")),
                _ => Ok("e30.e30.secret".to_owned()),
            }
        }
    };
    let client = hub.client().token_provider(provider).build().await.expect("built");
    let mut notices = client.notices();
    client.connect().await;
    let mut told = Vec::new();
    while told.len() < 4 {
        if let Notice::Event(Event::Fault(fault)) = soon(notices.next()).await.expect("a notice") {
            told.push(fault.to_string());
        }
    }
    let expected = [
        "no token: it panicked",
        "no token: it panicked",
        "no token: the answer is not a JWT",
        "no token: it is down",
    ];
    assert_eq!(told, expected);
    let (_link, connect) = hub.greet(1, 0).await;
    assert!(connect.contains(r#""token":"e30.e30.secret""#));
    soon(client.connected()).await.expect("connected");
}

#[tokio::test]
async fn volatile_messages_and_notices_come_on_their_feeds() {
    let hub = Hub::new().await;
    let client = hub.client().connect().await.expect("built");
    let (mut volatile, mut notices) = (client.volatile(), client.notices());
    let (mut link, _) = hub.greet(1, 0).await;
    link.say(r#"{"message_type":"typing","message_id":"t","sender":"bob","receiver":"alice"}"#).await;
    link.say(r#"{"message_type":"config_update","data":{"a":1}}"#).await;
    assert_eq!(soon(volatile.next()).await.expect("typing").message_type, "typing");
    loop {
        let notice = soon(notices.next()).await.expect("a notice");
        if let Notice::Event(Event::Notice(frame)) = notice {
            let Ok(HubFrame::Notice { message_type, data, .. }) = frame.decode() else { panic!("no notice") };
            assert_eq!((message_type.as_ref(), data.as_ref()), ("config_update", r#"{"a":1}"#));
            break;
        }
    }
}

#[tokio::test]
async fn who_types_on_after_a_message_is_told_at_once() {
    let hub = Hub::new().await;
    let client = hub.client().connect().await.expect("built");
    let (mut link, _) = hub.greet(1, 0).await;
    soon(client.connected()).await.expect("connected");
    let types = async |to: &str| client.typing(to).await.expect("a conversation");
    types("user:bob").await;
    types("user:bob").await;
    types("group:team").await;
    client.send(text("a")).await.expect("taken");
    types("group:team").await;
    types("user:bob").await;
    client.send(text("b")).await.expect("taken");
    let mut frames = Vec::new();
    while !frames.last().is_some_and(|frame: &String| frame.contains(r#""message_id":"b""#)) {
        frames.push(link.next().await);
    }
    let to = |frame: &String| match (frame.contains("typing"), frame.contains("team")) {
        (true, true) => "types to team",
        (true, false) => "types to bob",
        (false, _) => "a message to bob",
    };
    let expected = ["types to bob", "types to team", "a message to bob", "types to bob", "a message to bob"];
    assert_eq!(frames.iter().map(to).collect::<Vec<_>>(), expected);
    assert!(client.typing("bob").await.is_err());
}

#[tokio::test]
async fn how_far_a_message_of_another_device_got_is_a_notice() {
    let hub = Hub::new().await;
    let client = hub.client().connect().await.expect("built");
    let mut notices = client.notices();
    let (mut link, _) = hub.greet(1, 0).await;
    link.say(r#"{"message_type":"read","receiver":"bob","message_ids":["elsewhere"]}"#).await;
    loop {
        if let Notice::Event(Event::Receipt { message_id, stage, receiver, .. }) =
            soon(notices.next()).await.expect("a notice")
        {
            assert_eq!((&*message_id, stage.as_str(), &*receiver), ("elsewhere", "read", "bob"));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_holds_back_the_hub_and_misses_nothing() {
    const COUNT: u64 = 20_000;
    let hub = Hub::new().await;
    let client = hub.client().connect().await.expect("built");
    let mut inbox = client.inbox().messages();
    let (mut link, _) = hub.greet(1, 0).await;
    let written = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let writing = tokio::spawn({
        let written = written.clone();
        async move {
            let content = "x".repeat(3000);
            for seq in 1..=COUNT {
                link.say(&format!(
                    r#"{{"message_type":"text","message_id":"i","sender":"bob","stream":"inbox","seq_no":{seq},"content":"{content}"}}"#
                ))
                .await;
                written.store(seq, Ordering::Relaxed);
            }
            link
        }
    });
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = written.load(Ordering::Relaxed);
        if now == before {
            break;
        }
        before = now;
    }
    assert!((1..COUNT - 1000).contains(&before), "{before} written while nobody reads");
    for seq in 1..=COUNT {
        let delivery = soon(inbox.next()).await.expect("an entry");
        assert_eq!(delivery.message().expect("a message").seq_no, seq);
    }
    assert_eq!(client.state(), State::Connected);
    drop(soon(writing).await.expect("written"));
}
