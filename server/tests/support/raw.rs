//! A WebSocket by hand, over a raw socket: frames that no client would send.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Client, Door, PATIENCE};

pub const FIN: u8 = 0x80;
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// What the hub did.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A message with this content was acknowledged and delivered.
    Echo(String),
    Pong(Vec<u8>),
    /// A Close frame with this code, if it had one; then the end of the socket.
    Close(Option<u16>),
}

/// A frame of a client, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        medium @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// One connection to the hub under test.
pub struct Raw {
    pub socket: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub async fn connect(door: &Door, user: &str) -> Self {
        let mut raw = Self::open(door).await;
        let connect =
            format!(r#"{{"message_type":"connect","protocol":1,"device_id":"raw","user_id":"{user}"}}"#);
        raw.write(&frame(FIN | TEXT, connect.as_bytes()), usize::MAX).await;
        let (_, connected) = raw.frame().await.unwrap();
        assert!(String::from_utf8_lossy(&connected).contains("connected"));
        raw
    }

    /// A socket on which nothing was said yet.
    pub async fn open(door: &Door) -> Self {
        let mut socket = TcpStream::connect(door.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let request = "GET /ws HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: wsc.v1\r\n\r\n";
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Self { socket, read: Vec::new() }
    }

    pub async fn write(&mut self, bytes: &[u8], segment: usize) {
        for piece in bytes.chunks(segment) {
            // The hub may have closed already; what it said is read all the same.
            if self.socket.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The next frame: opcode and payload.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((opcode, start, end)) = bounds(&self.read) {
                let payload = self.read[start..end].to_vec();
                self.read.drain(..end);
                return Some((opcode, payload));
            }
            let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.read)).await;
            if read.expect("the hub should say something or close").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next thing the hub did.
    pub async fn answer(&mut self, listener: &mut Client) -> Option<Answer> {
        loop {
            let (opcode, payload) = self.frame().await?;
            match opcode {
                PONG => return Some(Answer::Pong(payload)),
                CLOSE => {
                    return Some(Answer::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))));
                }
                TEXT => {}
                other => panic!("a frame with opcode {other}"),
            }
            let said: Value = serde_json::from_slice(&payload).unwrap();
            if said["message_type"] == "skip" {
                continue;
            }
            assert_eq!(said["message_type"], "ack", "{said}");
            let heard = listener.message().await;
            listener.acknowledge("inbox", heard["seq_no"].as_u64().unwrap()).await;
            return Some(Answer::Echo(heard["content"].as_str().unwrap().to_owned()));
        }
    }
}

/// The first whole frame in what was read: its opcode, and where its payload lies.
fn bounds(read: &[u8]) -> Option<(u8, usize, usize)> {
    let [first, length, rest @ ..] = read else { return None };
    assert!(first & 0xf0 == FIN && length & 0x80 == 0, "the hub's frames are whole and without mask");
    let (start, length) = match length {
        126 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).unwrap()),
        short => (2, usize::from(*short)),
    };
    (read.len() >= start + length).then_some((first & 0x0f, start, start + length))
}
