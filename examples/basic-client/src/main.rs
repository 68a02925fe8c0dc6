//! A chat in the terminal: prints what comes, sends each line of the input, and shows how far it got: ✓ stored,
//! ✓✓ delivered. Never gives up: pull the plug, type on, and what you typed is sent when the hub is back.
//!
//! ```text
//! cargo run --release                                                       # a hub on port 8080
//! cargo run --release -p basic-client -- --user alice --to bob
//! cargo run --release -p basic-client -- --user bob --to alice              # in another terminal
//! ```

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use anyhow::Result;
use clap::Parser;
use futures_util::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use wsc_client::{Client, ClosedError, Delivery, Message, Messages, Receipt, State};

/// A chat in the terminal.
#[derive(Parser)]
struct Arguments {
    /// Who to be; on a hub without authentication.
    #[arg(long)]
    user: String,
    /// To whom the lines of the input go.
    #[arg(long)]
    to: String,
    /// The hub.
    #[arg(long, default_value = "ws://127.0.0.1:8080")]
    hub: String,
    /// A file that keeps what was not sent yet, and how far was read, over restarts.
    #[arg(long)]
    outbox: Option<std::path::PathBuf>,
    /// A token, where the hub asks for one.
    #[arg(long, env = "WSC_TOKEN")]
    token: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut builder = Client::builder(arguments.hub).user(arguments.user);
    if let Some(token) = arguments.token {
        builder = builder.token(token);
    }
    builder = match arguments.outbox {
        Some(path) => builder.outbox(path),
        // Without a file this is the same device at every start, which reads on where the hub saw it last.
        None => builder.device("terminal"),
    };

    // Built first and connected then, so that no message comes before somebody reads.
    let client = builder.build().await?;
    tokio::spawn(print(client.inbox().messages()));
    tokio::spawn(print(client.broadcast().messages()));
    tokio::spawn(follow(client.clone()));
    client.connect().await;

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await?.filter(|line| line != "/quit") {
        if line.is_empty() {
            continue;
        }
        // `require_ack` asks for the second tick.
        let message = Message { require_ack: true, ..Message::to_user(arguments.to.clone(), line.clone()) };
        match client.send(message).await {
            Ok(receipt) => drop(tokio::spawn(tick(receipt, line))),
            Err(error) => println!("! {line}: {error}"),
        }
    }
    // Waits a little for what is under way.
    client.close().await;
    Ok(())
}

/// Prints a stream: each message once, in order, and what is missing, if anything ever is.
async fn print(mut messages: Messages) {
    while let Some(delivery) = messages.next().await {
        match delivery {
            Delivery::Message(message) => println!("{}: {}", message.sender, message.content),
            Delivery::Gap(gap) => println!("! {} to {} are gone: {}", gap.from, gap.to, gap.reason),
        }
    }
}

/// Prints how the connection is.
async fn follow(client: Client) {
    let mut states = client.states();
    loop {
        match &*states.borrow_and_update() {
            State::Connected => println!("· connected as {}", client.device()),
            State::Waiting { .. } => println!("· no connection, trying again"),
            State::Closed(why) => println!("· {}", ClosedError(why.clone())),
            State::Idle | State::Connecting => {}
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

/// Prints how far a message gets.
async fn tick(receipt: Receipt, line: String) {
    match receipt.accepted().await {
        Ok(_) => println!("✓ {line}"),
        Err(error) => return println!("! {line}: {error}"),
    }
    if receipt.delivered().await.is_ok() {
        println!("✓✓ {line}");
    }
}
