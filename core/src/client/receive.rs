//! Frames of the hub, each to where it belongs. Whatever comes, nothing fails and nothing panics.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::boxed::Box;

use super::event::{Event, Fault, Outcome, Presence};
use super::{Client, Link, Phase, Timer};
use crate::frame::{
    Fields, Flags, Kind, Lists, Numbers, Objects, Read, Texts, error_code, opened, range, read_hub,
    read_hub_binary, read_message, streams_and_limit,
};
use crate::limits;
use crate::message::{Message, own};
use crate::names::StreamName;
use crate::time::Timestamp;

impl Client {
    /// A text frame came.
    pub fn handle_text(&mut self, now: Timestamp, link: Link, text: &str) {
        if self.listens(link) {
            self.heard(now);
            let mut fields = Fields::new();
            let taken = read_hub(text, &mut fields).and_then(|kind| self.take(now, kind, &mut fields, None));
            self.check(taken);
        }
    }

    /// A binary frame came.
    pub fn handle_binary(&mut self, now: Timestamp, link: Link, bytes: &[u8]) {
        if self.listens(link) {
            self.heard(now);
            let mut fields = Fields::new();
            let taken = read_hub_binary(bytes, &mut fields)
                .and_then(|payload| self.take(now, Kind::Message, &mut fields, Some(payload)));
            self.check(taken);
        }
    }

    fn listens(&self, link: Link) -> bool {
        link == self.link && matches!(self.phase, Phase::Greeting | Phase::Live)
    }

    /// A frame that held an entry and was not understood leaves a hole, which the next one shows.
    fn check(&mut self, taken: Read<()>) {
        if let Err(error) = taken {
            self.event(Event::Fault(Fault::Frame(*error)));
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

    /// Takes a frame out of its fields. Nothing has happened yet when there is an error.
    fn take<'a>(
        &mut self,
        now: Timestamp,
        kind: Kind,
        fields: &mut Fields<'a>,
        payload: Option<&'a [u8]>,
    ) -> Read<()> {
        match kind {
            Kind::Error => self.on_error(now, fields),
            Kind::Notice => {
                let data = fields.object(Objects::Data);
                if fields.peek(Texts::MessageType) == "server_status" {
                    self.plan_leaving(now, data);
                }
                self.event(Event::Notice {
                    message_type: fields.string(Texts::MessageType),
                    data: data.to_owned(),
                    content: fields.string(Texts::Content),
                });
            }
            Kind::Connected => self.on_connected(now, fields)?,
            Kind::Message => {
                let payload = payload.map(|payload| Cow::Owned(payload.to_owned()));
                let message = read_message(fields, payload, own)?;
                if self.admits() {
                    self.on_message(now, message);
                }
            }
            Kind::Skip => {
                let range = range(fields)?;
                if self.admits() {
                    self.on_skip(now, &range);
                }
            }
            Kind::Gap => {
                let range = range(fields)?;
                if self.admits() {
                    self.on_gap(now, &range, fields.peek(Texts::Reason));
                }
            }
            Kind::Accepted => {
                let stream = fields.optional_stream()?;
                if self.admits() {
                    let outcome = Outcome::Accepted {
                        stream: stream.map(StreamName::into_owned),
                        seq: fields.number(Numbers::SeqNo),
                        duplicate: fields.flag(Flags::Duplicate),
                        create_at: fields.string(Texts::CreateAt),
                    };
                    self.answer_send(now, fields.peek(Texts::MessageId), outcome);
                }
            }
            Kind::GroupChanged => self.on_group_changed(now, fields)?,
            _ if !self.admits() => {}
            Kind::Receipt => {
                let read = fields.peek(Texts::MessageType) == "read";
                let message_ids = fields.list(Lists::MessageIds);
                let (receiver, device) = (fields.peek(Texts::Receiver), fields.peek(Texts::ReceiverClient));
                self.on_receipt(read, receiver, device, &message_ids);
            }
            Kind::Answer => self.on_answer(
                now,
                fields.peek(Texts::RequestId),
                fields.peek(Texts::MessageType),
                fields.object(Objects::Data),
                fields.number(Numbers::ServerTime),
            ),
            Kind::Presence => {
                let message_type = fields.string(Texts::MessageType);
                let data = fields.object(Objects::Data).to_owned();
                self.event(Event::Presence(Presence { message_type, data }));
            }
        }
        Ok(())
    }

    fn on_connected(&mut self, now: Timestamp, fields: &mut Fields<'_>) -> Read<()> {
        fn or(value: u64, default: u64) -> u64 {
            if value == 0 { default } else { value }
        }
        let (streams, frame_limit) = streams_and_limit(fields)?;
        if self.is_live() {
            self.unexpected("connected twice");
            return Ok(());
        }
        self.timers.stop(Timer::Open);
        self.timers.stop(Timer::Unknown);
        let session = &mut self.session;
        session.user_id = fields.string(Texts::UserId);
        session.heartbeat_ms = or(fields.number(Numbers::Heartbeat), limits::HEARTBEAT_MS);
        session.window = or(fields.number(Numbers::Window), u64::from(limits::WINDOW));
        session.ack_ms = or(fields.number(Numbers::Ack), limits::ACK_MS);
        session.dedupe_ms = Some(or(fields.number(Numbers::Dedupe), limits::DEDUPE_MS));
        let limit = usize::try_from(frame_limit).unwrap_or(usize::MAX);
        session.frame_limit = if limit == 0 { limits::FRAME } else { limit };
        session.connected_at = Some(now);
        self.token.accepted();
        self.enter(Phase::Live);
        self.heard(now);
        self.adopt(now, &streams);
        self.pump(now);
        self.send_marks(now);
        self.receipts.doubt_all(true);
        self.ask_receipts(now);
        self.watch_token(now);
        Ok(())
    }

    fn on_message(&mut self, now: Timestamp, message: Box<Message<'static>>) {
        if !message.request_id.is_empty() {
            self.on_fetched(now, message);
        } else if message.stream.is_some() && message.seq_no > 0 {
            self.on_entry(now, message);
        } else {
            self.event(Event::Volatile(message));
        }
    }

    fn on_error(&mut self, now: Timestamp, fields: &mut Fields<'_>) {
        let (code, retry_after_ms) = (error_code(fields), fields.optional(Numbers::RetryAfter));
        let reason = fields.string(Texts::Reason);
        let request_id = fields.peek(Texts::RequestId);
        if !request_id.is_empty() {
            return self.on_request_refused(now, request_id, code, reason, retry_after_ms);
        }
        let outcome = Outcome::Refused { code, reason: reason.clone(), retry_after_ms };
        let message_id = fields.peek(Texts::MessageId);
        if message_id.is_empty() || !self.answer_send(now, message_id, outcome) {
            let message_id = message_id.to_owned();
            self.event(Event::Fault(Fault::Hub { code, reason, message_id }));
        }
    }

    fn on_group_changed(&mut self, now: Timestamp, fields: &mut Fields<'_>) -> Read<()> {
        let mut data = Fields::new();
        fields.data(&mut data)?;
        let opened = opened(fields)?;
        if !self.admits() {
            return Ok(());
        }
        let own = data.peek(Texts::UserId) == self.session.user_id;
        let group = data.peek(Texts::GroupId);
        match (data.peek(Texts::Action), opened) {
            ("joined", Some(open)) => self.join_stream(now, &open),
            ("joined", None) => {}
            (action, _) if own || action == "disbanded" => self.leave_stream(group, action),
            _ => {}
        }
        let request_id = fields.peek(Texts::RequestId);
        if !request_id.is_empty() {
            self.on_answer(now, request_id, "group_changed", "", 0);
        }
        self.event(Event::GroupChanged {
            group: data.string(Texts::GroupId),
            action: data.string(Texts::Action),
            user: data.string(Texts::UserId),
        });
        Ok(())
    }
}
