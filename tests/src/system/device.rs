//! A device on virtual time: the client machine, its disk, its clock and its socket, over all its lives. Never judges
//! anything.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tokio::sync::{Notify, mpsc};
use tokio::time::sleep_until;
use wsc_core::backoff::Random;
use wsc_core::client::{
    Action, Change, Client, Config, Identity, Link as LinkId, RequestId, Saved, SendId, State, Storage,
};
use wsc_core::frame::Frame;
use wsc_core::{CloseCode, Timestamp};

use super::application::{Asked, Audit, Held};
use super::clock;
use super::net::Net;
use super::socket::{self, Out};
use crate::history::Fact;
use crate::traffic::Part;

/// One device over all its lives.
pub(super) struct Device {
    pub(super) part: Part,
    pub(super) net: Rc<Net>,
    pub(super) inner: RefCell<Inner>,
    /// A deadline may have changed.
    changed: Notify,
    /// Nothing of it runs before this time.
    frozen: Cell<Timestamp>,
    /// Milliseconds before each frame is read.
    pub(super) slow: Cell<u64>,
    /// Of the hub whose frame is being taken.
    pub(super) epoch: RefCell<Rc<str>>,
}

pub(super) struct Inner {
    /// `None` between two lives.
    pub(super) client: Option<Client>,
    pub(super) life: u32,
    /// The clock of this life is wrong by so much.
    pub(super) wrong: i64,
    pub(super) saved: Saved,
    /// Changes on their way to the disk, and when they are there.
    pub(super) writing: VecDeque<(Timestamp, Change)>,
    /// Told by the machine and not dealt with by the application.
    pub(super) held: VecDeque<Held>,
    /// Sends in the outbox whose fate nobody knows yet, of this life.
    pub(super) ids: BTreeMap<SendId, String>,
    /// Messages of all its lives whose receipts are wanted.
    pub(super) followed: Vec<String>,
    pub(super) socket: Option<(LinkId, mpsc::UnboundedSender<Out>)>,
    pub(super) number: u64,
    pub(super) random: Random,
    pub(super) seed: u64,
    pub(super) asked: BTreeMap<RequestId, Asked>,
    pub(super) audit: Option<Audit>,
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
            followed: Vec::new(),
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

    pub(super) fn write(&self, fact: Fact) {
        self.net.write(fact);
    }

    /// Begins a life on what the disk has.
    pub(super) fn start(self: &Rc<Self>) {
        let mut inner = self.inner.borrow_mut();
        inner.life += 1;
        // Whose clock is set back may have an earlier connection, on another hub, taken for a newer one.
        if inner.life == 1 || self.net.is_one_hub() {
            inner.wrong = inner.random.up_to(1_200_000).cast_signed() - 600_000;
        }
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

    /// Whether nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        let inner = self.inner.borrow();
        inner.client.as_ref().is_some_and(|client| {
            let sync = client.sync();
            client.state() == State::Connected
                && sync.saved + sync.unsaved == 0
                && sync.caught_up
                && client.snapshot().marks.is_empty()
        }) && inner.held.is_empty()
            && inner.writing.is_empty()
            && inner.asked.is_empty()
    }

    /// Its state, human-readable.
    pub(super) fn describe(&self) -> String {
        let inner = self.inner.borrow();
        let client = inner.client.as_ref().map(|client| (client.state(), client.sync()));
        format!("{}: {client:?}, {} held, {} asked", self.part.device, inner.held.len(), inner.asked.len())
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
}

impl Inner {
    /// What its own clock shows.
    pub(super) fn now(&self) -> Timestamp {
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
        let confirmed = change.confirm();
        self.saved.apply(change);
        confirmed
    }

    /// What is due is on the disk; the machine and the application get the confirmation.
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
