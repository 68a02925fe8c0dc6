//! Anything in any order: no panic, no endless output, and each send settled at most once.
#![allow(clippy::cast_possible_truncation, reason = "picks one of a few")]

use std::collections::BTreeSet;

use wsc_core::backoff::Random;
use wsc_core::client::{Action, Client, Config, Event, Link, Saved, SendId, Storage, TokenError};
use wsc_core::frame::Query;
use wsc_core::{CloseCode, Message, StreamName};

fn number(random: &mut Random) -> u64 {
    const EDGES: [u64; 8] = [0, 1, 2, 41, 1 << 32, (1 << 53) - 1, 1 << 53, u64::MAX];
    if random.up_to(2) == 0 { EDGES[random.up_to(7) as usize] } else { random.up_to(12) }
}

fn stream(random: &mut Random) -> &'static str {
    ["inbox", "broadcast", "group:a", "group:", "elsewhere", ""][random.up_to(5) as usize]
}

fn frame(random: &mut Random) -> String {
    let mut text = match random.up_to(13) {
        0 => format!(
            r#"{{"message_type":"connected","user_id":"alice","heartbeat_ms":{},"window":{},"ack_ms":{},"dedupe_ms":{},"limits":{{"frame":{}}},"streams":{{"{}":{{"epoch":"e{}","from":{},"head":{}}},"inbox":{{"epoch":"e1","from":1,"head":3}}}}}}"#,
            number(random),
            number(random),
            number(random),
            number(random),
            number(random),
            stream(random),
            random.up_to(2),
            number(random),
            number(random)
        ),
        1 | 2 => format!(
            r#"{{"message_type":"text","message_id":"m","sender":"bob","stream":"{}","seq_no":{},"require_ack":{}}}"#,
            stream(random),
            number(random),
            random.up_to(1) == 0
        ),
        3 => format!(
            r#"{{"message_type":"skip","stream":"{}","from":{},"to":{}}}"#,
            stream(random),
            number(random),
            number(random)
        ),
        4 => format!(
            r#"{{"message_type":"gap","stream":"{}","from":{},"to":{},"reason":"epoch"}}"#,
            stream(random),
            number(random),
            number(random)
        ),
        5 => format!(
            r#"{{"message_type":"ack","message_id":"s{}","stream":"{}","seq_no":{}}}"#,
            random.up_to(30),
            stream(random),
            number(random)
        ),
        6 => format!(
            r#"{{"message_type":"error","message_id":"s{}","code":{},"retry_after_ms":{}}}"#,
            random.up_to(30),
            number(random),
            number(random)
        ),
        7 => format!(
            r#"{{"message_type":"error","request_id":"{}","code":80902,"retry_after_ms":{}}}"#,
            number(random),
            number(random)
        ),
        8 => format!(r#"{{"message_type":"ack","request_id":"{}"}}"#, number(random)),
        9 => format!(
            r#"{{"message_type":"receipts","request_id":"{}","data":{{"receipts":[{{"message_id":"s{}","stage":"read"}}]}}}}"#,
            random.up_to(20),
            random.up_to(30)
        ),
        10 => format!(
            r#"{{"message_type":"group_changed","data":{{"group_id":"a","action":"{}","user_id":"alice"}},"stream":"{}","epoch":"e","from":{},"head":{}}}"#,
            ["joined", "left", "disbanded", ""][random.up_to(3) as usize],
            stream(random),
            number(random),
            number(random)
        ),
        11 => format!(
            r#"{{"message_type":"server_status","data":{{"reconnect_after_ms":{},"jitter_ms":{}}}}}"#,
            number(random),
            number(random)
        ),
        12 => format!(
            r#"{{"message_type":"delivered","receiver":"bob","message_ids":["s{}"]}}"#,
            random.up_to(30)
        ),
        _ => r#"{"message_type":"pong"}"#.to_owned(),
    };
    if random.up_to(9) == 0 {
        let cut = random.up_to(text.len() as u64) as usize;
        text.truncate(cut);
    }
    text
}

#[test]
fn nothing_that_comes_in_any_order_breaks_the_machine() {
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let config = Config {
            auto_acknowledge: seed % 2 == 0,
            storage: [Storage::None, Storage::Behind, Storage::Durable][seed as usize % 3],
            token_provider: seed % 5 == 0,
            groups: (seed % 7 == 0).then(|| vec!["a".to_owned()]),
            flight_count: 3,
            outbox_count: 8,
            receipts: 2,
            requests: 3,
            ..Config::default()
        };
        let mut client = Client::new(config, seed);
        let (mut now, mut settled, mut taken) = (crate::harness::START, BTreeSet::new(), BTreeSet::new());
        for turn in 0..200_u64 {
            now += random.up_to(4000);
            let link = if random.up_to(5) == 0 { Link(random.up_to(5) as u32) } else { client.link() };
            match random.up_to(24) {
                0 | 1 => client.connect(now),
                2 | 3 => client.handle_open(now, link),
                4..=11 => client.handle_text(now, link, &frame(&mut random)),
                12 => client.handle_binary(now, link, frame(&mut random).as_bytes()),
                13 => {
                    let code = [1000, 1001, 1002, 4001, 4002, 4014, 4029, 9][random.up_to(7) as usize];
                    let code = (random.up_to(2) > 0).then(|| CloseCode::from_number(code));
                    client.handle_close(now, link, code, &format!("retry_after_ms={}", number(&mut random)));
                }
                14 => now = client.poll_timeout().unwrap_or(now).clamp(now, now + (1 << 54)),
                15..=17 => {
                    let id = format!("s{}", turn % 30);
                    let mut message = Message { message_id: id.into(), ..Message::to_user("bob", "x") };
                    message.require_ack = random.up_to(1) == 0;
                    message.expires_in_ms = (random.up_to(3) == 0).then(|| number(&mut random));
                    message.volatile = random.up_to(5) == 0;
                    if let Ok(send) = client.send(now, &message) {
                        assert!(taken.insert(send), "seed {seed}: {send:?} given twice");
                    }
                }
                18 => client.handle_stored(now, SendId(random.up_to(turn))),
                19 => drop(client.cancel(now, SendId(random.up_to(turn)))),
                20 => {
                    if let Some(stream) = StreamName::parse(stream(&mut random)) {
                        client.acknowledge(now, &stream, random.up_to(6) as u32, number(&mut random));
                        let peer = ["bob", "", "\u{7f}"][random.up_to(2) as usize];
                        client.mark_read(now, &stream, peer, number(&mut random));
                        client.mark_read(now, &StreamName::group(peer), "", number(&mut random));
                    }
                }
                21 => drop(client.request(now, Query::HealthCheck)),
                22 => client.handle_network(now, random.up_to(1) == 0),
                23 => {
                    let token = [
                        Ok("e30.e30.t".to_owned()),
                        Err(TokenError::temporary("down")),
                        Err(TokenError::Denied),
                    ];
                    client.supply_token(now, token[random.up_to(2) as usize].clone());
                }
                _ => {
                    let saved = client.snapshot();
                    assert_eq!(Saved::decode(&saved.encode()).as_ref(), Some(&saved), "seed {seed}");
                    if random.up_to(9) == 0 {
                        client.close(now);
                    }
                }
            }
            client.handle_timeout(now);
            let mut count = 0;
            while let Some(event) = client.poll_event() {
                count += 1;
                if let Event::Settled { send, .. } = event {
                    assert!(settled.insert(send), "seed {seed}: {send:?} settled twice");
                }
            }
            while let Some(action) = client.poll_action() {
                count += 1;
                if let Action::Send { link, .. } = action {
                    // The last of the link before may still go out: what was acknowledged, ahead of its close.
                    assert!(link <= client.link(), "seed {seed}");
                }
            }
            assert!(count < 1000, "seed {seed}: {count} outputs");
            assert!(client.sync().under_way <= 3, "seed {seed}");
        }
    }
}
