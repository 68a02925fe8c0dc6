//! The form in which bare clients get messages: go-wsc's, with the fields it always has. Pure: a message in, JSON out.

use std::borrow::Cow;

use wsc_core::frame::{ObjectWriter, members_without, write_string};
use wsc_core::{Message, time};

use crate::log::key::Scope;
use crate::log::store::Milliseconds;

/// A message as a bare client gets it. `now` is its time if it has none.
pub(super) fn frame_of(message: &Message<'_>, scope: &Scope, now: Milliseconds) -> String {
    let offline = message.source == "offline";
    let or = |text: &Cow<'_, str>, other: &dyn Fn() -> String| -> String {
        if text.is_empty() { other() } else { text.to_string() }
    };
    let mut out = String::with_capacity(message.size_hint() + 256);
    let mut writer = ObjectWriter::new(&mut out);
    let always =
        |writer: &mut ObjectWriter<'_>, name: &str, value: &str| write_string(writer.name(name), value);
    always(&mut writer, "id", &message.message_id);
    writer.text("trace_id", &message.trace_id);
    always(&mut writer, "message_type", &message.message_type);
    always(&mut writer, "sender", &message.sender);
    always(&mut writer, "sender_name", &message.sender_name);
    always(&mut writer, "sender_type", &message.sender_type);
    writer.text("sender_client", &message.sender_client);
    always(&mut writer, "receiver", &message.receiver);
    always(&mut writer, "receiver_name", &message.receiver_name);
    always(&mut writer, "receiver_type", &message.receiver_type);
    writer.text("receiver_client", &message.receiver_client);
    always(&mut writer, "session_id", &message.session_id);
    always(&mut writer, "content", &content_of(message));
    if offline {
        writer.raw("data", &marked_offline(&message.data));
    } else {
        writer.raw("data", &message.data);
    }
    always(&mut writer, "create_at", &or(&message.create_at, &|| time::format(now)));
    always(&mut writer, "message_id", &message.message_id);
    writer.text("reply_to_msg_id", &message.reply_to_msg_id).count("seq_no", message.seq_no);
    always(&mut writer, "priority", &or(&message.priority, &|| "normal".to_owned()));
    writer
        .text("source", if offline { "offline" } else { "online" })
        .text("push_type", &message.push_type)
        .text("broadcast_type", &message.broadcast_type)
        .text("app_id", &scope.app)
        .text("namespace", &scope.namespace)
        .list("group_ids", &message.group_ids)
        .flag("require_ack", message.require_ack)
        .end();
    out
}

/// Bare clients have no binary frames: what has nothing else to show says that it is one.
fn content_of<'m>(message: &'m Message<'_>) -> Cow<'m, str> {
    match &message.payload {
        Some(payload) if message.content.is_empty() => {
            Cow::Owned(format!("binary message of {} bytes", payload.len()))
        }
        _ => Cow::Borrowed(&message.content),
    }
}

/// `data` with `offline`, in place of what the sender may have written under that name.
fn marked_offline(data: &str) -> String {
    match members_without(data, "offline") {
        Some(members) if !members.is_empty() => format!("{{\"offline\":true,{members}}}"),
        _ => "{\"offline\":true}".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde_json::{Map, Value, json};
    use wsc_core::frame::{EntryBody, finish_entry};

    use super::*;
    use crate::net::entry::ADDED;

    #[test]
    fn offline_messages_are_marked_once_whatever_the_sender_wrote() {
        for (data, marked) in [
            ("", r#"{"offline":true}"#),
            ("{ }", r#"{"offline":true}"#),
            (r#"{"offline":false}"#, r#"{"offline":true}"#),
            (r#"{"\u006fffline":{"offline":1} }"#, r#"{"offline":true}"#),
            (r#"{ "a" : [ null ] , "offline":0, "b":null}"#, r#"{"offline":true,"a" : [ null ],"b":null}"#),
            (
                r#"{"a":{"offline":1},"offlines":"offline"}"#,
                r#"{"offline":true,"a":{"offline":1},"offlines":"offline"}"#,
            ),
        ] {
            assert_eq!(marked_offline(data), marked, "{data}");
        }
    }
    /// Any text of at most so many characters, many of which are longer when they are written.
    fn text(most: usize) -> impl Strategy<Value = Cow<'static, str>> {
        let character = prop_oneof![Just('"'), Just('\\'), Just('\u{1}'), Just('\u{8}'), any::<char>()];
        let characters = prop::collection::vec(character, 0..=most);
        characters.prop_map(|characters| Cow::Owned(String::from_iter(characters)))
    }

    fn id() -> impl Strategy<Value = Cow<'static, str>> {
        text(128).prop_filter("ids are at most 128 bytes", |id| id.len() <= 128)
    }

    fn data() -> impl Strategy<Value = Cow<'static, str>> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<i32>().prop_map(|number| json!(number)),
            ".{0,9}".prop_map(Value::from)
        ];
        let value = leaf.prop_recursive(3, 12, 4, |inner| {
            let keys = prop_oneof!["[a-z\"]{0,3}", Just("offline".to_owned())];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(keys, inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        });
        let member = (prop_oneof!["[a-z\"]{0,3}", Just("offline".to_owned())], value);
        (prop::collection::vec(member, 0..4), prop_oneof![Just(""), Just(" "), Just("\n\t")]).prop_map(
            |(members, space)| {
                let keys: HashMap<String, Value> = members.into_iter().collect();
                let members: Vec<String> = keys
                    .iter()
                    .map(|(key, value)| format!("{}{space}:{value}{space}", Value::from(key.as_str())))
                    .collect();
                if members.is_empty() && space.is_empty() {
                    "".into()
                } else {
                    format!("{{{space}{}}}", members.join(",")).into()
                }
            },
        )
    }

    prop_compose! {
        fn message()(
            (sender, sender_type, sender_client, receiver) in (id(), id(), id(), id()),
            (sender_name, session_id, content, priority) in (text(9), text(9), text(40), text(5)),
            (group, message_id, reply_to_msg_id) in (id(), "[ -~]{1,64}", text(9)),
            (source, create_at) in (prop_oneof![Just(""), Just("offline")], prop_oneof![Just(""), Just("2026-01-01T00:00:00.000Z")]),
            (data, payload, seq_no, require_ack) in (data(), prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 0..1_u64 << 53, any::<bool>()),
        ) -> Message<'static> {
            Message {
                message_type: "text".into(),
                message_id: message_id.into(),
                group_ids: vec![group],
                source: source.into(),
                create_at: create_at.into(),
                payload: payload.map(Cow::Owned),
                sender, sender_type, sender_client, receiver, sender_name, session_id, content, priority,
                reply_to_msg_id, data, seq_no, require_ack,
                ..Message::default()
            }
        }
    }

    proptest! {
        #[test]
        fn every_form_of_a_message_is_json_and_adds_no_more_than_is_reckoned_with(
            message in message(),
            (app, namespace, stream) in (id(), id(), id()),
        ) {
            let body = EntryBody::of(&message);
            let header = body.bytes.len() - message.payload.as_ref().map_or(0, |payload| payload.len());
            let frame = frame_of(&message, &Scope::new(&app, &namespace), 0);
            prop_assert!(frame.len() <= header + ADDED, "{} bytes of {header}: {frame}", frame.len());
            let written: Map<String, Value> = serde_json::from_str(&frame).unwrap();
            let keys = frame.matches("\"offline\":true,").count() + frame.matches("{\"offline\":true}").count();
            prop_assert!(message.source != "offline" || keys >= 1, "{frame}");
            prop_assert!(written["create_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{frame}");
            prop_assert_eq!(written["seq_no"].as_u64(), Some(message.seq_no));
            if message.source == "offline" {
                prop_assert_eq!(&written["data"]["offline"], &json!(true));
                let theirs: Map<String, Value> = serde_json::from_str(&message.data).unwrap_or_default();
                for (key, value) in theirs.iter().filter(|(key, _)| *key != "offline") {
                    prop_assert_eq!(&written["data"][key], value);
                }
            }
            let (stream, request_id) = (wsc_core::StreamName::group(&*stream), "\"".repeat(64));
            let mut entry = Vec::new();
            let place = Some((&stream, (1 << 53) - 1));
            prop_assert!(finish_entry(&mut entry, &body.bytes, body.binary, place, "history", &request_id));
            prop_assert!(entry.len() <= body.bytes.len() + ADDED);
            let mut copy = message;
            copy.observed = true;
            let copy = EntryBody::of(&copy);
            prop_assert!(copy.bytes.len() < body.bytes.len() + ADDED);
        }
    }
}
