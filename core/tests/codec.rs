//! The codec against serde_json: the same text means the same, and no bytes make it panic.
//!
//! `WSC_FRAMES` sets how many random frames, `WSC_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; the seed is printed; random bytes are cut out of random numbers"
)]

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use wsc_core::frame::{
    ClientFrame, EntryBody, Fault, HubFrame, data_object, decode_client, decode_client_binary, decode_hub,
    decode_hub_binary, encode_client, encode_client_binary, encode_hub, finish_entry, members_without,
};
use wsc_core::{Message, StreamName};

/// A small generator: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn one<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn text(&mut self) -> String {
        const ODD: &[&str] =
            &["\"", "\\", "\n", "\u{0}", "\u{1f}", "/", "é", "漢字", "😀", "\u{7f}", "\u{2028}", "</", "\t"];
        let mut text = String::new();
        for _ in 0..self.below(12) {
            if self.below(3) == 0 {
                text.push_str(self.one(ODD));
            } else {
                text.push_str(self.one(&[
                    "a",
                    "hello world, this is a longer run",
                    "7",
                    " ",
                    "group:x",
                    "{}",
                ]));
            }
        }
        text
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2 => Value::from(self.next() >> self.below(64)),
            3 => Value::from(-1.5e-7 * f64::from(u32::try_from(self.below(1 << 20)).unwrap())),
            4 | 5 => Value::from(self.text()),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object((0..self.below(4)).map(|_| (self.text(), self.value(depth - 1))).collect()),
        }
    }

    fn message(&mut self) -> Message<'static> {
        let mut text =
            || -> Cow<'static, str> { if self.below(2) == 0 { self.text().into() } else { "".into() } };
        let mut message = Message {
            sender: text(),
            sender_name: text(),
            sender_type: text(),
            sender_client: text(),
            receiver: text(),
            receiver_name: text(),
            receiver_type: text(),
            receiver_client: text(),
            session_id: text(),
            content: text(),
            create_at: text(),
            reply_to_msg_id: text(),
            priority: text(),
            source: text(),
            push_type: text(),
            broadcast_type: text(),
            trace_id: text(),
            ..Message::default()
        };
        message.message_type = self.one(&["text", "image", "my own", "typing", "edit"]).into();
        message.message_id = self.one(&["1", "0198f0a2-0000-7000-8000-000000000000", "~ !"]).into();
        message.group_ids = (0..self.below(3)).map(|_| self.text().into()).collect();
        message.require_ack = self.below(2) == 0;
        message.volatile = self.below(2) == 0;
        message.skip_send_to_client = self.below(2) == 0;
        message.seq_no = if self.below(2) == 0 { self.next() >> 12 } else { 0 };
        message.expires_in_ms = (self.below(2) == 0).then(|| self.next() >> 13);
        if self.below(2) == 0 {
            let object: Map<_, _> = (0..self.below(4)).map(|_| (self.text(), self.value(3))).collect();
            message.data = Value::Object(object).to_string().into();
        }
        message.stream = match self.below(4) {
            0 => Some(StreamName::Inbox),
            1 => Some(StreamName::group("té\"am")),
            2 => Some(StreamName::Broadcast),
            _ => None,
        };
        message
    }
}

fn seed() -> u64 {
    let seed = std::env::var("WSC_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    });
    println!("WSC_SEED={seed}");
    seed
}

fn frames() -> usize {
    std::env::var("WSC_FRAMES").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000_000)
}

/// What serde_json read must be what we have, field by field.
fn same(message: &Message<'_>, object: &Map<String, Value>) {
    let texts: [(&str, &str); 19] = [
        ("message_type", &message.message_type),
        ("message_id", &message.message_id),
        ("sender", &message.sender),
        ("sender_name", &message.sender_name),
        ("sender_type", &message.sender_type),
        ("sender_client", &message.sender_client),
        ("receiver", &message.receiver),
        ("receiver_name", &message.receiver_name),
        ("receiver_type", &message.receiver_type),
        ("receiver_client", &message.receiver_client),
        ("session_id", &message.session_id),
        ("content", &message.content),
        ("create_at", &message.create_at),
        ("reply_to_msg_id", &message.reply_to_msg_id),
        ("priority", &message.priority),
        ("source", &message.source),
        ("push_type", &message.push_type),
        ("broadcast_type", &message.broadcast_type),
        ("trace_id", &message.trace_id),
    ];
    for (name, ours) in texts {
        let theirs = object.get(name).and_then(Value::as_str).unwrap_or("");
        assert_eq!(ours, theirs, "{name}");
    }
    for (name, ours) in [
        ("require_ack", message.require_ack),
        ("volatile", message.volatile),
        ("skip_send_to_client", message.skip_send_to_client),
    ] {
        assert_eq!(ours, object.get(name).and_then(Value::as_bool).unwrap_or(false), "{name}");
    }
    assert_eq!(message.seq_no, object.get("seq_no").and_then(Value::as_u64).unwrap_or(0));
    assert_eq!(message.expires_in_ms, object.get("expires_in_ms").and_then(Value::as_u64));
    let groups: Vec<&str> = message.group_ids.iter().map(AsRef::as_ref).collect();
    let theirs = object.get("group_ids").and_then(Value::as_array).cloned().unwrap_or_default();
    assert_eq!(groups, theirs.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    match object.get("data") {
        Some(data) if !data.is_null() => {
            assert_eq!(&serde_json::from_str::<Value>(&message.data).unwrap(), data);
        }
        _ => assert_eq!(message.data, ""),
    }
}

#[test]
fn random_frames_mean_the_same_to_serde_json() {
    let mut random = Random(seed());
    let (mut text, mut accepted, mut refused, mut halves) = (String::new(), 0, 0, 0);
    for _ in 0..frames() {
        let message = random.message();
        text.clear();
        encode_client(&ClientFrame::Message(Box::new(message.clone())), &mut text);
        let object: Map<String, Value> = serde_json::from_str(&text).expect("what we write is JSON");
        same(&message, &object);
        let ClientFrame::Message(read) = decode_client(&text).expect("what we write we read") else {
            panic!("{text}")
        };
        assert_eq!(*read, message);
        // The same frame damaged or in another form: serde_json is the judge of what is JSON.
        let form = damage(&mut random, &text, object);
        let whole = with_whole_characters(&form);
        halves += usize::from(whole != form);
        let theirs = serde_json::from_str::<Value>(&whole);
        match (decode_client(&form), theirs) {
            (Ok(frame), Ok(Value::Object(object))) => {
                accepted += 1;
                if let ClientFrame::Message(read) = frame {
                    same(&read, &object);
                    let raw: HashMap<String, &RawValue> = serde_json::from_str(&whole).unwrap();
                    let data = raw.get("data").map(|data| data.get()).filter(|data| *data != "null");
                    assert_eq!(read.data, data.unwrap_or(""), "not byte for byte: {form}");
                }
            }
            (Ok(_), theirs) => {
                let reason = theirs.err().map(|error| error.to_string()).unwrap_or_default();
                assert!(reason.contains("out of range"), "accepted, but serde_json says {reason}: {form}");
            }
            (Err(error), theirs) => {
                refused += 1;
                let syntax = matches!(error.fault, Fault::Syntax { .. } | Fault::NotAnObject);
                assert!(!(syntax && matches!(theirs, Ok(Value::Object(_)))), "{error} for {form}");
            }
        }
    }
    println!("{accepted} other forms accepted, {refused} refused, {halves} had half a surrogate pair");
    assert!(accepted > 0 && refused > 0 && halves > 0);
}

/// The same JSON with U+FFFD for each half of a surrogate pair, which serde_json refuses.
fn with_whole_characters(json: &str) -> String {
    let unit = |rest: &str| {
        let digits = rest.strip_prefix("\\u")?.get(..4)?;
        let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        hexadecimal.then(|| u16::from_str_radix(digits, 16).unwrap())
    };
    let (mut out, mut rest) = (String::new(), json);
    while let Some(first) = rest.chars().next() {
        let run: Vec<u16> = (0..).step_by(6).map_while(|at| unit(rest.get(at..)?)).collect();
        for character in char::decode_utf16(run.iter().copied()) {
            let units = character.as_ref().map_or(1, |character| character.len_utf16());
            out.push_str(if character.is_ok() { &rest[..6 * units] } else { "\\ufffd" });
            rest = &rest[6 * units..];
        }
        if run.is_empty() {
            // The character after a backslash belongs to it.
            let length = rest.chars().take(if first == '\\' { 2 } else { 1 }).map(char::len_utf8).sum();
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    out
}

/// The text with escapes put into its strings, most of them of surrogates.
fn with_surrogates(random: &mut Random, json: &str) -> String {
    const ESCAPES: &[&str] = &[
        "\\ud83d",
        "\\uDE00",
        "\\ud83d\\ude00",
        "\\ud83d\\ud83d\\ude00",
        "\\udfff\\ud800",
        "\\uD800\\u0041",
        "\\ud800\\n",
        "\\ud800\\\\",
        "\\\\ud83d",
        "\\uFFFD",
        "\\ud83",
        "\\ud83d\\u12",
        "\\b\\f",
    ];
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for character in json.chars() {
        if character == '"' && !escaped {
            inside = !inside;
        }
        escaped = character == '\\' && !escaped;
        out.push(character);
        if inside && !escaped && random.below(8) == 0 {
            out.push_str(random.one(ESCAPES));
        }
    }
    out
}

fn damage(random: &mut Random, text: &str, mut object: Map<String, Value>) -> String {
    match random.below(5) {
        0 => {
            object.insert(random.text(), random.value(4));
            serde_json::to_string_pretty(&object).unwrap()
        }
        1 => {
            // Every character as an escape, in the way least like ours.
            let mut escaped = String::new();
            for character in text.chars() {
                if character.is_ascii_graphic() {
                    escaped.push(character);
                } else {
                    let mut units = [0; 2];
                    for unit in character.encode_utf16(&mut units) {
                        escaped.push_str(&format!("\\u{unit:04X}"));
                    }
                }
            }
            escaped
        }
        2 => {
            let name = random.one(&[
                "content",
                "seq_no",
                "require_ack",
                "group_ids",
                "data",
                "volatile",
                "message_id",
            ]);
            object.insert(name.to_owned(), random.value(2));
            Value::Object(object).to_string()
        }
        3 => with_surrogates(random, text),
        _ => {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                match random.below(3) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes.insert(
                        at,
                        *random.one(&[b"\"", b"{", b"}", b",", b"0", b"\\", b"u", b"-"]).first().unwrap(),
                    ),
                    _ => {
                        bytes[at] = *random
                            .one(&[b"\"", b"[", b"]", b":", b"e", b".", b"n", b"\x01"])
                            .first()
                            .unwrap();
                    }
                }
                if bytes.is_empty() {
                    bytes.push(b'{');
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }
}

#[test]
fn arbitrary_bytes_never_panic() {
    let mut random = Random(seed());
    for _ in 0..frames() / 10 {
        let bytes: Vec<u8> =
            (0..random.below(80)).map(|_| (random.next() >> random.below(64)) as u8).collect();
        let _ = decode_client_binary(&bytes);
        let _ = decode_hub_binary(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = decode_client(&text);
        let _ = decode_hub(&format!("{{\"message_type\":\"connected\",\"streams\":{text}}}"));
    }
}

#[test]
fn a_payload_travels_beside_its_message() {
    let mut random = Random(seed());
    for _ in 0..1000 {
        let mut message = random.message();
        message.payload =
            Some((0..random.below(300)).map(|_| random.next() as u8).collect::<Vec<u8>>().into());
        let mut bytes = Vec::new();
        encode_client_binary(&message, &mut bytes);
        assert_eq!(decode_client_binary(&bytes), Ok(ClientFrame::Message(Box::new(message))));
    }
}

#[test]
fn an_entry_is_its_body_and_its_place() {
    let mut random = Random(seed());
    for round in 0..2000 {
        let mut message = random.message();
        message.sender = "alice".into();
        message.payload = (round % 2 == 0).then(|| vec![0, 255, 7].into());
        let body = EntryBody::of(&message);
        let stream = StreamName::group("team");
        let mut out = Vec::new();
        assert!(finish_entry(&mut out, &body.bytes, body.binary, Some((&stream, 58)), "offline", ""));
        (message.stream, message.seq_no, message.source) = (Some(stream), 58, "offline".into());
        let read = if body.binary {
            decode_hub_binary(&out)
        } else {
            decode_hub(std::str::from_utf8(&out).unwrap())
        };
        assert_eq!(read, Ok(HubFrame::Message(Box::new(message))));
    }
}

#[test]
fn a_damaged_binary_body_is_refused_and_nothing_is_written() {
    let mut out = Vec::new();
    assert!(!finish_entry(&mut out, &[0, 0, 1, 0, 5], true, None, "", ""));
    assert!(out.is_empty());
}

#[test]
fn what_only_the_hub_may_say_is_no_frame_of_a_client() {
    for kind in
        ["connected", "skip", "gap", "error", "fetched", "pong", "group_changed", "kick_out", "welcome"]
    {
        let text = format!("{{\"message_type\":\"{kind}\",\"message_id\":\"7\",\"receiver\":\"bob\"}}");
        let error = decode_client(&text).unwrap_err();
        assert_eq!(error.message_id.as_deref(), Some("7"), "{kind}");
    }
}

#[test]
fn errors_name_the_field() {
    let fault = |text: &str| decode_client(text).unwrap_err().to_string();
    assert_eq!(fault(r#"{"message_type":"text","content":5}"#), "content: must be a text");
    assert_eq!(fault(r#"{"message_type":"text","content":"a","content":"b"}"#), "content: given twice");
    assert_eq!(fault(r#"{"message_type":"text","data":[1]}"#), "data: must be an object");
    assert!(
        fault(r#"{"message_type":"ack","stream":"inbox","seq_no":9007199254740992}"#).starts_with("seq_no: ")
    );
    assert!(
        fault(r#"{"message_type":"group_join","message_id":"1","group_ids":["a","b"]}"#)
            .starts_with("group_ids: ")
    );
    assert_eq!(fault("null"), "a frame must be a JSON object");
    assert_eq!(fault("[]"), "a frame must be a JSON object");
    assert_eq!(fault("{}"), "message_type: is missing");
    assert_eq!(fault("hello"), "not JSON at byte 0");
    let deep = |levels: usize| {
        format!("{{\"message_type\":\"text\",\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels))
    };
    assert!(decode_client(&deep(31)).is_ok());
    assert_eq!(decode_client(&deep(32)).unwrap_err().fault, Fault::TooDeep);
    assert_eq!(decode_client(&deep(100_000)).unwrap_err().fault, Fault::TooDeep);
}

/// Any JSON in which no object has a key twice.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON without doubled keys")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some((key, _)) = map.next_entry::<String, Self>()? {
            if !keys.insert(key) {
                return Err(serde::de::Error::custom("a key stands twice"));
            }
        }
        Ok(self)
    }
}

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

#[test]
fn half_a_surrogate_pair_is_read_as_one_unknown_character() {
    let frame = r#"{"message_type":"text","message_id":"1","receiver":"bob","sender_name":"\ud83d","content":"hi \ud83d\ud83d\ude00","data":{"k\ude00":["\ud800\u0041","\\ud800"]}}"#;
    let ClientFrame::Message(message) = decode_client(frame).unwrap() else { panic!("{frame}") };
    assert_eq!((&*message.sender_name, &*message.content), ("\u{fffd}", "hi \u{fffd}\u{1f600}"));
    assert_eq!(message.data, r#"{"k\ufffd":["\ufffd\u0041","\\ud800"]}"#);
}

#[test]
fn nothing_grows_by_being_read_and_written() {
    let mut random = Random(seed());
    for _ in 0..frames() / 10 {
        let mut text = String::new();
        encode_client(&ClientFrame::Message(Box::new(random.message())), &mut text);
        let text = with_surrogates(&mut random, &text);
        if let Ok(frame) = decode_client(&text) {
            let mut again = String::new();
            encode_client(&frame, &mut again);
            assert!(again.len() <= text.len(), "{} bytes became {}: {text}", text.len(), again.len());
        }
    }
    for code in 0..=0x7f_u8 {
        for escape in
            [format!("\\u{code:04x}"), format!("\\{}", char::from(code)), char::from(code).to_string()]
        {
            let text = format!(r#"{{"message_type":"text","message_id":"1","content":"{escape}"}}"#);
            if let Ok(frame) = decode_client(&text) {
                let mut again = String::new();
                encode_client(&frame, &mut again);
                assert!(again.len() <= text.len(), "{text} became {again}");
            }
        }
    }
}
