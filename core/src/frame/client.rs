//! Frames from a client: decoding and encoding.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::string::ToString as _;
use alloc::vec::Vec;

use super::fields::{Fields, Flags, Lists, Numbers, Objects, Texts};
use super::message::{check_length, read_message, split_binary, write_binary, write_message};
use super::scan::Scanner;
use super::write::ObjectWriter;
use super::{ClientFrame, Connect, DecodeError, Query, Request, StreamCursor};
use crate::limits;
use crate::message::{FieldError, Message, Text};
use crate::names::{StreamName, is_id, is_message_id};

/// Reads a text frame from a client.
///
/// ```
/// use wsc_core::frame::{ClientFrame, decode_client};
/// let frame = decode_client(r#"{"message_type":"text","message_id":"1","receiver":"bob","content":"hi"}"#)?;
/// let ClientFrame::Message(message) = frame else { unreachable!() };
/// assert_eq!(message.receiver, "bob");
/// # Ok::<(), wsc_core::frame::DecodeError>(())
/// ```
pub fn decode_client(text: &str) -> Result<ClientFrame<'_>, DecodeError> {
    check_length(text.len())?;
    let mut fields = Fields::new();
    fields.read(text)?;
    let message_type = fields.text(Texts::MessageType);
    match message_type.as_ref() {
        "connect" => return connect(&mut fields).map(|connect| ClientFrame::Connect(Box::new(connect))),
        "ack" => {
            if fields.peek(Texts::Stream).is_empty() && !fields.peek(Texts::MessageId).is_empty() {
                return Ok(ClientFrame::AcknowledgeMessage { message_id: fields.text(Texts::MessageId) });
            }
            let Some(seq) = fields.optional(Numbers::SeqNo) else {
                return fields.wrong("seq_no", "is missing");
            };
            return Ok(ClientFrame::Acknowledge { stream: fields.stream()?, seq });
        }
        "" => return fields.wrong("message_type", "is missing"),
        _ => {}
    }
    if let Some(query) = query(&message_type, &mut fields)? {
        let id = fields.text(Texts::MessageId);
        let anonymous = id.is_empty() && query == Query::Ping;
        if !anonymous && !is_message_id(&id) {
            return fields.wrong("message_id", "must be 1 to 64 printable ASCII characters");
        }
        return Ok(ClientFrame::Request(Request { id, query }));
    }
    if crate::kind::is_reserved(&message_type) {
        return fields.wrong("message_type", "is a frame of the hub, not of a client");
    }
    let mut message = read_message(&mut fields)?;
    message.message_type = message_type;
    Ok(ClientFrame::Message(message))
}

/// Reads a binary frame from a client, which is always a message.
pub fn decode_client_binary(bytes: &[u8]) -> Result<ClientFrame<'_>, DecodeError> {
    check_length(bytes.len())?;
    let (header, payload) = split_binary(bytes)?;
    match decode_client(header)? {
        ClientFrame::Message(mut message) => {
            message.payload = Some(Cow::Borrowed(payload));
            Ok(ClientFrame::Message(message))
        }
        _ => Err(FieldError { field: "message_type", reason: "a binary frame must be a message" }.into()),
    }
}

fn connect<'a>(fields: &mut Fields<'a>) -> Result<Connect<'a>, DecodeError> {
    let mut cursors = Vec::new();
    let given = fields.object(Objects::Cursors);
    if !given.is_empty() {
        read_cursors(given, &mut cursors).map_err(|fault| fields.fault(fault))?;
    }
    let groups = fields.optional_list(Lists::Groups);
    if groups.as_ref().is_some_and(|groups| groups.len() > limits::GROUPS)
        || cursors.len() > limits::GROUPS + 2
    {
        return fields.wrong("groups", "at most 1000 on one connection");
    }
    for name in [Texts::DeviceId, Texts::UserId] {
        let id = fields.peek(name);
        if !id.is_empty() && !is_id(id) {
            return fields.wrong(name.name(), "must be 1 to 128 bytes without control characters");
        }
    }
    Ok(Connect {
        protocol: fields.number(Numbers::Protocol),
        token: fields.text(Texts::Token),
        device_id: fields.text(Texts::DeviceId),
        client: fields.text(Texts::Client),
        cursors,
        groups,
        start: fields.text(Texts::Start),
        user_id: fields.text(Texts::UserId),
        user_type: fields.text(Texts::UserType),
        app_id: fields.text(Texts::AppId),
        namespace: fields.text(Texts::Namespace),
        group_id: fields.text(Texts::GroupId),
    })
}

fn read_cursors<'a>(text: &'a str, cursors: &mut Vec<StreamCursor<'a>>) -> Result<(), super::Fault> {
    Scanner::new(text).document(&mut |scanner, name| {
        let Some(stream) = StreamName::parse(name) else {
            let fault = FieldError { field: "cursors", reason: "a stream's name with {\"epoch\",\"seq\"}" };
            scanner.note(fault.into());
            return scanner.skip();
        };
        let stream = stream.into_owned();
        let mut cursor = StreamCursor { stream, epoch: Cow::Borrowed(""), seq: 0 };
        scanner.object(&mut |scanner, key| {
            match key {
                "epoch" => cursor.epoch = scanner.text("epoch")?,
                "seq" => cursor.seq = scanner.integer("seq")?,
                _ => scanner.skip()?,
            }
            Some(())
        })?;
        if cursors.iter().any(|other: &StreamCursor<'_>| other.stream == cursor.stream) {
            scanner.note(super::Fault::Twice { field: "cursors" });
        }
        cursors.push(cursor);
        Some(())
    })
}

/// The request a type stands for; `None` when it is a message.
fn query<'a>(message_type: &str, fields: &mut Fields<'a>) -> Result<Option<Query<'a>>, DecodeError> {
    let id = |fields: &Fields<'_>, data: &mut Fields<'a>, name: Texts, required: bool| {
        let text = data.text(name);
        if is_id(&text) || (text.is_empty() && !required) {
            Ok(text)
        } else {
            fields.wrong(name.name(), "must be 1 to 128 bytes without control characters")
        }
    };
    let ids = |fields: &Fields<'_>, data: &mut Fields<'a>, name: Lists, most: usize| {
        let list = data.list(name);
        if list.len() > most {
            return fields.wrong(name.name(), "too many at once");
        }
        if list.iter().all(|text| is_id(text)) {
            Ok(list)
        } else {
            fields.wrong(name.name(), "each must be 1 to 128 bytes without control characters")
        }
    };
    Ok(Some(match message_type {
        "ping" | "heartbeat" => Query::Ping,
        "read" => {
            let targeted = !fields.peek(Texts::Receiver).is_empty();
            if fields.peek(Texts::Stream).is_empty() || targeted {
                return Ok(None);
            }
            let Some(seq) = fields.optional(Numbers::SeqNo) else {
                return fields.wrong("seq_no", "is missing");
            };
            let stream = fields.stream()?;
            let peer = fields.text(Texts::Peer);
            if (stream == StreamName::Inbox) != is_id(&peer) {
                return fields.wrong("peer", "names a user for the inbox, and nothing for a group");
            }
            Query::Read { stream, peer, seq }
        }
        "group_join" | "group_leave" => {
            let mut groups = fields.list(Lists::GroupIds);
            let group = match (groups.pop(), groups.is_empty()) {
                (Some(group), true) if is_id(&group) => group,
                _ => return fields.wrong("group_ids", "must name one group of 1 to 128 bytes"),
            };
            if message_type == "group_join" {
                Query::GroupJoin { group }
            } else {
                Query::GroupLeave { group }
            }
        }
        "fetch" => Query::Fetch {
            stream: fields.stream()?,
            from: fields.optional(Numbers::From),
            limit: fields.number(Numbers::Limit),
            reverse: fields.flag(Flags::Reverse),
        },
        "refresh" => Query::Refresh { token: fields.text(Texts::Token) },
        "health_check" => Query::HealthCheck,
        _ => {
            const WITH_DATA: [&str; 13] = [
                "group_remove",
                "group_disband",
                "kick",
                "group_members",
                "receipts",
                "conversations",
                "check_user_status",
                "get_online_users",
                "watch",
                "unwatch",
                "user_status_changed",
                "observe",
                "unobserve",
            ];
            if !WITH_DATA.contains(&message_type) && message_type != "get_user_info" {
                return Ok(None);
            }
            let mut data = fields.data()?;
            let limit = data.number(Numbers::Limit);
            match message_type {
                "group_remove" => Query::GroupRemove {
                    group: id(fields, &mut data, Texts::GroupId, true)?,
                    user: id(fields, &mut data, Texts::UserId, true)?,
                },
                "group_disband" => {
                    Query::GroupDisband { group: id(fields, &mut data, Texts::GroupId, true)? }
                }
                "kick" => Query::Kick {
                    user: id(fields, &mut data, Texts::UserId, true)?,
                    device: id(fields, &mut data, Texts::DeviceId, false)?,
                    reason: data.text(Texts::Reason),
                },
                "group_members" => Query::GroupMembers {
                    group: id(fields, &mut data, Texts::GroupId, true)?,
                    limit,
                    after: data.text(Texts::After),
                },
                "receipts" => Query::Receipts {
                    message_ids: ids(fields, &mut data, Lists::MessageIds, limits::QUERY_IDS)?,
                },
                "conversations" => Query::Conversations { limit, after: data.text(Texts::After) },
                "check_user_status" => Query::CheckUserStatus {
                    users: ids(fields, &mut data, Lists::UserIds, limits::QUERY_IDS)?,
                },
                "get_online_users" => Query::GetOnlineUsers {
                    group: id(fields, &mut data, Texts::GroupId, false)?,
                    limit,
                    after: data.text(Texts::After),
                },
                "watch" | "unwatch" => {
                    let users = ids(fields, &mut data, Lists::UserIds, limits::WATCH)?;
                    let group = id(fields, &mut data, Texts::GroupId, false)?;
                    if message_type == "watch" {
                        Query::Watch { users, group }
                    } else {
                        Query::Unwatch { users, group }
                    }
                }
                "user_status_changed" => Query::SetStatus { status: data.text(Texts::Status) },
                "observe" => Query::Observe { group: id(fields, &mut data, Texts::GroupId, false)? },
                "unobserve" => Query::Unobserve { group: id(fields, &mut data, Texts::GroupId, false)? },
                _ => Query::GetUserInfo { user: id(fields, &mut data, Texts::UserId, true)? },
            }
        }
    }))
}

/// Writes any frame but a binary message.
pub fn encode_client(frame: &ClientFrame<'_>, out: &mut String) {
    match frame {
        ClientFrame::Connect(connect) => encode_connect(connect, out),
        ClientFrame::Message(message) => write_message(out, message),
        ClientFrame::Request(request) => encode_query(request, out),
        ClientFrame::Acknowledge { stream, seq } => {
            let mut writer = ObjectWriter::new(out);
            writer
                .text("message_type", "ack")
                .text("stream", &stream.to_string())
                .count("seq_no", *seq)
                .end();
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
    let mut writer = ObjectWriter::new(out);
    writer
        .text("message_type", "connect")
        .count("protocol", connect.protocol)
        .text("token", &connect.token)
        .text("device_id", &connect.device_id)
        .text("client", &connect.client)
        .text("start", &connect.start)
        .text("user_id", &connect.user_id)
        .text("user_type", &connect.user_type)
        .text("app_id", &connect.app_id)
        .text("namespace", &connect.namespace)
        .text("group_id", &connect.group_id);
    if !connect.cursors.is_empty() {
        writer.object("cursors", |writer| {
            for cursor in &connect.cursors {
                let mut name = String::new();
                super::write::write_string(&mut name, &cursor.stream.to_string());
                // The name is written as a JSON string already; its quotes are those of the member.
                writer.object(name.get(1..name.len() - 1).unwrap_or_default(), |writer| {
                    writer.text("epoch", &cursor.epoch).count("seq", cursor.seq);
                });
            }
        });
    }
    if let Some(groups) = &connect.groups {
        if groups.is_empty() {
            writer.raw("groups", "[]");
        } else {
            writer.list("groups", groups);
        }
    }
    writer.end();
}

/// Writes a request.
pub fn encode_query(request: &Request<'_>, out: &mut String) {
    let mut writer = ObjectWriter::new(out);
    writer.text("message_type", query_type(&request.query)).text("message_id", &request.id);
    fn paged(data: &mut ObjectWriter<'_>, limit: u64, after: &Text<'_>) {
        data.number("limit", limit).text("after", after);
    }
    match &request.query {
        Query::Ping | Query::HealthCheck => {}
        Query::Read { stream, peer, seq } => {
            writer.text("stream", &stream.to_string()).text("peer", peer).count("seq_no", *seq);
        }
        Query::GroupJoin { group } | Query::GroupLeave { group } => {
            writer.list("group_ids", core::slice::from_ref(group));
        }
        Query::Fetch { stream, from, limit, reverse } => {
            writer.text("stream", &stream.to_string()).number("limit", *limit).flag("reverse", *reverse);
            if let Some(from) = from {
                writer.count("from", *from);
            }
        }
        Query::Refresh { token } => {
            writer.text("token", token);
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
                Query::Receipts { message_ids } => {
                    data.list("message_ids", message_ids);
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
                _ => {}
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
