//! The one task of a client: feeds the machine with commands, frames and time, and does what it asks. Decides nothing
//! of the protocol.

mod perform;
mod saving;
mod tell;

use std::collections::{HashMap, HashSet};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_tungstenite::tungstenite::{self, Message as Frame};
use wsc_core::client::{self as core, Link, RequestId, SendId, State, Sync};
use wsc_core::frame::{PresenceOf, Query};
use wsc_core::{CloseCode, Message, StreamName};

use crate::builder::{Provider, TokenFuture};
use crate::client::{Client, Reply};
use crate::clock::Clock;
use crate::error::SendError;
use crate::mailroom::{Mailroom, UNREAD};
use crate::presence::{self, Target, Watches};
use crate::receipt::Receipt;
use crate::storage::Storage;
use crate::stream::Notice;
use crate::transport::{Refusal, Socket, Transport};
#[cfg(feature = "echo")]
pub(crate) use perform::goodbye;
use saving::Saving;
use tell::Followed;

/// Commands that may wait for the task.
const COMMANDS: usize = 1024;
/// Commands or frames taken in one turn.
const BATCH: usize = 128;
/// Items of a feed kept for who is slow.
const FEED: usize = 256;
/// How long a closing client waits for answers.
const FLUSH: Duration = Duration::from_secs(5);

/// What the application asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Connect,
    Network { online: bool },
    Send { message: Box<Message<'static>>, reply: oneshot::Sender<Result<Receipt, SendError>> },
    Cancel { send: SendId, reply: oneshot::Sender<bool> },
    Request { query: Box<Query<'static>>, reply: oneshot::Sender<Result<Reply, core::RequestError>> },
    MarkRead { stream: StreamName<'static>, peer: String, seq: u64 },
    Watch { targets: Vec<Target> },
    Unwatch { targets: Vec<Target> },
    Close { done: oneshot::Sender<()> },
}

/// What a client is made of.
pub(crate) struct Parts {
    pub(crate) machine: core::Client,
    pub(crate) storage: Option<Storage>,
    pub(crate) transport: Transport,
    pub(crate) provider: Option<Provider>,
    pub(crate) automatic: bool,
}

type Opening = Pin<Box<dyn Future<Output = Result<Socket, Refusal>> + Send>>;
type Asked = (oneshot::Sender<Result<Reply, core::RequestError>>, Vec<Message<'static>>);

struct Driver {
    machine: core::Client,
    clock: Clock,
    saving: Saving,
    transport: Transport,
    provider: Option<Provider>,
    room: Arc<Mailroom>,
    commands: mpsc::Receiver<Command>,
    states: watch::Sender<State>,
    syncs: watch::Sender<Sync>,
    volatile: broadcast::Sender<Message<'static>>,
    presence: broadcast::Sender<PresenceOf>,
    notices: broadcast::Sender<Notice>,
    socket: Option<(Link, Socket)>,
    opening: Option<(Link, Opening)>,
    fetching: Option<TokenFuture>,
    /// Sockets that are being closed.
    goodbyes: JoinSet<()>,
    /// Something was written to the socket, or has to be answered by it.
    unflushed: bool,
    followed: HashMap<SendId, Followed>,
    asked: HashMap<RequestId, Asked>,
    watches: Watches,
    watching: HashSet<RequestId>,
    closing: Option<(Instant, Vec<oneshot::Sender<()>>)>,
}

/// Starts the task; its handle.
pub(crate) fn start(parts: Parts) -> Client {
    let (sender, commands) = mpsc::channel(COMMANDS);
    let (states, states_of) = watch::channel(parts.machine.state());
    let (syncs, syncs_of) = watch::channel(parts.machine.sync());
    let (volatile, _) = broadcast::channel(FEED);
    let (presence, _) = broadcast::channel(FEED);
    let (notices, _) = broadcast::channel(FEED);
    let room = Arc::new(Mailroom::new(parts.automatic));
    let client = Client {
        commands: sender,
        states: states_of,
        syncs: syncs_of,
        room: Arc::clone(&room),
        volatile: volatile.clone(),
        presence: presence.clone(),
        notices: notices.clone(),
        device: parts.machine.device_id().into(),
    };
    let driver = Driver {
        machine: parts.machine,
        clock: Clock::new(),
        saving: Saving::new(parts.storage),
        transport: parts.transport,
        provider: parts.provider,
        room,
        commands,
        states,
        syncs,
        volatile,
        presence,
        notices,
        socket: None,
        opening: None,
        fetching: None,
        goodbyes: JoinSet::new(),
        unflushed: false,
        followed: HashMap::new(),
        asked: HashMap::new(),
        watches: Watches::default(),
        watching: HashSet::new(),
        closing: None,
    };
    tokio::spawn(driver.run());
    client
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

impl Driver {
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
            let moment = moment.into_iter().chain(self.closing.as_ref().map(|(until, _)| *until)).min();
            let paused = self.room.is_full();
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
                        self.closing.get_or_insert_with(|| (Instant::now() + FLUSH, Vec::new()));
                    }
                    for command in batch.drain(..) {
                        self.obey(command);
                    }
                }
                opened = wait_for(self.opening.as_mut().map(|(_, opening)| opening)) => self.opened(opened),
                synced = wait_for(self.saving.syncing()) => {
                    let now = self.clock.now();
                    let outcome = synced.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                    self.saved(now, outcome);
                }
                token = wait_for(self.fetching.as_mut()) => {
                    self.fetching = None;
                    let now = self.clock.now();
                    self.machine.supply_token(now, token);
                }
                frame = next_frame(socket) => self.frames(frame),
                () = self.room.wake.notified() => {}
                () = sleep_until(moment.unwrap_or_else(Instant::now)), if moment.is_some() => {
                    let now = self.clock.now();
                    self.machine.handle_timeout(now);
                }
                _ = sweeps.tick() => self.sweep(),
            }
            self.hand_over();
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Connect => self.machine.connect(now),
            Command::Network { online } => self.machine.handle_network(now, online),
            Command::Send { message, reply } => self.send(now, &message, reply),
            Command::Cancel { send, reply } => {
                let _ = reply.send(self.machine.cancel(now, send));
            }
            Command::Request { query, reply } => {
                let id = self.machine.request(now, *query);
                self.asked.insert(id, (reply, Vec::new()));
            }
            Command::MarkRead { stream, peer, seq } => self.machine.mark_read(now, &stream, &peer, seq),
            Command::Watch { targets } => {
                self.watches.add(&targets);
                if self.machine.state() == State::Connected {
                    self.watch(&targets);
                }
            }
            Command::Unwatch { targets } => {
                let gone = self.watches.remove(&targets);
                if self.machine.state() == State::Connected {
                    for query in presence::queries(&gone, false) {
                        let _ = self.machine.request(now, query);
                    }
                }
            }
            Command::Close { done } => {
                let until = Instant::now() + FLUSH;
                self.closing.get_or_insert_with(|| (until, Vec::new())).1.push(done);
            }
        }
        self.tell();
    }

    fn watch(&mut self, targets: &[Target]) {
        let now = self.clock.now();
        for query in presence::queries(targets, true) {
            let id = self.machine.request(now, query);
            self.watching.insert(id);
        }
    }

    fn opened(&mut self, opened: Result<Socket, Refusal>) {
        let Some((link, _)) = self.opening.take() else { return };
        let now = self.clock.now();
        match opened {
            Ok(socket) => {
                self.socket = Some((link, socket));
                self.machine.handle_open(now, link);
            }
            Err(refusal) => self.machine.handle_close(now, link, refusal.code, &refusal.reason),
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
                self.part(link, None);
                self.machine.handle_close(now, link, code, &reason);
                return false;
            }
            Some(Err(error)) => {
                self.socket = None;
                self.machine.handle_close(now, link, None, &error.to_string());
                return false;
            }
            None => {
                self.socket = None;
                self.machine.handle_close(now, link, None, "");
                return false;
            }
        }
        true
    }

    /// Passes on what the application acknowledged.
    fn hand_over(&mut self) {
        let now = self.clock.now();
        for (stream, generation, seq) in self.room.take_handed() {
            self.machine.acknowledge(now, &stream, generation, seq);
        }
    }

    fn sweep(&mut self) {
        while self.goodbyes.try_join_next().is_some() {}
        for unread in self.room.sweep() {
            let _ =
                self.notices.send(Notice::Unread { stream: unread.stream, from: unread.from, to: unread.to });
        }
    }

    /// Whether a closing client has nothing left to wait for. What lies in a file need not be sent now.
    fn is_over(&self) -> bool {
        let Some((until, _)) = &self.closing else { return false };
        let sync = self.machine.sync();
        let reachable = match self.machine.state() {
            State::Connected => true,
            State::Connecting | State::Waiting { .. } => !self.saving.is_durable(),
            State::Idle | State::Closed(_) => false,
        };
        sync.saved + sync.unsaved == 0 || *until <= Instant::now() || (!reachable && sync.unsaved == 0)
    }

    async fn end(mut self) {
        // First: what is handed over from here on could not be stored.
        self.room.close();
        self.hand_over();
        let now = self.clock.now();
        self.machine.close(now);
        self.perform().await;
        while self.goodbyes.join_next().await.is_some() {}
        self.saving.finish().await;
        self.states.send_replace(State::Closed(core::Closed::Application));
        for done in self.closing.map(|(_, done)| done).unwrap_or_default() {
            let _ = done.send(());
        }
    }
}
