//! Frames from a client: decoding.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use super::fields::{Fields, Flags, Lists, Numbers, Objects, Read, Texts};
use super::message::{check_length, read_message, split_binary};
use super::object::handed_on;
use super::scan::Scanner;
use super::{ClientFrame, Connect, DecodeError, Query, Request, StreamCursor};
use crate::limits;
use crate::message::FieldError;
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
    frame(text).map_err(|error| *error)
}

fn frame(text: &str) -> Read<ClientFrame<'_>> {
    let mut fields = Fields::new();
    fields.read(text)?;
    let message_type = fields.text(Texts::MessageType);
    match message_type.as_ref() {
        "connect" => return connect(&fields).map(|connect| ClientFrame::Connect(Box::new(connect))),
        "ack" => {
            if fields.is_empty(Texts::Stream) && !fields.is_empty(Texts::MessageId) {
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
    if let Some(query) = query(&message_type, &fields)? {
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
    let mut message = read_message(&fields, None)?;
    message.data = handed_on(fields.object(Objects::Data));
    Ok(ClientFrame::Message(message))
}

/// Requests whose fields stand in `data`.
const WITH_DATA: [&str; 14] = [
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
    "get_user_info",
];

/// Whether a text frame that [`decode_client`] did not understand is a request, as far as it can be read.
#[must_use]
pub fn is_request(text: &str) -> bool {
    const OTHERS: [&str; 7] =
        ["ping", "heartbeat", "group_join", "group_leave", "fetch", "refresh", "health_check"];
    let mut fields = Fields::new();
    // What is wrong with it is known.
    let _ = fields.read(text);
    match fields.text(Texts::MessageType).as_ref() {
        "read" => fields.has(Texts::Stream) && fields.is_empty(Texts::Receiver),
        other => WITH_DATA.contains(&other) || OTHERS.contains(&other),
    }
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

fn connect<'a>(fields: &Fields<'a>) -> Read<Connect<'a>> {
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
        let id = fields.text(name);
        if !id.is_empty() && !is_id(&id) {
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
        sent_ms: fields.number(Numbers::SentMs),
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
            return scanner.note(fault.into());
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
            scanner.note(super::Fault::Twice { field: "cursors" })?;
        }
        cursors.push(cursor);
        Some(())
    })
}

/// The request a type stands for; `None` when it is a message.
fn query<'a>(message_type: &str, fields: &Fields<'a>) -> Read<Option<Query<'a>>> {
    let id = |fields: &Fields<'_>, data: &Fields<'a>, name: Texts, required: bool| {
        let text = data.text(name);
        if is_id(&text) || (text.is_empty() && !required) {
            Ok(text)
        } else {
            fields.wrong(name.name(), "must be 1 to 128 bytes without control characters")
        }
    };
    let ids = |fields: &Fields<'_>, data: &Fields<'a>, name: Lists, most: usize| {
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
            let targeted = !fields.is_empty(Texts::Receiver);
            if fields.is_empty(Texts::Stream) || targeted {
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
            if !WITH_DATA.contains(&message_type) {
                return Ok(None);
            }
            let mut data = Fields::new();
            fields.inside(Objects::Data, &mut data)?;
            let limit = data.number(Numbers::Limit);
            match message_type {
                "group_remove" => Query::GroupRemove {
                    group: id(fields, &data, Texts::GroupId, true)?,
                    user: id(fields, &data, Texts::UserId, true)?,
                },
                "group_disband" => Query::GroupDisband { group: id(fields, &data, Texts::GroupId, true)? },
                "kick" => Query::Kick {
                    user: id(fields, &data, Texts::UserId, true)?,
                    device: id(fields, &data, Texts::DeviceId, false)?,
                    reason: data.text(Texts::Reason),
                },
                "group_members" => Query::GroupMembers {
                    group: id(fields, &data, Texts::GroupId, true)?,
                    limit,
                    after: data.text(Texts::After),
                },
                "receipts" => {
                    Query::Receipts { message_ids: ids(fields, &data, Lists::MessageIds, limits::QUERY_IDS)? }
                }
                "conversations" => Query::Conversations { limit, after: data.text(Texts::After) },
                "check_user_status" => {
                    Query::CheckUserStatus { users: ids(fields, &data, Lists::UserIds, limits::QUERY_IDS)? }
                }
                "get_online_users" => Query::GetOnlineUsers {
                    group: id(fields, &data, Texts::GroupId, false)?,
                    limit,
                    after: data.text(Texts::After),
                },
                "watch" | "unwatch" => {
                    let users = ids(fields, &data, Lists::UserIds, limits::WATCH)?;
                    let group = id(fields, &data, Texts::GroupId, false)?;
                    if message_type == "watch" {
                        Query::Watch { users, group }
                    } else {
                        Query::Unwatch { users, group }
                    }
                }
                "user_status_changed" => Query::SetStatus { status: data.text(Texts::Status) },
                "observe" => Query::Observe { group: id(fields, &data, Texts::GroupId, false)? },
                "unobserve" => Query::Unobserve { group: id(fields, &data, Texts::GroupId, false)? },
                "get_user_info" => Query::GetUserInfo { user: id(fields, &data, Texts::UserId, true)? },
                _ => return Ok(None),
            }
        }
    }))
}
