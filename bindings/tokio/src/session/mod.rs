//! A client for other languages: orders in, reports out, many at a time, both flat. The bridges to Node and the JVM stand on
//! it; Rust programs use [`Client`](crate::Client).
//!
//! Reports come in the order things happened. What the application was given counts against a limit until it is
//! acknowledged, so that a slow one holds back the hub and not the memory, however eagerly reports are fetched.

mod carry;
mod listener;
mod report;
mod report_queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use wsc_core::client::{self as core, TokenError};

use crate::driver::{self, Parts};
pub(crate) use carry::{Carried, carry};
use listener::Listener;
pub use report::Report;
use report_queue::ReportQueue;

/// Bytes of sends that may wait for the driver.
const WAITING: usize = 16 * 1024 * 1024;

/// What the application asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Connects, and keeps connected; while waiting, tries at once.
    Connect,
    /// The platform says that the network is back (or gone).
    Network {
        /// Whether it is there.
        online: bool,
    },
    /// Takes a message. Answered by [`Kind::Saved`](core::bridge::Kind::Saved) once it is kept, or [`Kind::Rejected`](core::bridge::Kind::Rejected).
    Send {
        /// The `message_id` that stands in the object.
        message_id: String,
        /// The message as JSON.
        object: String,
        /// The bytes beside it.
        payload: Option<Vec<u8>>,
    },
    /// Takes back the unsettled message of this id, if it never went out. [`Kind::Settled`](core::bridge::Kind::Settled) tells what became of it.
    Cancel {
        /// Its `message_id`.
        message_id: String,
    },
    /// Asks the hub: the frame of a request without `message_id`. Answered by [`Kind::Answer`](core::bridge::Kind::Answer) (after its
    /// [`Kind::Fetched`](core::bridge::Kind::Fetched)) or [`Kind::RequestFailed`](core::bridge::Kind::RequestFailed).
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
        seq: u64,
    },
    /// The application has everything of a stream up to here.
    Acknowledge {
        /// The stream.
        stream: String,
        /// Its numbering, as the entry had it.
        generation: u32,
        /// The position.
        seq: u64,
    },
    /// The streams that somebody reads, in place of those said before; `*`: all. Entries of others wait 20 s for a
    /// reader, then count as handed over, and [`Kind::Unread`](core::bridge::Kind::Unread) names them.
    Read {
        /// Their names.
        streams: Vec<String>,
    },
    /// The token that [`Kind::FetchToken`](core::bridge::Kind::FetchToken) asked for.
    Token {
        /// It, or why there is none.
        token: Result<String, TokenError>,
    },
    /// Closes: waits up to 5 s until what is under way is settled, then says goodbye. [`Kind::Ended`](core::bridge::Kind::Ended) is the last report.
    ///
    /// First comes the acknowledgement of what the application has, and nothing more is given to it: what is not
    /// acknowledged by now comes again with the next connection of the device.
    Close,
}

/// How things stood when a session was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// This installation's id; empty for a passing device.
    pub device: String,
    /// Per stream, the last position handed over.
    pub places: Vec<(String, u64)>,
    /// Messages that an earlier process left, as JSON, in order, without the bytes beside them.
    pub pending: Vec<String>,
}

impl Standing {
    pub(crate) fn of(machine: &core::Client) -> Self {
        let saved = machine.snapshot();
        let object = |send: &core::SavedSend| send.frame.parts().map(|(object, _)| object.to_owned()).ok();
        Self {
            device: saved.device_id,
            places: saved.cursors.into_iter().map(|at| (at.stream.as_str().to_owned(), at.seq)).collect(),
            pending: saved.sends.iter().filter_map(object).collect(),
        }
    }
}

/// One device's connection. Clones are the same; it closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Session {
    orders: mpsc::UnboundedSender<Order>,
    reports: Arc<ReportQueue>,
    /// Bytes of sends that the driver has not seen yet.
    waiting: Arc<AtomicUsize>,
}

impl Session {
    /// Starts the driver.
    pub(crate) fn start(parts: Parts) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let reports = Arc::new(ReportQueue::default());
        let waiting = Arc::<AtomicUsize>::default();
        if let Some(kept) = &parts.damaged {
            reports.put(Report::damaged(kept));
        }
        let listener = Listener::new(Arc::clone(&reports), Arc::clone(&waiting), parts.storage.is_some());
        let wake = Arc::clone(&reports.wake);
        driver::start(parts, listener, received, wake);
        Self { orders, reports, waiting }
    }

    /// Takes orders; never waits. More sends than can be kept are answered with [`Kind::Rejected`](crate::Kind).
    pub fn submit(&self, orders: impl IntoIterator<Item = Order>) {
        for order in orders {
            let size = order.size();
            if size > 0 && self.waiting.fetch_add(size, Ordering::Relaxed) > WAITING {
                self.waiting.fetch_sub(size, Ordering::Relaxed);
                self.reports.refuse(order, &core::SendError::OutboxFull);
            } else if let Err(mpsc::error::SendError(order)) = self.orders.send(order) {
                self.reports.refuse(order, &core::SendError::Closed);
            }
        }
    }

    /// Up to `limit` reports, once there is one; empty after the end. For one caller at a time.
    pub async fn next(&self, limit: usize) -> Vec<Report> {
        self.reports.next(limit).await
    }
}

impl Order {
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
