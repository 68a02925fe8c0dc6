//! The hub's own stream under tungstenite: what goes out is one queue of shared bytes at frame boundaries, written
//! straight to the socket; what comes in is read through one buffer shared by all connections of a thread.
//!
//! tungstenite reads frames from it and answers pings and closes into it; the hub pushes entries into it. It never
//! waits and never decides what is sent.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::boundaries::Boundaries;

/// Frames below this are copied together; larger ones are shared.
const COPY_BELOW: usize = 1024;
const SHARED_READ: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SHARED_READ].into_boxed_slice());
}

/// Anything bytes go through in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What carries the bytes.
pub(crate) enum Socket {
    /// Plain TCP: written without waiting.
    Tcp(TcpStream),
    /// Anything else (TLS, an embedder's own): written when the connection is attended to.
    Other(Box<dyn Stream>),
}

/// A connection's bytes in both directions.
pub(crate) struct Wire {
    socket: Socket,
    /// Read from the socket and not yet taken.
    input: Bytes,
    boundaries: Boundaries,
    /// Outgoing, in this order: `first`, `queue`, `tail`.
    first: Bytes,
    queue: VecDeque<Bytes>,
    tail: BytesMut,
    queued: usize,
    /// All bytes the socket has taken.
    written: u64,
    /// After the hub's own Close frame nothing of tungstenite's goes out any more.
    muted: bool,
    failed: bool,
}

impl Wire {
    /// A wire over a socket from which `input` was read already.
    pub(crate) fn new(socket: Socket, input: &[u8]) -> Self {
        Self {
            socket,
            // A copy: a slice, even an empty one, would keep all of the buffer it was cut from.
            input: Bytes::copy_from_slice(input),
            boundaries: Boundaries::default(),
            first: Bytes::new(),
            queue: VecDeque::new(),
            tail: BytesMut::new(),
            queued: 0,
            written: 0,
            muted: false,
            failed: false,
        }
    }

    /// Whether all that was taken of the input are whole messages.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.boundaries.is_between_messages()
    }

    /// Lets this many more frames be read before the next turn.
    pub(crate) fn begin_turn(&mut self, frames: u32) {
        self.boundaries.begin_turn(frames);
    }

    /// What comes now is read by nobody who looks at frames.
    pub(crate) fn read_on_blindly(&mut self) {
        self.boundaries.open();
    }

    /// Takes a plain socket off its runtime, to be put on another with [`Wire::arrive`].
    pub(crate) fn depart(self) -> io::Result<Departed> {
        let socket = match self.socket {
            Socket::Tcp(stream) => DepartedSocket::Tcp(stream.into_std()?),
            Socket::Other(stream) => DepartedSocket::Other(stream),
        };
        Ok(Departed { socket, input: self.input, tail: self.tail })
    }

    /// Puts a departed wire on the present runtime.
    pub(crate) fn arrive(departed: Departed) -> io::Result<Self> {
        let socket = match departed.socket {
            DepartedSocket::Tcp(stream) => Socket::Tcp(TcpStream::from_std(stream)?),
            DepartedSocket::Other(stream) => Socket::Other(stream),
        };
        let mut wire = Self::new(socket, &departed.input);
        wire.push_copy(&departed.tail);
        Ok(wire)
    }

    /// Adds shared bytes to what goes out.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if self.muted || self.failed {
            return;
        }
        self.queued += bytes.len();
        if self.queued == bytes.len() {
            self.first = bytes;
        } else if bytes.len() < COPY_BELOW {
            self.tail.extend_from_slice(&bytes);
        } else {
            if !self.tail.is_empty() {
                self.queue.push_back(self.tail.split().freeze());
            }
            self.queue.push_back(bytes);
        }
    }

    /// Adds a copy of bytes to what goes out.
    pub(crate) fn push_copy(&mut self, bytes: &[u8]) {
        if !self.muted && !self.failed {
            self.queued += bytes.len();
            self.tail.extend_from_slice(bytes);
        }
    }

    /// Adds a data frame to what goes out.
    pub(crate) fn push_frame(&mut self, payload: &[u8], binary: bool) {
        if !self.muted && !self.failed {
            let before = self.tail.len();
            super::encode::put_data(&mut self.tail, payload, binary);
            self.queued += self.tail.len() - before;
        }
    }

    /// Nothing more is added after what is queued now.
    pub(crate) fn mute(&mut self) {
        self.muted = true;
    }

    /// Bytes waiting to go out.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// Bytes the socket has taken so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes what the socket takes without waiting. `Ok(true)`: nothing is left.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let Socket::Tcp(_) = self.socket else { return Ok(self.queued == 0) };
        while self.queued > 0 {
            let written = self.gathered(|socket, slices| match socket {
                Socket::Tcp(stream) if slices.len() == 1 => stream.try_write(&slices[0]),
                Socket::Tcp(stream) => stream.try_write_vectored(slices),
                Socket::Other(_) => Err(io::ErrorKind::WouldBlock.into()),
            });
            match written {
                Ok(0) => return self.fail(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.fail(error),
            }
        }
        Ok(true)
    }

    /// Writes until nothing is left, waiting for the socket.
    pub(crate) fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.flush()? {
                break;
            }
            match &mut self.socket {
                Socket::Tcp(stream) => ready!(stream.poll_write_ready(context))?,
                Socket::Other(_) => {
                    let written = self.gathered(|socket, slices| match socket {
                        Socket::Other(stream) => match Pin::new(stream).poll_write(context, &slices[0]) {
                            Poll::Ready(result) => result,
                            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                        },
                        Socket::Tcp(_) => Ok(0),
                    });
                    match written {
                        Ok(0) => return Poll::Ready(self.fail(io::ErrorKind::WriteZero.into()).map(drop)),
                        Ok(count) => self.advance(count),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                        Err(error) => return Poll::Ready(self.fail(error).map(drop)),
                    }
                }
            }
        }
        match &mut self.socket {
            Socket::Tcp(_) => Poll::Ready(Ok(())),
            Socket::Other(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    /// Whether the socket can be written at any time.
    pub(crate) fn is_direct(&self) -> bool {
        matches!(self.socket, Socket::Tcp(_))
    }

    fn poll_shutdown_socket(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Socket::Other(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn gathered(
        &mut self,
        write: impl FnOnce(&mut Socket, &[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        const MOST: usize = 64;
        if self.queue.is_empty() && self.tail.is_empty() {
            return write(&mut self.socket, &[IoSlice::new(&self.first)]);
        }
        let mut slices = [IoSlice::new(&[]); MOST];
        let parts = std::iter::once(&self.first).chain(&self.queue).map(|part| part.as_ref());
        let parts = parts.chain(std::iter::once(self.tail.as_ref())).filter(|part| !part.is_empty());
        let mut count = 0;
        for (slot, part) in slices.iter_mut().zip(parts) {
            *slot = IoSlice::new(part);
            count += 1;
        }
        write(&mut self.socket, &slices[..count])
    }

    fn advance(&mut self, mut count: usize) {
        self.queued -= count;
        self.written += count as u64;
        if self.queued == 0 {
            // An idle connection holds no buffer.
            (self.first, self.queue, self.tail) = (Bytes::new(), VecDeque::new(), BytesMut::new());
            return;
        }
        let cut = count.min(self.first.len());
        self.first.advance(cut);
        count -= cut;
        while let Some(part) = self.queue.front_mut() {
            let cut = count.min(part.len());
            part.advance(cut);
            count -= cut;
            if !part.is_empty() {
                return;
            }
            self.queue.pop_front();
        }
        self.tail.advance(count);
    }

    fn fail(&mut self, error: io::Error) -> io::Result<bool> {
        self.failed = true;
        self.advance(self.queued);
        Err(error)
    }
}

/// A wire between two runtimes.
pub(crate) struct Departed {
    socket: DepartedSocket,
    input: Bytes,
    tail: BytesMut,
}

enum DepartedSocket {
    Tcp(std::net::TcpStream),
    Other(Box<dyn Stream>),
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        if wire.boundaries.is_shut() {
            // The others come first.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if !wire.input.is_empty()
                && let Some(allowed) = wire.boundaries.allow(&wire.input)?
            {
                let count = allowed.min(into.remaining());
                into.put_slice(&wire.input.split_to(count));
                wire.boundaries.take(count);
                if wire.input.is_empty() {
                    // Let go of the buffer the slice was part of.
                    wire.input = Bytes::new();
                }
                return Poll::Ready(Ok(()));
            }
            let filled = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                match &mut wire.socket {
                    Socket::Tcp(stream) => ready!(Pin::new(stream).poll_read(context, &mut buffer))?,
                    Socket::Other(stream) => ready!(Pin::new(stream).poll_read(context, &mut buffer))?,
                }
                let read = buffer.filled();
                if wire.input.is_empty()
                    && let Some(allowed) = wire.boundaries.allow(read)?
                {
                    let direct = allowed.min(into.remaining());
                    into.put_slice(&read[..direct]);
                    wire.boundaries.take(direct);
                    if direct < read.len() {
                        wire.input = Bytes::copy_from_slice(&read[direct..]);
                    }
                    return Poll::Ready(Ok::<_, io::Error>(true));
                }
                let mut joined = BytesMut::from(wire.input.as_ref());
                joined.extend_from_slice(read);
                wire.input = joined.freeze();
                Poll::Ready(Ok(read.is_empty()))
            });
            if ready!(filled)? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push_copy(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        self.poll_shutdown_socket(context)
    }
}
