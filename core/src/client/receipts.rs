//! Messages whose receipts are waited for, asked for again after each connect, and those that receipts came of: a
//! bounded list. A stage never goes back.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use super::Client;
use super::event::{Event, SendId, Stage};
use super::list::List;
use super::requests::Purpose;
use crate::frame::{each_stage, encode_receipts};
use crate::limits;
use crate::time::Timestamp;

#[derive(Debug)]
struct Followed {
    /// `None`: nothing is waited for (any more).
    send: Option<SendId>,
    message_id: String,
    stage: Stage,
    /// To be asked for on this connection.
    doubtful: bool,
}

#[derive(Debug, Default)]
pub(super) struct Receipts {
    followed: List<Followed>,
    limit: usize,
    asking: bool,
}

impl Receipts {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) fn detach(&mut self) {
        self.asking = false;
        self.doubt_all(false);
    }

    pub(super) fn doubt_all(&mut self, doubtful: bool) {
        for followed in self.followed.iter_mut() {
            followed.doubtful = doubtful && followed.send.is_some();
        }
    }
}

impl Client {
    /// An accepted message wants receipts. Was it accepted on an earlier connection, hints may have been missed.
    pub(super) fn follow(&mut self, now: Timestamp, send: SendId, message_id: String, doubtful: bool) {
        // A hint may have come before the acknowledgement.
        let known = self.find_followed(&message_id).and_then(|index| self.receipts.followed.remove(index));
        self.remember(Followed { send: Some(send), message_id, stage: Stage::Accepted, doubtful });
        if let Some(known) = known {
            self.reached(&known.message_id, known.stage, "", "");
        }
        if doubtful {
            self.ask_receipts(now);
        }
    }

    /// Asks for the next hundred at most; the answer asks for the rest.
    pub(super) fn ask_receipts(&mut self, now: Timestamp) {
        if self.receipts.asking || !self.is_live() {
            return;
        }
        let mut message_ids = Vec::new();
        for followed in self.receipts.followed.iter_mut().filter(|followed| followed.doubtful) {
            if message_ids.len() == limits::QUERY_IDS {
                break;
            }
            followed.doubtful = false;
            message_ids.push(followed.message_id.clone());
        }
        if !message_ids.is_empty() {
            self.receipts.asking = true;
            self.ask(now, Purpose::Receipts, &mut |id, out| encode_receipts(id, &message_ids, out));
        }
    }

    pub(super) fn receipts_answered(&mut self, now: Timestamp, data: &str) {
        self.receipts.asking = false;
        each_stage(data, &mut |message_id, stage| match Stage::from_name(stage) {
            Some(stage) => self.reached(message_id, stage, "", ""),
            None => {
                if let Some(index) = self.find_followed(message_id) {
                    self.unfollow(index);
                }
            }
        });
        self.ask_receipts(now);
    }

    pub(super) fn receipts_refused(&mut self) {
        // The next connection asks again.
        self.receipts.detach();
    }

    pub(super) fn reached(&mut self, message_id: &str, stage: Stage, receiver: &str, device: &str) {
        if stage == Stage::Accepted {
            return;
        }
        let index = self.find_followed(message_id);
        let send = match index.and_then(|index| self.receipts.followed.get_mut(index)) {
            Some(followed) if stage <= followed.stage => return,
            Some(followed) => {
                followed.stage = stage;
                let send = followed.send;
                if stage == Stage::Read {
                    followed.send = None;
                }
                send
            }
            None => {
                let message_id = message_id.to_owned();
                self.remember(Followed { send: None, message_id, stage, doubtful: false });
                None
            }
        };
        self.event(Event::Receipt {
            send,
            message_id: message_id.to_owned(),
            stage,
            receiver: receiver.to_owned(),
            device: device.to_owned(),
        });
    }

    fn find_followed(&self, message_id: &str) -> Option<usize> {
        self.receipts.followed.iter().rposition(|followed| followed.message_id == message_id)
    }

    /// The oldest makes room, first of those that nothing is waited for of.
    fn remember(&mut self, followed: Followed) {
        let rows = &mut self.receipts.followed;
        rows.push(followed);
        if rows.len() > self.receipts.limit {
            let index = rows.iter().position(|followed| followed.send.is_none());
            self.unfollow(index.unwrap_or(0));
        }
    }

    fn unfollow(&mut self, index: usize) {
        if let Some(followed) = self.receipts.followed.remove(index) {
            let Followed { send, message_id, .. } = *followed;
            if let Some(send) = send {
                self.event(Event::ReceiptEnded { send, message_id });
            }
        }
    }
}
