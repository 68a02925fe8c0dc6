//! The application on a device: sends, handles events, joins and leaves, looks at histories, and writes all
//! of it down. Never judges anything.

use std::rc::Rc;

use tokio::time::sleep_until;
use wsc_core::backoff::Random;
use wsc_core::client::{Answer, Body, Client, Closed, Event, Generation, RequestId, State};
use wsc_core::frame::{Frame, Query};
use wsc_core::{StreamName, Timestamp};

use super::clock;
use super::device::Device;
use crate::history::{Entry, Fact, Mark, Outcome, Stage, digest};
use crate::traffic::{self, CHURN};

/// Unsettled sends above which a device sends nothing more.
const BACKLOG: usize = 200;
/// Messages whose receipts are asked for at once.
const RECEIPTS: usize = 100;
/// One in this many messages is marked as read.
const READ: u64 = 8;

/// An entry or a gap until the application deals with it: it counts as handed over then.
pub(super) struct Held {
    stream: StreamName<'static>,
    generation: Generation,
    seq: u64,
    fact: Fact,
}

/// What a request was for.
pub(super) enum Asked {
    Join,
    Leave,
    Page,
    Receipts,
    Conversations,
}

/// A look at all of its streams, at how far its own messages got, and at how far its user has read.
#[derive(Default)]
pub(super) struct Audit {
    left: Vec<String>,
    from: Option<u64>,
    first: Option<u64>,
    /// Own messages not asked after yet.
    receipts: Vec<String>,
    /// Where the next page of conversations begins; `None`: that was the last.
    conversations: Option<String>,
}

impl Device {
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
            if sending.receipts && !volatile {
                inner.followed.push(message_id.clone());
            }
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
            let mark = self.mark(&held.fact, &mut inner.random);
            self.net.write(held.fact);
            client.acknowledge(now, &held.stream, held.generation, held.seq);
            self.say_read(mark, client, now);
        }
    }

    /// What the user has read with some entry, seldom.
    fn mark(&self, fact: &Fact, random: &mut Random) -> Option<Mark> {
        let Fact::Handed(entry) = fact else { return None };
        let peer = if entry.stream == "inbox" { entry.sender.clone() } else { String::new() };
        let own = entry.sender == self.part.device.user;
        let may = !own && entry.stream != "broadcast" && random.up_to(READ - 1) == 0;
        may.then(|| Mark { stream: entry.stream.clone(), peer, seq: entry.seq })
    }

    fn say_read(&self, mark: Option<Mark>, client: &mut Client, now: Timestamp) {
        let Some(mark) = mark else { return };
        let Some(stream) = StreamName::parse(&mark.stream).map(StreamName::into_owned) else { return };
        self.write(Fact::Marking { device: self.part.device.clone(), mark: mark.clone() });
        client.mark_read(now, &stream, &mark.peer, mark.seq);
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

    /// Asks for the whole history of its streams.
    pub(super) fn audit(self: &Rc<Self>) {
        let left: Vec<_> = self.part.audits.iter().rev().cloned().collect();
        let receipts = self.inner.borrow().followed.clone();
        let conversations = Some(String::new());
        self.inner.borrow_mut().audit = Some(Audit { left, receipts, conversations, ..Audit::default() });
        self.ask_next();
    }

    /// Whether all pages came.
    pub(super) fn is_audited(&self) -> bool {
        self.inner.borrow().audit.as_ref().is_some_and(|audit| {
            audit.left.is_empty() && audit.receipts.is_empty() && audit.conversations.is_none()
        })
    }

    fn ask_next(self: &Rc<Self>) {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let now = inner.now();
        let (Some(client), Some(audit)) = (&mut inner.client, &inner.audit) else { return };
        let (asked, query) = if let Some(stream) = audit.left.last().and_then(StreamName::parse) {
            let (stream, from) = (stream.into_owned(), audit.from);
            (Asked::Page, Query::Fetch { stream, from, limit: 500, reverse: false })
        } else if !audit.receipts.is_empty() {
            let some = audit.receipts.iter().take(RECEIPTS);
            let message_ids = some.map(|id| id.clone().into()).collect();
            (Asked::Receipts, Query::Receipts { message_ids })
        } else if let Some(after) = &audit.conversations {
            (Asked::Conversations, Query::Conversations { limit: 0, after: after.clone().into() })
        } else {
            return self.write(Fact::Quiet { device: self.part.device.clone() });
        };
        let id = client.request(now, query);
        inner.asked.insert(id, asked);
    }

    fn entry(&self, frame: &Frame, stream: &str) -> Option<(Entry, Option<Mark>)> {
        let message = match frame.message() {
            Ok(message) => message,
            Err(error) => {
                self.net.fault(format!("{}: given, and not to be read: {error}", self.part.device));
                return None;
            }
        };
        let mark = Mark::of(&message);
        let entry = Entry {
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
        };
        Some((entry, mark))
    }

    pub(super) fn event(self: &Rc<Self>, event: Event) {
        let device = self.part.device.clone();
        match event {
            Event::Message(given) => {
                let Some((entry, mark)) = self.entry(&given.frame, &given.stream.to_string()) else { return };
                let (generation, seq) = (given.generation, given.seq_no);
                let fact = match mark {
                    Some(mark) => Fact::Marked { entry, mark },
                    None => Fact::Handed(entry),
                };
                self.hold(Held { stream: given.stream, generation, seq, fact });
            }
            Event::Volatile(frame) => {
                if let Some((entry, _)) = self.entry(&frame, "") {
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
            Event::Receipt { message_id, stage, receiver, device: by, .. } => {
                if let Some(stage) = Stage::from_name(stage.as_str()) {
                    self.write(Fact::Reached { device, message_id, stage, receiver, by });
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
                // A mark that was passed on is not a message.
                if let Some((entry, None)) = stream.and_then(|stream| self.entry(&frame, &stream)) {
                    self.write(Fact::Kept(entry));
                }
            }
            Event::Answer { request, answer } => self.answered(request, &answer),
            Event::RequestFailed { request, .. } => {
                let asked = self.inner.borrow_mut().asked.remove(&request);
                if let Some(Asked::Page | Asked::Receipts | Asked::Conversations) = asked {
                    let device = Rc::clone(self);
                    tokio::task::spawn_local(async move {
                        sleep_until(clock::instant(clock::now() + 300)).await;
                        device.ask_next();
                        device.pump();
                    });
                }
            }
            Event::Fault(wsc_core::client::Fault::Hub { .. }) => {}
            // Of a token that ended while clocks were set and devices slept the hub says so, and a fresh one is fetched.
            Event::Fault(wsc_core::client::Fault::Token { detail, .. }) if detail.contains("expired") => {}
            Event::Fault(fault) => self.net.fault(format!("{device}: {fault}")),
            _ => {}
        }
    }

    fn hold(&self, held: Held) {
        let mut inner = self.inner.borrow_mut();
        if self.part.manual {
            return inner.held.push_back(held);
        }
        let inner = &mut *inner;
        let mark = self.mark(&held.fact, &mut inner.random);
        self.write(held.fact);
        let now = inner.now();
        if let Some(client) = &mut inner.client {
            self.say_read(mark, client, now);
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
                self.ask_next();
            }
            Some(Asked::Receipts) => {
                let Ok(Body::Receipts(receipts)) = answer.body() else {
                    return self.net.fault(format!("{device}: receipts that are none"));
                };
                if let Some(audit) = &mut self.inner.borrow_mut().audit {
                    audit.receipts.drain(..RECEIPTS.min(audit.receipts.len()));
                }
                for receipt in receipts {
                    let (device, stage) = (device.clone(), Stage::from_name(&receipt.stage));
                    self.write(Fact::Stood { device, message_id: receipt.message_id, stage });
                }
                self.ask_next();
            }
            Some(Asked::Conversations) => {
                let Ok(Body::Conversations(page)) = answer.body() else {
                    return self.net.fault(format!("{device}: conversations that are none"));
                };
                if let Some(audit) = &mut self.inner.borrow_mut().audit {
                    audit.conversations = Some(page.next).filter(|next| !next.is_empty());
                }
                for state in page.conversations {
                    let (stream, peer) = (state.stream.to_string(), state.peer);
                    let mark = Mark { stream, peer, seq: state.read };
                    self.write(Fact::Counted { device: device.clone(), mark, unread: state.unread });
                }
                self.ask_next();
            }
            None => {}
        }
    }
}
