//! `wsc send`: one message, or one for each line of stdin, and what became of them. Keeps nothing: what was not accepted
//! when it ends was perhaps not sent.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use wsc_client::{Client, ErrorCode, Message, Receipt, ReceiptError};

use super::Outcome;
use super::link::{Link, plain};

/// Messages on their way at once, in each of two queues. The client follows the receipts of 256.
const UNDER_WAY: usize = 100;
/// How long a stage is waited for before the hub is asked.
const LOOK: Duration = Duration::from_secs(5);
/// Interval of progress lines.
const PROGRESS: Duration = Duration::from_secs(2);

/// The arguments.
#[derive(Args)]
#[command(after_help = "\
Examples:
  wsc send --user alice --to bob hello
  wsc send --user alice --to bob --wait delivered hello
  wsc send --user alice --group team 'lunch?'
  seq 1000 | wsc send --user alice --to bob -

It ends with 0 when every message got as far as --wait says, else with 1.")]
pub(super) struct Send {
    #[command(flatten)]
    link: Link,
    #[command(flatten)]
    target: Target,
    /// The content; `-`: one message for each line of stdin.
    text: String,
    /// How far to wait.
    #[arg(long, value_enum, default_value_t = Wait::Accepted)]
    wait: Wait,
    /// Type of the message.
    #[arg(long = "type", value_name = "TYPE", default_value = "text")]
    kind: String,
    /// How long to wait for the hub, and then for each stage.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = crate::config::time)]
    timeout: u64,
}

/// The target of the messages.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// For a user.
    #[arg(long, value_name = "USER")]
    to: Option<String>,
    /// For a group.
    #[arg(long)]
    group: Option<String>,
    /// For everybody.
    #[arg(long)]
    broadcast: bool,
}

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Wait {
    /// The hub stored it.
    Accepted,
    /// A device of the receiver took it.
    Delivered,
    /// The receiver read it.
    Read,
}

/// The summary of a run of messages.
#[derive(Default)]
struct Count {
    sent: Cell<u64>,
    reached: Cell<u64>,
    failed: Cell<u64>,
}

impl Count {
    fn failed(&self, error: &str) {
        eprintln!("error: {error}");
        self.failed.set(self.failed.get() + 1);
    }
}

impl Wait {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

impl Send {
    pub(super) async fn run(self) -> Outcome {
        if self.wait > Wait::Accepted && self.target.to.is_none() {
            let usage = "--wait delivered and --wait read are for messages to a user (--to)";
            eprintln!("error: {usage}");
            return Ok(ExitCode::from(2));
        }
        // It reads no group: this device wants no messages.
        let builder = self.link.builder()?.groups(Vec::<String>::new());
        let client = builder.connect().await.map_err(|error| error.to_string())?;
        let outcome = tokio::select! {
            why = self.link.follow(&client, false) => Err(why),
            outcome = self.send(&client) => outcome,
            asked = super::asked_to_end() => match asked {
                Ok(()) => Err("ended before everything was accepted".to_owned()),
                Err(error) => Err(error.to_string()),
            },
        };
        client.close().await;
        outcome
    }

    async fn send(&self, client: &Client) -> Outcome {
        let reached = tokio::time::timeout(self.patience(), client.connected()).await;
        match reached {
            Err(_) => return Err(self.link.unreachable(client)),
            // The task that follows the state prints why it is closed.
            Ok(Err(_)) => std::future::pending().await,
            Ok(Ok(())) => {}
        }
        if self.text == "-" {
            let count = self.send_lines(client).await?;
            return Ok(ExitCode::from(u8::from(count.failed.get() > 0)));
        }
        let receipt = client.send(self.message(&self.text)).await.map_err(|error| error.to_string())?;
        self.accepted(&receipt).await?;
        self.reached(client, &receipt, Instant::now(), "").await?;
        Ok(ExitCode::SUCCESS)
    }

    /// One message for each line: sending, the hub's answers and the receivers' go on at the same time.
    async fn send_lines(&self, client: &Client) -> Result<Count, String> {
        let count = Count::default();
        let (put, mut receipts) = mpsc::channel::<(u64, Receipt)>(UNDER_WAY);
        let (pass, mut accepted) = mpsc::channel::<(u64, Receipt, Instant)>(UNDER_WAY);
        // Each part owns its end of a queue, so that the next one sees when there is no more.
        let feed = async {
            let put = put;
            let mut lines = BufReader::new(tokio::io::stdin()).lines();
            while let Some(line) = lines.next_line().await.map_err(|error| format!("stdin: {error}"))? {
                let number = count.sent.get() + 1;
                let sending = client.send(self.message(&line)).await;
                let receipt = sending.map_err(|error| format!("line {number}: {error}"))?;
                count.sent.set(number);
                if put.send((number, receipt)).await.is_err() {
                    break;
                }
            }
            Ok::<(), String>(())
        };
        let accept = async {
            let pass = pass;
            while let Some((number, receipt)) = receipts.recv().await {
                match self.accepted(&receipt).await {
                    Ok(()) if pass.send((number, receipt, Instant::now())).await.is_ok() => {}
                    Ok(()) => break,
                    Err(error) => count.failed(&format!("line {number}: {error}")),
                }
            }
        };
        let follow = async {
            let mut printed = Instant::now();
            while let Some((number, receipt, since)) = accepted.recv().await {
                match self.reached(client, &receipt, since, &format!(" of line {number}")).await {
                    Ok(()) => count.reached.set(count.reached.get() + 1),
                    Err(error) => count.failed(&format!("line {number}: {error}")),
                }
                if printed.elapsed() > PROGRESS {
                    printed = Instant::now();
                    eprintln!("{} sent, {} {}", count.sent.get(), count.reached.get(), self.wait.name());
                }
            }
        };
        let (fed, (), ()) = tokio::join!(feed, accept, follow);
        if std::io::stderr().is_terminal() || count.failed.get() > 0 {
            eprintln!("{} sent, {} failed", count.sent.get(), count.failed.get());
        }
        fed.map(|()| count)
    }

    /// Waits until the hub has it, and returns the position.
    async fn accepted(&self, receipt: &Receipt) -> Result<(), String> {
        let accepted = timeout_at(Instant::now() + self.patience(), receipt.accepted()).await;
        let accepted = accepted
            .map_err(|_| {
                format!("not accepted within {:?}; give it more time with --timeout", self.patience())
            })?
            .map_err(|error| failed(&error))?;
        let place =
            accepted.stream.map(|stream| format!(" {stream} {}", accepted.position)).unwrap_or_default();
        super::say(&format!("accepted{place}"));
        Ok(())
    }

    /// Prints each later stage that is waited for, as it is reached.
    async fn reached(
        &self,
        client: &Client,
        receipt: &Receipt,
        since: Instant,
        of: &str,
    ) -> Result<(), String> {
        let late = |stage: Wait| {
            format!(
                "accepted, but not {} within {:?}; it stays in the receiver's inbox (more time: --timeout)",
                stage.name(),
                self.patience()
            )
        };
        for stage in [Wait::Delivered, Wait::Read].into_iter().filter(|stage| *stage <= self.wait) {
            let until = since + self.patience();
            // Hints may be lost: from time to time the hub is asked for the truth.
            loop {
                let look = until.min(Instant::now() + LOOK);
                let reached = match stage {
                    Wait::Read => timeout_at(look, receipt.read()).await,
                    _ => timeout_at(look, receipt.delivered()).await,
                };
                match reached {
                    Ok(reached) => break reached.map_err(|error| failed(&error))?,
                    Err(_) if self.is_reached(client, receipt, stage).await => break,
                    Err(_) if Instant::now() >= until => return Err(late(stage)),
                    Err(_) => {}
                }
            }
            super::say(&format!("{}{of}", stage.name()));
        }
        Ok(())
    }

    async fn is_reached(&self, client: &Client, receipt: &Receipt, stage: Wait) -> bool {
        let asked = client.receipts(vec![receipt.message_id().to_owned()]).await;
        let found = asked.unwrap_or_default().pop().map(|receipt| receipt.stage);
        found.is_some_and(|found| found == "read" || found == stage.name())
    }

    fn message(&self, text: &str) -> Message<'static> {
        let text = text.to_owned();
        let mut message = match (&self.target.to, &self.target.group) {
            (Some(user), _) => Message::to_user(user.clone(), text),
            (None, Some(group)) => Message::to_group(group.clone(), text),
            (None, None) => Message::to_everybody(text),
        };
        message.message_type = self.kind.clone().into();
        message.require_ack = self.wait > Wait::Accepted || message.is_volatile();
        message
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.timeout)
    }
}

/// What went wrong with a message, and what to do.
fn failed(error: &ReceiptError) -> String {
    let what = plain(&error.to_string());
    match error {
        ReceiptError::Refused { code: ErrorCode::GroupNotFound, .. } => {
            format!("{what}; join the group first: `wsc listen --group` does")
        }
        _ => what,
    }
}
