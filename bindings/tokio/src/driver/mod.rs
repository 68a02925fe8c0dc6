//! The one task of a client: feeds the machine with commands, frames and time, and does what it asks. Decides nothing
//! of the protocol.

mod frontend;
mod handle;
mod perform;
mod record_writer;

use std::future::{Future, pending};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_tungstenite::tungstenite::{self, Message as Frame};
use wsc_core::client::{self as core, Link, State};
use wsc_core::{CloseCode, Timestamp};

use crate::addresses::Transports;
use crate::backlog::UNREAD;
use crate::builder::TokenFuture;
use crate::clock::Clock;
use crate::owner;
use crate::storage::Storage;
use crate::upgrade::{Refusal, Socket};
pub(crate) use frontend::{Commands, Frontend};
pub(crate) use handle::{HandleCommand, HandleFrontend};
#[cfg(feature = "echo")]
pub(crate) use perform::goodbye;
use record_writer::RecordWriter;

/// Commands or frames taken in one turn.
const BATCH: usize = 128;
/// How long a closing client waits for answers.
const FLUSH: Duration = Duration::from_secs(5);

/// What a client is made of.
pub(crate) struct Parts {
    pub(crate) machine: core::Client,
    pub(crate) storage: Option<Storage>,
    pub(crate) transports: Arc<Transports>,
    /// The outbox was damaged: where it is kept as it was.
    pub(crate) damaged: Option<PathBuf>,
}

type Opening = Pin<Box<dyn Future<Output = Result<Socket, Refusal>> + Send>>;

struct Driver<A: Frontend> {
    machine: core::Client,
    clock: Clock,
    writer: RecordWriter,
    transports: Arc<Transports>,
    frontend: A,
    commands: A::Commands,
    /// The frontend has something to do here: acknowledgements, or room again.
    wake: Arc<Notify>,
    socket: Option<(Link, Socket)>,
    opening: Option<(Link, Opening)>,
    fetching: Option<TokenFuture>,
    /// Sockets that are being closed.
    goodbyes: JoinSet<()>,
    /// Something was written to the socket, or has to be answered by it.
    unflushed: bool,
    /// Until when a closing client waits.
    closing: Option<Instant>,
}

/// Starts the task.
pub(crate) fn start<A: Frontend>(parts: Parts, frontend: A, commands: A::Commands, wake: Arc<Notify>) {
    let driver = Driver {
        machine: parts.machine,
        clock: Clock::new(),
        writer: RecordWriter::new(parts.storage),
        transports: parts.transports,
        frontend,
        commands,
        wake,
        socket: None,
        opening: None,
        fetching: None,
        goodbyes: JoinSet::new(),
        unflushed: false,
        closing: None,
    };
    tokio::spawn(driver.run());
}

/// Waits for what is there; for nothing, for ever.
async fn wait_for<F: Future + Unpin>(slot: Option<&mut F>) -> F::Output {
    match slot {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn next_frame(socket: Option<&mut Socket>) -> Option<Result<Frame, tungstenite::Error>> {
    match socket {
        Some(socket) => socket.next().await,
        None => pending().await,
    }
}

impl<A: Frontend> Driver<A> {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut orphaned = false;
        let mut sweeps = interval(UNREAD / 4);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.perform().await;
            if self.is_over() {
                return self.end().await;
            }
            let moment = self.machine.poll_timeout().map(|at| self.clock.moment(at));
            let moment = moment.into_iter().chain(self.closing).min();
            let paused = self.frontend.is_full();
            if paused {
                // Not reading is no silence of the hub.
                let now = self.clock.now();
                self.machine.handle_life(now, self.machine.link());
            }
            let socket = self.socket.as_mut().filter(|_| !paused).map(|(_, socket)| socket);
            tokio::select! {
                biased;
                count = self.commands.recv_many(&mut batch, BATCH), if !orphaned => {
                    orphaned = count == 0;
                    if orphaned {
                        self.close();
                    }
                    for command in batch.drain(..) {
                        self.execute(command);
                    }
                }
                opened = wait_for(self.opening.as_mut().map(|(_, opening)| opening)) => self.opened(opened),
                synced = wait_for(self.writer.syncing()) => {
                    let now = self.clock.now();
                    let outcome = synced.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                    self.saved(now, outcome);
                }
                token = wait_for(self.fetching.as_mut()) => {
                    self.fetching = None;
                    let now = self.clock.now();
                    let token = owner::checked(&mut self.machine, token);
                    self.machine.supply_token(now, token);
                }
                frame = next_frame(socket) => self.frames(frame),
                () = self.wake.notified() => {}
                () = sleep_until(moment.unwrap_or_else(Instant::now)), if moment.is_some() => {
                    let now = self.clock.now();
                    self.machine.handle_timeout(now);
                }
                _ = sweeps.tick() => self.sweep(),
            }
            self.hand_over();
        }
    }

    fn execute(&mut self, command: <A::Commands as Commands>::Command) {
        let now = self.clock.now();
        if self.frontend.execute(&mut self.machine, now, command) {
            self.close();
        }
        self.tell();
    }

    fn close(&mut self) {
        self.closing.get_or_insert_with(|| Instant::now() + FLUSH);
    }

    fn tell(&mut self) {
        let now = self.clock.now();
        while let Some(event) = self.machine.poll_event() {
            self.frontend.on_event(&mut self.machine, now, event);
        }
    }

    /// A socket did not open, or is gone.
    fn closed(&mut self, now: Timestamp, link: Link, code: Option<CloseCode>, reason: &str) {
        self.frontend.on_socket_lost(self.machine.state() == State::Connected, code, reason);
        self.machine.handle_close(now, link, code, reason);
    }

    fn opened(&mut self, opened: Result<Socket, Refusal>) {
        let Some((link, _)) = self.opening.take() else { return };
        let now = self.clock.now();
        match opened {
            Ok(socket) => {
                self.socket = Some((link, socket));
                self.machine.handle_open(now, link);
            }
            Err(refusal) => self.closed(now, link, refusal.code, &refusal.reason),
        }
    }

    /// Takes a frame, and the others that are there already: what follows from them is done in one go.
    fn frames(&mut self, first: Option<Result<Frame, tungstenite::Error>>) {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(frame) = next.take() else { return };
            if !self.frame(frame) {
                return;
            }
            self.tell();
            next = self.socket.as_mut().and_then(|(_, socket)| socket.next().now_or_never());
        }
        if let Some(frame) = next {
            self.frame(frame);
            self.tell();
        }
    }

    /// False when the socket is at its end.
    fn frame(&mut self, frame: Option<Result<Frame, tungstenite::Error>>) -> bool {
        let Some(link) = self.socket.as_ref().map(|(link, _)| *link) else { return false };
        let now = self.clock.now();
        match frame {
            Some(Ok(Frame::Text(text))) => self.machine.handle_text(now, link, &text),
            Some(Ok(Frame::Binary(bytes))) => self.machine.handle_binary(now, link, &bytes),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => {
                self.unflushed = true;
                self.machine.handle_life(now, link);
            }
            Some(Ok(Frame::Close(close))) => {
                let code = close.as_ref().map(|close| CloseCode::from_number(close.code.into()));
                let reason = close.as_ref().map_or("", |close| close.reason.as_str()).to_owned();
                self.hang_up(link, None);
                self.closed(now, link, code, &reason);
                return false;
            }
            Some(Err(error)) => {
                self.socket = None;
                self.closed(now, link, None, &error.to_string());
                return false;
            }
            None => {
                self.socket = None;
                self.closed(now, link, None, "");
                return false;
            }
        }
        true
    }

    /// Passes on what the application acknowledged.
    fn hand_over(&mut self) {
        let now = self.clock.now();
        for (stream, generation, seq) in self.frontend.take_acknowledged() {
            self.machine.acknowledge(now, &stream, generation, seq);
        }
    }

    fn sweep(&mut self) {
        while self.goodbyes.try_join_next().is_some() {}
        self.frontend.sweep();
    }

    /// Whether a closing client has nothing left to wait for. What lies in a file need not be sent now.
    fn is_over(&self) -> bool {
        let Some(until) = self.closing else { return false };
        let sync = self.machine.sync();
        let reachable = match self.machine.state() {
            State::Connected => true,
            State::Connecting | State::Waiting { .. } => !self.writer.is_durable(),
            State::Idle | State::Closed(_) => false,
        };
        sync.saved + sync.unsaved == 0 || until <= Instant::now() || (!reachable && sync.unsaved == 0)
    }

    async fn end(mut self) {
        // First: what is handed over from here on could not be stored.
        self.frontend.finish();
        self.hand_over();
        let now = self.clock.now();
        self.machine.close(now);
        self.perform().await;
        while self.goodbyes.join_next().await.is_some() {}
        self.writer.finish().await;
        self.frontend.end();
    }
}
