//! Frames of the hub, each to where it belongs. Whatever comes, nothing fails and nothing panics.

use alloc::boxed::Box;

use super::event::{Event, Fault, Outcome, Presence};
use super::{Client, Link, Phase, Timer};
use crate::frame::{
    Accepted, Answer, Connected, DecodeError, ErrorFrame, GroupChanged, Range, Receipt, Recipient, read_hub,
    read_hub_binary,
};
use crate::limits;
use crate::message::{Message, Text, take_string};
use crate::time::Timestamp;

impl Client {
    /// A text frame came.
    pub fn handle_text(&mut self, now: Timestamp, link: Link, text: &str) {
        if self.listens(link) {
            self.heard(now);
            let read = read_hub(text, &mut Incoming { client: self, now });
            self.check(read);
        }
    }

    /// A binary frame came.
    pub fn handle_binary(&mut self, now: Timestamp, link: Link, bytes: &[u8]) {
        if self.listens(link) {
            self.heard(now);
            let read = read_hub_binary(bytes, &mut Incoming { client: self, now });
            self.check(read);
        }
    }

    fn listens(&self, link: Link) -> bool {
        link == self.link && matches!(self.phase, Phase::Greeting | Phase::Live)
    }

    /// A frame that held an entry and was not understood leaves a hole, which the next one shows.
    fn check(&mut self, read: Result<(), DecodeError>) {
        if let Err(error) = read {
            self.event(Event::Fault(Fault::Frame(error)));
        }
    }

    /// Whether a frame may come now that needs a connection.
    fn admits(&mut self) -> bool {
        let live = self.is_live();
        if !live {
            self.unexpected("a frame before connected");
        }
        live
    }

    pub(super) fn unexpected(&mut self, what: &'static str) {
        self.event(Event::Fault(Fault::Unexpected(what)));
    }

    fn on_connected(&mut self, now: Timestamp, connected: &mut Connected<'_>) {
        fn or(value: u64, default: u64) -> u64 {
            if value == 0 { default } else { value }
        }
        self.timers.stop(Timer::Open);
        self.timers.stop(Timer::Unknown);
        let session = &mut self.session;
        session.user_id = take_string(&mut connected.user_id);
        session.heartbeat_ms = or(connected.heartbeat_ms, limits::HEARTBEAT_MS);
        session.window = or(connected.window, u64::from(limits::WINDOW));
        session.ack_ms = or(connected.ack_ms, limits::ACK_MS);
        session.dedupe_ms = Some(or(connected.dedupe_ms, limits::DEDUPE_MS));
        let limit = usize::try_from(connected.frame_limit).unwrap_or(usize::MAX);
        session.frame_limit = if limit == 0 { limits::FRAME } else { limit };
        session.connected_at = Some(now);
        self.token.accepted();
        self.enter(Phase::Live);
        self.heard(now);
        self.adopt(now, &connected.streams);
        self.pump(now);
        self.send_marks(now);
        self.receipts.doubt_all();
        self.ask_receipts(now);
        self.watch_token(now);
    }

    fn on_message(&mut self, now: Timestamp, message: &mut Message<'_>) {
        if !message.request_id.is_empty() {
            self.on_fetched(now, message);
        } else if message.stream.is_some() && message.seq_no > 0 {
            self.on_entry(now, message);
        } else {
            self.event(Event::Volatile(message.take_owned()));
        }
    }

    fn on_error(&mut self, now: Timestamp, error: &mut ErrorFrame<'_>) {
        let (code, retry_after_ms) = (error.code, error.retry_after_ms);
        let reason = take_string(&mut error.reason);
        if !error.request_id.is_empty() {
            return self.on_request_refused(now, &error.request_id, code, reason, retry_after_ms);
        }
        let outcome = Outcome::Refused { code, reason: reason.clone(), retry_after_ms };
        if !self.on_refused(now, &error.message_id, outcome) {
            let message_id = take_string(&mut error.message_id);
            self.event(Event::Fault(Fault::Hub { code, reason, message_id }));
        }
    }

    fn on_group_changed(&mut self, now: Timestamp, change: &mut GroupChanged<'_>) {
        let own = change.user == self.session.user_id;
        match change.action.as_ref() {
            "joined" => {
                if let Some(open) = &change.opened {
                    self.join_stream(now, open);
                }
            }
            "disbanded" => self.leave_stream(&change.group, "disbanded"),
            action if own => self.leave_stream(&change.group, action),
            _ => {}
        }
        if !change.request_id.is_empty() {
            let request_id = core::mem::take(&mut change.request_id);
            let (message_type, data) = ("group_changed".into(), "".into());
            self.on_answer(now, &mut Answer { request_id, message_type, data, server_time_ms: 0 });
        }
        self.event(Event::GroupChanged {
            group: take_string(&mut change.group),
            action: take_string(&mut change.action),
            user: take_string(&mut change.user),
        });
    }
}

/// The client while it takes one frame.
struct Incoming<'c> {
    client: &'c mut Client,
    now: Timestamp,
}

impl<'a> Recipient<'a> for Incoming<'_> {
    fn connected(&mut self, mut connected: Box<Connected<'a>>) {
        if self.client.is_live() {
            self.client.unexpected("connected twice");
        } else {
            self.client.on_connected(self.now, &mut connected);
        }
    }

    fn skip(&mut self, range: Range<'a>) {
        if self.client.admits() {
            self.client.on_skip(self.now, &range);
        }
    }

    fn gap(&mut self, range: Range<'a>, reason: Text<'a>) {
        if self.client.admits() {
            self.client.on_gap(self.now, &range, &reason);
        }
    }

    fn accepted(&mut self, mut accepted: Accepted<'a>) {
        if self.client.admits() {
            self.client.on_accepted(self.now, &mut accepted);
        }
    }

    fn error(&mut self, mut error: ErrorFrame<'a>) {
        self.client.on_error(self.now, &mut error);
    }

    fn message(&mut self, mut message: Box<Message<'a>>) {
        if self.client.admits() {
            self.client.on_message(self.now, &mut message);
        }
    }

    fn receipt(&mut self, receipt: Receipt<'a>) {
        if self.client.admits() {
            self.client.on_receipt(&receipt);
        }
    }

    fn answer(&mut self, mut answer: Answer<'a>) {
        if self.client.admits() {
            self.client.on_answer(self.now, &mut answer);
        }
    }

    fn group_changed(&mut self, mut change: Box<GroupChanged<'a>>) {
        if self.client.admits() {
            self.client.on_group_changed(self.now, &mut change);
        }
    }

    fn presence(&mut self, mut message_type: Text<'a>, mut data: Text<'a>) {
        if self.client.admits() {
            let (message_type, data) = (take_string(&mut message_type), take_string(&mut data));
            self.client.event(Event::Presence(Presence { message_type, data }));
        }
    }

    fn notice(&mut self, mut message_type: Text<'a>, mut data: Text<'a>, mut content: Text<'a>) {
        if message_type == "server_status" {
            self.client.plan_leaving(self.now, &data);
        }
        self.client.event(Event::Notice {
            message_type: take_string(&mut message_type),
            data: take_string(&mut data),
            content: take_string(&mut content),
        });
    }
}
