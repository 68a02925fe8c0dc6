//! A client in a test harness: a clock to turn, frames to hand in, actions and events to look at.

use std::collections::VecDeque;

use wsc_core::client::{Action, Client, Config, Event, Link, Outcome, Saved, SendId, State, Storage};
use wsc_core::frame::Frame;
use wsc_core::{CloseCode, Message};

pub(crate) const START: u64 = 1_795_528_800_000;

pub(crate) struct Harness {
    pub(crate) client: Client,
    pub(crate) now: u64,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) events: VecDeque<Event>,
}

pub(crate) fn connected(streams: &str) -> String {
    format!(
        r#"{{"message_type":"connected","protocol":1,"connection_id":"c","user_id":"alice","device_id":"d1",
        "server_time_ms":1,"heartbeat_ms":25000,"window":8,"ack_ms":200,"dedupe_ms":100000,
        "limits":{{"frame":65536}},"streams":{{{streams}}}}}"#
    )
}

pub(crate) fn inbox(epoch: &str, from: u64, head: u64) -> String {
    format!(r#""inbox":{{"epoch":"{epoch}","from":{from},"head":{head}}}"#)
}

pub(crate) fn entry(stream: &str, seq: u64) -> String {
    format!(
        r#"{{"message_type":"text","message_id":"{stream}{seq}","sender":"bob","receiver":"alice",
        "stream":"{stream}","seq_no":{seq},"content":"x"}}"#
    )
}

impl Harness {
    pub(crate) fn new(config: Config) -> Self {
        Self { client: Client::new(config, 7), now: START, actions: VecDeque::new(), events: VecDeque::new() }
    }

    /// Connected, with an empty inbox.
    pub(crate) fn live(config: Config) -> Self {
        let mut harness = Self::new(config);
        harness.come_live(&inbox("e1", 1, 0));
        harness
    }

    pub(crate) fn come_live(&mut self, streams: &str) {
        self.come_live_keeping(streams);
        self.clear();
    }

    /// As [`Harness::come_live`], and what came of it stays to be looked at.
    pub(crate) fn come_live_keeping(&mut self, streams: &str) {
        self.open();
        self.text(&connected(streams));
        assert_eq!(self.client.state(), State::Connected);
    }

    /// Connects up to the `connect` frame, which it gives back.
    pub(crate) fn open(&mut self) -> String {
        if self.client.state() != State::Connecting {
            self.client.connect(self.now);
        }
        self.drain();
        self.handle(|client, now| client.handle_open(now, client.link()));
        let connect = self.sent().pop().expect("a connect frame");
        assert!(connect.contains(r#""message_type":"connect""#));
        self.clear();
        connect
    }

    pub(crate) fn drain(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.events.push_back(event);
        }
        while let Some(action) = self.client.poll_action() {
            self.actions.push_back(action);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.actions.clear();
        self.events.clear();
    }

    pub(crate) fn handle<T>(&mut self, call: impl FnOnce(&mut Client, u64) -> T) -> T {
        let value = call(&mut self.client, self.now);
        self.drain();
        value
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.handle(|client, now| client.handle_text(now, client.link(), text));
    }

    pub(crate) fn close(&mut self, code: impl Into<Option<u16>>, reason: &str) {
        let code = code.into().map(CloseCode::from_number);
        self.handle(|client, now| client.handle_close(now, client.link(), code, reason));
    }

    /// Turns the clock, stopping at each time the client asked for.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.handle(Client::handle_timeout);
        }
        self.now = end;
    }

    /// Text frames sent since they were last asked for.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        self.actions.retain(|action| match action {
            Action::Send { frame: Frame::Text(text), .. } => {
                sent.push(text.clone());
                false
            }
            _ => true,
        });
        sent
    }

    pub(crate) fn closed_with(&self) -> Option<u16> {
        self.actions.iter().find_map(|action| match action {
            Action::Close { code, .. } => Some(code.number()),
            _ => None,
        })
    }

    pub(crate) fn opened(&mut self) -> Option<Link> {
        let found = self.actions.iter().position(|action| matches!(action, Action::Open { .. }))?;
        match self.actions.remove(found) {
            Some(Action::Open { link }) => Some(link),
            _ => None,
        }
    }

    #[allow(clippy::needless_pass_by_value, reason = "most messages are made for it")]
    pub(crate) fn send(&mut self, message: Message<'static>) -> SendId {
        self.handle(|client, now| client.send(now, &message)).expect("taken")
    }

    /// A message with an id.
    pub(crate) fn say(&mut self, id: &'static str) -> SendId {
        self.send(Message { message_id: id.into(), ..Message::to_user("bob", "x") })
    }

    pub(crate) fn accept(&mut self, id: &str, seq: u64) {
        self.text(&format!(
            r#"{{"message_type":"ack","message_id":"{id}","status":"accepted","stream":"inbox","seq_no":{seq},"duplicate":false,"create_at":"t"}}"#
        ));
    }

    pub(crate) fn outcomes(&mut self) -> Vec<(u64, Outcome)> {
        let settled = self.events.drain(..).filter_map(|event| match event {
            Event::Settled { send, outcome, .. } => Some((send.0, outcome)),
            _ => None,
        });
        settled.collect()
    }

    /// Positions of entries given out, gaps as `-to`.
    pub(crate) fn positions(&mut self) -> Vec<i64> {
        let positions = self.events.drain(..).filter_map(|event| match event {
            Event::Message(entry) => Some(entry.seq_no.cast_signed()),
            Event::Gap(gap) => Some(-gap.to.cast_signed()),
            _ => None,
        });
        positions.collect()
    }
}

pub(crate) fn manual() -> Config {
    Config { auto_acknowledge: false, ..Config::default() }
}

/// The ids of messages in frames.
pub(crate) fn ids(frames: &[String]) -> Vec<String> {
    let id = |frame: &String| {
        let (_, rest) = frame.split_once(r#""message_id":""#)?;
        rest.split('"').next().map(str::to_owned)
    };
    frames.iter().filter_map(id).collect()
}

/// Keeps everything.
pub(crate) fn durable() -> Config {
    Config { device_id: "d1".into(), storage: Storage::Durable, ..Config::default() }
}

/// Applies the changes asked for to what is saved, and leaves the other actions.
pub(crate) fn save(harness: &mut Harness, saved: &mut Saved) {
    harness.actions.retain(|action| match action {
        Action::Persist(change) => {
            saved.apply(change.clone());
            false
        }
        _ => true,
    });
}
