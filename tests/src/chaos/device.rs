//! One device in a crowd: sends, reads, joins, leaves, and writes down what happened. Never judges it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use wsc_client::{Client, Conversation, Delivery, Event, Message, Notice, ReceiptError, State, StreamName};
use wsc_core::backoff::Random;

use super::plan::Crowd;
use crate::history::{Entry, Fact, Mark, Outcome, Sending, Stage, Writer, digest};
use crate::traffic::{self, CHURN, Part};

/// Unsettled sends above which a device waits.
const BACKLOG: usize = 1500;
/// One in this many messages is marked as read.
const READ: u64 = 24;

/// What a crowd has to do, each including the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Live,
    /// Send nothing new.
    Quiet,
    /// Ask for histories.
    Audit,
    /// End in order.
    End,
}

/// A device at work.
#[derive(Clone)]
pub(super) struct Actor {
    pub(super) part: Arc<Part>,
    life: u32,
    pub(super) client: Client,
    writer: Arc<Writer>,
    handed: Arc<AtomicU64>,
    /// Messages of this life whose receipts are wanted.
    pub(super) followed: Arc<Mutex<BTreeSet<String>>>,
}

impl Actor {
    /// Builds the device's client on its outbox file, with everything that follows it.
    pub(super) async fn start(
        crowd: &Crowd,
        part: &Part,
        handed: Arc<AtomicU64>,
        tasks: &mut JoinSet<Result<()>>,
    ) -> Result<Self> {
        let device = &part.device;
        let name = format!("{}-{}-{}", device.tenant, device.user, device.device);
        let file = crowd.folder.join("history").join(format!("{name}.jsonl"));
        let writer = Arc::new(Writer::open(&file)?);
        writer.write(Fact::Started { device: device.clone(), life: crowd.life })?;
        let client = Client::builder(crowd.address.clone())
            .app("shop")
            .namespace(device.tenant.clone())
            .user(device.user.clone())
            .device(device.device.clone())
            .groups_to_join(part.groups.clone())
            .outbox(crowd.folder.join("outbox").join(name))
            .auto_acknowledge(!part.manual)
            .build()
            .await?;
        let (part_of, followed) = (Arc::new(part.clone()), Arc::default());
        let actor = Self { part: part_of, life: crowd.life, client, writer, handed, followed };
        for stream in part.streams() {
            tasks.spawn(actor.clone().read(stream));
        }
        tasks.spawn(actor.clone().hear());
        tasks.spawn(actor.clone().notice());
        for group in &part.groups {
            actor.write(Fact::Joining { device: device.clone(), group: group.clone() })?;
        }
        actor.client.connect().await;
        Ok(actor)
    }

    pub(super) fn write(&self, fact: Fact) -> Result<()> {
        Ok(self.writer.write(fact)?)
    }

    pub(super) fn entry(&self, message: &Message<'_>, stream: &str) -> Entry {
        Entry {
            device: self.part.device.clone(),
            stream: stream.to_owned(),
            epoch: String::new(),
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
        }
    }

    async fn read(self, name: String) -> Result<()> {
        let Some(stream) = StreamName::parse(&name).map(StreamName::into_owned) else { return Ok(()) };
        let mut messages = self.client.stream(stream).messages();
        while let Some(delivery) = messages.next().await {
            match &delivery {
                Delivery::Message(message) => {
                    let entry = self.entry(message, &name);
                    match Mark::of(message) {
                        Some(mark) => self.write(Fact::Marked { entry, mark })?,
                        None => {
                            let mark = self.mark(&entry);
                            self.write(Fact::Handed(entry))?;
                            self.say_read(mark).await?;
                        }
                    }
                }
                Delivery::Gap(gap) => self.write(Fact::Missed {
                    device: self.part.device.clone(),
                    stream: name.clone(),
                    from: gap.from,
                    to: gap.to,
                    reason: gap.reason.clone(),
                })?,
            }
            delivery.acknowledge();
            self.handed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What the user has read with some entry, seldom.
    fn mark(&self, entry: &Entry) -> Option<Mark> {
        let own = entry.sender == self.part.device.user || entry.stream == "broadcast";
        let peer = if entry.stream == "inbox" { entry.sender.clone() } else { String::new() };
        let may = !own && self.handed.load(Ordering::Relaxed).is_multiple_of(READ);
        may.then(|| Mark { stream: entry.stream.clone(), peer, seq: entry.seq })
    }

    async fn say_read(&self, mark: Option<Mark>) -> Result<()> {
        let Some(mark) = mark else { return Ok(()) };
        let conversation = match mark.peer.as_str() {
            "" => Conversation::from(mark.stream.as_str()),
            peer => Conversation::user(peer),
        };
        let position = mark.seq;
        self.write(Fact::Marking { device: self.part.device.clone(), mark })?;
        self.client.mark_read(conversation, position).await?;
        Ok(())
    }

    async fn hear(self) -> Result<()> {
        let mut volatile = self.client.volatile();
        while let Some(message) = volatile.next().await {
            self.write(Fact::Heard(self.entry(&message, "")))?;
        }
        Ok(())
    }

    /// Outcomes of sends of an earlier process come here.
    async fn notice(self) -> Result<()> {
        let mut notices = self.client.notices();
        while let Some(notice) = notices.next().await {
            let device = self.part.device.clone();
            match notice {
                Notice::Event(Event::Settled { message_id, outcome, .. }) => {
                    if let Some(outcome) = Outcome::of(outcome) {
                        self.write(Fact::Settled { device, message_id, outcome })?;
                    }
                }
                // The receipts report what this process sent itself.
                Notice::Event(Event::Receipt { message_id, stage, receiver, device: by, .. }) => {
                    let own =
                        self.followed.lock().unwrap_or_else(PoisonError::into_inner).contains(&message_id);
                    if let Some(stage) = Stage::from_name(stage.as_str()).filter(|_| !own) {
                        self.write(Fact::Reached { device, message_id, stage, receiver, by })?;
                    }
                }
                Notice::Unread { stream, from, to } => {
                    self.write(Fact::Closed { device, why: format!("{stream} unread {from} to {to}") })?;
                }
                Notice::StorageFailed(why) => self.write(Fact::Closed { device, why: why.to_string() })?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes down connections, and shortens the waits between them: the run is short.
    pub(super) async fn follow(self, mut random: Random) -> Result<()> {
        let mut states = self.client.states();
        let mut told = false;
        loop {
            let state = states.borrow_and_update().clone();
            let device = self.part.device.clone();
            match state {
                State::Connected => {
                    self.write(Fact::Connected { device: device.clone() })?;
                    for group in self.part.groups.iter().filter(|_| !told) {
                        self.write(Fact::Joined { device: device.clone(), group: group.clone() })?;
                    }
                    told = true;
                }
                State::Closed(wsc_client::Closed::Application) => return Ok(()),
                State::Closed(why) => {
                    self.write(Fact::Closed { device, why: format!("{why:?}") })?;
                    sleep(Duration::from_millis(500)).await;
                    self.client.connect().await;
                }
                State::Waiting { .. } => {
                    let pause = sleep(Duration::from_millis(random.up_to(600)));
                    tokio::select! {
                        () = pause => self.client.network_changed(true).await,
                        changed = states.changed() => if changed.is_err() { return Ok(()) },
                    }
                    continue;
                }
                _ => {}
            }
            if states.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Sends in bursts, at its rate on average.
    pub(super) async fn send(self, mut orders: watch::Receiver<Order>, mut random: Random) -> Result<()> {
        let mut number = 0;
        loop {
            let burst = 1 + random.up_to(11);
            let pause = random.up_to(2 * 60_000 * burst / self.part.rate.max(1));
            tokio::select! {
                () = sleep(Duration::from_millis(pause)) => {}
                _ = orders.wait_for(|order| *order > Order::Live) => return Ok(()),
            }
            if self.client.sync().saved > BACKLOG {
                continue;
            }
            let mut sends = Vec::new();
            for _ in 0..burst {
                number += 1;
                let (message, sending) = traffic::message(&self.part, self.life, number, &mut random);
                self.write(Fact::Sending(sending.clone()))?;
                sends.push(self.clone().one(message, sending));
            }
            // Polled in this order the first time: that is the order of the sends.
            for outcome in join_all(sends).await {
                outcome?;
            }
        }
    }

    async fn one(self, message: Message<'static>, sending: Sending) -> Result<()> {
        let Sending { device, message_id, volatile, receipts, .. } = sending;
        let receipt = match self.client.send(message).await {
            Ok(receipt) => receipt,
            Err(error) => {
                return self.write(Fact::Declined { device, message_id, why: error.to_string() });
            }
        };
        self.write(Fact::Taken { device: device.clone(), message_id: message_id.clone() })?;
        if volatile {
            return Ok(());
        }
        if receipts {
            self.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(message_id.clone());
        }
        tokio::spawn(async move {
            let outcome = match receipt.accepted().await {
                Ok(accepted) => Outcome::Accepted {
                    stream: accepted.stream.map(|stream| stream.to_string()).unwrap_or_default(),
                    seq: accepted.position,
                },
                Err(ReceiptError::Refused { code, reason }) => {
                    Outcome::Refused(format!("{reason} ({})", code.number()))
                }
                Err(ReceiptError::Unknown) => Outcome::Unknown,
                Err(ReceiptError::Expired) => Outcome::Expired,
                Err(_) => return anyhow::Ok(()),
            };
            let (of, id) = (device.clone(), message_id.clone());
            self.write(Fact::Settled { device: of, message_id: id, outcome })?;
            if !receipts {
                return Ok(());
            }
            // `read` includes `delivered`, which is not reported then.
            let (stage, more) = tokio::select! {
                biased;
                read = receipt.read() => (read.is_ok().then_some(Stage::Read), false),
                delivered = receipt.delivered() => (delivered.is_ok().then_some(Stage::Delivered), true),
            };
            if let Some(stage) = stage {
                self.reached(&message_id, stage)?;
                if more && receipt.read().await.is_ok() {
                    self.reached(&message_id, Stage::Read)?;
                }
            }
            Ok(())
        });
        Ok(())
    }

    fn reached(&self, message_id: &str, stage: Stage) -> Result<()> {
        let (device, message_id) = (self.part.device.clone(), message_id.to_owned());
        let (receiver, by) = (String::new(), String::new());
        self.write(Fact::Reached { device, message_id, stage, receiver, by })
    }

    /// Joins and leaves a group; ends as a member or not.
    pub(super) async fn churn(self, mut orders: watch::Receiver<Order>, mut random: Random) -> Result<()> {
        let group = self.client.group(CHURN);
        let (device, name) = (self.part.device.clone(), CHURN.to_owned());
        for turn in 0_u64.. {
            tokio::select! {
                () = sleep(Duration::from_millis(500 + random.up_to(5000))) => {}
                _ = orders.wait_for(|order| *order > Order::Live) => return Ok(()),
            }
            let (device, name) = (device.clone(), name.clone());
            if turn % 2 == 0 {
                self.write(Fact::Joining { device: device.clone(), group: name.clone() })?;
                if group.join().await.is_ok() {
                    self.write(Fact::Joined { device, group: name })?;
                }
            } else {
                self.write(Fact::Leaving { device: device.clone(), group: name.clone() })?;
                if group.leave().await.is_ok() {
                    self.write(Fact::Left { device, group: name })?;
                }
            }
        }
        Ok(())
    }

    /// Whether nothing is under way for it.
    pub(super) fn is_quiet(&self) -> bool {
        let sync = self.client.sync();
        self.client.state() == State::Connected && sync.saved + sync.unsaved == 0 && sync.caught_up
    }

    /// Ends in order.
    pub(super) async fn end(&self) -> Result<()> {
        self.client.close().await;
        self.write(Fact::Stopped { device: self.part.device.clone() })
    }

    /// The files of devices' histories stand in this folder.
    pub(super) fn folders(folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder.join("history"))?;
        std::fs::create_dir_all(folder.join("outbox"))
    }
}
