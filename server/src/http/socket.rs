//! hyper answers a request that it cannot read with a status alone, and waits for ever for a client that does not take its
//! answers. This stands between it and the socket: it gives such an answer the JSON that all other refusals have, and
//! notices since when nothing is taken. It changes nothing else.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::{Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use wsc_core::ErrorCode;

use super::refusal::Refusal;

/// A socket before it is a WebSocket.
pub(super) struct Explained<S> {
    socket: S,
    /// The largest head of a request, in bytes.
    head: usize,
    /// What is left to write of an answer that took the place of hyper's.
    answer: Option<Bytes>,
    seen: Seen,
}

/// What is seen of a socket from outside.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Sight>);

#[derive(Default)]
struct Sight {
    /// The status with which a request was refused that could not be read; 0: none was.
    unreadable: AtomicU16,
    /// Since when the client takes nothing of what is written for it.
    stuck: Mutex<Option<Instant>>,
}

impl Seen {
    pub(super) fn set_unreadable(&self, status: u16) {
        self.0.unreadable.store(status, Ordering::Relaxed);
    }

    pub(super) fn unreadable(&self) -> Option<u16> {
        Some(self.0.unreadable.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    fn stuck(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes whether writing had to wait.
    fn wrote<T>(&self, outcome: Poll<T>) -> Poll<T> {
        let mut stuck = self.stuck();
        if outcome.is_ready() {
            *stuck = None;
        } else {
            stuck.get_or_insert_with(Instant::now);
        }
        outcome
    }

    /// Returns when the client has taken nothing for this long, or up to twice as long, though something waits for it.
    pub(super) async fn gave_up(&self, patience: Duration) {
        loop {
            let since = *self.stuck();
            let left = since.map_or(patience, |since| patience.saturating_sub(since.elapsed()));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

impl<S> Explained<S> {
    pub(super) fn new(socket: S, head: usize) -> (Self, Seen) {
        let seen = Seen::default();
        (Self { socket, head, answer: None, seen: seen.clone() }, seen)
    }

    pub(super) fn into_inner(self) -> S {
        self.socket
    }
}

/// The refusal of a request that could not be read.
pub(super) fn refusal(status: u16, head: usize) -> Refusal {
    let reason = match status {
        431 => format!(
            "the head of the request has more than {head} bytes or 100 headers; send fewer cookies, or raise http.head"
        ),
        414 => "the address of the request is too long".to_owned(),
        _ => "this is not a valid HTTP/1.1 request".to_owned(),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    Refusal::new(status, ErrorCode::InvalidFormat, reason)
}

/// Whether a request that was read has a larger head: what came in one piece is read whole.
pub(super) fn is_too_large<B>(request: &Request<B>, head: usize) -> bool {
    const LINE: usize = " HTTP/1.1\r\n".len();
    const HEADER: usize = ": \r\n".len();
    let address = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    let headers = request.headers().iter();
    let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + HEADER).sum();
    request.method().as_str().len() + address + LINE + headers > head
}

/// The answer in place of one that has a status and no body. `None`: it is no such answer.
fn explain(bytes: &[u8], head: usize) -> Option<(u16, Bytes)> {
    const EMPTY: &str = "content-length: 0\r\n";
    let text = std::str::from_utf8(bytes).ok()?;
    let (first, headers) = text.strip_prefix("HTTP/1.1 ")?.strip_suffix("\r\n\r\n")?.split_once("\r\n")?;
    let status: u16 = first.get(..3)?.parse().ok().filter(|status| (400..500).contains(status))?;
    let headers = format!("{headers}\r\n");
    let at = headers.find(EMPTY)?;
    let (before, after) = (&headers[..at], &headers[at + EMPTY.len()..]);
    let body = refusal(status, head).body();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {first}\r\n{before}{after}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    Some((status, answer.into()))
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.answer.is_none()
            && let Some((status, answer)) = explain(bytes, this.head)
        {
            this.seen.set_unreadable(status);
            this.answer = Some(answer);
        }
        let Some(answer) = &mut this.answer else {
            return this.seen.wrote(Pin::new(&mut this.socket).poll_write(context, bytes));
        };
        // Whoever writes comes back with the same bytes until all of them are taken.
        while answer.has_remaining() {
            let count = ready!(this.seen.wrote(Pin::new(&mut this.socket).poll_write(context, answer)))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            answer.advance(count);
        }
        this.answer = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(context);
        // Where flushing does nothing it says nothing of what could not be written.
        if flushed.is_pending() { self.seen.wrote(flushed) } else { flushed }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.socket).poll_shutdown(context);
        self.seen.wrote(ended)
    }
}
