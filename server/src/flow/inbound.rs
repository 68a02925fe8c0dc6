//! What clients say: frames are understood, checked against budgets, and done or answered.

use std::sync::Arc;

use tokio_tungstenite::tungstenite::Message as Packet;
use wsc_core::frame::{
    ClientFrame, DecodeError, ErrorFrame, HubFrame, Query, Request, decode_client, decode_client_binary,
    is_request,
};
use wsc_core::peer::TrackId;
use wsc_core::{CloseCode, ErrorCode, StreamKind, StreamName};

use super::reply::{Refusal, Wait};
use super::{Turn, receipts};
use crate::log::key::{GroupKey, StreamKey};
use crate::log::store::KnownEpochs;
use crate::net::id::ConnectionId;
use crate::shard::connection::HangUp;
use crate::shard::state::State;
use crate::shard::subscription::Stream;

/// Requests that may wait behind the one being answered; beyond, the connection is not read.
const WAITING_REQUESTS: usize = 64;

impl Turn<'_> {
    /// Takes one packet of a connection.
    pub(crate) fn inbound(&mut self, id: ConnectionId, packet: Packet) {
        match self.take_packet(id, &packet) {
            Ok(()) => {}
            Err(Refusal::Wait(wait)) => self.pause(id, packet, wait),
            Err(Refusal::Close(code, reason)) => self.hang_up(id, HangUp::Fault(code, reason)),
        }
        if let Some((connection, cx)) = self.with(id) {
            cx.touch(connection);
        }
    }

    fn take_packet(&mut self, id: ConnectionId, packet: &Packet) -> Result<(), Refusal> {
        let Some((connection, cx)) = self.with(id) else { return Ok(()) };
        let now = cx.now.ms();
        connection.peer.heard(now);
        if !connection.is_attached() {
            return Ok(());
        }
        if matches!(packet, Packet::Ping(_) | Packet::Pong(_)) {
            connection.peer.control(now).map_err(Refusal::too_fast)?;
        }
        #[cfg(feature = "echo")]
        if self.cx.node().hooks.echo {
            return self.echo(id, packet);
        }
        match packet {
            Packet::Text(text) => self.text(id, text),
            Packet::Binary(bytes) => self.binary(id, bytes),
            Packet::Pong(payload) => self.pong(id, payload),
            // tungstenite answers pings, and a Close with its like.
            Packet::Ping(_) | Packet::Close(_) | Packet::Frame(_) => Ok(()),
        }
    }

    fn text(&mut self, id: ConnectionId, text: &str) -> Result<(), Refusal> {
        if self.is_bare(id) {
            return self.bare_text(id, text);
        }
        match decode_client(text) {
            Ok(frame) => self.frame(id, frame),
            Err(error) if error.message_id.is_some() && is_request(text) => self.asked(id, Err(error)),
            Err(error) => self.misunderstood(id, error),
        }
    }

    fn binary(&mut self, id: ConnectionId, bytes: &[u8]) -> Result<(), Refusal> {
        if self.is_bare(id) {
            return Ok(());
        }
        match decode_client_binary(bytes) {
            Ok(frame) => self.frame(id, frame),
            Err(error) => self.misunderstood(id, error),
        }
    }

    fn is_bare(&self, id: ConnectionId) -> bool {
        self.state.connections.get(id).is_some_and(|found| found.bare.is_some())
    }

    fn misunderstood(&mut self, id: ConnectionId, error: DecodeError) -> Result<(), Refusal> {
        let Some((connection, cx)) = self.with(id) else { return Ok(()) };
        if error.message_id.is_none() {
            connection.misunderstood(cx)?;
        }
        connection.write(&HubFrame::Error(ErrorFrame {
            message_id: error.message_id.unwrap_or_default().into(),
            request_id: "".into(),
            code: ErrorCode::InvalidFormat,
            reason: error.fault.to_string().into(),
            retry_after_ms: None,
        }));
        Ok(())
    }

    fn frame(&mut self, id: ConnectionId, frame: ClientFrame<'_>) -> Result<(), Refusal> {
        match frame {
            ClientFrame::Message(message) => self.send(id, *message),
            ClientFrame::Acknowledge { stream, seq } => self.acknowledged(id, &stream, seq),
            ClientFrame::Request(request) if request.query == Query::Ping => {
                let Some((connection, cx)) = self.with(id) else { return Ok(()) };
                connection.peer.control(cx.now.ms()).map_err(Refusal::too_fast)?;
                super::requests::pong(connection, &request.id, cx.wall);
                Ok(())
            }
            ClientFrame::Request(request) => self.asked(id, Ok(request.into_owned())),
            ClientFrame::Connect(_) => Err(Refusal::Close(CloseCode::Violation, "connected already")),
            ClientFrame::AcknowledgeMessage { .. } => {
                Err(Refusal::Close(CloseCode::Violation, "an ack names a stream and a seq_no"))
            }
        }
    }

    /// A request, or what came of trying to read one, waits for its turn.
    fn asked(
        &mut self,
        id: ConnectionId,
        request: Result<Request<'static>, DecodeError>,
    ) -> Result<(), Refusal> {
        let Some((connection, cx)) = self.with(id) else { return Ok(()) };
        if connection.extras.as_ref().is_some_and(|extras| extras.requests.len() >= WAITING_REQUESTS) {
            return Err(Refusal::Wait(Wait { ms: 50, for_store: false }));
        }
        connection.peer.request(cx.now.ms()).map_err(Refusal::too_fast)?;
        connection.extras().requests.push_back(request);
        connection.answer(cx);
        Ok(())
    }

    /// All of a stream up to `seq` was handed to the application.
    fn acknowledged(&mut self, id: ConnectionId, stream: &StreamName<'_>, seq: u64) -> Result<(), Refusal> {
        let State { connections, streams, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return Ok(()) };
        connection.peer.control(self.cx.now.ms()).map_err(Refusal::too_fast)?;
        let track = match stream.kind() {
            StreamKind::Inbox => Some(0),
            StreamKind::Broadcast => Some(1),
            StreamKind::Group(group) => {
                let key = StreamKey::Group(GroupKey::new(&connection.identity.user.scope, group));
                streams.number(&key).and_then(|number| connection.subscriptions.track_of(number))
            }
        };
        match track {
            Some(track) => self.settle(id, track, seq),
            // A stream that was closed meanwhile.
            None => Ok(()),
        }
    }

    /// Moves the acknowledged position of a track, gives the receipts that are owed, and goes on feeding.
    pub(crate) fn settle(&mut self, id: ConnectionId, track: TrackId, seq: u64) -> Result<(), Refusal> {
        let State { connections, streams, wheel, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return Ok(()) };
        let cx = &mut *self.cx;
        let moved = connection.peer.acknowledge(track, seq, cx.now.ms());
        let Some((_, to)) = moved.map_err(|code| Refusal::Close(code, "ack beyond what was sent"))? else {
            return Ok(());
        };
        connection.attempts = 0;
        let fresh = connection.cursor_changed.is_none();
        connection.cursor_changed.get_or_insert(cx.now);
        let subscription = &mut connection.subscriptions[track];
        if subscription.notes.owes_receipt(to) {
            let (ranges, owed) = subscription.notes.take_delivered(to);
            let Stream { key, standing, .. } = streams.get(subscription.stream);
            let epoch = standing.iter().map(|standing| (key.clone(), Arc::clone(&standing.epoch)));
            let epochs = KnownEpochs(epoch.collect());
            let ranges = ranges.into_iter().map(|(after, to)| (key.clone(), after, to)).collect();
            receipts::deliver(cx, connection, ranges, epochs, owed);
        }
        if fresh {
            connection.schedule(wheel, cx);
        }
        connection.feed(cx);
        cx.touch(connection);
        Ok(())
    }
}
