//! Reads along on a connection: WebSocket frames to facts. Written from the standard, shares no code with hub or
//! client. Never changes a byte; stops reading along when it does not understand.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::writer::Writer;
use super::{Cover, Device, Fact};

/// One direction's bytes on their way to whole messages.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
    /// The end of the HTTP head was seen.
    open: bool,
    lost: bool,
    message: Vec<u8>,
    binary: bool,
}

impl Frames {
    /// Gives every whole message: its JSON.
    fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        if self.lost {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        if !self.open {
            let Some(end) = self.bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return };
            (self.open, at) = (true, end + 4);
        }
        while let Some((header, mask, length)) = header(&self.bytes[at..]) {
            let Some(body) = self.bytes.get(at + header..at + header + length) else { break };
            let (first, begin) = (self.bytes[at], self.message.len());
            at += header + length;
            match first & 0x0f {
                0 => {}
                1 | 2 => {
                    self.message.clear();
                    self.binary = first & 0x0f == 2;
                }
                8..=10 => continue,
                _ => {
                    self.lost = true;
                    return;
                }
            }
            let begin = if first & 0x0f == 0 { begin } else { 0 };
            self.message.extend_from_slice(body);
            for (index, byte) in self.message[begin..].iter_mut().enumerate() {
                *byte ^= mask[index % 4];
            }
            if first & 0x80 != 0 {
                let json = if self.binary { head_of(&self.message) } else { Some(&self.message[..]) };
                json.into_iter().for_each(&mut each);
            }
        }
        self.bytes.drain(..at);
    }
}

/// The length of a frame's header, its mask and the length of its body.
fn header(bytes: &[u8]) -> Option<(usize, [u8; 4], usize)> {
    let second = *bytes.get(1)?;
    let (mut header, length) = match second & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        short => (2, u64::from(short)),
    };
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        mask = bytes.get(header..header + 4)?.try_into().ok()?;
        header += 4;
    }
    Some((header, mask, usize::try_from(length).ok()?))
}

/// The JSON of a binary message.
fn head_of(message: &[u8]) -> Option<&[u8]> {
    let length = u32::from_be_bytes(message.get(..4)?.try_into().ok()?);
    message.get(4..4 + usize::try_from(length).ok()?)
}

#[derive(Deserialize)]
struct Place {
    epoch: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    from: u64,
    #[serde(default)]
    head: u64,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    group_id: String,
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    action: String,
}

/// What is read of a frame, whichever it is.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Frame {
    message_type: String,
    message_id: String,
    request_id: String,
    sender: String,
    stream: String,
    seq_no: u64,
    from: u64,
    to: u64,
    epoch: String,
    source: String,
    window: u64,
    user_id: String,
    device_id: String,
    namespace: String,
    cursors: BTreeMap<String, Place>,
    streams: BTreeMap<String, Place>,
    data: serde_json::Value,
}

/// A connection read along on.
pub(crate) struct Tap {
    connection: u64,
    user: String,
    up: Frames,
    down: Frames,
    writer: Arc<Writer>,
}

impl Tap {
    pub(crate) fn new(connection: u64, writer: Arc<Writer>) -> Self {
        Self { connection, user: String::new(), up: Frames::default(), down: Frames::default(), writer }
    }

    /// The client said this.
    pub(crate) fn up(&mut self, bytes: &[u8]) {
        let (connection, user, writer) = (self.connection, &mut self.user, &self.writer);
        self.up.feed(bytes, |json| {
            let Ok(frame) = serde_json::from_slice::<Frame>(json) else { return };
            let fact = match frame.message_type.as_str() {
                "connect" => {
                    user.clone_from(&frame.user_id);
                    let device = Device::new(&frame.namespace, &frame.user_id, &frame.device_id);
                    let cursor = |(stream, place): (String, Place)| (stream, (place.epoch, place.seq));
                    let cursors = frame.cursors.into_iter().map(cursor).collect();
                    Fact::Hello { connection, device, cursors }
                }
                "ack" => Fact::Acknowledged { connection, stream: frame.stream, seq: frame.seq_no },
                _ => return,
            };
            let _ = writer.write(fact);
        });
    }

    /// The hub said this.
    pub(crate) fn down(&mut self, bytes: &[u8]) {
        let (connection, user, writer) = (self.connection, &self.user, &self.writer);
        self.down.feed(bytes, |json| {
            let Ok(frame) = serde_json::from_slice::<Frame>(json) else { return };
            if let Some(fact) = said(connection, user, frame) {
                let _ = writer.write(fact);
            }
        });
    }
}

/// What a frame of the hub says about streams.
fn said(connection: u64, user: &str, frame: Frame) -> Option<Fact> {
    let Frame { message_id, sender, stream, seq_no, from, to, .. } = frame;
    // An entry fetched covers nothing.
    if !sender.is_empty() {
        let covers = seq_no > 0 && frame.source != "history" && frame.request_id.is_empty();
        let (from, to, by) = (seq_no, seq_no, Cover::Entry);
        return covers.then_some(Fact::Covered { connection, stream, from, to, by, message_id, sender });
    }
    match frame.message_type.as_str() {
        "connected" => {
            let stream = |(stream, place): (String, Place)| (stream, (place.epoch, place.from, place.head));
            let streams = frame.streams.into_iter().map(stream).collect();
            Some(Fact::Greeted { connection, window: frame.window, streams })
        }
        "skip" | "gap" => {
            let by = if frame.message_type == "gap" { Cover::Gap } else { Cover::Skip };
            Some(Fact::Covered { connection, stream, from, to, by, message_id, sender })
        }
        "group_changed" => {
            let change: Change = serde_json::from_value(frame.data).ok()?;
            if change.action == "joined" {
                let opens = !stream.is_empty();
                return opens.then_some(Fact::Opened { connection, stream, epoch: frame.epoch, from });
            }
            (change.user_id == user)
                .then(|| Fact::Shut { connection, stream: format!("group:{}", change.group_id) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_the_bytes_come() {
        let mut bytes = b"HTTP/1.1 101 Switching\r\n\r\n".to_vec();
        bytes.extend([0x81, 2, b'{', b'}', 0x89, 0]);
        let mask = [1, 2, 3, 4];
        bytes.extend([0x02, 0x80 | 6]);
        bytes.extend(mask);
        bytes
            .extend([0, 0, 0, 3, b'{', b'}'].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes.extend([0x80, 2, b' ', 9]);
        bytes.extend([0x81, 126, 0, 200]);
        bytes.extend([b'x'; 200]);
        for step in 1..bytes.len() {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for part in bytes.chunks(step) {
                frames.feed(part, |json| found.push(json.to_vec()));
            }
            assert_eq!(found, [b"{}".to_vec(), b"{} ".to_vec(), vec![b'x'; 200]], "{step}");
        }
    }
}
