//! A layer between hyper and the socket. hyper answers a request that it cannot read with a bare status, and waits for
//! ever for a client that does not take its answers: this layer adds the JSON that all other refusals have, and measures
//! since when writing has been stalled. It changes nothing else.

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
pub(super) struct HttpSocket<S> {
    socket: S,
    /// The largest head of a request, in bytes.
    head: usize,
    /// The rest of an answer that replaced hyper's.
    answer: Option<Bytes>,
    monitor: Monitor,
}

/// The state of a socket, seen from outside.
#[derive(Clone, Default)]
pub(super) struct Monitor(Arc<Status>);

#[derive(Default)]
struct Status {
    /// The status of the refusal of a request that could not be read; 0: none.
    unreadable: AtomicU16,
    /// Since when writing has been stalled.
    stalled_since: Mutex<Option<Instant>>,
}

impl Monitor {
    pub(super) fn set_unreadable(&self, status: u16) {
        self.0.unreadable.store(status, Ordering::Relaxed);
    }

    pub(super) fn unreadable(&self) -> Option<u16> {
        Some(self.0.unreadable.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    fn stalled_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.stalled_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records whether a write had to wait.
    fn wrote<T>(&self, outcome: Poll<T>) -> Poll<T> {
        let mut stalled = self.stalled_since();
        if outcome.is_ready() {
            *stalled = None;
        } else {
            stalled.get_or_insert_with(Instant::now);
        }
        outcome
    }

    /// Returns when the client has taken nothing for this long (up to twice as long) with bytes waiting for it.
    pub(super) async fn stalled(&self, patience: Duration) {
        loop {
            let since = *self.stalled_since();
            let left = since.map_or(patience, |since| patience.saturating_sub(since.elapsed()));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

impl<S> HttpSocket<S> {
    pub(super) fn new(socket: S, head: usize) -> (Self, Monitor) {
        let monitor = Monitor::default();
        (Self { socket, head, answer: None, monitor: monitor.clone() }, monitor)
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

/// The answer with a reason in place of one with a bare status. `None`: it is not such an answer.
fn with_reason(bytes: &[u8], head: usize) -> Option<(u16, Bytes)> {
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

impl<S: AsyncRead + Unpin> AsyncRead for HttpSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HttpSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.answer.is_none()
            && let Some((status, answer)) = with_reason(bytes, this.head)
        {
            this.monitor.set_unreadable(status);
            this.answer = Some(answer);
        }
        let Some(answer) = &mut this.answer else {
            return this.monitor.wrote(Pin::new(&mut this.socket).poll_write(context, bytes));
        };
        // Whoever writes comes back with the same bytes until all of them are taken.
        while answer.has_remaining() {
            let count = ready!(this.monitor.wrote(Pin::new(&mut this.socket).poll_write(context, answer)))?;
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
        // A flush that has nothing to do does not show that anything was written.
        if flushed.is_pending() { self.monitor.wrote(flushed) } else { flushed }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.socket).poll_shutdown(context);
        self.monitor.wrote(ended)
    }
}
