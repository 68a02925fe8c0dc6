//! The frontend of a Rust program: commands of its [`Client`], events to receipts, deliveries, answers and feeds.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use wsc_core::client::{
    self as core, Answer, Body, Event, Generation, Outcome, RequestError, RequestId, SendId, Stage, State,
    Sync, TokenError,
};
use wsc_core::frame::{Frame, Query};
use wsc_core::{CloseCode, Message, StreamName, Timestamp};

use super::{Frontend, Parts};
use crate::builder::{Provider, TokenFuture};
use crate::client::{Client, Reply};
use crate::conversation::Conversation;
use crate::deliveries::Deliveries;
use crate::error::SendError;
use crate::notice::Notice;
use crate::presence::{self, Target, UserPresence, Watches};
use crate::receipt::{Progress, Receipt};
use crate::typing::Typing;

/// Commands that may wait for the task.
const COMMANDS: usize = 1024;
/// Items that a feed keeps for a slow receiver.
const FEED: usize = 256;

/// What the application asks for.
#[derive(Debug)]
pub(crate) enum HandleCommand {
    Connect,
    Network { online: bool },
    Send { message: Box<Message<'static>>, reply: TakenReply },
    Cancel { send: SendId, reply: oneshot::Sender<bool> },
    Request { query: Box<Query<'static>>, reply: oneshot::Sender<Result<Reply, RequestError>> },
    RequestFrame { object: String, reply: oneshot::Sender<Result<Reply, RequestError>> },
    MarkRead { stream: StreamName<'static>, peer: String, position: u64 },
    Watch { targets: Vec<Target> },
    Unwatch { targets: Vec<Target> },
    Typing { to: Conversation },
    Close { done: oneshot::Sender<()> },
}

type TakenReply = oneshot::Sender<Result<Receipt, SendError>>;
type Asked = (oneshot::Sender<Result<Reply, RequestError>>, Vec<Message<'static>>);

/// A send whose receipt the application may hold.
struct Followed {
    progress: watch::Sender<Progress>,
    /// Whether more comes after it was accepted.
    receipts: bool,
}

pub(crate) struct HandleFrontend {
    provider: Option<Provider>,
    durable: bool,
    /// Why nothing can be saved any more.
    failed: Option<Arc<io::Error>>,
    deliveries: Arc<Deliveries>,
    states: watch::Sender<State>,
    syncs: watch::Sender<Sync>,
    volatile: broadcast::Sender<Message<'static>>,
    presence: broadcast::Sender<UserPresence>,
    notices: broadcast::Sender<Notice>,
    followed: HashMap<SendId, Followed>,
    /// Sends that are not on the disk yet.
    unsaved: VecDeque<(Receipt, TakenReply)>,
    asked: HashMap<RequestId, Asked>,
    watches: Watches,
    watching: HashSet<RequestId>,
    typing: Typing,
    user: Arc<OnceLock<String>>,
    closing: Vec<oneshot::Sender<()>>,
}

/// Every frame that the machine gives out can be read.
fn read(frame: &Frame) -> Option<Message<'static>> {
    frame.message().ok().map(|message| message.into_owned())
}

/// Keeps the user's id, once there is one.
fn know(user: &OnceLock<String>, machine: &core::Client) {
    if !machine.user_id().is_empty() {
        user.get_or_init(|| machine.user_id().to_owned());
    }
}

impl HandleFrontend {
    /// A program's side of a client, and its handle.
    pub(crate) fn new(
        parts: &Parts,
        deliveries: Arc<Deliveries>,
        provider: Option<Provider>,
    ) -> (Self, mpsc::Receiver<HandleCommand>, Client) {
        let machine = &parts.machine;
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (states, states_of) = watch::channel(machine.state());
        let (syncs, syncs_of) = watch::channel(machine.sync());
        let (volatile, _) = broadcast::channel(FEED);
        let (presence, _) = broadcast::channel(FEED);
        let (notices, _) = broadcast::channel(FEED);
        let user = Arc::<OnceLock<String>>::default();
        know(&user, machine);
        let client = Client {
            commands: sender,
            states: states_of,
            syncs: syncs_of,
            deliveries: Arc::clone(&deliveries),
            volatile: volatile.clone(),
            presence: presence.clone(),
            notices: notices.clone(),
            device: machine.device_id().into(),
            user: Arc::clone(&user),
            damaged: parts.damaged.clone().map(Into::into),
            transports: Arc::clone(&parts.transports),
        };
        let application = Self {
            provider,
            durable: parts.storage.is_some(),
            failed: None,
            deliveries,
            states,
            syncs,
            volatile,
            presence,
            notices,
            followed: HashMap::new(),
            unsaved: VecDeque::new(),
            asked: HashMap::new(),
            watches: Watches::default(),
            watching: HashSet::new(),
            typing: Typing::default(),
            user,
            closing: Vec::new(),
        };
        (application, commands, client)
    }

    fn send(&mut self, machine: &mut core::Client, now: Timestamp, message: &Message<'_>, reply: TakenReply) {
        if let Some(why) = &self.failed {
            let _ = reply.send(Err(SendError::Storage(Arc::clone(why))));
            return;
        }
        let receipts = message.require_ack && !message.receiver.is_empty() && !message.is_volatile();
        let (send, message_id) = match machine.send_named(now, message) {
            Ok(taken) => taken,
            Err(error) => {
                let _ = reply.send(Err(error.into()));
                return;
            }
        };
        if message.message_type != "typing"
            && let Some(to) = Conversation::of_target(message)
        {
            self.typing.reset(&to);
        }
        let (sender, progress) = watch::channel(Progress::default());
        self.followed.insert(send, Followed { progress: sender, receipts });
        let receipt = Receipt { send, message_id, progress };
        if self.durable && !message.is_volatile() {
            self.unsaved.push_back((receipt, reply));
        } else {
            let _ = reply.send(Ok(receipt));
        }
    }

    fn watch(&mut self, machine: &mut core::Client, now: Timestamp, targets: &[Target]) {
        for query in presence::queries(targets, true) {
            let id = machine.request(now, query);
            self.watching.insert(id);
        }
    }

    fn settled(&mut self, send: SendId, outcome: Outcome) {
        let Some(followed) = self.followed.get(&send) else { return };
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        let goes_on = accepted && followed.receipts;
        followed.progress.send_modify(|progress| {
            progress.outcome = Some(outcome);
            progress.unfollowed = !goes_on;
            if accepted {
                progress.stage = progress.stage.max(Some(Stage::Accepted));
            }
        });
        if !goes_on {
            self.followed.remove(&send);
        }
    }

    fn reached(&mut self, send: SendId, stage: Stage) {
        let Some(followed) = self.followed.get(&send) else { return };
        followed.progress.send_modify(|progress| progress.stage = progress.stage.max(Some(stage)));
        if stage == Stage::Read {
            self.followed.remove(&send);
        }
    }

    fn unfollow(&mut self, send: SendId) {
        if let Some(followed) = self.followed.remove(&send) {
            followed.progress.send_modify(|progress| progress.unfollowed = true);
        }
    }

    fn answered(&mut self, request: RequestId, answer: Answer) {
        if self.watching.remove(&request) {
            if let Ok(Body::Statuses(users)) = answer.body() {
                for user in users {
                    let _ = self.presence.send(user.into());
                }
            }
        } else if let Some((reply, messages)) = self.asked.remove(&request) {
            let _ = reply.send(Ok(Reply { answer, messages }));
        }
    }

    fn failed(&mut self, request: RequestId, error: RequestError) {
        self.watching.remove(&request);
        if let Some((reply, _)) = self.asked.remove(&request) {
            let _ = reply.send(Err(error));
        }
    }
}

impl Frontend for HandleFrontend {
    type Commands = mpsc::Receiver<HandleCommand>;

    fn execute(&mut self, machine: &mut core::Client, now: Timestamp, command: HandleCommand) -> bool {
        match command {
            HandleCommand::Connect => machine.connect(now),
            HandleCommand::Network { online } => machine.handle_network(now, online),
            HandleCommand::Send { message, reply } => self.send(machine, now, &message, reply),
            HandleCommand::Cancel { send, reply } => {
                let _ = reply.send(machine.cancel(now, send));
            }
            HandleCommand::Request { query, reply } => {
                let id = machine.request(now, *query);
                self.asked.insert(id, (reply, Vec::new()));
            }
            HandleCommand::RequestFrame { object, reply } => {
                let id = machine.request_object(now, &object);
                self.asked.insert(id, (reply, Vec::new()));
            }
            HandleCommand::MarkRead { stream, peer, position } => {
                machine.mark_read(now, &stream, &peer, position);
            }
            HandleCommand::Watch { targets } => {
                self.watches.add(&targets);
                if machine.state() == State::Connected {
                    self.watch(machine, now, &targets);
                }
            }
            HandleCommand::Unwatch { targets } => {
                let gone = self.watches.remove(&targets);
                if machine.state() == State::Connected {
                    for query in presence::queries(&gone, false) {
                        let _ = machine.request(now, query);
                    }
                }
            }
            HandleCommand::Typing { to } => {
                if machine.state() == State::Connected
                    && let Ok(partner) = to.partner()
                    && self.typing.is_due(now, &to)
                {
                    let message = Message { message_type: "typing".into(), ..partner.message(String::new()) };
                    let (unheard, _) = oneshot::channel();
                    self.send(machine, now, &message, unheard);
                }
            }
            HandleCommand::Close { done } => {
                self.closing.push(done);
                return true;
            }
        }
        false
    }

    fn on_event(&mut self, machine: &mut core::Client, now: Timestamp, event: Event) {
        match event {
            Event::StateChanged(state) => {
                let connected = state == State::Connected;
                // Who waits for the state may ask for the user at once.
                know(&self.user, machine);
                self.states.send_replace(state);
                if connected {
                    let targets = self.watches.all();
                    self.watch(machine, now, &targets);
                }
            }
            Event::Message(entry) => self.deliveries.put_entry(&entry),
            Event::Gap(gap) => self.deliveries.put_gap(gap),
            Event::Volatile(frame) => {
                if let Some(message) = read(&frame) {
                    let _ = self.volatile.send(message);
                }
            }
            Event::Settled { send, outcome, .. } if self.followed.contains_key(&send) => {
                self.settled(send, outcome);
            }
            Event::Receipt { send: Some(send), stage, .. } => self.reached(send, stage),
            Event::ReceiptEnded { send, .. } => self.unfollow(send),
            Event::Fetched { request, frame } => {
                if let Some((_, messages)) = self.asked.get_mut(&request) {
                    messages.extend(read(&frame));
                }
            }
            Event::Answer { request, answer } => self.answered(request, answer),
            Event::RequestFailed { request, error } => self.failed(request, error),
            Event::Presence(presence) => {
                for user in presence.users().unwrap_or_default() {
                    let _ = self.presence.send(user.into());
                }
            }
            other => {
                let _ = self.notices.send(Notice::Event(other));
            }
        }
    }

    fn on_sync(&mut self, sync: Sync) {
        self.syncs.send_if_modified(|known| std::mem::replace(known, sync) != sync);
    }

    fn token(&mut self) -> Option<TokenFuture> {
        let provider = Arc::clone(self.provider.as_ref()?);
        // The program's code: it may panic, and that must not end the driver.
        let answer = AssertUnwindSafe(async move { provider().await }).catch_unwind();
        Some(Box::pin(
            answer.map(|answer| {
                answer.unwrap_or_else(|_| Err(TokenError::Temporary("it panicked".to_owned())))
            }),
        ))
    }

    fn stored(&mut self, up_to: SendId) {
        while let Some((receipt, reply)) = self.unsaved.pop_front_if(|(receipt, _)| receipt.send <= up_to) {
            let _ = reply.send(Ok(receipt));
        }
    }

    fn unsaved(&mut self, machine: &mut core::Client, now: Timestamp, why: io::Error) {
        let why = Arc::new(why);
        self.failed = Some(Arc::clone(&why));
        for (receipt, reply) in std::mem::take(&mut self.unsaved) {
            machine.cancel(now, receipt.send);
            let _ = reply.send(Err(SendError::Storage(Arc::clone(&why))));
        }
        let _ = self.notices.send(Notice::StorageFailed(why));
    }

    fn on_socket_lost(&mut self, connected: bool, code: Option<CloseCode>, reason: &str) {
        let _ = self.notices.send(Notice::Disconnected { connected, code, reason: reason.to_owned() });
    }

    fn is_full(&self) -> bool {
        self.deliveries.is_full()
    }

    fn take_acknowledged(&mut self) -> Vec<(StreamName<'static>, Generation, u64)> {
        self.deliveries.take_acknowledged()
    }

    fn sweep(&mut self) {
        for (stream, positions) in self.deliveries.sweep() {
            let notice = Notice::Unread { stream, from: positions.first, to: positions.last };
            let _ = self.notices.send(notice);
        }
    }

    fn finish(&mut self) {
        self.deliveries.close();
    }

    fn end(self) {
        self.states.send_replace(State::Closed(core::Closed::Application));
        for done in self.closing {
            let _ = done.send(());
        }
    }
}
