//! Frames of the hub, each to where it belongs. Whatever comes, nothing fails and nothing panics.

use super::event::{Event, Fault, Outcome, Presence};
use super::{Client, Link, Phase, Timer};
use crate::frame::{
    self, Connected, DecodeError, ErrorFrame, GroupChanged, HubFrame, decode_hub, decode_hub_binary,
};
use crate::limits;
use crate::message::{Message, take_string};
use crate::time::Timestamp;

impl Client {
    /// A text frame came.
    pub fn handle_text(&mut self, now: Timestamp, link: Link, text: &str) {
        if self.listens(link) {
            self.handle_frame(now, decode_hub(text));
        }
    }

    /// A binary frame came.
    pub fn handle_binary(&mut self, now: Timestamp, link: Link, bytes: &[u8]) {
        if self.listens(link) {
            self.handle_frame(now, decode_hub_binary(bytes));
        }
    }

    fn listens(&self, link: Link) -> bool {
        link == self.link && matches!(self.phase, Phase::Greeting | Phase::Live)
    }

    /// A frame is given on by reference and let go of in one place: what is taken out of it by value would leave the
    /// rest to be let go of, field by field, at every way out.
    fn handle_frame(&mut self, now: Timestamp, frame: Result<HubFrame<'_>, DecodeError>) {
        self.heard(now);
        let mut frame = match frame {
            Ok(frame) => frame,
            // A frame that held an entry leaves a hole, which the next one shows.
            Err(error) => return self.event(Event::Fault(Fault::Frame(error))),
        };
        match &mut frame {
            HubFrame::Error(error) => self.on_error(now, error),
            HubFrame::Notice { message_type, data, content } => {
                if message_type == "server_status" {
                    self.plan_leaving(now, data);
                }
                self.event(Event::Notice {
                    message_type: take_string(message_type),
                    data: take_string(data),
                    content: take_string(content),
                });
            }
            HubFrame::Connected(connected) if !self.is_live() => self.on_connected(now, connected),
            HubFrame::Connected(_) => self.unexpected("connected twice"),
            _ if !self.is_live() => self.unexpected("a frame before connected"),
            HubFrame::Message(message) => self.on_message(now, message),
            HubFrame::Skip(range) => self.on_skip(now, range),
            HubFrame::Gap { range, reason } => self.on_gap(now, range, reason),
            HubFrame::Accepted(accepted) => self.on_accepted(now, accepted),
            HubFrame::Receipt(receipt) => self.on_receipt(receipt),
            HubFrame::Answer(answer) => self.on_answer(now, answer),
            HubFrame::GroupChanged(change) => self.on_group_changed(now, change),
            HubFrame::Presence { message_type, data } => {
                let (message_type, data) = (take_string(message_type), take_string(data));
                self.event(Event::Presence(Presence { message_type, data }));
            }
        }
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
            self.on_answer(now, &mut frame::Answer { request_id, message_type, data, server_time_ms: 0 });
        }
        self.event(Event::GroupChanged {
            group: take_string(&mut change.group),
            action: take_string(&mut change.action),
            user: take_string(&mut change.user),
        });
    }
}
