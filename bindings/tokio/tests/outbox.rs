//! The outbox file of a client, against a hub that a test plays over a real socket.
#![allow(missing_docs, reason = "tests")]

mod hub;

use std::time::Duration;

use futures_util::StreamExt;
use hub::{Hub, content, message_id, soon, text};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;
use wsc_client::session::{Command, Kind};
use wsc_client::{BuildError, Closed, Event, Notice, Outcome, State};

#[tokio::test]
async fn a_file_outbox_survives_the_client() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox");
    let hub = Hub::new().await;
    let client = hub.client().outbox(&path).connect().await.expect("built");
    let device = client.device().to_owned();
    assert_eq!(device.len(), 32);
    let mut inbox = client.inbox().messages();
    let (mut link, connect) = hub.greet(1, 1).await;
    assert!(connect.contains(&device));
    link.entry(1).await;
    soon(inbox.next()).await.expect("an entry");
    assert!(link.next().await.contains(r#""seq_no":1"#));
    client.send(text("a")).await.expect("saved");
    client.send(text("b")).await.expect("saved");
    let frame = link.next().await;
    assert_eq!(message_id(&frame), "a");
    link.accept(&frame, 2).await;
    assert_eq!(message_id(&link.next().await), "b");
    let locked = hub.client().outbox(&path).build().await;
    assert!(matches!(locked, Err(BuildError::Locked)));
    let nowhere = folder.path().join("missing/alice.outbox");
    let nowhere = hub.client().outbox(nowhere).build().await.expect_err("no folder");
    assert_eq!(nowhere.to_string(), "outbox: the folder does not exist: make it first");
    let mut syncs = client.syncs();
    soon(syncs.wait_for(|sync| sync.saved == 1)).await.expect("one settled");
    drop(link);
    soon(client.close()).await;
    assert_eq!(client.state(), State::Closed(Closed::Application));
    assert!(soon(inbox.next()).await.is_none());

    let other = hub.client().outbox(&path).device("another").build().await;
    assert!(matches!(other, Err(BuildError::OtherDevice(known)) if known == device));
    let client = hub.client().outbox(&path).connect().await.expect("built");
    assert_eq!(client.device(), device);
    let (mut link, connect) = hub.greet(2, 3).await;
    assert!(connect.contains(r#""inbox":{"epoch":"e1","seq":1}"#), "{connect}");
    let again = link.next().await;
    assert_eq!(message_id(&again), "b");
    link.accept(&again, 3).await;
    let mut syncs = client.syncs();
    soon(syncs.wait_for(|sync| sync.saved == 0)).await.expect("settled");
}

#[tokio::test]
async fn a_damaged_outbox_is_told_and_kept_and_what_is_whole_in_it_goes_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, kept) = (folder.path().join("outbox"), folder.path().join("outbox.damaged"));
    let hub = Hub::new().await;
    let damage = async || {
        let client = hub.client().outbox(&path).build().await.expect("built");
        for id in ["m1", "m2", "m3"] {
            soon(client.send(text(id))).await.expect("saved");
        }
        soon(client.close()).await;
        drop(client);
        let mut bytes = std::fs::read(&path).expect("read");
        let at = bytes.windows(2).rposition(|two| two == b"m2").expect("there");
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).expect("written");
        bytes
    };
    let bytes = damage().await;
    let client = hub.client().outbox(&path).connect().await.expect("built");
    let Some(Notice::OutboxDamaged { kept: told }) = soon(client.notices().next()).await else { panic!() };
    assert_eq!((&told, std::fs::read(&told).expect("kept")), (&kept, bytes));
    let (mut link, _) = hub.greet(1, 0).await;
    for id in ["m1", "m3"] {
        let frame = link.next().await;
        assert_eq!(message_id(&frame), id);
        link.accept(&frame, 7).await;
    }
    let mut syncs = client.syncs();
    soon(syncs.wait_for(|sync| sync.saved == 0)).await.expect("settled");
    soon(client.close()).await;
    drop((client, link));
    // A session tells it as a fault, once the application does something.
    damage().await;
    let (session, _) = hub.client().outbox(&path).session().await.expect("built");
    session.submit([Command::Read { streams: Vec::new() }, Command::Connect]);
    let mut first = soon(session.next(1)).await;
    if first[0].kind == Kind::Sync {
        first = soon(session.next(1)).await;
    }
    assert_eq!((first[0].kind, first[0].numbers[0]), (Kind::Fault, 3));
    assert!(
        first[0].texts[0].contains("damaged") && first[0].texts[2].ends_with("outbox.damaged.2"),
        "{first:?}"
    );
}

#[tokio::test]
async fn what_was_read_offline_is_told_by_a_later_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox");
    let hub = Hub::new().await;
    let client = hub.client().outbox(&path).build().await.expect("built");
    client.mark_read("user:bob", 5).await.expect("a conversation");
    soon(client.close()).await;
    let _client = hub.client().outbox(&path).connect().await.expect("built");
    let (mut link, _) = hub.greet(1, 6).await;
    let frame = link.next().await;
    assert!(frame.contains(r#""message_type":"read""#) && frame.contains(r#""seq_no":5"#), "{frame}");
}

#[tokio::test]
async fn an_outbox_file_stays_small_for_who_sends_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox");
    let hub = Hub::new().await;
    let client = hub.client().outbox(&path).build().await.expect("built");
    for seq in 1..=20_000 {
        client.mark_read("user:bob", seq).await.expect("a conversation");
    }
    soon(client.close()).await;
    let size = std::fs::metadata(&path).expect("there").len();
    assert!(size < 300_000, "{size} bytes");
}

#[tokio::test]
async fn what_was_not_taken_before_the_end_comes_after_it_and_only_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox");
    let hub = Hub::new().await;
    let client = hub.client().outbox(&path).connect().await.expect("built");
    let mut inbox = client.inbox().messages();
    let (mut link, _) = hub.greet(1, 3).await;
    for seq in 1..=3 {
        link.entry(seq).await;
    }
    assert_eq!(content(soon(inbox.next()).await), "c1");
    let mut syncs = client.syncs();
    soon(syncs.wait_for(|sync| sync.caught_up)).await.expect("read");
    let closing = tokio::spawn({
        let client = client.clone();
        async move { client.close().await }
    });
    while !matches!(soon(link.socket.next()).await, None | Some(Ok(Frame::Close(_)))) {}
    assert!(soon(inbox.next()).await.is_none());
    soon(closing).await.expect("closed");

    let client = hub.client().outbox(&path).connect().await.expect("built");
    let (_link, connect) = hub.greet(2, 3).await;
    assert!(connect.contains(r#""inbox":{"epoch":"e1","seq":1}"#), "{connect}");
    drop(client);
}

#[tokio::test]
async fn how_a_send_of_an_earlier_process_ended_is_a_notice() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox");
    let hub = Hub::new().await;
    let client = hub.client().outbox(&path).build().await.expect("built");
    soon(client.send(text("m1"))).await.expect("taken");
    soon(client.close()).await;
    drop(client);

    let client = hub.client().outbox(&path).build().await.expect("built");
    let mut notices = client.notices();
    client.connect().await;
    let (mut link, _) = hub.greet(1, 0).await;
    let frame = link.next().await;
    link.accept(&frame, 7).await;
    loop {
        let notice = soon(notices.next()).await.expect("a notice");
        if let Notice::Event(Event::Settled { message_id, outcome, .. }) = notice {
            assert!(
                message_id == "m1" && matches!(outcome, Outcome::Accepted { position: 7, .. }),
                "{outcome:?}"
            );
            break;
        }
    }
}

#[tokio::test]
async fn an_outbox_of_another_user_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox");
    let hub = Hub::new().await;
    let alice = hub.client().outbox(&path).build().await.expect("built");
    soon(alice.send(text("a"))).await.expect("taken");
    soon(alice.close()).await;
    drop(alice);
    let before = std::fs::read(&path).expect("the file");
    // {"uid":"mallory"} and {"uid":"alice","aid":"shop"}
    let [mallory, of_shop] = ["eyJ1aWQiOiJtYWxsb3J5In0", "eyJ1aWQiOiJhbGljZSIsImFpZCI6InNob3AifQ"];
    for (builder, who) in [
        (hub.client().user("mallory"), "user mallory"),
        (hub.client().app("shop"), "user alice (application shop)"),
        (hub.client().token(format!("e30.{mallory}.c2ln")), "user mallory"),
        (hub.client().token(format!("e30.{of_shop}.c2ln")), "user alice (application shop)"),
    ] {
        let error = builder.outbox(&path).build().await.expect_err("it is alice's").to_string();
        assert_eq!(
            error,
            format!("the outbox belongs to user alice, not to {who}: give each user a file of their own")
        );
    }
    assert_eq!(std::fs::read(&path).expect("the file"), before);
    // Who it is can be known later only: then nothing goes out.
    let provider = move || async move { Ok(format!("e30.{mallory}.c2ln")) };
    let builder =
        wsc_client::Client::builder(format!("ws://{}", hub.listener.local_addr().expect("an address")));
    let client = builder.token_provider(provider).outbox(&path).build().await.expect("built");
    let mut notices = client.notices();
    client.connect().await;
    for _ in 0..2 {
        let Some(Notice::Event(Event::Fault(fault))) = soon(notices.next()).await else { panic!("no fault") };
        assert_eq!(fault.to_string(), "no token: the token is of user mallory, the client is of user alice");
    }
    assert!(
        timeout(Duration::from_millis(300), hub.listener.accept()).await.is_err(),
        "no connection is made"
    );
    soon(client.close()).await;
    // And the one whose it is goes on.
    let alice = hub.client().outbox(&path).connect().await.expect("built");
    let (mut link, _) = hub.greet(1, 0).await;
    assert_eq!(message_id(&link.next().await), "a");
    drop(alice);
}

#[tokio::test]
async fn a_hub_that_knows_the_client_as_another_user_gets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox");
    let hub = Hub::new().await;
    let client = hub.client().user("mallory").outbox(&path).build().await.expect("built");
    soon(client.send(text("a"))).await.expect("taken");
    let mut notices = client.notices();
    client.connect().await;
    // It says that this is alice.
    let (mut link, _) = hub.greet(1, 0).await;
    let Some(Ok(Frame::Close(_))) = soon(link.socket.next()).await else { panic!("not closed") };
    let Some(Notice::Disconnected { reason, .. }) = soon(notices.next()).await else { panic!("no notice") };
    assert_eq!(reason, "another user");
    assert!(matches!(client.state(), State::Waiting { .. }));
    assert_eq!(client.sync().saved, 1, "it is kept");
}

#[tokio::test]
async fn an_outbox_is_of_the_tenant_of_its_first_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox");
    let hub = Hub::new().await;
    // {"uid":"alice","aid":"shop"} and {"uid":"alice","aid":"bank"}
    let [shop, bank] = ["eyJ1aWQiOiJhbGljZSIsImFpZCI6InNob3AifQ", "eyJ1aWQiOiJhbGljZSIsImFpZCI6ImJhbmsifQ"];
    let of = |claims: &str| {
        let token = format!("e30.{claims}.c2ln");
        let builder = hub.client().token_provider(move || std::future::ready(Ok(token.clone())));
        builder.outbox(&path).build()
    };
    // The application names the user alone; tokens say the rest.
    let client = of(shop).await.expect("built");
    client.connect().await;
    let _link = hub.greet(1, 0).await;
    soon(client.connected()).await.expect("connected");
    soon(client.close()).await;
    drop(client);
    let client = of(bank).await.expect("built");
    soon(client.send(text("a"))).await.expect("taken");
    let mut notices = client.notices();
    client.connect().await;
    let Some(Notice::Event(Event::Fault(fault))) = soon(notices.next()).await else { panic!("no fault") };
    let why = "the token is of user alice (application bank), the client is of user alice (application shop)";
    assert_eq!(fault.to_string(), format!("no token: {why}"));
    assert_eq!(client.sync().saved, 1, "it is kept");
}

#[tokio::test]
async fn an_outbox_from_before_it_named_a_user_belongs_to_the_first_who_opens_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("outbox");
    // As a version before wrote it: the device d, and nothing else.
    let body = b"wsc\x03\x01d\x00";
    let checksum = 0xf561_2853_u32;
    let bytes = [&7_u32.to_le_bytes()[..], &checksum.to_le_bytes(), body].concat();
    std::fs::write(&path, bytes).expect("written");
    let hub = Hub::new().await;
    let alice = hub.client().outbox(&path).build().await.expect("built");
    assert_eq!(alice.device(), "d");
    soon(alice.close()).await;
    drop(alice);
    let mallory = hub.client().user("mallory").outbox(&path).build().await;
    assert!(matches!(mallory, Err(BuildError::OtherUser { .. })), "{mallory:?}");
}
