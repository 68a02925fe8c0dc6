//! Every kind of send, one after the other, between two clients in this program, and what comes of each. Never needs
//! anything but a hub without authentication.
//!
//! ```text
//! cargo run --release                          # a hub on port 8080
//! cargo run --release -p message-send
//! ```

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use futures_util::StreamExt as _;
use tokio::time::{sleep, timeout};
use wsc_client::{Builder, Client, Delivery, History, Message, Receipt, StreamName};

/// Every kind of send.
#[derive(Parser)]
struct Arguments {
    /// The hub.
    #[arg(long, default_value = "ws://127.0.0.1:8080")]
    hub: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { hub } = Arguments::parse();
    let as_user = |user: &str, device: &str| -> Builder {
        Client::builder(hub.clone()).user(user).device(device).groups_to_join(["team"]).start_at_head()
    };
    let bob = as_user("bob", "phone").build().await?;
    for stream in [StreamName::Inbox, StreamName::Broadcast, StreamName::group("team")] {
        tokio::spawn(print(bob.clone(), stream));
    }
    tokio::spawn(print_volatile(bob.clone()));
    bob.connect().await;
    bob.connected().await?;
    let alice = as_user("alice", "laptop").connect().await?;
    alice.connected().await?;

    // To a user, on all devices. The receipt tells how far it got.
    let hello = send(&alice, "user", Message::to_user("bob", "hello")).await?;

    // To one device of a user.
    let to_phone = Message { receiver_client: "phone".into(), ..Message::to_user("bob", "only your phone") };
    send(&alice, "device", to_phone).await?;

    // To a group that alice is in, and to everybody.
    send(&alice, "group", Message::to_group("team", "hello team")).await?;
    send(&alice, "broadcast", Message::to_everybody("hello everybody")).await?;

    // Volatile: handed on now or never, stored nowhere.
    send(&alice, "volatile", Message { volatile: true, ..Message::to_user("bob", "a cursor moved") }).await?;
    alice.typing("user:bob").await?;
    println!("{:<12} is only told to whoever is there", "typing");

    // A message whose life ends: who comes later is told of a gap.
    let brief = Message { expires_in_ms: Some(5000), ..Message::to_user("bob", "the code is 4711") };
    send(&alice, "expiring", brief).await?;

    // Stored for history, handed to no device.
    let note = Message { skip_send_to_client: true, ..Message::to_user("bob", "for the record") };
    send(&alice, "store-only", note).await?;
    let page = bob.inbox().history(History::newest().limit(1)).await?;
    let found = page.messages.first().map_or("nothing", |message| message.content.as_ref());
    println!("{:<12} history ends with \"{found}\"", "");

    // Raw bytes, with a JSON object beside them.
    let picture = Message {
        message_type: "image".into(),
        payload: Some(vec![0x89, b'P', b'N', b'G'].into()),
        data: r#"{"name":"cat.png"}"#.into(),
        ..Message::to_user("bob", "")
    };
    send(&alice, "binary", picture).await?;

    // With receipts: delivered when a device of bob acknowledged it, read when bob's read mark passes it.
    let asked = Message { require_ack: true, ..Message::to_user("bob", "did you see this?") };
    let receipt = send(&alice, "receipts", asked).await?;
    timeout(Duration::from_secs(10), receipt.delivered()).await??;
    println!("{:<12} delivered", "");
    let last = bob.inbox().history(History::newest().limit(1)).await?.head;
    bob.mark_read("user:alice", last).await?;
    timeout(Duration::from_secs(10), receipt.read()).await??;
    println!("{:<12} read", "");

    // A reply, an edit and a recall are messages that name their subject.
    let about = |message_type: &'static str, content: &'static str| Message {
        message_type: message_type.into(),
        reply_to_msg_id: hello.message_id().to_owned().into(),
        ..Message::to_user("bob", content)
    };
    send(&alice, "reply", about("text", "as I said")).await?;
    send(&alice, "edit", about("edit", "hello, dear bob")).await?;
    send(&alice, "recall", about("recall", "")).await?;

    // The same id again takes effect once: the first answer comes again.
    let again =
        Message { message_id: hello.message_id().to_owned().into(), ..Message::to_user("bob", "hello") };
    let twice = alice.send(again).await?.accepted().await?;
    println!("{:<12} stored at {} already: {}", "again", twice.position, twice.duplicate);

    // Bob's side has a moment to print.
    sleep(Duration::from_millis(300)).await;
    alice.close().await;
    bob.close().await;
    Ok(())
}

/// Sends, and prints where the message was stored.
async fn send(client: &Client, kind: &str, message: Message<'static>) -> Result<Receipt> {
    let receipt = client.send(message).await?;
    let accepted = timeout(Duration::from_secs(10), receipt.accepted()).await??;
    match accepted.stream {
        Some(stream) => println!("{kind:<12} stored in {stream} at {}", accepted.position),
        None => println!("{kind:<12} handed on, stored nowhere"),
    }
    Ok(receipt)
}

/// Prints what bob gets of a stream.
async fn print(client: Client, stream: StreamName<'static>) {
    let mut messages = client.stream(stream.clone()).messages();
    while let Some(delivery) = messages.next().await {
        match delivery {
            Delivery::Message(message) => {
                let bytes = message.payload.as_ref().map_or(0, |payload| payload.len());
                let (sender, kind, content) = (&message.sender, &message.message_type, &message.content);
                println!("             → bob, {stream}: {kind} of {sender} \"{content}\" {bytes} bytes");
            }
            Delivery::Gap(gap) => {
                println!("             → bob, {stream}: {} to {} are gone", gap.from, gap.to);
            }
        }
    }
}

/// Prints what bob gets without a position.
async fn print_volatile(client: Client) {
    let mut volatile = client.volatile();
    while let Some(message) = volatile.next().await {
        println!(
            "             → bob, volatile: {} of {} \"{}\"",
            message.message_type, message.sender, message.content
        );
    }
}
