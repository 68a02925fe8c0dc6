//! Frames from a client: encoding. What the client machine sends by itself has a function of its own, so that a
//! program without other requests does not carry them.

use alloc::string::String;
use alloc::vec::Vec;

use super::message::{write_binary, write_message};
use super::write::ObjectWriter;
use super::{ClientFrame, Connect, Query, Request};
use crate::message::{Message, Text};
use crate::names::StreamName;

/// Writes any frame but a binary message.
pub fn encode_client(frame: &ClientFrame<'_>, out: &mut String) {
    match frame {
        ClientFrame::Connect(connect) => encode_connect(connect, out),
        ClientFrame::Message(message) => write_message(out, message),
        ClientFrame::Request(request) => encode_query(request, out),
        ClientFrame::Acknowledge { stream, seq } => {
            encode_acknowledge(stream, *seq, out);
        }
        ClientFrame::AcknowledgeMessage { message_id } => {
            ObjectWriter::new(out).text("message_type", "ack").text("message_id", message_id).end();
        }
    }
}

/// Writes a message without a payload.
pub fn encode_message(message: &Message<'_>, out: &mut String) {
    write_message(out, message);
}

/// Writes a message with a payload as a binary frame.
pub fn encode_client_binary(message: &Message<'_>, out: &mut Vec<u8>) {
    write_binary(out, message);
}

/// Writes `connect`.
pub fn encode_connect(connect: &Connect<'_>, out: &mut String) {
    let texts = [
        &connect.token,
        &connect.device_id,
        &connect.client,
        &connect.start,
        &connect.user_id,
        &connect.user_type,
        &connect.app_id,
        &connect.namespace,
        &connect.group_id,
    ];
    let mut cursors = String::new();
    for cursor in &connect.cursors {
        write_cursor(&cursor.stream, &cursor.epoch, cursor.seq, &mut cursors);
    }
    let groups = connect.groups.as_deref();
    write_connect([connect.protocol, connect.sent_ms], texts.map(|text| &**text), &cursors, groups, out);
}

/// Adds one cursor to what [`write_connect`] takes.
pub(crate) fn write_cursor(stream: &StreamName<'_>, epoch: &str, seq: u64, cursors: &mut String) {
    ObjectWriter::members(cursors).stream_object(stream, |writer| {
        writer.text("epoch", epoch).count("seq", seq);
    });
}

/// As [`encode_connect`], from parts: protocol and time, the texts in the order of that function, the cursors written.
pub(crate) fn write_connect<S: AsRef<str>>(
    [protocol, sent_ms]: [u64; 2],
    texts: [&str; 9],
    cursors: &str,
    groups: Option<&[S]>,
    out: &mut String,
) {
    static NAMES: [&str; 9] =
        ["token", "device_id", "client", "start", "user_id", "user_type", "app_id", "namespace", "group_id"];
    let mut writer = ObjectWriter::new(out);
    writer.text("message_type", "connect").count("protocol", protocol);
    for (name, text) in NAMES.iter().zip(&texts) {
        writer.text(name, text);
    }
    writer.number("sent_ms", sent_ms).object_of("cursors", cursors);
    match groups {
        Some([]) => {
            writer.raw("groups", "[]");
        }
        Some(groups) => {
            writer.list("groups", groups);
        }
        None => {}
    }
    writer.end();
}

/// Writes the `ack` of a position.
pub(crate) fn encode_acknowledge(stream: &StreamName<'_>, seq: u64, out: &mut String) {
    ObjectWriter::new(out).text("message_type", "ack").stream(stream).count("seq_no", seq).end();
}

fn begin<'o>(message_type: &str, id: &str, out: &'o mut String) -> ObjectWriter<'o> {
    let mut writer = ObjectWriter::new(out);
    writer.text("message_type", message_type).text("message_id", id);
    writer
}

/// Writes `ping`.
pub(crate) fn encode_ping(out: &mut String) {
    begin("ping", "", out).end();
}

/// Writes the request `read`.
pub(crate) fn encode_read(id: &str, stream: &StreamName<'_>, peer: &str, seq: u64, out: &mut String) {
    begin("read", id, out).stream(stream).text("peer", peer).count("seq_no", seq).end();
}

/// Writes the request `refresh`.
pub(crate) fn encode_refresh(id: &str, token: &str, out: &mut String) {
    begin("refresh", id, out).text("token", token).end();
}

/// Writes the request `receipts`.
pub(crate) fn encode_receipts<S: AsRef<str>>(id: &str, message_ids: &[S], out: &mut String) {
    begin("receipts", id, out)
        .object("data", |data| {
            data.list("message_ids", message_ids);
        })
        .end();
}

/// Writes a request.
pub fn encode_query(request: &Request<'_>, out: &mut String) {
    match &request.query {
        Query::Read { stream, peer, seq } => return encode_read(&request.id, stream, peer, *seq, out),
        Query::Refresh { token } => return encode_refresh(&request.id, token, out),
        Query::Receipts { message_ids } => return encode_receipts(&request.id, message_ids, out),
        _ => {}
    }
    let mut writer = begin(query_type(&request.query), &request.id, out);
    fn paged(data: &mut ObjectWriter<'_>, limit: u64, after: &Text<'_>) {
        data.number("limit", limit).text("after", after);
    }
    match &request.query {
        Query::Ping | Query::HealthCheck => {}
        Query::GroupJoin { group } | Query::GroupLeave { group } => {
            writer.list("group_ids", core::slice::from_ref(group));
        }
        Query::Fetch { stream, from, limit, reverse } => {
            writer.stream(stream).number("limit", *limit).flag("reverse", *reverse);
            if let Some(from) = from {
                writer.count("from", *from);
            }
        }
        query => {
            writer.object("data", |data| match query {
                Query::GroupRemove { group, user } => {
                    data.text("group_id", group).text("user_id", user);
                }
                Query::GroupDisband { group } | Query::Observe { group } | Query::Unobserve { group } => {
                    data.text("group_id", group);
                }
                Query::Kick { user, device, reason } => {
                    data.text("user_id", user).text("device_id", device).text("reason", reason);
                }
                Query::GroupMembers { group, limit, after }
                | Query::GetOnlineUsers { group, limit, after } => {
                    data.text("group_id", group);
                    paged(data, *limit, after);
                }
                Query::Conversations { limit, after } => paged(data, *limit, after),
                Query::CheckUserStatus { users } => {
                    data.list("user_ids", users);
                }
                Query::Watch { users, group } | Query::Unwatch { users, group } => {
                    data.list("user_ids", users).text("group_id", group);
                }
                Query::SetStatus { status } => {
                    data.text("status", status);
                }
                Query::GetUserInfo { user } => {
                    data.text("user_id", user);
                }
                // Written above.
                Query::Ping
                | Query::HealthCheck
                | Query::GroupJoin { .. }
                | Query::GroupLeave { .. }
                | Query::Fetch { .. }
                | Query::Read { .. }
                | Query::Refresh { .. }
                | Query::Receipts { .. } => {}
            });
        }
    }
    writer.end();
}

fn query_type(query: &Query<'_>) -> &'static str {
    match query {
        Query::Ping => "ping",
        Query::Read { .. } => "read",
        Query::GroupJoin { .. } => "group_join",
        Query::GroupLeave { .. } => "group_leave",
        Query::GroupRemove { .. } => "group_remove",
        Query::GroupDisband { .. } => "group_disband",
        Query::Kick { .. } => "kick",
        Query::GroupMembers { .. } => "group_members",
        Query::Fetch { .. } => "fetch",
        Query::Receipts { .. } => "receipts",
        Query::Conversations { .. } => "conversations",
        Query::CheckUserStatus { .. } => "check_user_status",
        Query::GetOnlineUsers { .. } => "get_online_users",
        Query::Watch { .. } => "watch",
        Query::Unwatch { .. } => "unwatch",
        Query::SetStatus { .. } => "user_status_changed",
        Query::Observe { .. } => "observe",
        Query::Unobserve { .. } => "unobserve",
        Query::Refresh { .. } => "refresh",
        Query::GetUserInfo { .. } => "get_user_info",
        Query::HealthCheck => "health_check",
    }
}
