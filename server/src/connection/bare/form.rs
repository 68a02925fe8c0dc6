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
    use super::*;

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
}
