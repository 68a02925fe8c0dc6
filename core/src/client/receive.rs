//! Frames of the hub, each to where it belongs. Whatever comes, nothing fails and nothing panics.

use alloc::boxed::Box;

use super::event::{Event, Fault, Outcome, Presence};
use super::{Client, Link, Phase, Timer};
use crate::frame::{
    Connected, DecodeError, ErrorFrame, GroupChanged, HubFrame, decode_hub, decode_hub_binary,
};
use crate::limits;
use crate::message::Message;
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

    fn handle_frame(&mut self, now: Timestamp, frame: Result<HubFrame<'_>, DecodeError>) {
        self.heard(now);
        match frame {
            // A frame that held an entry leaves a hole, which the next one shows.
            Err(error) => self.event(Event::Fault(Fault::Frame(error))),
            Ok(HubFrame::Error(error)) => self.on_error(now, error),
            Ok(HubFrame::Notice { message_type, data, content }) => {
                if message_type == "server_status" {
                    self.plan_leaving(now, &data);
                }
                self.event(Event::Notice {
                    message_type: message_type.into_owned(),
                    data: data.into_owned(),
                    content: content.into_owned(),
                });
            }
            Ok(HubFrame::Connected(connected)) if !self.is_live() => self.on_connected(now, *connected),
            Ok(HubFrame::Connected(_)) => self.event(Event::Fault(Fault::Unexpected("connected twice"))),
            Ok(_) if !self.is_live() => {
                self.event(Event::Fault(Fault::Unexpected("a frame before connected")));
            }
            Ok(HubFrame::Message(message)) => self.on_message(now, *message),
            Ok(HubFrame::Skip(range)) => self.on_skip(now, &range),
            Ok(HubFrame::Gap { range, reason }) => self.on_gap(now, &range, &reason),
            Ok(HubFrame::Accepted(accepted)) => self.on_accepted(now, accepted),
            Ok(HubFrame::Receipt(receipt)) => self.on_receipt(&receipt),
            Ok(HubFrame::Answer(answer)) => self.on_answer(now, answer),
            Ok(HubFrame::GroupChanged(change)) => self.on_group_changed(now, *change),
            Ok(HubFrame::Presence { message_type, data }) => {
                let (message_type, data) = (message_type.into_owned(), data.into_owned());
                self.event(Event::Presence(Presence { message_type, data }));
            }
        }
    }

    fn on_connected(&mut self, now: Timestamp, connected: Connected<'_>) {
        fn or(value: u64, default: u64) -> u64 {
            if value == 0 { default } else { value }
        }
        self.timers.stop(Timer::Open);
        self.timers.stop(Timer::Unknown);
        let session = &mut self.session;
        session.user_id = connected.user_id.into_owned();
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

    fn on_message(&mut self, now: Timestamp, message: Message<'_>) {
        if !message.request_id.is_empty() {
            self.on_fetched(now, message);
        } else if message.stream.is_some() && message.seq_no > 0 {
            self.on_entry(now, message);
        } else {
            self.event(Event::Volatile(Box::new(message.into_owned())));
        }
    }

    fn on_error(&mut self, now: Timestamp, error: ErrorFrame<'_>) {
        let (code, retry_after_ms) = (error.code, error.retry_after_ms);
        let reason = error.reason.into_owned();
        if !error.request_id.is_empty() {
            return self.on_request_refused(now, &error.request_id, code, reason, retry_after_ms);
        }
        let outcome = Outcome::Refused { code, reason: reason.clone(), retry_after_ms };
        if !self.on_refused(now, &error.message_id, outcome) {
            let message_id = error.message_id.into_owned();
            self.event(Event::Fault(Fault::Hub { code, reason, message_id }));
        }
    }

    fn on_group_changed(&mut self, now: Timestamp, change: GroupChanged<'_>) {
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
            self.on_answer(
                now,
                crate::frame::Answer {
                    request_id: change.request_id,
                    message_type: "group_changed".into(),
                    data: "".into(),
                    server_time_ms: 0,
                },
            );
        }
        self.event(Event::GroupChanged {
            group: change.group.into_owned(),
            action: change.action.into_owned(),
            user: change.user.into_owned(),
        });
    }
}
