//! The simulated hub: `wsc_core::peer` around the log. Speaks the protocol as far as a client can tell; has no clock.

use std::collections::BTreeMap;

use wsc_core::frame::{
    Accepted, Answer, ClientFrame, Connect, Connected, ErrorFrame, HubFrame, OpenStream, Query, Range,
    Receipt, StreamCursor, decode_client, encode_hub,
};
use wsc_core::peer::{Offer, Peer, Settings, TrackId, is_overtaken};
use wsc_core::{CloseCode, ErrorCode, Message, StreamName, Timestamp};

use super::log::{Log, key_of};

/// One connection's number, never used again.
pub type ConnectionId = u64;

/// What the hub wants to do to a connection.
#[derive(Debug)]
pub enum Output {
    /// Write a frame.
    Send(ConnectionId, String),
    /// Close it.
    Close(ConnectionId, CloseCode, String),
}

#[derive(Debug)]
struct Reading {
    stream: StreamName<'static>,
    key: String,
    track: TrackId,
    /// The next position to look at.
    next: u64,
    /// The first skipped position without a `skip` so far.
    skipped: Option<u64>,
    /// The newest position when it was opened: skips up to there are sent at once.
    head: u64,
}

#[derive(Debug)]
struct Connection {
    peer: Peer,
    user: String,
    device: String,
    sent_ms: u64,
    readings: Vec<Reading>,
}

/// The hub.
#[derive(Debug)]
pub struct Hub {
    /// What survives a restart.
    pub log: Log,
    /// The peers' settings.
    pub settings: Settings,
    /// Whether skips wait for the next entry.
    pub lazy: bool,
    connections: BTreeMap<ConnectionId, Connection>,
    outputs: Vec<Output>,
    /// Acknowledgements taken, for the checker: (user, device, stream key, position).
    pub acknowledged: Vec<(String, String, String, u64)>,
    /// What a client did that no client may do.
    pub violations: Vec<String>,
}

impl Hub {
    /// A hub with an empty log.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            log: Log::default(),
            settings,
            lazy: true,
            connections: BTreeMap::new(),
            outputs: Vec::new(),
            acknowledged: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// A socket opened.
    pub fn open(&mut self, now: Timestamp, id: ConnectionId) {
        let peer = Peer::new(now, &self.settings);
        let connection =
            Connection { peer, user: String::new(), device: String::new(), sent_ms: 0, readings: Vec::new() };
        self.connections.insert(id, connection);
    }

    /// A socket is gone.
    pub fn gone(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
    }

    /// Every connection is gone, the log stays.
    pub fn restart(&mut self) -> Vec<ConnectionId> {
        self.outputs.clear();
        std::mem::take(&mut self.connections).into_keys().collect()
    }

    /// What it wants to do.
    pub fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// The next time it wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.connections.values().map(|connection| connection.peer.poll_timeout(&self.settings)).min()
    }

    /// Ends the connections whose time is up.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let settings = self.settings;
        let over: Vec<_> = self
            .connections
            .iter_mut()
            .filter_map(|(id, connection)| Some((*id, connection.peer.handle_timeout(now, &settings)?)))
            .collect();
        for (id, code) in over {
            self.close(id, code, "");
        }
    }

    fn send(&mut self, id: ConnectionId, frame: &HubFrame<'_>) {
        let mut text = String::new();
        encode_hub(frame, &mut text);
        self.outputs.push(Output::Send(id, text));
    }

    /// Closes a connection.
    pub fn close(&mut self, id: ConnectionId, code: CloseCode, reason: &str) {
        if self.connections.remove(&id).is_some() {
            self.outputs.push(Output::Close(id, code, reason.to_owned()));
        }
    }

    /// The open connections.
    pub fn ids(&self) -> Vec<ConnectionId> {
        self.connections.keys().copied().collect()
    }

    /// A text frame came.
    pub fn text(&mut self, now: Timestamp, id: ConnectionId, text: &str) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.peer.heard(now);
        let attached = !connection.user.is_empty();
        match decode_client(text) {
            Ok(ClientFrame::Connect(connect)) if !attached => self.attach(now, id, &connect),
            Ok(_) if !attached => self.violate(id, "a frame before connect"),
            Ok(ClientFrame::Message(message)) => self.message(now, id, &message),
            Ok(ClientFrame::Acknowledge { stream, seq }) => self.acknowledge(now, id, &stream, seq),
            Ok(ClientFrame::Request(request)) => self.request(id, &request.id, &request.query),
            Ok(_) => self.violate(id, "a frame that does not belong here"),
            Err(error) => self.violate(id, &error.to_string()),
        }
    }

    fn violate(&mut self, id: ConnectionId, what: &str) {
        self.violations.push(what.to_owned());
        self.close(id, CloseCode::Violation, what);
    }

    fn attach(&mut self, now: Timestamp, id: ConnectionId, connect: &Connect<'_>) {
        let (user, device) = (connect.user_id.to_string(), connect.device_id.to_string());
        let same = |connection: &Connection| connection.user == user && connection.device == device;
        let older: Vec<_> =
            self.connections.iter().filter(|(_, connection)| same(connection)).map(|(id, _)| *id).collect();
        let present = older.iter().map(|id| self.connections[id].sent_ms).max().unwrap_or(0);
        if is_overtaken(connect.sent_ms, present) {
            return self.close(id, CloseCode::TryAgainLater, "retry_after_ms=1000");
        }
        for id in older {
            self.close(id, CloseCode::Replaced, "");
        }
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.peer.attach(now);
        connection.sent_ms = connect.sent_ms;
        connection.user.clone_from(&user);
        connection.device.clone_from(&device);
        let epoch = self.log.epoch_name();
        let (mut streams, mut gaps) = (Vec::new(), Vec::new());
        for stream in [StreamName::Broadcast, StreamName::group("g"), StreamName::Inbox] {
            let cursor = connect.cursors.iter().find(|cursor: &&StreamCursor<'_>| cursor.stream == stream);
            let resumption = self.log.resume(&user, &device, &stream, cursor);
            let key = key_of(&user, &stream);
            let head = self.log.stream(&key).head();
            let (from, track) = (resumption.from, connection.peer.open(resumption.from));
            streams.push(OpenStream { stream: stream.clone(), epoch: epoch.clone().into(), from, head });
            if resumption.broken {
                gaps.push(Range { stream: stream.clone(), from, to: from - 1 });
            }
            connection.readings.push(Reading { stream, key, track, next: from, skipped: None, head });
        }
        let connected = Connected {
            protocol: 1,
            connection_id: id.to_string().into(),
            user_id: user.into(),
            device_id: device.into(),
            server_time_ms: now,
            heartbeat_ms: self.settings.heartbeat_ms,
            window: u64::from(self.settings.window),
            ack_ms: 200,
            dedupe_ms: wsc_core::limits::DEDUPE_MS,
            frame_limit: 65_536,
            streams,
            ..Connected::default()
        };
        self.send(id, &HubFrame::Connected(Box::new(connected)));
        for range in gaps {
            self.send(id, &HubFrame::Gap { range, reason: "epoch".into() });
        }
        self.feed(now, id);
    }

    fn message(&mut self, now: Timestamp, id: ConnectionId, message: &Message<'_>) {
        let Some(connection) = self.connections.get(&id) else { return };
        let (user, device) = (connection.user.clone(), connection.device.clone());
        let message_id = message.message_id.clone();
        if message.content == "refuse" {
            let frame = ErrorFrame {
                message_id,
                request_id: "".into(),
                code: ErrorCode::Filtered,
                reason: "".into(),
                retry_after_ms: None,
            };
            return self.send(id, &HubFrame::Error(frame));
        }
        let Some((place, stream)) = self.log.store(&user, &device, message) else { return };
        let (seq_no, duplicate) = (place.seq, place.duplicate);
        let accepted = Accepted { message_id, stream: Some(stream), seq_no, duplicate, create_at: "".into() };
        self.send(id, &HubFrame::Accepted(accepted));
        for id in self.ids() {
            self.feed(now, id);
        }
    }

    fn acknowledge(&mut self, now: Timestamp, id: ConnectionId, stream: &StreamName<'_>, seq: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(reading) = connection.readings.iter().find(|reading| reading.stream == *stream) else {
            return;
        };
        let (user, device, key) = (connection.user.clone(), connection.device.clone(), reading.key.clone());
        match connection.peer.acknowledge(reading.track, seq, now) {
            Err(_) => return self.violate(id, "acknowledged more than was covered"),
            Ok(None) => return,
            Ok(Some((after, to))) => {
                self.log.acknowledged(&user, &device, &key, to);
                if *stream == StreamName::Inbox {
                    self.receipts(&user, &device, &key, after, to);
                }
            }
        }
        self.acknowledged.push((user, device, key, seq));
        self.feed(now, id);
    }

    fn receipts(&mut self, user: &str, device: &str, key: &str, after: u64, to: u64) {
        let stream = self.log.stream(key);
        let entries = (after + 1..=to).filter_map(|seq| stream.get(seq));
        let wanted = entries.filter(|stored| stored.message.require_ack && stored.message.receiver == user);
        let hints: Vec<_> = wanted
            .map(|stored| (stored.message.sender.to_string(), stored.message.message_id.to_string()))
            .collect();
        for (sender, message_id) in hints {
            for (id, connection) in &self.connections {
                if connection.user == sender {
                    let frame = HubFrame::Receipt(Receipt {
                        read: false,
                        receiver: user.into(),
                        receiver_client: device.into(),
                        message_ids: vec![message_id.as_str().into()],
                    });
                    let mut text = String::new();
                    encode_hub(&frame, &mut text);
                    self.outputs.push(Output::Send(*id, text));
                }
            }
        }
    }

    fn request(&mut self, id: ConnectionId, request_id: &str, query: &Query<'_>) {
        let (message_type, data) = match query {
            Query::Ping => ("pong", String::new()),
            Query::Receipts { message_ids } => {
                let stage = |id: &str| {
                    let to = self.log.streams.values().flat_map(|stream| &stream.entries);
                    let found = to.into_iter().find(|stored| stored.message.message_id == id);
                    match found {
                        None => "unknown",
                        Some(stored) if self.log.is_delivered(&stored.message.receiver, id) => "delivered",
                        Some(_) => "accepted",
                    }
                };
                let each: Vec<_> = message_ids
                    .iter()
                    .map(|id| format!(r#"{{"message_id":"{id}","stage":"{}"}}"#, stage(id)))
                    .collect();
                ("receipts", format!(r#"{{"receipts":[{}]}}"#, each.join(",")))
            }
            _ => ("ack", String::new()),
        };
        let answer = Answer {
            partial: false,
            request_id: request_id.into(),
            message_type: message_type.into(),
            data: data.into(),
            server_time_ms: 0,
        };
        self.send(id, &HubFrame::Answer(answer));
    }

    /// Writes to a connection what it may have: entries within its window, gaps, and skips before either.
    pub fn feed(&mut self, now: Timestamp, id: ConnectionId) {
        let (settings, lazy) = (self.settings, self.lazy);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let own = format!("{}/{}", connection.user, connection.device);
        let mut frames = Vec::new();
        for reading in &mut connection.readings {
            let stream = self.log.stream(&reading.key);
            while reading.next <= stream.head() {
                let seq = reading.next;
                let Some(stored) = stream.get(seq) else { break };
                let trimmed = seq < stream.floor;
                if !trimmed && stored.device == own {
                    reading.skipped.get_or_insert(seq);
                    reading.next += 1;
                    continue;
                }
                if !trimmed && connection.peer.room(&settings) == 0 {
                    break;
                }
                pass_skip(&mut connection.peer, reading, &mut frames);
                if trimmed {
                    let to = (stream.floor - 1).min(stream.head());
                    if connection.peer.pass(reading.track, seq, to) == wsc_core::coverage::Fit::Taken {
                        let range = Range { stream: reading.stream.clone(), from: seq, to };
                        frames.push(HubFrame::Gap { range, reason: "trimmed".into() });
                    }
                    reading.next = to + 1;
                    continue;
                }
                match connection.peer.offer(reading.track, seq, seq, &settings, now) {
                    Offer::Send => {
                        let mut message = stored.message.clone();
                        message.stream = Some(reading.stream.clone());
                        message.seq_no = seq;
                        frames.push(HubFrame::Message(Box::new(message)));
                    }
                    Offer::Old => {}
                    Offer::Wait => break,
                }
                reading.next += 1;
            }
            if !lazy || reading.skipped.is_some_and(|from| from <= reading.head) {
                pass_skip(&mut connection.peer, reading, &mut frames);
            }
        }
        for frame in frames {
            self.send(id, &frame);
        }
    }
}

fn pass_skip(peer: &mut Peer, reading: &mut Reading, frames: &mut Vec<HubFrame<'static>>) {
    if let Some(from) = reading.skipped.take() {
        let to = reading.next - 1;
        if peer.pass(reading.track, from, to) == wsc_core::coverage::Fit::Taken {
            frames.push(HubFrame::Skip(Range { stream: reading.stream.clone(), from, to }));
        }
    }
}
