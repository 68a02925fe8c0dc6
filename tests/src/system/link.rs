//! A wire between a device and the hub on virtual time: it delays, holds back, is cut, and falls silent. Never makes up
//! a byte, and never loses one while it lives and speaks.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use wsc_core::backoff::Random;

use crate::history::Tap;

/// Bytes under way in one direction before the writer has to wait.
const CAPACITY: usize = 128 * 1024;

/// The two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the hub.
    Up,
    /// To the device.
    Down,
}

/// How a wire fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Both sides see a reset; what was under way is lost.
    Reset,
    /// Both sides see the end after what was under way.
    End,
    /// Drops everything in this direction, without closing.
    Silent(Way),
    /// Drops everything in both directions, without closing.
    Dead,
    /// The device sees a reset, the hub nothing.
    Orphan,
}

#[derive(Default)]
struct Pipe {
    parts: VecDeque<(Instant, Bytes)>,
    queued: usize,
    /// When the newest part arrives.
    last: Option<Instant>,
    silent: bool,
    ended: bool,
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

struct Wire {
    up: Pipe,
    down: Pipe,
    tap: Tap,
    random: Random,
    /// Milliseconds on the way, at most.
    latency: u64,
}

impl Wire {
    fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

/// A hold on a wire.
#[derive(Clone)]
pub(super) struct Link(Arc<Mutex<Wire>>);

impl Link {
    /// A wire and its two ends: the device's and the hub's.
    pub(super) fn new(tap: Tap, seed: u64, latency: u64) -> (Self, End, End) {
        let wire =
            Wire { up: Pipe::default(), down: Pipe::default(), tap, random: Random::new(seed), latency };
        let link = Self(Arc::new(Mutex::new(wire)));
        let end = |reads| End { link: link.clone(), reads, sleep: None };
        (link.clone(), end(Way::Down), end(Way::Up))
    }

    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It fails.
    pub(super) fn fail(&self, fate: Fate) {
        let mut wire = self.lock();
        let wire = &mut *wire;
        let (up, down) = (&mut wire.up, &mut wire.down);
        match fate {
            Fate::Reset => (up.reset, down.reset) = (true, true),
            Fate::End => (up.ended, down.ended) = (true, true),
            Fate::Silent(Way::Up) => up.silent = true,
            Fate::Silent(Way::Down) => down.silent = true,
            Fate::Dead => (up.silent, down.silent) = (true, true),
            Fate::Orphan => (up.silent, down.reset) = (true, true),
        }
        for pipe in [up, down] {
            if pipe.silent {
                pipe.parts.clear();
                pipe.queued = 0;
            }
            pipe.wake();
        }
    }
}

/// One end of a wire.
pub(super) struct End {
    link: Link,
    /// Which way it reads; it writes the other.
    reads: Way,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl End {
    fn writes(&self) -> Way {
        if self.reads == Way::Up { Way::Down } else { Way::Up }
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let link = self.link.clone();
            let mut wire = link.lock();
            let pipe = wire.pipe(self.reads);
            if pipe.reset {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let Some((at, part)) = pipe.parts.front_mut() else {
                if pipe.ended && !pipe.silent {
                    return Poll::Ready(Ok(()));
                }
                pipe.reader = Some(context.waker().clone());
                return Poll::Pending;
            };
            if *at <= Instant::now() {
                let count = part.len().min(into.remaining());
                into.put_slice(&part.split_to(count));
                pipe.queued -= count;
                if part.is_empty() {
                    pipe.parts.pop_front();
                }
                pipe.writer.take().into_iter().for_each(Waker::wake);
                return Poll::Ready(Ok(()));
            }
            let at = *at;
            pipe.reader = Some(context.waker().clone());
            drop(wire);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let way = self.writes();
        let mut wire = self.link.lock();
        let wire = &mut *wire;
        let delay = Duration::from_millis(wire.random.up_to(wire.latency));
        let pipe = wire.pipe(way);
        if pipe.reset || pipe.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if pipe.queued >= CAPACITY {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = bytes.len().min(CAPACITY - pipe.queued);
        let at = (Instant::now() + delay).max(pipe.last.unwrap_or_else(Instant::now));
        pipe.last = Some(at);
        // Into silence one writes until the buffers of the system are full.
        pipe.queued += count;
        if !pipe.silent {
            pipe.parts.push_back((at, Bytes::copy_from_slice(&bytes[..count])));
            pipe.reader.take().into_iter().for_each(Waker::wake);
        }
        match way {
            Way::Up => wire.tap.up(&bytes[..count]),
            Way::Down => wire.tap.down(&bytes[..count]),
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.link.lock();
        let pipe = wire.pipe(self.writes());
        pipe.ended = true;
        pipe.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    /// As the system does for a process: what was written arrives, then the end.
    fn drop(&mut self) {
        let mut wire = self.link.lock();
        let (reads, writes) = (self.reads, self.writes());
        let pipe = wire.pipe(writes);
        pipe.ended = true;
        pipe.wake();
        // What comes for nobody is answered by a reset.
        let pipe = wire.pipe(reads);
        pipe.ended = true;
        pipe.wake();
    }
}
