//! A device on virtual time: the client machine, its disk, its socket and an application that writes down what it is
//! told. Never judges anything.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tokio::sync::{Notify, mpsc};
use tokio::time::sleep_until;
use wsc_core::backoff::Random;
use wsc_core::client::{
    Action, Answer, Body, Change, Client, Closed, Config, Event, Generation, Identity, Link as LinkId,
    RequestId, Saved, SendId, State, Storage,
};
use wsc_core::frame::{Frame, Query};
use wsc_core::{CloseCode, StreamName, Timestamp};

use super::clock;
use super::net::Net;
use super::socket::{self, Out};
use crate::history::{Entry, Fact, Outcome, digest};
use crate::traffic::{self, CHURN, Part};

/// Unsettled sends above which a device sends nothing more.
const BACKLOG: usize = 200;

/// One device over all its lives.
pub(super) struct Device {
    pub(super) part: Part,
    pub(super) net: Rc<Net>,
    inner: RefCell<Inner>,
    /// A deadline may have changed.
    changed: Notify,
    /// Nothing of it runs before this time.
    frozen: Cell<Timestamp>,
    /// Milliseconds before each frame is read.
    pub(super) slow: Cell<u64>,
    /// Of the hub whose frame is being taken.
    pub(super) epoch: RefCell<Rc<str>>,
}

struct Inner {
    /// `None` between two lives.
    client: Option<Client>,
    life: u32,
    /// The clock of this life is wrong by so much.
    wrong: i64,
    saved: Saved,
    /// Changes on their way to the disk, and when they are there.
    writing: VecDeque<(Timestamp, Change)>,
    /// Told by the machine and not dealt with by the application.
    held: VecDeque<Held>,
    /// Sends in the outbox whose fate nobody knows yet, of this life.
    ids: BTreeMap<SendId, String>,
    socket: Option<(LinkId, mpsc::UnboundedSender<Out>)>,
    number: u64,
    random: Random,
    seed: u64,
    asked: BTreeMap<RequestId, Asked>,
    audit: Option<Audit>,
}

/// An entry or a gap until the application deals with it: it counts as handed over then.
struct Held {
    stream: StreamName<'static>,
    generation: Generation,
    seq: u64,
    fact: Fact,
}

/// What a request was for.
enum Asked {
    Join,
    Leave,
    Page,
}

/// A look at all of its streams.
#[derive(Default)]
struct Audit {
    left: Vec<String>,
    from: Option<u64>,
    first: Option<u64>,
}

impl Device {
    pub(super) fn new(part: Part, net: Rc<Net>, seed: u64) -> Rc<Self> {
        let saved = Saved { device_id: part.device.device.clone(), ..Saved::default() };
        let inner = Inner {
            client: None,
            life: 0,
            wrong: 0,
            saved,
            writing: VecDeque::new(),
            held: VecDeque::new(),
            ids: BTreeMap::new(),
            socket: None,
            number: 0,
            random: Random::new(seed),
            seed,
            asked: BTreeMap::new(),
            audit: None,
        };
        let (frozen, slow) = (Cell::new(0), Cell::new(0));
        let (inner, epoch) = (RefCell::new(inner), RefCell::new(Rc::from("")));
        Rc::new(Self { part, net, inner, changed: Notify::new(), frozen, slow, epoch })
    }

    fn write(&self, fact: Fact) {
        self.net.write(fact);
    }

    /// Begins a life on what the disk has.
    pub(super) fn start(self: &Rc<Self>) {
        let mut inner = self.inner.borrow_mut();
        inner.life += 1;
        inner.wrong = inner.random.up_to(1_200_000).cast_signed() - 600_000;
        let device = &self.part.device;
        let identity = Identity {
            user_id: device.user.clone(),
            namespace: device.tenant.clone(),
            app_id: "shop".to_owned(),
            groups: self.part.groups.clone(),
            ..Identity::default()
        };
        let config = Config {
            device_id: device.device.clone(),
            identity,
            auto_acknowledge: !self.part.manual,
            storage: Storage::Durable,
            flight_count: if inner.seed.is_multiple_of(3) { 4 } else { 256 },
            token_provider: self.net.tokens,
            ..Config::default()
        };
        let mut client = Client::new(config, inner.seed.wrapping_add(u64::from(inner.life) << 40));
        let bytes = inner.saved.encode();
        match Saved::decode(&bytes) {
            Some(saved) => {
                inner.ids = saved.sends.iter().map(|send| (send.id, send.message_id.clone())).collect();
                client.restore(saved);
            }
            None => self.net.fault(format!("what {device} saved cannot be read")),
        }
        self.write(Fact::Started { device: device.clone(), life: inner.life });
        for group in &self.part.groups {
            self.write(Fact::Joining { device: device.clone(), group: group.clone() });
        }
        client.connect(inner.now());
        inner.client = Some(client);
        let life = inner.life;
        drop(inner);
        tokio::task::spawn_local(Rc::clone(self).keep_time(life));
        self.pump();
    }

    /// Ends without warning: what was not on the disk yet may be lost, the newest first.
    pub(super) fn kill(&self) {
        self.write(Fact::Killed { device: self.part.device.clone() });
        let mut inner = self.inner.borrow_mut();
        let now = clock::now();
        let there = inner.writing.iter().take_while(|(at, _)| *at <= now).count() as u64;
        let under_way = inner.writing.len() as u64 - there;
        let kept = there + inner.random.up_to(under_way);
        for _ in 0..kept {
            inner.flush_one();
        }
        inner.end();
    }

    /// Ends in order.
    pub(super) fn stop(self: &Rc<Self>) {
        self.with(|client, now| client.close(now));
        let mut inner = self.inner.borrow_mut();
        while !inner.writing.is_empty() {
            inner.flush_one();
        }
        inner.end();
        self.write(Fact::Stopped { device: self.part.device.clone() });
    }

    /// Between two lives all that was stored is lost.
    pub(super) fn wipe(&self) {
        let device = self.part.device.clone();
        self.inner.borrow_mut().saved = Saved { device_id: device.device.clone(), ..Saved::default() };
        self.write(Fact::Wiped { device });
    }

    pub(super) fn is_alive(&self) -> bool {
        self.inner.borrow().client.is_some()
    }

    pub(super) fn life(&self) -> u32 {
        self.inner.borrow().life
    }

    /// Stands still for a while, as a suspended process does.
    pub(super) fn freeze(&self, milliseconds: u64) {
        self.frozen.set(clock::now() + milliseconds);
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.get() > clock::now()
    }

    /// Waits until it may run.
    pub(super) async fn thaw(&self) {
        while self.is_frozen() {
            sleep_until(clock::instant(self.frozen.get())).await;
        }
    }

    /// Does something with the machine and then what the machine wants.
    pub(super) fn with(self: &Rc<Self>, act: impl FnOnce(&mut Client, Timestamp)) {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now();
        if let Some(client) = &mut inner.client {
            act(client, now);
        }
        drop(inner);
        self.pump();
    }

    /// Sends a few messages.
    pub(super) fn send(self: &Rc<Self>, count: u64) {
        for _ in 0..count {
            let mut inner = self.inner.borrow_mut();
            let inner = &mut *inner;
            let now = inner.now();
            let Some(client) = inner.client.as_mut().filter(|client| client.unsettled().count() < BACKLOG)
            else {
                return;
            };
            inner.number += 1;
            let (message, sending) =
                traffic::message(&self.part, inner.life, inner.number, &mut inner.random);
            let (device, message_id) = (self.part.device.clone(), sending.message_id.clone());
            let volatile = sending.volatile;
            self.write(Fact::Sending(sending));
            match client.send(now, &message) {
                Ok(_) if volatile => self.write(Fact::Taken { device, message_id }),
                Ok(send) => drop(inner.ids.insert(send, message_id)),
                Err(error) => self.write(Fact::Declined { device, message_id, why: error.to_string() }),
            }
        }
        self.pump();
    }

    /// The application deals with some of what it holds.
    pub(super) fn deal(self: &Rc<Self>, count: usize) {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let now = inner.now();
        let Some(client) = &mut inner.client else { return };
        for held in inner.held.drain(..count.min(inner.held.len())) {
            self.net.write(held.fact);
            client.acknowledge(now, &held.stream, held.generation, held.seq);
        }
    }

    /// Joins or leaves the group of those who come and go.
    pub(super) fn churn(self: &Rc<Self>, join: bool) {
        let (device, group) = (self.part.device.clone(), CHURN.to_owned());
        let mut inner = self.inner.borrow_mut();
        let now = inner.now();
        let Some(client) = inner.client.as_mut().filter(|client| client.state() == State::Connected) else {
            return;
        };
        let id = if join {
            self.write(Fact::Joining { device, group });
            client.request(now, Query::GroupJoin { group: CHURN.into() })
        } else {
            self.write(Fact::Leaving { device, group });
            client.request(now, Query::GroupLeave { group: CHURN.into() })
        };
        inner.asked.insert(id, if join { Asked::Join } else { Asked::Leave });
        drop(inner);
        self.pump();
    }

    /// Whether nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        let inner = self.inner.borrow();
        inner.client.as_ref().is_some_and(|client| {
            let sync = client.sync();
            client.state() == State::Connected && sync.saved + sync.unsaved == 0 && sync.caught_up
        }) && inner.held.is_empty()
            && inner.writing.is_empty()
            && inner.asked.is_empty()
    }

    /// How it stands, for people.
    pub(super) fn describe(&self) -> String {
        let inner = self.inner.borrow();
        let client = inner.client.as_ref().map(|client| (client.state(), client.sync()));
        format!("{}: {client:?}, {} held, {} asked", self.part.device, inner.held.len(), inner.asked.len())
    }

    /// Asks for the whole history of its streams.
    pub(super) fn audit(self: &Rc<Self>) {
        let left: Vec<_> = self.part.audits.iter().rev().cloned().collect();
        self.inner.borrow_mut().audit = Some(Audit { left, ..Audit::default() });
        self.ask_page();
    }

    /// Whether all pages came.
    pub(super) fn is_audited(&self) -> bool {
        self.inner.borrow().audit.as_ref().is_some_and(|audit| audit.left.is_empty())
    }

    fn ask_page(self: &Rc<Self>) {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let now = inner.now();
        let (Some(client), Some(audit)) = (&mut inner.client, &inner.audit) else { return };
        let Some(stream) = audit.left.last().and_then(|name| StreamName::parse(name)) else {
            return self.write(Fact::Quiet { device: self.part.device.clone() });
        };
        let (stream, from) = (stream.into_owned(), audit.from);
        let id = client.request(now, Query::Fetch { stream, from, limit: 500, reverse: false });
        inner.asked.insert(id, Asked::Page);
    }

    /// Tells the disk and the machine what time it is, as long as this life lasts.
    async fn keep_time(self: Rc<Self>, life: u32) {
        loop {
            let deadline = {
                let inner = self.inner.borrow();
                if inner.life != life || inner.client.is_none() {
                    return;
                }
                let wrong = inner.wrong;
                let timer = inner.client.as_ref().and_then(Client::poll_timeout);
                let timer = timer.map(|at| at.saturating_add_signed(-wrong));
                inner.writing.front().map(|(at, _)| *at).into_iter().chain(timer).min()
            };
            let changed = self.changed.notified();
            match deadline {
                Some(at) => {
                    tokio::select! {
                        biased;
                        () = changed => continue,
                        () = sleep_until(clock::instant(at)) => {}
                    }
                }
                None => {
                    changed.await;
                    continue;
                }
            }
            self.thaw().await;
            self.inner.borrow_mut().stored(&self.part, &self.net);
            self.with(|client, now| {
                if client.poll_timeout().is_some_and(|at| at <= now) {
                    client.handle_timeout(now);
                }
            });
        }
    }

    /// Takes all the machine puts out.
    pub(super) fn pump(self: &Rc<Self>) {
        loop {
            let mut inner = self.inner.borrow_mut();
            let Some(client) = &mut inner.client else { return };
            if let Some(event) = client.poll_event() {
                drop(inner);
                self.event(event);
                continue;
            }
            let Some(action) = client.poll_action() else { break };
            match action {
                Action::Open { link } => {
                    let (sender, receiver) = mpsc::unbounded_channel();
                    inner.socket = Some((link, sender));
                    tokio::task::spawn_local(socket::run(Rc::clone(self), inner.life, link, receiver));
                }
                Action::Send { link, frame: Frame::Text(text) } => inner.out(link, Out::Text(text)),
                Action::Send { link, frame: Frame::Binary(bytes) } => inner.out(link, Out::Binary(bytes)),
                Action::Close { link, code, reason } => inner.out(link, Out::Close(code, reason)),
                Action::FetchToken => {
                    let (device, life) = (Rc::clone(self), inner.life);
                    let delay = inner.random.up_to(500);
                    tokio::task::spawn_local(async move {
                        sleep_until(clock::instant(clock::now() + delay)).await;
                        device.thaw().await;
                        let token = device.net.token(&device.part);
                        if device.life() == life {
                            device.with(|client, now| client.supply_token(now, Ok(token)));
                        }
                    });
                }
                Action::Persist(change) => {
                    let at = clock::now() + inner.random.up_to(20);
                    let at = inner.writing.back().map_or(at, |(before, _)| at.max(*before));
                    inner.writing.push_back((at, change));
                }
            }
        }
        self.changed.notify_one();
    }

    fn entry(&self, frame: &Frame, stream: &str) -> Option<Entry> {
        let message = match frame.message() {
            Ok(message) => message,
            Err(error) => {
                self.net.fault(format!("{}: given, and not to be read: {error}", self.part.device));
                return None;
            }
        };
        Some(Entry {
            device: self.part.device.clone(),
            stream: stream.to_owned(),
            epoch: self.epoch.borrow().to_string(),
            seq: message.seq_no,
            message_id: message.message_id.to_string(),
            sender: message.sender.to_string(),
            sender_device: message.sender_client.to_string(),
            digest: digest(
                &message.message_type,
                &message.content,
                &message.data,
                message.payload.as_deref(),
            ),
        })
    }

    fn event(self: &Rc<Self>, event: Event) {
        let device = self.part.device.clone();
        match event {
            Event::Message(given) => {
                let Some(entry) = self.entry(&given.frame, &given.stream.to_string()) else { return };
                let (generation, seq) = (given.generation, given.seq_no);
                self.hold(Held { stream: given.stream, generation, seq, fact: Fact::Handed(entry) });
            }
            Event::Volatile(frame) => {
                if let Some(entry) = self.entry(&frame, "") {
                    self.write(Fact::Heard(entry));
                }
            }
            Event::Gap(gap) => {
                let (stream, reason) = (gap.stream.to_string(), gap.reason);
                let fact = Fact::Missed { device, stream, from: gap.from, to: gap.to, reason };
                self.hold(Held { stream: gap.stream, generation: gap.generation, seq: gap.to, fact });
            }
            Event::Settled { send, message_id, outcome } => {
                self.inner.borrow_mut().ids.remove(&send);
                if let Some(outcome) = Outcome::of(outcome) {
                    self.write(Fact::Settled { device, message_id, outcome });
                }
            }
            Event::StateChanged(State::Connected) => self.write(Fact::Connected { device }),
            // Of a claim to be in a group this is the answer.
            Event::StreamOpened { stream, .. } => {
                if let Some(group) =
                    stream.group_id().filter(|group| self.part.groups.iter().any(|own| own == group))
                {
                    self.write(Fact::Joined { device, group: group.to_owned() });
                }
            }
            Event::StateChanged(State::Closed(why)) if why != Closed::Application => {
                self.write(Fact::Closed { device, why: format!("{why:?}") });
                let (device, life) = (Rc::clone(self), self.life());
                tokio::task::spawn_local(async move {
                    sleep_until(clock::instant(clock::now() + 500)).await;
                    if device.life() == life {
                        device.with(|client, now| client.connect(now));
                    }
                });
            }
            Event::Fetched { frame, .. } => {
                let stream = self.inner.borrow().audit.as_ref().and_then(|audit| audit.left.last().cloned());
                if let Some(entry) = stream.and_then(|stream| self.entry(&frame, &stream)) {
                    self.write(Fact::Kept(entry));
                }
            }
            Event::Answer { request, answer } => self.answered(request, &answer),
            Event::RequestFailed { request, .. } => {
                if let Some(Asked::Page) = self.inner.borrow_mut().asked.remove(&request) {
                    let device = Rc::clone(self);
                    tokio::task::spawn_local(async move {
                        sleep_until(clock::instant(clock::now() + 300)).await;
                        device.ask_page();
                        device.pump();
                    });
                }
            }
            Event::Fault(wsc_core::client::Fault::Hub { .. }) => {}
            Event::Fault(fault) => self.net.fault(format!("{device}: {fault}")),
            _ => {}
        }
    }

    fn hold(&self, held: Held) {
        if self.part.manual {
            self.inner.borrow_mut().held.push_back(held);
        } else {
            self.write(held.fact);
        }
    }

    fn answered(self: &Rc<Self>, request: RequestId, answer: &Answer) {
        let (device, group) = (self.part.device.clone(), CHURN.to_owned());
        let asked = self.inner.borrow_mut().asked.remove(&request);
        match asked {
            Some(Asked::Join) => self.write(Fact::Joined { device, group }),
            Some(Asked::Leave) => self.write(Fact::Left { device, group }),
            Some(Asked::Page) => {
                let Ok(Body::Fetched(page)) = answer.body() else {
                    return self.net.fault(format!("{device}: a page that is none"));
                };
                let mut inner = self.inner.borrow_mut();
                let Some(audit) = &mut inner.audit else { return };
                let from = *audit.first.get_or_insert_with(|| page.floor.max(1));
                if page.more {
                    audit.from = Some(page.to + 1);
                } else {
                    let stream = audit.left.pop().unwrap_or_default();
                    (audit.from, audit.first) = (None, None);
                    self.write(Fact::Looked { device, stream, from, to: page.head });
                }
                drop(inner);
                self.ask_page();
            }
            None => {}
        }
    }
}

impl Inner {
    /// What its own clock shows.
    fn now(&self) -> Timestamp {
        clock::now().saturating_add_signed(self.wrong)
    }

    fn out(&mut self, link: LinkId, out: Out) {
        if let Some((_, sender)) = self.socket.as_ref().filter(|(open, _)| *open == link) {
            // A socket that has ended takes nothing more.
            let _ = sender.send(out);
        }
    }

    /// The oldest change under way is on the disk.
    fn flush_one(&mut self) -> Option<SendId> {
        let (_, change) = self.writing.pop_front()?;
        let put = if let Change::Put(send) = &change { Some(send.id) } else { None };
        self.saved.apply(change);
        put
    }

    /// What is due is on the disk, and the machine and the application are told.
    fn stored(&mut self, part: &Part, net: &Net) {
        while self.writing.front().is_some_and(|(at, _)| *at <= clock::now()) {
            let Some(send) = self.flush_one() else { continue };
            if let Some(message_id) = self.ids.get(&send) {
                net.write(Fact::Taken { device: part.device.clone(), message_id: message_id.clone() });
            }
            let now = self.now();
            if let Some(client) = &mut self.client {
                client.handle_stored(now, send);
            }
        }
    }

    /// The process is gone.
    fn end(&mut self) {
        self.client = None;
        self.socket = None;
        self.writing.clear();
        self.held.clear();
        self.ids.clear();
        self.asked.clear();
    }
}

/// What the socket of a life tells.
impl Device {
    /// Whether this life still goes on.
    pub(super) fn lives(&self, life: u32) -> bool {
        let inner = self.inner.borrow();
        inner.life == life && inner.client.is_some()
    }

    pub(super) fn closed(self: &Rc<Self>, link: LinkId, code: Option<u16>, reason: &str) {
        let code = code.map(CloseCode::from_number);
        self.with(|client, now| client.handle_close(now, link, code, reason));
    }
}
