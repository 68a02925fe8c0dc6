//! The Rust client and the hub in one process, with a wire between them that is cut.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;
use wsc_client::{Builder, Client, Delivery, History, Message, StreamName};
use wsc_server::{Hub, MemoryStore, Settings};

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("in time")
}

async fn hub() -> SocketAddr {
    let mut settings = Settings::default();
    settings.shards = 2;
    settings.presence.offline_after = Duration::from_millis(300);
    let hub = Hub::builder(MemoryStore::new(settings.retention)).settings(settings).start().expect("a hub");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(wsc_server::http::serve(listener, hub));
    address
}

/// A wire to the hub; everything on it is cut when the bell rings.
async fn wire(hub: SocketAddr) -> (SocketAddr, Arc<Notify>) {
    let bell = Arc::new(Notify::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let rings = Arc::clone(&bell);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let bell = Arc::clone(&rings);
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(hub).await else { return };
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    () = bell.notified() => {}
                }
            });
        }
    });
    (address, bell)
}

fn client(address: SocketAddr, user: &str) -> Builder {
    Client::builder(format!("ws://{address}")).user(user).device(format!("{user}-1")).groups_to_join(["team"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_once_and_in_order_over_a_wire_that_is_cut() {
    const COUNT: usize = 3000;
    let hub = hub().await;
    let (address, bell) = wire(hub).await;
    let folder = tempfile::tempdir().expect("a folder");
    let alice = client(address, "alice").outbox(folder.path().join("alice")).connect().await.expect("built");
    let bob = client(address, "bob").auto_acknowledge(false).build().await.expect("built");
    let (mut inbox, mut team) = (bob.inbox().messages(), bob.group("team").messages());
    bob.connect().await;
    soon(bob.connected()).await.expect("connected");
    soon(alice.connected()).await.expect("connected");
    let cutting = tokio::spawn(async move {
        // Waits grow with each cut, until a connection lasts: not too many.
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            bell.notify_waiters();
        }
    });
    let sending = tokio::spawn({
        let alice = alice.clone();
        async move {
            for number in 0..COUNT {
                let text = number.to_string();
                let message = if number % 3 == 0 {
                    Message::to_group("team", text)
                } else {
                    Message::to_user("bob", text)
                };
                alice.send(message).await.expect("taken");
            }
        }
    });
    let mut received: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for _ in 0..COUNT {
        let (from, delivery) = soon(async {
            tokio::select! {
                delivery = inbox.next() => ("inbox", delivery),
                delivery = team.next() => ("team", delivery),
            }
        })
        .await;
        let delivery = delivery.expect("a delivery");
        let Delivery::Message(message) = &delivery else { panic!("{delivery:?}") };
        received.entry(from).or_default().push(message.content.parse().expect("a number"));
        delivery.acknowledge();
    }
    soon(sending).await.expect("sent");
    cutting.abort();
    assert_eq!(received["team"], (0..COUNT).step_by(3).collect::<Vec<_>>());
    assert_eq!(received["inbox"], (0..COUNT).filter(|number| number % 3 != 0).collect::<Vec<_>>());
    let mut syncs = alice.syncs();
    soon(syncs.wait_for(|sync| sync.saved == 0)).await.expect("settled");
    soon(alice.close()).await;
    soon(bob.close()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_history_marks_members_and_presence_work_together() {
    let hub = hub().await;
    let alice = client(hub, "alice").connect().await.expect("built");
    soon(alice.connected()).await.expect("connected");
    let mut presence = alice.presence(["bob"]).await;
    assert!(!soon(presence.next()).await.expect("bob").is_online());
    let bob = client(hub, "bob").connect().await.expect("built");
    let mut inbox = bob.inbox().messages();
    soon(bob.connected()).await.expect("connected");
    assert!(soon(presence.next()).await.expect("bob").is_online());

    let asked = Message { require_ack: true, ..Message::to_user("bob", "hello") };
    let receipt = alice.send(asked).await.expect("taken");
    let stored = soon(receipt.accepted()).await.expect("accepted");
    assert_eq!((stored.stream, stored.position, stored.duplicate), (Some(StreamName::Inbox), 1, false));
    let delivery = soon(inbox.next()).await.expect("a delivery");
    let message = delivery.message().expect("a message");
    assert_eq!((message.sender.as_ref(), message.content.as_ref()), ("alice", "hello"));
    soon(receipt.delivered()).await.expect("delivered");
    let unread = soon(bob.conversations(10, "")).await.expect("conversations");
    assert_eq!(unread.conversations[0].unread, 1);
    bob.mark_read("user:alice", message.seq_no).await.expect("a conversation");
    soon(receipt.read()).await.expect("read");

    let page = soon(alice.history("user:bob", History::newest().limit(10))).await.expect("a page");
    assert_eq!((page.messages.len(), page.head, page.messages[0].content.as_ref()), (1, 1, "hello"));
    let members = soon(bob.group("team").members(10, "")).await.expect("members");
    assert_eq!(members.users, ["alice", "bob"]);
    soon(bob.group("team").leave()).await.expect("left");
    let fresh = bob.group("fresh");
    let mut entries = fresh.messages();
    soon(fresh.join()).await.expect("joined");
    soon(alice.group("fresh").join()).await.expect("joined");
    let said = soon(alice.group("fresh").send("news")).await.expect("taken");
    soon(said.accepted()).await.expect("accepted");
    let news = soon(entries.next()).await.expect("a delivery");
    assert_eq!(news.message().map(|message| message.content.as_ref()), Some("news"));
    let mut volatile = bob.volatile();
    alice.typing("user:bob").await.expect("a conversation");
    assert_eq!(soon(volatile.next()).await.expect("typing").message_type, "typing");
    soon(bob.close()).await;
    assert!(!soon(presence.next()).await.expect("bob").is_online());
}
