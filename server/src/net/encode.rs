//! WebSocket frames from the hub. They carry no mask, so one encoding serves every reader; reading is tungstenite's.

use bytes::{BufMut, Bytes, BytesMut};
use wsc_core::Message;
use wsc_core::frame::{HubFrame, encode_hub, encode_hub_binary};

const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

/// Appends a data frame.
pub(crate) fn put_data(out: &mut BytesMut, payload: &[u8], binary: bool) {
    header(out, if binary { BINARY } else { TEXT }, payload.len());
    out.extend_from_slice(payload);
}

/// A data frame.
pub(crate) fn data(payload: &[u8], binary: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    put_data(&mut out, payload, binary);
    out.freeze()
}

/// The WebSocket frame of a text frame.
pub(crate) fn text(frame: &HubFrame<'_>) -> Bytes {
    let mut text = String::with_capacity(256);
    encode_hub(frame, &mut text);
    data(text.as_bytes(), false)
}

/// The WebSocket frame of a message without a position.
pub(crate) fn message(message: &Message<'_>) -> Bytes {
    if message.payload.is_some() {
        let mut bytes = Vec::with_capacity(message.size_hint());
        encode_hub_binary(message, &mut bytes);
        return data(&bytes, true);
    }
    text(&HubFrame::Message(Box::new(message.clone())))
}

/// A Close frame. The reason is cut to the 123 bytes that fit, at a character.
pub(crate) fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut out = BytesMut::with_capacity(4 + end);
    header(&mut out, CLOSE, 2 + end);
    out.put_u16(code);
    out.extend_from_slice(&reason.as_bytes()[..end]);
    out.freeze()
}

/// A ping that a bare client's pong will answer; the payload comes back.
pub(crate) fn ping(payload: u64) -> Bytes {
    const PING: u8 = 9;
    let mut out = BytesMut::with_capacity(10);
    header(&mut out, PING, 8);
    out.put_u64(payload);
    out.freeze()
}

fn header(out: &mut BytesMut, opcode: u8, length: usize) {
    out.put_u8(FIN | opcode);
    if let Ok(short @ ..=125) = u8::try_from(length) {
        out.put_u8(short);
    } else if let Ok(medium) = u16::try_from(length) {
        out.put_u8(126);
        out.put_u16(medium);
    } else {
        out.put_u8(127);
        out.put_u64(length as u64);
    }
}
