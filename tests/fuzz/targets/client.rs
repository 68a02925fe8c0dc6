//! Anything in any order done to the client machine: no panic, no endless output, each send settled at most once, and
//! nothing asked of a socket that is not the open one.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use wsc_core::client::{Action, Client, Config, Event, Link, Saved, SendId, Storage, TokenError};
use wsc_core::frame::Query;
use wsc_core::{CloseCode, Message, StreamName};
use wsc_fuzz::Script;

const START: u64 = 1_795_528_800_000;
const STREAMS: [&str; 6] = ["inbox", "broadcast", "group:a", "group:", "elsewhere", ""];
const FLIGHT: usize = 3;

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let config = Config {
        auto_acknowledge: script.flag(),
        storage: script.one(&[Storage::None, Storage::Behind, Storage::Durable]),
        token_provider: script.flag(),
        groups: script.flag().then(|| vec!["a".to_owned()]),
        flight_count: FLIGHT,
        outbox_count: 8,
        receipts: 2,
        requests: 3,
        ..Config::default()
    };
    let mut world = World {
        client: Client::new(config, 7),
        now: START,
        open: None,
        last: Link::default(),
        settled: BTreeSet::new(),
        taken: BTreeSet::new(),
    };
    while !script.is_over() {
        world.operate(&mut script);
        world.drain();
    }
});

struct World {
    client: Client,
    now: u64,
    /// The socket that was asked for and not closed since, by either side.
    open: Option<Link>,
    last: Link,
    settled: BTreeSet<SendId>,
    taken: BTreeSet<SendId>,
}

impl World {
    fn operate(&mut self, script: &mut Script<'_>) {
        let (client, now) = (&mut self.client, self.now);
        let operation = script.byte() % 24;
        match operation {
            0 => client.connect(now),
            1 | 2 => client.handle_open(now, link(script, client)),
            3..=10 => {
                let (link, text) = (link(script, client), frame(script));
                client.handle_text(now, link, &text);
            }
            11 => client.handle_text(now, link(script, client), &String::from_utf8_lossy(script.bytes())),
            12 => client.handle_binary(now, link(script, client), script.bytes()),
            13 => {
                let link = link(script, client);
                let code = script.one(&[1000, 1001, 1002, 4001, 4002, 4014, 4029, 9]);
                let code = script.flag().then(|| CloseCode::from_number(code));
                let reason = format!("retry_after_ms={}", script.number());
                if self.open == Some(link) {
                    self.open = None;
                }
                client.handle_close(now, link, code, &reason);
            }
            14 => {
                // A clock stays within what JavaScript counts exactly.
                self.now = client.poll_timeout().unwrap_or(now).clamp(now, 1 << 53);
                client.handle_timeout(self.now);
            }
            15 => self.now = (now + u64::from(script.byte()) * 50).min(1 << 53),
            16 => self.send(script),
            17 => client.handle_stored(now, SendId(script.number())),
            18 => drop(client.cancel(now, SendId(script.number()))),
            19 => {
                if let Some(stream) = StreamName::parse(script.one(&STREAMS)) {
                    client.acknowledge(now, &stream, u32::from(script.byte() % 8), script.number());
                    client.mark_read(now, &stream, script.one(&["bob", "", "\u{7f}"]), script.number());
                }
                if script.flag() {
                    let group = StreamName::group(String::from_utf8_lossy(script.bytes()));
                    client.mark_read(now, &group, "", script.number());
                }
            }
            20 => drop(client.request(now, Query::HealthCheck)),
            21 => client.handle_network(now, script.flag()),
            22 => {
                let token = script.byte() % 4;
                let tokens = [
                    Ok("t".to_owned()),
                    Err(TokenError::temporary("down")),
                    Err(TokenError::Denied),
                    Ok(String::from_utf8_lossy(script.bytes()).into_owned()),
                ];
                client.supply_token(now, tokens[usize::from(token)].clone());
            }
            _ => {
                let saved = client.snapshot();
                assert_eq!(Saved::decode(&saved.encode()).as_ref(), Some(&saved));
                let _ = Saved::decode(script.bytes());
                if script.byte() == 1 {
                    client.close(now);
                }
            }
        }
    }

    fn send(&mut self, script: &mut Script<'_>) {
        let id = format!("s{}", script.byte() % 16);
        let mut message = Message { message_id: id.into(), ..Message::to_user("bob", "x") };
        message.require_ack = script.flag();
        message.expires_in_ms = script.flag().then(|| script.number());
        message.volatile = script.byte() % 5 == 0;
        if let Ok(send) = self.client.send(self.now, &message) {
            assert!(self.taken.insert(send), "{send:?} given twice");
        }
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(event) = self.client.poll_event() {
            count += 1;
            if let Event::Settled { send, .. } = event {
                assert!(self.taken.contains(&send), "{send:?} was never given");
                assert!(self.settled.insert(send), "{send:?} settled twice");
            }
        }
        while let Some(action) = self.client.poll_action() {
            count += 1;
            match action {
                Action::Open { link } => {
                    assert!(link > self.last && self.open.is_none(), "{link:?}, open: {:?}", self.open);
                    (self.last, self.open) = (link, Some(link));
                }
                Action::Send { link, .. } => {
                    assert_eq!(Some(link), self.open);
                }
                Action::Close { link, .. } => {
                    assert_eq!(Some(link), self.open);
                    self.open = None;
                }
                Action::FetchToken | Action::Persist(_) => {}
            }
        }
        assert!(count < 1000, "{count} outputs");
        assert!(self.client.sync().under_way <= FLIGHT);
    }
}

fn link(script: &mut Script<'_>, client: &Client) -> Link {
    match script.byte() {
        0..=219 => client.link(),
        other => Link(u32::from(other % 6)),
    }
}

fn frame(script: &mut Script<'_>) -> String {
    let kind = script.byte() % 13;
    let stream = script.one(&STREAMS);
    let (a, b) = (script.number(), script.number());
    let id = script.byte() % 16;
    let mut text = match kind {
        0 | 1 => format!(
            r#"{{"message_type":"connected","user_id":"alice","heartbeat_ms":{a},"window":{b},"ack_ms":{},"dedupe_ms":{},"limits":{{"frame":{}}},"streams":{{"{stream}":{{"epoch":"e{}","from":{},"head":{}}},"inbox":{{"epoch":"e1","from":1,"head":3}}}}}}"#,
            script.number(),
            script.number(),
            script.number(),
            id % 3,
            script.number(),
            script.number()
        ),
        2 | 3 => format!(
            r#"{{"message_type":"text","message_id":"m","sender":"bob","stream":"{stream}","seq_no":{a},"require_ack":{}}}"#,
            b & 1 == 1
        ),
        4 => format!(r#"{{"message_type":"skip","stream":"{stream}","from":{a},"to":{b}}}"#),
        5 => {
            format!(r#"{{"message_type":"gap","stream":"{stream}","from":{a},"to":{b},"reason":"epoch"}}"#)
        }
        6 => {
            format!(r#"{{"message_type":"ack","message_id":"s{id}","stream":"{stream}","seq_no":{a}}}"#)
        }
        7 => format!(
            r#"{{"message_type":"error","message_id":"s{id}","code":{},"retry_after_ms":{b}}}"#,
            80_900 + a % 16
        ),
        8 => format!(r#"{{"message_type":"error","request_id":"{a}","code":80902,"retry_after_ms":{b}}}"#),
        9 => format!(
            r#"{{"message_type":"receipts","request_id":"{a}","data":{{"receipts":[{{"message_id":"s{id}","stage":"read"}}]}}}}"#
        ),
        10 => format!(
            r#"{{"message_type":"group_changed","data":{{"group_id":"a","action":"{}","user_id":"alice"}},"stream":"{stream}","epoch":"e","from":{a},"head":{b}}}"#,
            ["joined", "left", "disbanded", ""][usize::from(id % 4)]
        ),
        11 => format!(
            r#"{{"message_type":"server_status","data":{{"reconnect_after_ms":{a},"jitter_ms":{b}}}}}"#
        ),
        _ => format!(r#"{{"message_type":"delivered","receiver":"bob","message_ids":["s{id}"]}}"#),
    };
    if script.byte() == 255 {
        text.truncate(usize::from(script.byte()).min(text.len()));
    }
    text
}
