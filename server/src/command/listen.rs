//! `wsc listen`: a user's messages as they come. What was printed is acknowledged, and nothing before.

use std::collections::HashSet;
use std::process::ExitCode;

use clap::Args;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use wsc_client::{Client, Delivery, Event, Message, Notice, StreamName};
use wsc_core::frame::{HubFrame, Range, encode_hub};

use super::Outcome;
use super::link::{Link, plain};

/// Deliveries read ahead of printing; the rest waits at the hub.
const AHEAD: usize = 64;

/// The arguments.
#[derive(Args)]
#[command(after_help = "\
Examples:
  wsc listen --user bob                      [inbox 58] alice: hello
  wsc listen --user bob --group team         joins the group, and reads no other
  wsc listen --user bob --json | jq .content

The hub keeps the place of each --device: who listens again goes on where it stopped.")]
pub(super) struct Listen {
    #[command(flatten)]
    link: Link,
    /// Group to read, joined if need be; may be given again. Absent: all groups of the user.
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Name of this installation; one connection at a time.
    #[arg(long, default_value = "wsc-listen")]
    device: String,
    /// Each message as a line of JSON, as the hub sent it.
    #[arg(long)]
    json: bool,
}

impl Listen {
    pub(super) async fn run(self) -> Outcome {
        let mut builder = self.link.builder()?.device(&self.device).auto_acknowledge(false);
        if !self.group.is_empty() {
            builder = builder.groups(&self.group);
        }
        let client = builder.build().await.map_err(|error| error.to_string())?;
        let (sender, deliveries) = mpsc::channel(AHEAD);
        tokio::spawn(read_all(client.clone(), sender));
        client.connect().await;
        let ended = tokio::select! {
            why = self.link.follow(&client, true) => Some(why),
            why = self.join(&client) => Some(why),
            () = self.print(deliveries) => None,
            asked = super::asked_to_end() => asked.err().map(|error| error.to_string()),
        };
        client.close().await;
        ended.map_or(Ok(ExitCode::SUCCESS), Err)
    }

    /// Joins the groups; returns only when that is refused.
    async fn join(&self, client: &Client) -> String {
        if client.connected().await.is_ok() {
            for group in &self.group {
                if let Err(error) = client.group(group).join().await {
                    return format!("the group {group} cannot be read: {error}");
                }
            }
        }
        std::future::pending().await
    }

    /// Prints until nobody reads it any more.
    async fn print(&self, mut deliveries: mpsc::Receiver<Delivery>) {
        while let Some(delivery) = deliveries.recv().await {
            let line = match &delivery {
                Delivery::Message(entry) if self.json => {
                    json(&HubFrame::Message(Box::new((**entry).clone())))
                }
                Delivery::Message(entry) => line(entry),
                Delivery::Gap(gap) if self.json => json(&HubFrame::Gap {
                    range: Range { stream: gap.stream.clone(), from: gap.from, to: gap.to },
                    reason: gap.reason.as_str().into(),
                }),
                Delivery::Gap(gap) if gap.to < gap.from => {
                    format!("[{} gap] messages may be missing here ({})", gap.stream, plain(&gap.reason))
                }
                Delivery::Gap(gap) => {
                    format!("[{} {}-{}] gone ({})", gap.stream, gap.from, gap.to, plain(&gap.reason))
                }
            };
            if !super::say(&line) {
                return;
            }
            delivery.acknowledge();
        }
    }
}

/// Reads every stream the hub opens.
async fn read_all(client: Client, deliveries: mpsc::Sender<Delivery>) {
    let mut notices = client.notices();
    let mut known = HashSet::new();
    let mut start = |stream: StreamName<'static>| {
        if known.insert(stream.clone()) {
            let (mut messages, deliveries) = (client.stream(stream).messages(), deliveries.clone());
            tokio::spawn(async move {
                while let Some(delivery) = messages.next().await {
                    if deliveries.send(delivery).await.is_err() {
                        return;
                    }
                }
            });
        }
    };
    start(StreamName::Inbox);
    start(StreamName::Broadcast);
    while let Some(notice) = notices.next().await {
        match notice {
            Notice::Event(Event::StreamOpened { stream, .. }) => start(stream),
            Notice::Event(Event::StreamClosed { stream, reason }) => {
                eprintln!("{stream} is not read any more ({})", plain(&reason));
            }
            Notice::Event(Event::Notice(frame)) => {
                if let Ok(HubFrame::Notice { message_type, content, .. }) = frame.decode() {
                    eprintln!("{}", plain(format!("{message_type} {content}").trim()));
                }
            }
            _ => {}
        }
    }
}

fn line(message: &Message<'_>) -> String {
    let stream = message.stream.as_ref().map(ToString::to_string).unwrap_or_default();
    let content = match (&message.payload, message.content.as_ref(), message.data.as_ref()) {
        (Some(payload), ..) => format!("({} bytes)", payload.len()),
        (None, "", data) => data.to_owned(),
        (None, content, _) => content.to_owned(),
    };
    let kind = match message.message_type.as_ref() {
        "text" => String::new(),
        other => format!(" ({other})"),
    };
    plain(&format!("[{stream} {}] {}{kind}: {content}", message.seq_no, message.sender))
}

fn json(frame: &HubFrame<'_>) -> String {
    let mut text = String::new();
    encode_hub(frame, &mut text);
    text
}
