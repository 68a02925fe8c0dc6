//! The frontend of a session: its commands to the machine, events to its reports.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use wsc_core::client::bridge::{Kind, Rejection};
use wsc_core::client::{self as core, Event, Generation, RequestId, SendId, Sync};
use wsc_core::{CloseCode, StreamName, Timestamp};

use super::report_queue::ReportQueue;
use super::{Command, Executed, Report, execute};
use crate::builder::TokenFuture;
use crate::driver::{Frontend, Parts};

pub(super) struct SessionFrontend {
    reports: Arc<ReportQueue>,
    waiting: Arc<AtomicUsize>,
    durable: bool,
    /// The outbox was damaged, which is not told yet.
    damaged: Option<PathBuf>,
    /// Why nothing can be saved any more.
    failed: Option<String>,
    /// Sends that are not on the disk yet.
    unsaved: VecDeque<(SendId, String)>,
    /// Sends that were taken back because they could not be saved: they never were any.
    void: HashSet<SendId>,
    tickets: HashMap<RequestId, u64>,
    swept: Vec<(StreamName<'static>, Generation, u64)>,
    sync: Option<Sync>,
}

impl SessionFrontend {
    pub(super) fn new(reports: Arc<ReportQueue>, waiting: Arc<AtomicUsize>, parts: &Parts) -> Self {
        Self {
            reports,
            waiting,
            durable: parts.storage.is_some(),
            damaged: parts.damaged.clone(),
            failed: None,
            unsaved: VecDeque::new(),
            void: HashSet::new(),
            tickets: HashMap::new(),
            swept: Vec::new(),
            sync: None,
        }
    }

    fn take(&mut self, machine: &core::Client, send: SendId, message_id: String) {
        // Volatile ones are never stored.
        if self.durable && machine.message_id(send).is_some() {
            self.unsaved.push_back((send, message_id));
        } else {
            self.reports.put(Report::new(Kind::Saved, [send.0], &message_id, ""));
        }
    }

    fn not_saved(&self, message_id: &str, why: &str) {
        self.reports.put(Report::new(Kind::Rejected, [Rejection::Storage as u64], message_id, why));
    }
}

impl Frontend for SessionFrontend {
    type Commands = mpsc::UnboundedReceiver<Command>;

    fn execute(&mut self, machine: &mut core::Client, now: Timestamp, command: Command) -> bool {
        let size = command.size();
        if size > 0 {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
        }
        // Only now does the application listen: it says what it reads while its session is made.
        if !matches!(command, Command::Read { .. })
            && let Some(kept) = self.damaged.take()
        {
            self.reports.put(Report::damaged(&kept));
        }
        if let (Command::Send { message_id, .. }, Some(why)) = (&command, &self.failed) {
            self.not_saved(message_id, why);
            return false;
        }
        match execute(machine, now, command) {
            Executed::Done => {}
            Executed::Send { message_id, taken: Ok(send) } => self.take(machine, send, message_id),
            Executed::Send { message_id, taken: Err(error) } => {
                self.reports.put(Report::not_taken(&message_id, &error));
            }
            Executed::Asked { ticket, request } => drop(self.tickets.insert(request, ticket)),
            Executed::Handed { stream, generation, position } => {
                self.reports.credit(&stream, generation, position);
            }
            Executed::Reads(streams) => self.reports.read(streams),
            Executed::Close => {
                // What was not fetched by now nobody will acknowledge.
                self.reports.finish();
                return true;
            }
        }
        false
    }

    fn on_event(&mut self, machine: &mut core::Client, _: Timestamp, event: Event) {
        let mut report = Report::of(event, machine);
        let number = report.numbers[0];
        match report.kind {
            Kind::Settled if self.void.remove(&SendId(number)) => return,
            Kind::Fetched => match self.tickets.get(&RequestId(number)) {
                Some(ticket) => report.numbers[0] = *ticket,
                None => return,
            },
            Kind::Answer | Kind::RequestFailed => match self.tickets.remove(&RequestId(number)) {
                Some(ticket) => report.numbers[0] = ticket,
                None => return,
            },
            _ => {}
        }
        self.reports.put(report);
    }

    fn on_sync(&mut self, sync: Sync) {
        if self.sync.replace(sync) != Some(sync) {
            self.reports.put_sync(sync);
        }
    }

    fn token(&mut self) -> Option<TokenFuture> {
        self.reports.put(Report::new(Kind::FetchToken, [], "", ""));
        None
    }

    fn stored(&mut self, up_to: SendId) {
        while let Some((send, message_id)) = self.unsaved.pop_front_if(|(send, _)| *send <= up_to) {
            self.reports.put(Report::new(Kind::Saved, [send.0], &message_id, ""));
        }
    }

    fn unsaved(&mut self, machine: &mut core::Client, now: Timestamp, why: io::Error) {
        let why = why.to_string();
        for (send, message_id) in std::mem::take(&mut self.unsaved) {
            if machine.cancel(now, send) {
                self.void.insert(send);
            }
            self.not_saved(&message_id, &why);
        }
        self.failed = Some(why);
    }

    fn on_socket_lost(&mut self, connected: bool, code: Option<CloseCode>, reason: &str) {
        let code = code.map_or(0, CloseCode::number);
        self.reports.put(Report::new(Kind::SocketClosed, [connected.into(), code.into()], reason, ""));
    }

    fn is_full(&self) -> bool {
        self.reports.is_full()
    }

    fn take_acknowledged(&mut self) -> Vec<(StreamName<'static>, Generation, u64)> {
        std::mem::take(&mut self.swept)
    }

    fn sweep(&mut self) {
        for unread in self.reports.sweep() {
            if let Some(stream) = StreamName::parse(unread.stream) {
                self.swept.push((stream, unread.positions.generation, unread.positions.last));
            }
        }
    }

    fn finish(&mut self) {
        self.reports.finish();
    }

    fn end(self) {
        self.reports.put(Report::new(Kind::Ended, [], "", ""));
    }
}
