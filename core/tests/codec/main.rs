//! The codec against serde_json: the same text means the same, and no bytes make it panic.
//!
//! `WSC_FRAMES` sets how many random frames, `WSC_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a failed unwrap is a failed test; the seed is printed; random bytes are cut out of random numbers"
)]

mod forms;
mod hub;
mod random;
mod requests;
mod strict;

use std::collections::HashMap;

use forms::{damage, with_surrogates, with_whole_characters};
use random::{Random, frames, seed};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use wsc_core::frame::{
    ClientFrame, EntryBody, Fault, HubFrame, decode_client, decode_client_binary, decode_hub,
    decode_hub_binary, encode_client, encode_client_binary, finish_entry,
};
use wsc_core::{Message, StreamName};

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
        Some(data) if !data.is_null() && *data != Value::Object(Map::new()) => {
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
                    if read.data.is_empty() {
                        continue;
                    }
                    let raw: HashMap<String, &RawValue> = serde_json::from_str(&whole).unwrap();
                    let data = raw.get("data").map_or("", |data| data.get());
                    assert_eq!(read.data, data, "not byte for byte: {form}");
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
