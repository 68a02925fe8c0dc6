//! Frames from the hub: decoding and encoding.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::fields::{Fields, Flags, Lists, Numbers, Objects, Texts};
use super::message::{check_length, read_message, split_binary, write_binary, write_message};
use super::scan::Scanner;
use super::write::ObjectWriter;
use super::{
    Accepted, Answer, Connected, DecodeError, ErrorFrame, Fault, GroupChanged, HubFrame, OpenStream, Range,
    Receipt,
};
use crate::codes::ErrorCode;
use crate::message::{Message, Text};
use crate::names::StreamName;

/// Whoever takes the frames of a hub as they are read: [`decode_hub`] to hand them on as a [`HubFrame`], the client
/// where they lie. An enumeration in between costs a great deal of code in WebAssembly: every frame is moved in and
/// out of it field by field.
pub(crate) trait Recipient<'a> {
    fn connected(&mut self, connected: Box<Connected<'a>>);
    fn skip(&mut self, range: Range<'a>);
    fn gap(&mut self, range: Range<'a>, reason: Text<'a>);
    fn accepted(&mut self, accepted: Accepted<'a>);
    fn error(&mut self, error: ErrorFrame<'a>);
    fn message(&mut self, message: Box<Message<'a>>);
    fn receipt(&mut self, receipt: Receipt<'a>);
    fn answer(&mut self, answer: Answer<'a>);
    fn group_changed(&mut self, change: Box<GroupChanged<'a>>);
    fn presence(&mut self, message_type: Text<'a>, data: Text<'a>);
    fn notice(&mut self, message_type: Text<'a>, data: Text<'a>, content: Text<'a>);
}

impl<'a> Recipient<'a> for Option<HubFrame<'a>> {
    fn connected(&mut self, connected: Box<Connected<'a>>) {
        *self = Some(HubFrame::Connected(connected));
    }
    fn skip(&mut self, range: Range<'a>) {
        *self = Some(HubFrame::Skip(range));
    }
    fn gap(&mut self, range: Range<'a>, reason: Text<'a>) {
        *self = Some(HubFrame::Gap { range, reason });
    }
    fn accepted(&mut self, accepted: Accepted<'a>) {
        *self = Some(HubFrame::Accepted(accepted));
    }
    fn error(&mut self, error: ErrorFrame<'a>) {
        *self = Some(HubFrame::Error(error));
    }
    fn message(&mut self, message: Box<Message<'a>>) {
        *self = Some(HubFrame::Message(message));
    }
    fn receipt(&mut self, receipt: Receipt<'a>) {
        *self = Some(HubFrame::Receipt(receipt));
    }
    fn answer(&mut self, answer: Answer<'a>) {
        *self = Some(HubFrame::Answer(answer));
    }
    fn group_changed(&mut self, change: Box<GroupChanged<'a>>) {
        *self = Some(HubFrame::GroupChanged(change));
    }
    fn presence(&mut self, message_type: Text<'a>, data: Text<'a>) {
        *self = Some(HubFrame::Presence { message_type, data });
    }
    fn notice(&mut self, message_type: Text<'a>, data: Text<'a>, content: Text<'a>) {
        *self = Some(HubFrame::Notice { message_type, data, content });
    }
}

/// Reads a text frame from the hub.
pub fn decode_hub(text: &str) -> Result<HubFrame<'_>, DecodeError> {
    let mut frame = None;
    read_hub(text, &mut frame)?;
    frame.ok_or_else(|| Fault::NotAnObject.into())
}

/// Reads a binary frame from the hub, which is always a message.
pub fn decode_hub_binary(bytes: &[u8]) -> Result<HubFrame<'_>, DecodeError> {
    let mut frame = None;
    read_hub_binary(bytes, &mut frame)?;
    frame.ok_or_else(|| Fault::NotAnObject.into())
}

/// As [`decode_hub`]; the frame goes to the recipient, unless there is an error.
pub(crate) fn read_hub<'a>(text: &'a str, to: &mut impl Recipient<'a>) -> Result<(), DecodeError> {
    check_length(text.len())?;
    read(text, None, to)
}

/// As [`decode_hub_binary`]; the frame goes to the recipient, unless there is an error.
pub(crate) fn read_hub_binary<'a>(bytes: &'a [u8], to: &mut impl Recipient<'a>) -> Result<(), DecodeError> {
    check_length(bytes.len())?;
    let (header, payload) = split_binary(bytes)?;
    read(header, Some(payload), to)
}

fn read<'a>(
    text: &'a str,
    payload: Option<&'a [u8]>,
    to: &mut impl Recipient<'a>,
) -> Result<(), DecodeError> {
    let mut fields = Fields::new();
    fields.read(text)?;
    frame(&mut fields, payload, to)
}

fn frame<'a>(
    fields: &mut Fields<'a>,
    payload: Option<&'a [u8]>,
    to: &mut impl Recipient<'a>,
) -> Result<(), DecodeError> {
    // A message carries `sender`, and nothing else of the hub does: this test comes before every other.
    if !fields.peek(Texts::Sender).is_empty() {
        let mut message = read_message(fields)?;
        message.payload = payload.map(Cow::Borrowed);
        to.message(message);
        return Ok(());
    }
    let answers = !fields.peek(Texts::RequestId).is_empty();
    match fields.peek(Texts::MessageType) {
        "" => return fields.wrong("message_type", "is missing"),
        _ if payload.is_some() => return fields.wrong("sender", "a binary frame must be a message"),
        "connected" => to.connected(connected(fields)?),
        "skip" => to.skip(range(fields)?),
        "gap" => to.gap(range(fields)?, fields.text(Texts::Reason)),
        "ack" if !answers => {
            let stream = if fields.peek(Texts::Stream).is_empty() { None } else { Some(fields.stream()?) };
            to.accepted(Accepted {
                message_id: fields.text(Texts::MessageId),
                stream,
                seq_no: fields.number(Numbers::SeqNo),
                duplicate: fields.flag(Flags::Duplicate),
                create_at: fields.text(Texts::CreateAt),
            });
        }
        "error" => to.error(ErrorFrame {
            message_id: fields.text(Texts::MessageId),
            request_id: fields.text(Texts::RequestId),
            code: ErrorCode::from_number(u32::try_from(fields.number(Numbers::Code)).unwrap_or(0)),
            reason: fields.text(Texts::Reason),
            retry_after_ms: fields.optional(Numbers::RetryAfter),
        }),
        name @ ("delivered" | "read") if !answers => to.receipt(Receipt {
            read: name == "read",
            receiver: fields.text(Texts::Receiver),
            receiver_client: fields.text(Texts::ReceiverClient),
            message_ids: fields.list(Lists::MessageIds),
        }),
        "group_changed" => to.group_changed(group_changed(fields)?),
        name if answers || name == "pong" => to.answer(Answer {
            request_id: fields.text(Texts::RequestId),
            message_type: fields.text(Texts::MessageType),
            data: Cow::Borrowed(fields.object(Objects::Data)),
            server_time_ms: fields.number(Numbers::ServerTime),
        }),
        "user_joined" | "user_left" | "user_status_changed" | "user_status_response" => {
            let data = Cow::Borrowed(fields.object(Objects::Data));
            to.presence(fields.text(Texts::MessageType), data);
        }
        _ => {
            let data = Cow::Borrowed(fields.object(Objects::Data));
            to.notice(fields.text(Texts::MessageType), data, fields.text(Texts::Content));
        }
    }
    Ok(())
}

fn range<'a>(fields: &mut Fields<'a>) -> Result<Range<'a>, DecodeError> {
    let (Some(from), Some(to)) = (fields.optional(Numbers::From), fields.optional(Numbers::To)) else {
        return fields.wrong("from", "from and to are both needed");
    };
    Ok(Range { stream: fields.stream()?, from, to })
}

fn group_changed<'a>(fields: &mut Fields<'a>) -> Result<Box<GroupChanged<'a>>, DecodeError> {
    let stream = if fields.peek(Texts::Stream).is_empty() { None } else { Some(fields.stream()?) };
    let mut data = fields.data()?;
    let opened = stream.map(|stream| OpenStream {
        stream,
        epoch: fields.text(Texts::Epoch),
        from: fields.number(Numbers::From),
        head: fields.number(Numbers::Head),
    });
    Ok(Box::new(GroupChanged {
        request_id: fields.text(Texts::RequestId),
        group: data.text(Texts::GroupId),
        action: data.text(Texts::Action),
        user: data.text(Texts::UserId),
        opened,
    }))
}

fn connected<'a>(fields: &mut Fields<'a>) -> Result<Box<Connected<'a>>, DecodeError> {
    let mut streams = Vec::new();
    let given = fields.object(Objects::Streams);
    if !given.is_empty() {
        read_streams(given, &mut streams).map_err(|fault| fields.fault(fault))?;
    }
    let mut limits = Fields::new();
    if !fields.object(Objects::Limits).is_empty() {
        limits.read(fields.object(Objects::Limits))?;
    }
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
        frame_limit: limits.number(Numbers::Frame),
        streams,
    }))
}

fn read_streams<'a>(text: &'a str, streams: &mut Vec<OpenStream<'a>>) -> Result<(), Fault> {
    Scanner::new(text).document(&mut |scanner, name| {
        // A stream this version does not know is left out, not an error.
        let Some(stream) = StreamName::parse(name) else { return scanner.skip() };
        let mut open = OpenStream { stream: stream.into_owned(), epoch: Cow::Borrowed(""), from: 0, head: 0 };
        scanner.object(&mut |scanner, key| {
            match key {
                "epoch" => open.epoch = scanner.text("epoch")?,
                "from" => open.from = scanner.integer("from")?,
                "head" => open.head = scanner.integer("head")?,
                _ => scanner.skip()?,
            }
            Some(())
        })?;
        streams.push(open);
        Some(())
    })
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
