//! The end of a hub as its shards see it: everybody is told, then closed one after the other.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use wsc_core::CloseCode;

use super::{Handle, Turn};
use crate::log::store::StoreError;
use crate::net::id::ConnectionId;
use crate::shard::connection::Stage;
use crate::shard::letter::Drain;

/// How often, 10 ms apart, a closing hub looks whether everything is answered.
const ANSWER_TRIES: u32 = 200;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Maximum of steps in which connections are closed.
const STEPS: usize = 100;

impl Turn<'_> {
    pub(crate) fn drain(&mut self, step: Drain) {
        match step {
            Drain::Begin { notice, spread, done } => {
                self.state.is_draining = true;
                self.tell_all(&notice);
                let all = self.state.connections.iter().map(|connection| connection.id).collect();
                let task = close_all(Rc::clone(&self.cx.shard), all, spread, done);
                self.cx.spawn_detached(task);
            }
            Drain::Cut => self.cut_all(),
            Drain::Submit { done } => {
                self.pass_on_marks(true);
                self.cx.submit();
                drop(done);
            }
            Drain::CloseUnanswered => self.close_unanswered(),
        }
    }

    fn tell_all(&mut self, frame: &Bytes) {
        for connection in self.state.connections.iter_mut() {
            if connection.bare.is_none() {
                connection.wire.push(frame.clone());
            }
            self.cx.touch(connection);
        }
    }

    /// Cuts the connections that are left: they do not take what they should.
    fn cut_all(&mut self) {
        let left: Vec<ConnectionId> = self.state.connections.iter().map(|connection| connection.id).collect();
        if !left.is_empty() {
            tracing::warn!(connections = left.len(), "cut: they did not take what waited for them");
        }
        left.into_iter().for_each(|id| self.cut(id));
    }

    /// Closes the connections that nobody will answer any more: they go elsewhere, and send again there.
    fn close_unanswered(&mut self) {
        let waiting = self.state.connections.iter().filter(|found| found.writing > 0);
        let waiting: Vec<ConnectionId> = waiting.map(|found| found.id).collect();
        for id in waiting {
            self.close(id, CloseCode::TryAgainLater, "retry_after_ms=5000");
        }
        for number in self.state.attaching.numbers() {
            self.attached(number, Err(StoreError::Closed));
        }
    }

    /// Reads nothing more from some connections; `true`: something that they sent is not answered.
    fn end_reading(&mut self, some: &[ConnectionId]) -> bool {
        let mut waits = false;
        for id in some {
            if let Some((connection, _)) = self.with(*id) {
                if matches!(connection.stage, Stage::Attached) {
                    connection.stage = Stage::Ending;
                }
                waits |= connection.is_busy();
            }
        }
        waits
    }
}

/// Closes connections one after the other, and waits until all of the shard have ended.
async fn close_all(shard: Rc<Handle>, all: Vec<ConnectionId>, spread: Duration, done: mpsc::Sender<()>) {
    let steps = all.len().clamp(1, STEPS);
    let size = all.len().div_ceil(steps).max(1);
    for (index, step) in all.chunks(size).enumerate() {
        if index > 0 {
            tokio::time::sleep(spread / u32::try_from(steps).unwrap_or(1)).await;
        }
        // Who must be waited for holds nobody else up.
        tokio::task::spawn_local(close_some(Rc::clone(&shard), step.into()));
    }
    let is_left =
        |turn: &mut Turn<'_>| !turn.state.connections.is_empty() || !turn.state.attaching.is_empty();
    while shard.ask(is_left).await == Some(true) {
        tokio::time::sleep(LOOK).await;
    }
    drop(done);
}

/// Closes connections when what they sent is answered, or has taken too long.
async fn close_some(shard: Rc<Handle>, some: Rc<[ConnectionId]>) {
    for _ in 0..ANSWER_TRIES {
        let ending = Rc::clone(&some);
        if shard.ask(move |turn| turn.end_reading(&ending)).await != Some(true) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let close = move |turn: &mut Turn<'_>| {
        for id in some.iter() {
            turn.close(*id, CloseCode::GoingAway, "retry_after_ms=500");
        }
    };
    shard.ask(close).await;
}
