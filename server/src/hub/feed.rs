//! Readers that lag: the log is read for them, a page at a time, as far as the window and the socket allow.

use std::rc::Rc;

use wsc_core::peer::TrackId;

use super::clock;
use super::deliver::{Facts, covered, give, say_gap};
use super::shard::Shard;
use super::state::{Connection, State, Streams};
use crate::broker::entry_frame;
use crate::log::key::StreamKey;
use crate::log::store::{Flags, Page};

const PAGE_ENTRIES: usize = 512;
const PAGE_BYTES: usize = 128 * 1024;

impl Shard {
    /// Begins to read the log for a connection, unless that is under way or there is no room.
    pub(crate) fn feed(self: &Rc<Self>, connection: &mut Connection, place: u32) {
        if connection.feeding || !self.wants_page(connection) {
            return;
        }
        connection.feeding = true;
        let generation = connection.generation;
        self.spawn(place, generation, feed(Rc::clone(self), place, generation));
    }

    /// Whether a stream lags and there is room for more of it.
    fn wants_page(&self, connection: &Connection) -> bool {
        let settings = &self.node.settings;
        !connection.closing
            && connection.readings.iter().any(|reading| !reading.live && !reading.closed)
            && connection.peer.room(&settings.peer) > 0
            && connection.wire.0.borrow().queued() <= settings.socket_limit
    }

    /// Which stream to read next, from where and how much.
    fn next_page(
        &self,
        streams: &Streams,
        connection: &Connection,
    ) -> Option<(TrackId, StreamKey, u64, usize)> {
        if !self.wants_page(connection) {
            return None;
        }
        let room = connection.peer.room(&self.node.settings.peer);
        let at = connection.readings.iter().position(|reading| !reading.live && !reading.closed)?;
        let track = TrackId::try_from(at).ok()?;
        let from = covered(connection, track)? + 1;
        Some((
            track,
            streams.get(connection.readings[at].stream).key.clone(),
            from,
            PAGE_ENTRIES.min(room as usize),
        ))
    }
}

async fn feed(shard: Rc<Shard>, place: u32, generation: u32) {
    loop {
        let next = {
            let mut state = shard.state.borrow_mut();
            let State { connections, streams, .. } = &mut *state;
            let found = connections.get_mut(place as usize).filter(|found| found.generation == generation);
            let Some(connection) = found else { return };
            let next = shard.next_page(streams, connection);
            connection.feeding = next.is_some();
            next
        };
        let Some((track, key, from, limit)) = next else { return };
        let page = shard.node.log.store.read(&key, from, limit, PAGE_BYTES).await;
        let result = page.map(|page| shard.take_page(place, generation, track, from, &page));
        if !matches!(result, Ok(true)) {
            if let Err(error) = result {
                tracing::error!(%error, "the log could not be read");
            }
            shard.close(place, generation, wsc_core::CloseCode::TryAgainLater, "retry_after_ms=5000");
            return;
        }
    }
}

impl Shard {
    /// Covers what a page says. `false`: the page says nothing about positions that must exist.
    fn take_page(
        self: &Rc<Self>,
        place: u32,
        generation: u32,
        track: TrackId,
        from: u64,
        page: &Page,
    ) -> bool {
        let (settings, wall) = (&self.node.settings, clock::wall());
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let State { streams, connections, wheel, .. } = &mut *state;
        let Some(connection) =
            connections.get_mut(place as usize).filter(|found| found.generation == generation)
        else {
            return true;
        };
        let Some(reading) = connection.readings.get(track as usize).filter(|reading| !reading.closed) else {
            return true;
        };
        let stream = streams.get_mut(reading.stream);
        let key = stream.key.clone();
        stream.head = stream.head.max(page.head);
        let mut waits = false;
        for entry in &page.entries {
            missing(connection, track, entry.seq, page.floor);
            waits = !give(connection, track, &Facts::of_entry(entry), settings, now, wall, |reading| {
                let source = if entry.seq <= reading.offline_to { "offline" } else { "" };
                entry_frame(&key, entry.seq, &entry.body, entry.flags.has(Flags::BINARY), source, "")
            });
            if waits {
                break;
            }
        }
        if !waits {
            missing(connection, track, page.next.min(page.head + 1), page.floor);
        }
        let head = stream.head;
        let at = covered(connection, track).unwrap_or(u64::MAX);
        connection.readings[track as usize].live = !waits && at >= head;
        let progress = waits || at >= from || at >= head;
        self.plan(wheel, connection, place, now);
        self.touch(connection, place);
        progress
    }
}

/// Covers by gaps what lies before `next` and is not in the log any more.
fn missing(connection: &mut Connection, track: TrackId, next: u64, floor: u64) {
    let Some(at) = covered(connection, track) else { return };
    let trimmed = floor.min(next);
    if trimmed > at + 1 {
        say_gap(connection, track, at + 1, trimmed - 1, "trimmed");
    }
    let Some(at) = covered(connection, track) else { return };
    if next > at + 1 {
        say_gap(connection, track, at + 1, next - 1, "expired");
    }
}
