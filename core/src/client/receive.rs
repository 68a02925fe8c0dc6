//! Frames of the hub, each to where it belongs. Whatever comes, nothing fails and nothing panics.

use super::event::{Event, Fault, Outcome, Presence, Stage};
use super::marks::Step;
use super::{Client, Link, Phase, Timer};
use crate::codes::CloseCode;
use crate::frame::{
    Fields, Flags, FrameRef, Kind, Lists, Numbers, Objects, PARTIAL, Read, Texts, each_stream, error_code,
    frame_limit, opened, range, read_hub, read_hub_binary,
};
use crate::limits;
use crate::names::StreamName;
use crate::time::Timestamp;

impl Client {
    /// A text frame came.
    pub fn handle_text(&mut self, now: Timestamp, link: Link, text: &str) {
        self.handle_frame(now, link, FrameRef::Text(text));
    }

    /// A binary frame came.
    pub fn handle_binary(&mut self, now: Timestamp, link: Link, bytes: &[u8]) {
        self.handle_frame(now, link, FrameRef::Binary(bytes));
    }

    fn handle_frame(&mut self, now: Timestamp, link: Link, frame: FrameRef<'_>) {
        if link != self.link || !matches!(self.phase, Phase::Greeting | Phase::Live) {
            return;
        }
        self.heard(now);
        let mut fields = Fields::new();
        let read = match frame {
            FrameRef::Text(text) => read_hub(text, &mut fields),
            FrameRef::Binary(bytes) => read_hub_binary(bytes, &mut fields).map(|_| Kind::Message),
        };
        // A frame that held an entry and was not understood leaves a hole, which the next one shows.
        if let Err(error) = read.and_then(|kind| self.take(now, kind, &fields, frame)) {
            self.event(Event::Fault(Fault::Frame(*error)));
        }
    }

    pub(super) fn unexpected(&mut self, what: &'static str) {
        self.event(Event::Fault(Fault::Unexpected(what)));
    }

    /// Takes a frame out of its fields. Nothing has happened yet when there is an error.
    fn take(&mut self, now: Timestamp, kind: Kind, fields: &Fields<'_>, frame: FrameRef<'_>) -> Read<()> {
        let request_id = &fields.text(Texts::RequestId);
        match kind {
            Kind::Error => self.on_error(now, fields, request_id),
            Kind::Notice => {
                if fields.is(Texts::MessageType, "server_status") {
                    self.plan_leaving(now, fields.object(Objects::Data));
                }
                self.event(Event::Notice(frame.own()));
            }
            Kind::Connected => self.on_connected(now, fields)?,
            _ if !self.is_live() => self.unexpected("a frame before connected"),
            Kind::Message => self.on_message(now, fields, request_id, frame)?,
            Kind::Skip => self.on_skip(now, &range(fields)?),
            Kind::Gap => self.on_gap(now, &range(fields)?, &fields.text(Texts::Reason)),
            Kind::Accepted => {
                let outcome = Outcome::Accepted {
                    stream: fields.optional_stream()?.map(StreamName::into_owned),
                    position: fields.number(Numbers::SeqNo),
                    duplicate: fields.flag(Flags::Duplicate),
                    create_at: fields.string(Texts::CreateAt),
                };
                self.answer_send(now, &fields.text(Texts::MessageId), outcome);
            }
            Kind::GroupChanged => self.on_group_changed(now, fields, request_id, frame)?,
            Kind::Receipt => {
                let read = fields.is(Texts::MessageType, "read");
                let stage = if read { Stage::Read } else { Stage::Delivered };
                let (receiver, device) = (fields.text(Texts::Receiver), fields.text(Texts::ReceiverClient));
                fields.each(Lists::MessageIds, &mut |id| self.reached(&id, stage, &receiver, &device));
            }
            Kind::Answer => {
                let data = fields.object(Objects::Data);
                self.on_answer(now, request_id, data, frame, fields.is(Texts::Status, PARTIAL));
            }
            Kind::Presence => self.event(Event::Presence(Presence { frame: frame.own() })),
        }
        Ok(())
    }

    fn on_connected(&mut self, now: Timestamp, fields: &Fields<'_>) -> Read<()> {
        fn or(value: u64, default: u64) -> u64 {
            if value == 0 { default } else { value }
        }
        // Once to see that all can be read.
        each_stream(fields, &mut |_| {})?;
        let limit = frame_limit(fields)?;
        if self.is_live() {
            self.unexpected("connected twice");
            return Ok(());
        }
        let user = fields.string(Texts::UserId);
        if !self.owner.may_be(&user) {
            // Nothing was sent on it.
            self.token_refused("another user");
            self.fail(now, CloseCode::Normal, "another user");
            return Ok(());
        }
        self.timers.stop(Timer::Open);
        self.timers.stop(Timer::Unknown);
        let session = &mut self.session;
        session.user_id = user;
        session.heartbeat_ms = or(fields.number(Numbers::Heartbeat), limits::HEARTBEAT_MS);
        session.window = or(fields.number(Numbers::Window), u64::from(limits::WINDOW));
        session.ack_ms = or(fields.number(Numbers::Ack), limits::ACK_MS);
        session.dedupe_ms = Some(or(fields.number(Numbers::Dedupe), limits::DEDUPE_MS));
        session.frame_limit = usize::try_from(or(limit, limits::FRAME as u64)).unwrap_or(usize::MAX);
        session.connected_at = Some(now);
        self.enter(Phase::Live);
        self.heard(now);
        each_stream(fields, &mut |open| self.open_stream(now, open))?;
        self.close_unopened();
        self.release(now);
        self.marks(Step::Send(now));
        self.receipts.doubt_all(true);
        self.ask_receipts(now);
        self.watch_token(now);
        Ok(())
    }

    fn on_message(
        &mut self,
        now: Timestamp,
        fields: &Fields<'_>,
        request_id: &str,
        frame: FrameRef<'_>,
    ) -> Read<()> {
        let (stream, seq) = (fields.optional_stream()?, fields.number(Numbers::SeqNo));
        match stream {
            _ if !request_id.is_empty() => self.on_fetched(now, request_id, frame),
            Some(stream) if seq > 0 => {
                self.on_entry(now, (&stream, seq), fields.flag(Flags::RequireAck), frame);
            }
            _ => self.event(Event::Volatile(frame.own())),
        }
        Ok(())
    }

    fn on_error(&mut self, now: Timestamp, fields: &Fields<'_>, request_id: &str) {
        let (code, retry_after_ms) = (error_code(fields), fields.optional(Numbers::RetryAfter));
        let reason = fields.string(Texts::Reason);
        if !request_id.is_empty() {
            return self.on_request_refused(now, request_id, code, reason, retry_after_ms);
        }
        let outcome = Outcome::Refused { code, reason: reason.clone(), retry_after_ms };
        let message_id = fields.string(Texts::MessageId);
        if self.answer_send(now, &message_id, outcome) {
            return;
        }
        // A request of a type that the hub does not know it takes for a message.
        if self.pending(&message_id).is_some() {
            return self.on_request_refused(now, &message_id, code, reason, retry_after_ms);
        }
        self.event(Event::Fault(Fault::Hub { code, reason, message_id }));
    }

    fn on_group_changed(
        &mut self,
        now: Timestamp,
        fields: &Fields<'_>,
        request_id: &str,
        frame: FrameRef<'_>,
    ) -> Read<()> {
        let mut data = Fields::new();
        fields.inside(Objects::Data, &mut data)?;
        let opened = opened(fields)?;
        let own = data.is(Texts::UserId, &self.session.user_id);
        let (group, action) = (data.text(Texts::GroupId), data.text(Texts::Action));
        match action.as_ref() {
            "joined" => {
                if let Some(open) = &opened {
                    self.join_stream(now, open);
                }
            }
            action if own || action == "disbanded" => self.leave_stream(&group, action),
            _ => {}
        }
        if !request_id.is_empty() {
            self.on_answer(now, request_id, "", frame, false);
        }
        self.event(Event::GroupChanged(frame.own()));
        Ok(())
    }
}
