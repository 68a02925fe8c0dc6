//! Messages to and from fields; the same in both directions.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::fields::{Fields, Flags, Lists, Numbers, Objects, Read, Texts};
use super::write::ObjectWriter;
use super::{Fault, text_of};
use crate::limits;
use crate::message::Message;
use crate::names::StreamName;

/// Reads a message.
pub(super) fn read_message<'a>(fields: &Fields<'a>, payload: Option<&'a [u8]>) -> Read<Box<Message<'a>>> {
    Ok(Box::new(Message {
        message_type: fields.text(Texts::MessageType),
        message_id: fields.text(Texts::MessageId),
        sender: fields.text(Texts::Sender),
        sender_name: fields.text(Texts::SenderName),
        sender_type: fields.text(Texts::SenderType),
        sender_client: fields.text(Texts::SenderClient),
        receiver: fields.text(Texts::Receiver),
        receiver_name: fields.text(Texts::ReceiverName),
        receiver_type: fields.text(Texts::ReceiverType),
        receiver_client: fields.text(Texts::ReceiverClient),
        session_id: fields.text(Texts::SessionId),
        content: fields.text(Texts::Content),
        data: Cow::Borrowed(fields.object(Objects::Data)),
        create_at: fields.text(Texts::CreateAt),
        reply_to_msg_id: fields.text(Texts::ReplyTo),
        seq_no: fields.number(Numbers::SeqNo),
        priority: fields.text(Texts::Priority),
        source: fields.text(Texts::Source),
        push_type: fields.text(Texts::PushType),
        broadcast_type: fields.text(Texts::BroadcastType),
        group_ids: fields.list(Lists::GroupIds),
        require_ack: fields.flag(Flags::RequireAck),
        skip_database_storage: fields.flag(Flags::SkipStorage),
        skip_send_to_client: fields.flag(Flags::SkipSend),
        trace_id: fields.text(Texts::TraceId),
        stream: fields.optional_stream()?,
        expires_in_ms: fields.optional(Numbers::ExpiresIn),
        volatile: fields.flag(Flags::Volatile),
        observed: fields.flag(Flags::Observed),
        request_id: fields.text(Texts::RequestId),
        payload: payload.map(Cow::Borrowed),
    }))
}

/// Writes everything but `stream`, `seq_no`, `source` and `request_id`, which differ between streams.
pub(super) fn write_members(writer: &mut ObjectWriter<'_>, message: &Message<'_>) {
    writer
        .text("message_type", &message.message_type)
        .text("message_id", &message.message_id)
        .text("sender", &message.sender)
        .text("sender_name", &message.sender_name)
        .text("sender_type", &message.sender_type)
        .text("sender_client", &message.sender_client)
        .text("receiver", &message.receiver)
        .text("receiver_name", &message.receiver_name)
        .text("receiver_type", &message.receiver_type)
        .text("receiver_client", &message.receiver_client)
        .text("session_id", &message.session_id)
        .text("content", &message.content)
        .raw("data", &message.data)
        .text("create_at", &message.create_at)
        .text("reply_to_msg_id", &message.reply_to_msg_id)
        .text("priority", &message.priority)
        .text("push_type", &message.push_type)
        .text("broadcast_type", &message.broadcast_type)
        .list("group_ids", &message.group_ids)
        .flag("require_ack", message.require_ack)
        .flag("skip_database_storage", message.skip_database_storage)
        .flag("skip_send_to_client", message.skip_send_to_client)
        .text("trace_id", &message.trace_id)
        .flag("volatile", message.volatile)
        .flag("observed", message.observed);
    if let Some(left) = message.expires_in_ms {
        writer.count("expires_in_ms", left);
    }
}

/// Writes what differs between streams.
pub(super) fn write_place(
    writer: &mut ObjectWriter<'_>,
    stream: Option<&StreamName<'_>>,
    seq: u64,
    source: &str,
    request_id: &str,
) {
    if let Some(stream) = stream {
        writer.stream(stream);
    }
    writer.number("seq_no", seq).text("source", source).text("request_id", request_id);
}

/// Writes a whole message.
pub(super) fn write_message(out: &mut String, message: &Message<'_>) {
    let mut writer = ObjectWriter::new(out);
    write_members(&mut writer, message);
    write_place(&mut writer, message.stream.as_ref(), message.seq_no, &message.source, &message.request_id);
    writer.end();
}

/// Writes a binary frame: length, object, bytes.
pub(super) fn write_binary(out: &mut Vec<u8>, message: &Message<'_>) {
    let mut header = String::with_capacity(message.size_hint());
    write_message(&mut header, message);
    join_binary(out, &header, message.payload.as_deref().unwrap_or_default());
}

/// Makes a binary frame of its object and its bytes.
pub(super) fn join_binary(out: &mut Vec<u8>, header: &str, payload: &[u8]) {
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(payload);
}

/// Cuts a binary frame into its object and its bytes.
pub(super) fn split_binary(bytes: &[u8]) -> Result<(&str, &[u8]), Fault> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(Fault::Binary)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Fault::Binary)?;
    let (header, payload) = rest.split_at_checked(length).ok_or(Fault::Binary)?;
    let header = text_of(header).map_err(|at| Fault::Syntax { at })?;
    Ok((header, payload))
}

/// Refuses what is longer than any frame can be.
pub(super) fn check_length(length: usize) -> Result<(), Fault> {
    if length > limits::FRAME_MAX { Err(Fault::TooLong) } else { Ok(()) }
}
