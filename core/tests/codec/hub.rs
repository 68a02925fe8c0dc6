//! What the hub writes: every kind of frame, read again and checked by serde_json.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};
use wsc_core::StreamName;
use wsc_core::frame::{
    EntryBody, HubFrame, data_object, decode_hub, encode_hub, finish_entry, members_without,
};

use crate::random::{Random, frames, seed};
use crate::strict::Strict;

#[test]
fn whatever_the_hub_writes_is_json_without_a_doubled_key() {
    let mut random = Random(seed());
    let mut texts: HashMap<&'static str, usize> = HashMap::new();
    let mut check = |kind: &'static str, text: &str| {
        *texts.entry(kind).or_default() += 1;
        if let Err(error) = serde_json::from_str::<Strict>(text) {
            panic!("{kind}: {error}: {text}");
        }
    };
    for _ in 0..frames() / 20 {
        let (kind, frame) = hub_frame(&mut random);
        let mut text = String::new();
        encode_hub(&frame, &mut text);
        check(kind, &text);
        // Entries are finished where they stand.
        let mut message = random.message();
        message.payload = (random.below(3) == 0).then(|| vec![0, 255, 7].into());
        let body = EntryBody::of(&message);
        let (stream, seq) = (StreamName::group(random.text()), random.next() >> random.below(64));
        let place = (random.below(4) > 0).then_some((&stream, seq));
        let (source, request_id) = (random.one(&["", "offline", "history"]), random.text());
        let mut out = Vec::new();
        assert!(finish_entry(&mut out, &body.bytes, body.binary, place, source, &request_id));
        if body.binary {
            let length = u32::from_be_bytes(*out.first_chunk().unwrap()) as usize;
            out = out[4..4 + length].to_vec();
        }
        check("entry", std::str::from_utf8(&out).unwrap());
        if let Ok(data) = data_object(&message.data) {
            let members = members_without(&data, random.one(&["a", "", "offline"])).unwrap_or_default();
            check("members", &format!("{{{members}}}"));
        }
    }
    assert_eq!(texts.len(), 13, "{texts:?}");
}

/// A frame of the hub of any kind.
fn hub_frame(random: &mut Random) -> (&'static str, HubFrame<'static>) {
    use wsc_core::codes::ErrorCode;
    use wsc_core::frame::{
        Accepted, Answer, Connected, ErrorFrame, GroupChanged, OpenStream, Range, Receipt,
    };
    let stream = |random: &mut Random| match random.below(3) {
        0 => StreamName::Inbox,
        1 => StreamName::Broadcast,
        _ => StreamName::group(random.text()),
    };
    let open = |random: &mut Random, stream| OpenStream {
        stream,
        epoch: random.text().into(),
        from: random.next(),
        head: random.next(),
    };
    let data = |random: &mut Random| -> Cow<'static, str> {
        let members: Map<_, _> = (0..random.below(3)).map(|_| (random.text(), random.value(3))).collect();
        if members.is_empty() { "".into() } else { Value::Object(members).to_string().into() }
    };
    let range =
        |random: &mut Random| Range { stream: stream(random), from: random.next(), to: random.next() };
    match random.below(11) {
        0 => {
            let mut streams = vec![open(random, StreamName::Inbox), open(random, StreamName::Broadcast)];
            streams.extend((0..random.below(4)).map(|number| {
                let name = StreamName::group(format!("{number}{}", random.text()));
                open(random, name)
            }));
            let connected = Connected {
                protocol: random.next(),
                connection_id: random.text().into(),
                user_id: random.text().into(),
                user_type: random.text().into(),
                device_id: random.text().into(),
                app_id: random.text().into(),
                namespace: random.text().into(),
                node_id: random.text().into(),
                frame_limit: random.next(),
                streams,
                ..Connected::default()
            };
            ("connected", HubFrame::Connected(Box::new(connected)))
        }
        1 => ("skip", HubFrame::Skip(range(random))),
        2 => ("gap", HubFrame::Gap { range: range(random), reason: random.text().into() }),
        3 => {
            let accepted = Accepted {
                message_id: random.text().into(),
                stream: (random.below(2) == 0).then(|| stream(random)),
                seq_no: random.next(),
                duplicate: random.below(2) == 0,
                create_at: random.text().into(),
            };
            ("ack", HubFrame::Accepted(accepted))
        }
        4 => {
            let error = ErrorFrame {
                message_id: random.text().into(),
                request_id: random.text().into(),
                code: ErrorCode::from_number(u32::try_from(random.below(90_000)).unwrap()),
                reason: random.text().into(),
                retry_after_ms: (random.below(2) == 0).then(|| random.next()),
            };
            ("error", HubFrame::Error(error))
        }
        5 => ("message", HubFrame::Message(Box::new(random.message()))),
        6 => {
            let receipt = Receipt {
                read: random.below(2) == 0,
                receiver: random.text().into(),
                receiver_client: random.text().into(),
                message_ids: (0..random.below(4)).map(|_| random.text().into()).collect(),
            };
            ("receipt", HubFrame::Receipt(receipt))
        }
        7 => {
            let answer = Answer {
                partial: random.below(2) == 0,
                request_id: random.text().into(),
                message_type: random.text().into(),
                data: data(random),
                server_time_ms: random.next() >> random.below(64),
            };
            ("answer", HubFrame::Answer(answer))
        }
        8 => {
            let group = random.text();
            let changed = GroupChanged {
                request_id: random.text().into(),
                opened: (random.below(2) == 0).then(|| open(random, StreamName::group(&group))),
                closes: random.below(2) == 0,
                action: random.text().into(),
                user: random.text().into(),
                group: group.into(),
            };
            ("group_changed", HubFrame::GroupChanged(Box::new(changed)))
        }
        9 => ("presence", HubFrame::Presence { message_type: random.text().into(), data: data(random) }),
        _ => {
            let (message_type, content) = (random.text().into(), random.text().into());
            ("notice", HubFrame::Notice { message_type, data: data(random), content })
        }
    }
}

#[test]
fn every_hub_frame_is_read_as_it_was_written() {
    use wsc_core::codes::ErrorCode;
    use wsc_core::frame::{
        Accepted, Answer, Connected, ErrorFrame, GroupChanged, OpenStream, Range, Receipt,
    };
    let open = OpenStream { stream: StreamName::group("té am\""), epoch: "e1".into(), from: 9, head: 8 };
    let frames = [
        HubFrame::Connected(Box::new(Connected {
            protocol: 1,
            user_id: "alice".into(),
            window: 4096,
            frame_limit: 65536,
            streams: vec![open.clone()],
            ..Connected::default()
        })),
        HubFrame::Skip(Range { stream: StreamName::Inbox, from: 42, to: 43 }),
        HubFrame::Gap {
            range: Range { stream: StreamName::Inbox, from: 44, to: 43 },
            reason: "epoch".into(),
        },
        HubFrame::Accepted(Accepted {
            message_id: "m".into(),
            stream: Some(StreamName::Inbox),
            seq_no: 58,
            duplicate: true,
            create_at: "2026".into(),
        }),
        HubFrame::Error(ErrorFrame {
            message_id: "m".into(),
            request_id: "".into(),
            code: ErrorCode::GroupNotFound,
            reason: "no".into(),
            retry_after_ms: Some(0),
        }),
        HubFrame::Receipt(Receipt {
            read: true,
            receiver: "bob".into(),
            receiver_client: "".into(),
            message_ids: vec!["a".into(), "b".into()],
        }),
        HubFrame::Answer(Answer {
            partial: false,
            request_id: "r".into(),
            message_type: "pong".into(),
            data: "".into(),
            server_time_ms: 5,
        }),
        HubFrame::Answer(Answer {
            partial: true,
            request_id: "r".into(),
            message_type: "user_status_response".into(),
            data: "{\"users\":[]}".into(),
            server_time_ms: 0,
        }),
        HubFrame::GroupChanged(Box::new(GroupChanged {
            request_id: "".into(),
            group: "té am\"".into(),
            action: "joined".into(),
            user: "bob".into(),
            opened: Some(open),
            closes: false,
        })),
        HubFrame::GroupChanged(Box::new(GroupChanged {
            request_id: "r".into(),
            group: "té am\"".into(),
            action: "left".into(),
            user: "bob".into(),
            opened: None,
            closes: true,
        })),
        HubFrame::Notice {
            message_type: "kick_out".into(),
            data: "{\"reason\":\"x\"}".into(),
            content: "".into(),
        },
    ];
    for frame in frames {
        let mut text = String::new();
        encode_hub(&frame, &mut text);
        assert_eq!(decode_hub(&text).as_ref(), Ok(&frame), "{text}");
    }
}
