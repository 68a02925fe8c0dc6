//! What clients say: frames are understood, checked against budgets, and done or answered.

use std::rc::Rc;
use std::sync::Arc;

use tokio_tungstenite::tungstenite::Message as Packet;
use wsc_core::frame::{
    ClientFrame, DecodeError, ErrorFrame, HubFrame, Query, Request, decode_client, decode_client_binary,
    is_request,
};
use wsc_core::peer::TrackId;
use wsc_core::{CloseCode, ErrorCode, StreamKind, StreamName};

use super::receipts;
use super::send::Wait;
use super::shard::Shard;
use super::state::{Connection, HangUp, State};
use crate::log::key::{GroupKey, StreamKey};

/// Requests that may wait behind the one being answered; beyond, the connection is not read.
const WAITING_REQUESTS: usize = 64;

impl Shard {
    /// Takes one packet of a connection.
    pub(crate) fn inbound(self: &Rc<Self>, place: u32, generation: u32, packet: Packet) {
        let outcome = {
            let mut state = self.state.borrow_mut();
            let now = state.clock.tick();
            let Some(connection) = state.connection(place, generation) else { return };
            connection.peer.heard(now);
            if connection.closing {
                return;
            }
            let control = matches!(packet, Packet::Ping(_) | Packet::Pong(_));
            if control { connection.peer.control(now).map_err(Refusal::slow) } else { Ok(()) }
        };
        let outcome = outcome.and_then(|()| match &packet {
            #[cfg(feature = "echo")]
            _ if self.node.hooks.echo => self.echo(place, generation, &packet),
            Packet::Text(text) => self.text(place, generation, text),
            Packet::Binary(bytes) => self.binary(place, generation, bytes),
            Packet::Pong(payload) => self.pong(place, generation, payload),
            // tungstenite answers pings, and a Close with its like.
            Packet::Ping(_) | Packet::Close(_) | Packet::Frame(_) => Ok(()),
        });
        match outcome {
            Ok(()) => {}
            Err(Refusal::Wait(wait)) => self.pause(place, generation, packet, wait),
            Err(Refusal::Close(code, reason)) => self.hang_up(place, generation, HangUp::Fault(code, reason)),
        }
        let mut state = self.state.borrow_mut();
        if let Some(connection) = state.connection(place, generation) {
            self.touch(connection, place);
        }
    }

    fn text(self: &Rc<Self>, place: u32, generation: u32, text: &str) -> Result<(), Refusal> {
        if self.is_bare(place, generation) {
            return self.bare_text(place, generation, text);
        }
        match decode_client(text) {
            Ok(frame) => self.frame(place, generation, frame),
            Err(error) if error.message_id.is_some() && is_request(text) => {
                self.asked(place, generation, Err(error))
            }
            Err(error) => self.misunderstood(place, generation, error),
        }
    }

    fn binary(self: &Rc<Self>, place: u32, generation: u32, bytes: &[u8]) -> Result<(), Refusal> {
        if self.is_bare(place, generation) {
            return Ok(());
        }
        match decode_client_binary(bytes) {
            Ok(frame) => self.frame(place, generation, frame),
            Err(error) => self.misunderstood(place, generation, error),
        }
    }

    fn is_bare(&self, place: u32, generation: u32) -> bool {
        self.state.borrow_mut().connection(place, generation).is_some_and(|found| found.bare.is_some())
    }

    fn misunderstood(&self, place: u32, generation: u32, error: DecodeError) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let Some(connection) = state.connection(place, generation) else { return Ok(()) };
        let fault = error.fault.to_string();
        if error.message_id.is_none() && connection.peer.misunderstood(now).is_err() {
            return Err(Refusal::Close(CloseCode::Violation, "too many frames that could not be understood"));
        }
        connection.say(&HubFrame::Error(ErrorFrame {
            message_id: error.message_id.unwrap_or_default().into(),
            request_id: "".into(),
            code: ErrorCode::InvalidFormat,
            reason: fault.into(),
            retry_after_ms: None,
        }));
        Ok(())
    }

    fn frame(self: &Rc<Self>, place: u32, generation: u32, frame: ClientFrame<'_>) -> Result<(), Refusal> {
        match frame {
            ClientFrame::Message(message) => self.send(place, generation, *message),
            ClientFrame::Acknowledge { stream, seq } => self.acknowledged(place, generation, &stream, seq),
            ClientFrame::Request(request) if request.query == Query::Ping => {
                let mut state = self.state.borrow_mut();
                let now = state.clock.tick();
                let Some(connection) = state.connection(place, generation) else { return Ok(()) };
                connection.peer.control(now).map_err(Refusal::slow)?;
                super::requests::pong(connection, &request.id);
                Ok(())
            }
            ClientFrame::Request(request) => self.asked(place, generation, Ok(request.into_owned())),
            ClientFrame::Connect(_) => Err(Refusal::Close(CloseCode::Violation, "connected already")),
            ClientFrame::AcknowledgeMessage { .. } => {
                Err(Refusal::Close(CloseCode::Violation, "an ack names a stream and a seq_no"))
            }
        }
    }

    /// A request, or what came of trying to read one, waits for its turn.
    fn asked(
        self: &Rc<Self>,
        place: u32,
        generation: u32,
        request: Result<Request<'static>, DecodeError>,
    ) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let Some(connection) = state.connection(place, generation) else { return Ok(()) };
        if connection.rare.as_ref().is_some_and(|rare| rare.requests.len() >= WAITING_REQUESTS) {
            return Err(Refusal::Wait(Wait { ms: 50, store: false }));
        }
        connection.peer.request(now).map_err(Refusal::slow)?;
        connection.rare().requests.push_back(request);
        self.answer(connection, place);
        Ok(())
    }

    /// All of a stream up to `seq` was handed to the application.
    fn acknowledged(
        self: &Rc<Self>,
        place: u32,
        generation: u32,
        stream: &StreamName<'_>,
        seq: u64,
    ) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let State { connections, streams, .. } = &mut *state;
        let Some(connection) =
            connections.get_mut(place as usize).filter(|found| found.generation == generation)
        else {
            return Ok(());
        };
        connection.peer.control(now).map_err(Refusal::slow)?;
        let track = match stream.kind() {
            StreamKind::Inbox => Some(0),
            StreamKind::Broadcast => Some(1),
            StreamKind::Group(group) => {
                let key = StreamKey::Group(GroupKey::new(&connection.identity.user.scope, group));
                streams.number(&key).and_then(|number| connection.reading_of(number))
            }
        };
        drop(state);
        match track {
            Some(track) => self.settle(place, generation, track, seq),
            // A stream that was closed meanwhile.
            None => Ok(()),
        }
    }

    /// Moves the acknowledged position of a track, gives the receipts that are owed, and goes on feeding.
    pub(crate) fn settle(
        self: &Rc<Self>,
        place: u32,
        generation: u32,
        track: TrackId,
        seq: u64,
    ) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let State { connections, streams, wheel, .. } = &mut *state;
        let Some(connection) =
            connections.get_mut(place as usize).filter(|found| found.generation == generation)
        else {
            return Ok(());
        };
        let moved = connection.peer.acknowledge(track, seq, now);
        let Some((_, to)) = moved.map_err(|code| Refusal::Close(code, "ack beyond what was sent"))? else {
            return Ok(());
        };
        if connection.attempts > 0 {
            connection.attempts = 0;
        }
        let fresh = connection.cursor_changed.is_none();
        connection.cursor_changed.get_or_insert(now);
        let reading = &mut connection.readings[track as usize];
        if reading.owes_receipt(to) {
            let (ranges, owed) = reading.take_delivered(to);
            let key = streams.get(reading.stream).key.clone();
            let ranges = ranges.into_iter().map(|(after, to)| (key.clone(), after, to)).collect();
            let (user, device) = (connection.identity.user.clone(), Arc::clone(&connection.device));
            receipts::deliver(self, user, device, ranges, owed);
        }
        if fresh {
            self.plan(wheel, connection, place, now);
        }
        self.feed(connection, place);
        self.touch(connection, place);
        Ok(())
    }
}

/// Why a frame was not done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// It can be done later.
    Wait(Wait),
    /// The connection must end.
    Close(CloseCode, &'static str),
}

impl Refusal {
    /// The client is too fast.
    pub(crate) fn slow(wait_ms: u64) -> Self {
        Self::Wait(Wait { ms: wait_ms, store: false })
    }
}

/// The connection's own frames that answer a message.
impl Connection {
    /// Refuses a message for good.
    pub(crate) fn refuse(&self, message_id: &str, code: ErrorCode, reason: &str) {
        if let Some(bare) = &self.bare {
            return bare.problem(&self.wire, message_id, code, reason);
        }
        self.say(&HubFrame::Error(ErrorFrame {
            message_id: message_id.into(),
            request_id: "".into(),
            code,
            reason: reason.into(),
            retry_after_ms: None,
        }));
    }
}
