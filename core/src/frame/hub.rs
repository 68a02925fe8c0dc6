//! Frames from the hub: decoding and encoding.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::fields::{Fields, Flags, Lists, Numbers, Objects, Read, Texts};
use super::message::{check_length, read_message, split_binary, write_binary, write_message};
use super::scan::{self, Scanner};
use super::write::ObjectWriter;
use super::{
    Accepted, Answer, Connected, DecodeError, ErrorFrame, Fault, GroupChanged, HubFrame, OpenStream, PARTIAL,
    Range, Receipt,
};
use crate::codes::ErrorCode;
use crate::message::{FieldError, Message};
use crate::names::StreamName;

/// What a frame of the hub is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Connected,
    Skip,
    Gap,
    Accepted,
    Error,
    Message,
    Receipt,
    Answer,
    GroupChanged,
    Presence,
    Notice,
}

/// Reads a text frame from the hub.
pub fn decode_hub(text: &str) -> Result<HubFrame<'_>, DecodeError> {
    let mut fields = Fields::new();
    read_hub(text, &mut fields).and_then(|kind| frame(kind, &fields)).map_err(|error| *error)
}

/// Reads a binary frame from the hub, which is always a message.
pub fn decode_hub_binary(bytes: &[u8]) -> Result<HubFrame<'_>, DecodeError> {
    let mut fields = Fields::new();
    let message =
        read_hub_binary(bytes, &mut fields).and_then(|payload| read_message(&fields, Some(payload)));
    message.map(HubFrame::Message).map_err(|error| *error)
}

/// Reads the fields of a text frame and says which it is. The client continues from here: it reads only what it needs of
/// a frame and hands the frame on.
pub(crate) fn read_hub<'a>(text: &'a str, fields: &mut Fields<'a>) -> Read<Kind> {
    check_length(text.len()).map_err(|fault| fields.fault(fault))?;
    fields.read(text)?;
    // A message carries `sender`, and nothing else of the hub does: this test comes before every other.
    if !fields.is_empty(Texts::Sender) {
        return Ok(Kind::Message);
    }
    let answers = !fields.is_empty(Texts::RequestId);
    let message_type = fields.text(Texts::MessageType);
    if message_type.is_empty() {
        return fields.wrong("message_type", "is missing");
    }
    Ok(match message_type.as_ref() {
        "connected" => Kind::Connected,
        "skip" => Kind::Skip,
        "gap" => Kind::Gap,
        "error" => Kind::Error,
        "group_changed" => Kind::GroupChanged,
        "pong" => Kind::Answer,
        _ if answers => Kind::Answer,
        "ack" => Kind::Accepted,
        "delivered" | "read" => Kind::Receipt,
        "user_joined" | "user_left" | "user_status_changed" | "user_status_response" => Kind::Presence,
        _ => Kind::Notice,
    })
}

/// Reads the fields of a binary frame, which must be a message; gives its payload.
pub(crate) fn read_hub_binary<'a>(bytes: &'a [u8], fields: &mut Fields<'a>) -> Read<&'a [u8]> {
    let cut = check_length(bytes.len()).and_then(|()| split_binary(bytes));
    let (header, payload) = cut.map_err(|fault| fields.fault(fault))?;
    match read_hub(header, fields)? {
        Kind::Message => Ok(payload),
        _ => {
            Err(Fault::Field(FieldError { field: "sender", reason: "a binary frame must be a message" })
                .into())
        }
    }
}

fn frame<'a>(kind: Kind, fields: &Fields<'a>) -> Read<HubFrame<'a>> {
    Ok(match kind {
        Kind::Connected => HubFrame::Connected(connected(fields)?),
        Kind::Skip => HubFrame::Skip(range(fields)?),
        Kind::Gap => HubFrame::Gap { range: range(fields)?, reason: fields.text(Texts::Reason) },
        Kind::Accepted => HubFrame::Accepted(Accepted {
            stream: fields.optional_stream()?,
            message_id: fields.text(Texts::MessageId),
            seq_no: fields.number(Numbers::SeqNo),
            duplicate: fields.flag(Flags::Duplicate),
            create_at: fields.text(Texts::CreateAt),
        }),
        Kind::Error => HubFrame::Error(ErrorFrame {
            message_id: fields.text(Texts::MessageId),
            request_id: fields.text(Texts::RequestId),
            code: error_code(fields),
            reason: fields.text(Texts::Reason),
            retry_after_ms: fields.optional(Numbers::RetryAfter),
        }),
        Kind::Message => HubFrame::Message(read_message(fields, None)?),
        Kind::Receipt => HubFrame::Receipt(Receipt {
            read: fields.text(Texts::MessageType) == "read",
            receiver: fields.text(Texts::Receiver),
            receiver_client: fields.text(Texts::ReceiverClient),
            message_ids: fields.list(Lists::MessageIds),
        }),
        Kind::Answer => HubFrame::Answer(Answer {
            partial: fields.is(Texts::Status, PARTIAL),
            request_id: fields.text(Texts::RequestId),
            message_type: fields.text(Texts::MessageType),
            data: Cow::Borrowed(fields.object(Objects::Data)),
            server_time_ms: fields.number(Numbers::ServerTime),
        }),
        Kind::GroupChanged => HubFrame::GroupChanged(group_changed(fields)?),
        Kind::Presence => HubFrame::Presence {
            message_type: fields.text(Texts::MessageType),
            data: Cow::Borrowed(fields.object(Objects::Data)),
        },
        Kind::Notice => HubFrame::Notice {
            message_type: fields.text(Texts::MessageType),
            data: Cow::Borrowed(fields.object(Objects::Data)),
            content: fields.text(Texts::Content),
        },
    })
}

/// The `code` of an error.
pub(crate) fn error_code(fields: &Fields<'_>) -> ErrorCode {
    ErrorCode::from_number(u32::try_from(fields.number(Numbers::Code)).unwrap_or(0))
}

/// The positions of `skip` and `gap`.
#[cfg_attr(target_arch = "wasm32", inline(never))]
pub(crate) fn range<'a>(fields: &Fields<'a>) -> Read<Range<'a>> {
    let (Some(from), Some(to)) = (fields.optional(Numbers::From), fields.optional(Numbers::To)) else {
        return fields.wrong("from", "from and to are both needed");
    };
    Ok(Range { stream: fields.stream()?, from, to })
}

/// The stream that `group_changed` opens, when somebody joined.
pub(crate) fn opened<'a>(fields: &Fields<'a>) -> Read<Option<OpenStream<'a>>> {
    Ok(fields.optional_stream()?.map(|stream| open_stream(stream, fields)))
}

fn open_stream<'a>(stream: StreamName<'a>, fields: &Fields<'a>) -> OpenStream<'a> {
    OpenStream {
        stream,
        epoch: fields.text(Texts::Epoch),
        from: fields.number(Numbers::From),
        head: fields.number(Numbers::Head),
    }
}

fn group_changed<'a>(fields: &Fields<'a>) -> Read<Box<GroupChanged<'a>>> {
    let mut data = Fields::new();
    fields.inside(Objects::Data, &mut data)?;
    let named = opened(fields)?;
    let (group, action) = (data.text(Texts::GroupId), data.text(Texts::Action));
    let closes = action != "joined"
        && named.as_ref().is_some_and(|named| named.stream.group_id() == Some(group.as_ref()));
    let opened = named.filter(|_| action == "joined");
    Ok(Box::new(GroupChanged {
        request_id: fields.text(Texts::RequestId),
        group,
        action,
        user: data.text(Texts::UserId),
        opened,
        closes,
    }))
}

fn connected<'a>(fields: &Fields<'a>) -> Read<Box<Connected<'a>>> {
    let mut streams = Vec::new();
    each_stream(fields, &mut |open| streams.push(open.clone().into_owned()))?;
    let frame_limit = frame_limit(fields)?;
    Ok(Box::new(Connected {
        protocol: fields.number(Numbers::Protocol),
        connection_id: fields.text(Texts::ConnectionId),
        user_id: fields.text(Texts::UserId),
        user_type: fields.text(Texts::UserType),
        device_id: fields.text(Texts::DeviceId),
        app_id: fields.text(Texts::AppId),
        namespace: fields.text(Texts::Namespace),
        node_id: fields.text(Texts::NodeId),
        server_time_ms: fields.number(Numbers::ServerTime),
        heartbeat_ms: fields.number(Numbers::Heartbeat),
        window: fields.number(Numbers::Window),
        ack_ms: fields.number(Numbers::Ack),
        dedupe_ms: fields.number(Numbers::Dedupe),
        frame_limit,
        streams,
    }))
}

/// The limit of a frame that `connected` names; 0: none.
pub(crate) fn frame_limit(fields: &Fields<'_>) -> Read<u64> {
    let mut limits = Fields::new();
    fields.inside(Objects::Limits, &mut limits)?;
    Ok(limits.number(Numbers::Frame))
}

/// Goes through the streams of `connected`.
pub(crate) fn each_stream(fields: &Fields<'_>, each: &mut dyn FnMut(&OpenStream<'_>)) -> Read<()> {
    let streams = fields.object(Objects::Streams);
    if streams.is_empty() {
        return Ok(());
    }
    let read = Scanner::new(streams).document(&mut |scanner, name| {
        let stream = scanner.value(scan::Kind::Object, "streams")?;
        let mut inside = Fields::new();
        if let Err(error) = inside.read(stream) {
            return scanner.note(error.fault);
        }
        // A stream this version does not know is left out, not an error.
        if let Some(stream) = StreamName::parse(name) {
            each(&open_stream(stream, &inside));
        }
        Some(())
    });
    read.map_err(|fault| fields.fault(fault))
}

/// Writes any frame but a binary message.
pub fn encode_hub(frame: &HubFrame<'_>, out: &mut String) {
    if let HubFrame::Message(message) = frame {
        return write_message(out, message);
    }
    let mut writer = ObjectWriter::new(out);
    match frame {
        HubFrame::Message(_) => {}
        HubFrame::Connected(connected) => write_connected(&mut writer, connected),
        HubFrame::Skip(range) => {
            writer.text("message_type", "skip");
            write_range(&mut writer, range);
        }
        HubFrame::Gap { range, reason } => {
            writer.text("message_type", "gap");
            write_range(&mut writer, range);
            writer.text("reason", reason);
        }
        HubFrame::Accepted(accepted) => {
            writer
                .text("message_type", "ack")
                .text("message_id", &accepted.message_id)
                .text("status", "accepted");
            if let Some(stream) = &accepted.stream {
                writer.stream(stream);
            }
            writer
                .number("seq_no", accepted.seq_no)
                .flag("duplicate", accepted.duplicate)
                .text("create_at", &accepted.create_at);
        }
        HubFrame::Error(error) => {
            writer
                .text("message_type", "error")
                .text("message_id", &error.message_id)
                .text("request_id", &error.request_id)
                .count("code", u64::from(error.code.number()))
                .text("reason", &error.reason);
            if let Some(wait) = error.retry_after_ms {
                writer.count("retry_after_ms", wait);
            }
        }
        HubFrame::Receipt(receipt) => {
            writer
                .text("message_type", if receipt.read { "read" } else { "delivered" })
                .text("receiver", &receipt.receiver)
                .text("receiver_client", &receipt.receiver_client)
                .list("message_ids", &receipt.message_ids);
        }
        HubFrame::Answer(answer) => {
            writer
                .text("message_type", &answer.message_type)
                .text("request_id", &answer.request_id)
                .text("status", if answer.partial { PARTIAL } else { "" })
                .number("server_time_ms", answer.server_time_ms)
                .raw("data", &answer.data);
        }
        HubFrame::GroupChanged(change) => {
            writer.text("message_type", "group_changed").text("request_id", &change.request_id).object(
                "data",
                |data| {
                    data.text("group_id", &change.group)
                        .text("action", &change.action)
                        .text("user_id", &change.user);
                },
            );
            if let Some(open) = &change.opened {
                writer.stream(&open.stream);
                write_open(&mut writer, open);
            } else if change.closes {
                writer.stream(&StreamName::group(&change.group));
            }
        }
        HubFrame::Presence { message_type, data } => {
            writer.text("message_type", message_type).raw("data", data);
        }
        HubFrame::Notice { message_type, data, content } => {
            writer.text("message_type", message_type).text("content", content).raw("data", data);
        }
    }
    writer.end();
}

/// Writes a message with a payload as a binary frame.
pub fn encode_hub_binary(message: &Message<'_>, out: &mut Vec<u8>) {
    write_binary(out, message);
}

fn write_range(writer: &mut ObjectWriter<'_>, range: &Range<'_>) {
    writer.stream(&range.stream).count("from", range.from).count("to", range.to);
}

fn write_open(writer: &mut ObjectWriter<'_>, open: &OpenStream<'_>) {
    writer.text("epoch", &open.epoch).count("from", open.from).count("head", open.head);
}

fn write_connected(writer: &mut ObjectWriter<'_>, connected: &Connected<'_>) {
    writer
        .text("message_type", "connected")
        .count("protocol", connected.protocol)
        .text("connection_id", &connected.connection_id)
        .text("user_id", &connected.user_id)
        .text("user_type", &connected.user_type)
        .text("device_id", &connected.device_id)
        .text("app_id", &connected.app_id)
        .text("namespace", &connected.namespace)
        .text("node_id", &connected.node_id)
        .count("server_time_ms", connected.server_time_ms)
        .count("heartbeat_ms", connected.heartbeat_ms)
        .count("window", connected.window)
        .count("ack_ms", connected.ack_ms)
        .count("dedupe_ms", connected.dedupe_ms)
        .object("limits", |limits| {
            limits.count("frame", connected.frame_limit);
        })
        .object("streams", |streams| {
            for open in &connected.streams {
                streams.stream_object(&open.stream, |writer| write_open(writer, open));
            }
        });
}
