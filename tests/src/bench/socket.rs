//! The load's end of a connection: frames counted as they come, nothing decoded that need not be.

use std::io;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How the bytes are cut into frames.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    /// WebSocket frames of a hub; only entries and volatile messages count.
    WebSocket,
    /// Frames of this many bytes.
    Fixed(usize),
}

/// One connection of the load.
pub(super) struct Socket {
    stream: TcpStream,
    framing: Framing,
    input: Vec<u8>,
    scratch: Box<[u8]>,
    /// The length of the last counted frame, as it stood on the wire.
    pub(super) frame: usize,
    seq: u64,
}

impl Socket {
    /// A connection to a raw server: says which one it is.
    pub(super) async fn raw(address: &str, number: u32, frame: usize) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&number.to_be_bytes()).await?;
        // One byte says that it is among those written to.
        stream.read_u8().await?;
        Ok(Self::over(stream, Framing::Fixed(frame)))
    }

    /// A connected device of a hub.
    pub(super) async fn device(address: &str, user: &str, group: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Protocol: wsc.v1\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.context("the upgrade was not answered")?);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            bail!("the hub refused: {}", String::from_utf8_lossy(&head));
        }
        let mut socket = Self::over(stream, Framing::WebSocket);
        let connect = format!(
            r#"{{"message_type":"connect","protocol":1,"device_id":"d","user_id":"{user}","group_id":"{group}"}}"#
        );
        socket.write(&masked(connect.as_bytes())).await?;
        while !socket.input.windows(11).any(|window| window == b"\"connected\"") {
            let count = socket.stream.read_buf(&mut socket.input).await?;
            if count == 0 {
                bail!("the hub hung up");
            }
        }
        socket.count();
        Ok(socket)
    }

    fn over(stream: TcpStream, framing: Framing) -> Self {
        Self { stream, framing, input: Vec::new(), scratch: vec![0; 64 * 1024].into(), frame: 0, seq: 0 }
    }

    /// Writes bytes as they are.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(())
    }

    /// Waits for bytes and returns how many whole frames of others' messages they completed.
    pub(super) async fn read(&mut self) -> Result<usize> {
        self.fill().await?;
        Ok(self.count())
    }

    /// Waits for bytes and returns how many of the own messages they accept.
    pub(super) async fn read_accepted(&mut self) -> Result<usize> {
        self.fill().await?;
        let (mut accepted, mut refused) = (0, None);
        self.frames(|payload, _| {
            accepted += usize::from(payload.starts_with(b"{\"message_type\":\"ack\""));
            if payload.starts_with(b"{\"message_type\":\"error\"") {
                refused = Some(String::from_utf8_lossy(payload).into_owned());
            }
        });
        refused.map_or(Ok(accepted), |refused| bail!("the hub refused: {refused}"))
    }

    async fn fill(&mut self) -> Result<()> {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut self.scratch) {
                Ok(0) => bail!("the server hung up"),
                Ok(count) => {
                    self.input.extend_from_slice(&self.scratch[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn count(&mut self) -> usize {
        let fixed = matches!(self.framing, Framing::Fixed(_));
        let (mut count, mut frame, mut seq) = (0, self.frame, self.seq);
        self.frames(|payload, length| {
            if fixed || payload.starts_with(b"{\"message_type\":\"text\"") {
                (count, frame) = (count + 1, length);
                if !fixed {
                    seq = trailing_number(payload).unwrap_or(seq);
                }
            }
        });
        (self.frame, self.seq) = (frame, seq);
        count
    }

    /// The position of the last entry.
    pub(super) fn last_seq(&self) -> u64 {
        self.seq
    }

    /// Takes the whole frames out of what was read: payload, and length on the wire.
    fn frames(&mut self, mut each: impl FnMut(&[u8], usize)) {
        let mut at = 0;
        while let Some((header, length)) = self.framing.next(&self.input[at..]) {
            each(&self.input[at + header..at + length], length);
            at += length;
        }
        self.input.drain(..at);
    }
}

/// The number before the closing brace: an entry ends with its `seq_no`.
fn trailing_number(payload: &[u8]) -> Option<u64> {
    let digits = payload.strip_suffix(b"}")?;
    let begin = digits.iter().rposition(|byte| !byte.is_ascii_digit())? + 1;
    std::str::from_utf8(&digits[begin..]).ok()?.parse().ok()
}

impl Framing {
    /// Header and whole length of the frame at the beginning, if it is all there.
    fn next(self, bytes: &[u8]) -> Option<(usize, usize)> {
        let (header, length) = match self {
            Self::Fixed(length) => (0, length),
            Self::WebSocket => match *bytes.get(1)? {
                126 => (4, 4 + usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
                127 => (10, 10 + usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?),
                short => (2, 2 + usize::from(short)),
            },
        };
        (bytes.len() >= length && length > 0).then_some((header, length))
    }
}

/// A client's text frame. Its mask is zero, so that the payload stands as it is: the server's work is the same.
pub(super) fn masked(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..=125), _) => frame.push(0x80 | short),
        (_, Ok(medium)) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
