//! The client for other languages: commands in, reports out, many at a time, both flat. The bridges to Node and the JVM use
//! it, and it changes with them; Rust programs use [`Client`](crate::Client).
//!
//! Reports come in the order things happened. What the application was given counts against a limit until it is
//! acknowledged, so that a slow one holds back the hub and not the memory, however eagerly reports are fetched.
//!
//! ```no_run
//! use wsc_client::Client;
//! use wsc_client::session::{Command, Kind};
//!
//! # async fn example() -> Result<(), wsc_client::BuildError> {
//! let (session, snapshot) = Client::builder("ws://127.0.0.1:8080").user("alice").session().await?;
//! println!("device {}", snapshot.device);
//! session.submit([Command::Connect, Command::Read { streams: vec!["*".to_owned()] }]);
//! loop {
//!     let reports = session.next(256).await;
//!     if reports.is_empty() {
//!         break;
//!     }
//!     for report in reports.iter().filter(|report| report.kind == Kind::Message) {
//!         println!("{} in {}", report.texts[2], report.texts[0]);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod execute;
mod frontend;
mod machine;
mod report;
mod report_queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use wsc_core::client::{self as core, TokenError};

use crate::driver::{self, Parts};
pub(crate) use execute::{Executed, execute};
use frontend::SessionFrontend;
#[doc(hidden)]
pub use machine::Machine;
pub use report::Report;
use report_queue::ReportQueue;
pub use wsc_core::client::bridge::Kind;
pub use wsc_core::client::{Config, Storage};

/// Bytes of sends that may wait for the driver.
const WAITING: usize = 16 * 1024 * 1024;

/// What the application asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Connects, and keeps connected; while waiting, tries at once.
    Connect,
    /// The platform says that the network is back (or gone).
    Network {
        /// Whether it is there.
        online: bool,
    },
    /// Takes a message. Answered by [`Kind::Saved`] once it is kept, or [`Kind::Rejected`].
    Send {
        /// The `message_id` that stands in the object.
        message_id: String,
        /// The message as JSON.
        object: String,
        /// The bytes beside it.
        payload: Option<Vec<u8>>,
    },
    /// Takes back the unsettled message of this id, if it never went out. [`Kind::Settled`] tells what became of it.
    Cancel {
        /// Its `message_id`.
        message_id: String,
    },
    /// Asks the hub: the frame of a request without `message_id`. Answered by [`Kind::Answer`] (after its
    /// [`Kind::Fetched`]) or [`Kind::RequestFailed`].
    Request {
        /// What the answer is called by; the caller's own numbering.
        ticket: u64,
        /// The frame as JSON.
        object: String,
    },
    /// Everything of a conversation up to here was read.
    MarkRead {
        /// The stream.
        stream: String,
        /// Whose messages; empty for a group.
        peer: String,
        /// The position.
        position: u64,
    },
    /// The application has everything of a stream up to here.
    Acknowledge {
        /// The stream.
        stream: String,
        /// Its numbering, as the entry had it.
        generation: u32,
        /// The position.
        position: u64,
    },
    /// The streams that somebody reads, in place of those said before; `*`: all. Entries of others wait 20 s for a
    /// reader, then count as handed over, and [`Kind::Unread`] names them.
    Read {
        /// Their names.
        streams: Vec<String>,
    },
    /// The token that [`Kind::FetchToken`] asked for.
    Token {
        /// It, or why there is none.
        token: Result<String, TokenError>,
    },
    /// Closes: waits up to 5 s until what is under way is settled, then says goodbye. [`Kind::Ended`] is the last report.
    ///
    /// First comes the acknowledgement of what the application has, and nothing more is given to it: what is not
    /// acknowledged by now comes again with the next connection of the device.
    Close,
}

/// How things stood when a session was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// This installation's id; empty for an ephemeral device.
    pub device: String,
    /// Per stream, the last position handed over.
    pub cursors: Vec<(String, u64)>,
    /// Messages that an earlier process left, as JSON, in order, without the bytes beside them.
    pub pending: Vec<String>,
}

impl Snapshot {
    pub(crate) fn of(machine: &core::Client) -> Self {
        let saved = machine.snapshot();
        let object = |send: &core::SavedSend| send.frame.parts().map(|(object, _)| object.to_owned()).ok();
        Self {
            device: saved.device_id,
            cursors: saved.cursors.into_iter().map(|at| (at.stream.as_str().to_owned(), at.seq)).collect(),
            pending: saved.sends.iter().filter_map(object).collect(),
        }
    }
}

/// One device's connection. Clones are the same; it closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Session {
    commands: mpsc::UnboundedSender<Command>,
    reports: Arc<ReportQueue>,
    /// Bytes of sends that the driver has not seen yet.
    waiting: Arc<AtomicUsize>,
}

impl Session {
    /// Starts the driver.
    pub(crate) fn start(parts: Parts) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let reports = Arc::new(ReportQueue::default());
        let waiting = Arc::<AtomicUsize>::default();
        let frontend = SessionFrontend::new(Arc::clone(&reports), Arc::clone(&waiting), &parts);
        let wake = Arc::clone(&reports.wake);
        driver::start(parts, frontend, received, wake);
        Self { commands, reports, waiting }
    }

    /// Takes commands; never waits. More sends than can be kept are answered with [`Kind::Rejected`].
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// # let address = hub::start().await?;
    /// use wsc_client::session::{Command, Kind};
    /// let (session, _) = wsc_client::Client::builder(address).user("alice").session().await?;
    /// session.submit([Command::Connect, Command::Close]);
    /// while session.next(16).await.iter().all(|report| report.kind != Kind::Ended) {}
    /// # Ok(()) });
    /// ```
    pub fn submit(&self, commands: impl IntoIterator<Item = Command>) {
        for command in commands {
            let size = command.size();
            if size > 0 && self.waiting.fetch_add(size, Ordering::Relaxed) > WAITING {
                self.waiting.fetch_sub(size, Ordering::Relaxed);
                self.reports.refuse(command, &core::SendError::OutboxFull);
            } else if let Err(mpsc::error::SendError(command)) = self.commands.send(command) {
                self.reports.refuse(command, &core::SendError::Closed);
            }
        }
    }

    /// Up to `limit` reports, once there is one; empty after the end. For one caller at a time.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::block_on(async {
    /// # let address = hub::start().await?;
    /// use wsc_client::session::Command;
    /// let (session, _) = wsc_client::Client::builder(address).user("alice").session().await?;
    /// session.submit([Command::Close]);
    /// while !session.next(16).await.is_empty() {}
    /// # Ok(()) });
    /// ```
    pub async fn next(&self, limit: usize) -> Vec<Report> {
        self.reports.next(limit).await
    }
}

impl Command {
    /// What a send takes of the memory while it waits, in bytes; 0: it is none.
    fn size(&self) -> usize {
        match self {
            Self::Send { message_id, object, payload } => {
                size_of::<Self>() + message_id.len() + object.len() + payload.as_ref().map_or(0, Vec::len)
            }
            _ => 0,
        }
    }
}
