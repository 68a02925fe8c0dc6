//! Readers that lag: the log is read for them, a page at a time, as far as the window and the socket allow.

use std::cell::OnceCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use wsc_core::CloseCode;
use wsc_core::peer::TrackId;

use super::deliver::{Facts, covered, give, write_gap};
use super::node::Node;
use super::{Context, Subject, Turn};
use crate::log::key::StreamKey;
use crate::log::store::{Flags, Page, StoreError};
use crate::net::entry::entry_frame;
use crate::net::id::ConnectionId;
use crate::shard::connection::Connection;
use crate::shard::reading::Reader;
use crate::shard::state::State;

const PAGE_ENTRIES: usize = 512;
const PAGE_BYTES: usize = 128 * 1024;
/// Before a store is read again that did not answer.
const AWAY: Duration = Duration::from_secs(1);

/// A page that several connections of a shard may want.
struct SharedPage {
    page: Page,
    /// The frame of each entry for those who are live, encoded for the first.
    frames: Vec<OnceCell<Bytes>>,
}

impl SharedPage {
    fn new(page: Page) -> Self {
        let frames = page.entries.iter().map(|_| OnceCell::new()).collect();
        Self { page, frames }
    }
}

impl Connection {
    /// Begins to read the log for it, unless that is under way or there is no room.
    pub(super) fn feed(&mut self, cx: &mut Context) {
        if self.is_feeding || !self.wants_page(cx.node()) {
            return;
        }
        self.is_feeding = true;
        let id = self.id;
        // Which page is decided when the present turn has done what else it does.
        cx.shard.step(id, move |turn| turn.read_page(id));
    }

    /// Whether a stream lags and there is room for more of it.
    fn wants_page(&self, node: &Node) -> bool {
        self.is_attached()
            && self.subscriptions.open().any(|(_, subscription)| subscription.lags())
            && self.peer.room(&node.peer) > 0
            && !self.is_full(&node.settings)
    }
}

impl Turn<'_> {
    /// Reads the next page of the log for a connection, if it still wants one.
    fn read_page(&mut self, id: ConnectionId) {
        let State { connections, streams, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return };
        let cx = &mut *self.cx;
        let room = connection.peer.room(&cx.node().peer);
        let lagging = connection.subscriptions.open().find(|(_, subscription)| subscription.lags());
        let next = lagging.filter(|_| connection.wants_page(cx.node())).and_then(|(track, subscription)| {
            let from = covered(connection, track)? + 1;
            Some((track, streams.get(subscription.stream).key.clone(), from))
        });
        connection.is_feeding = next.is_some();
        let Some((track, key, from)) = next else { return };
        let limit = PAGE_ENTRIES.min(room as usize);
        if !self.state.reading.join(&key, from, Reader { id, track }) {
            return;
        }
        let shard = Rc::clone(&cx.shard);
        cx.spawn_detached(async move {
            // A store may panic before there is a future.
            let read = async { shard.node.log.store.read(&key, from, limit, PAGE_BYTES).await };
            let page = AssertUnwindSafe(read).catch_unwind().await.unwrap_or(Err(StoreError::Closed));
            let page = page.map(SharedPage::new);
            shard.step(Subject::Nobody, move |turn| turn.share_page(&key, from, page));
        });
    }

    /// Gives a page to all who wait for it, each in a step of its own.
    fn share_page(&mut self, key: &StreamKey, from: u64, page: Result<SharedPage, StoreError>) {
        let page = page.map(Rc::new);
        for Reader { id, track } in self.state.reading.end(key, from) {
            let page = page.clone();
            self.cx.shard.step(id, move |turn| turn.take_page(id, track, from, page));
        }
    }

    /// Covers what a page says, and goes on.
    fn take_page(
        &mut self,
        id: ConnectionId,
        track: TrackId,
        from: u64,
        page: Result<Rc<SharedPage>, StoreError>,
    ) {
        let goes_on = match page {
            Ok(page) if self.may_hand_out(id, track, &page.page) => self.cover_page(id, track, from, &page),
            Ok(_) => true,
            Err(StoreError::Unavailable(_)) => return self.read_page_later(id),
            Err(error) => {
                tracing::error!(%error, "the log could not be read");
                false
            }
        };
        if goes_on {
            self.read_page(id);
        } else {
            self.close(id, CloseCode::TryAgainLater, "retry_after_ms=5000");
        }
    }

    /// The store does not answer: what was to be read stays there.
    fn read_page_later(&mut self, id: ConnectionId) {
        let shard = Rc::clone(&self.cx.shard);
        self.cx.spawn(id, async move {
            tokio::time::sleep(AWAY).await;
            shard.step(id, move |turn| turn.read_page(id));
        });
    }

    /// Whether entries of a page may be handed to a reader: nothing has changed about it since it was looked up last. If
    /// it may have, it is looked up now.
    fn may_hand_out(&mut self, id: ConnectionId, track: TrackId, page: &Page) -> bool {
        let Some(connection) = self.state.connections.get_mut(id) else { return false };
        let Some(subscription) = connection.subscriptions.get(track).filter(|found| !found.is_closed())
        else {
            return false;
        };
        let number = subscription.stream;
        let Some(standing) = &self.state.streams.get(number).standing else { return true };
        if page.epoch != standing.epoch {
            self.close_readers(number);
            return false;
        }
        let may = page.version <= standing.version;
        self.raise_head(number, page.head);
        if !may {
            if let Some((connection, _)) = self.with(id) {
                connection.subscriptions[track].is_held = true;
            }
            self.recheck(number);
        }
        may
    }

    /// Covers what a page says. `false`: the page says nothing about positions that must exist.
    fn cover_page(&mut self, id: ConnectionId, track: TrackId, from: u64, shared: &SharedPage) -> bool {
        let State { streams, connections, wheel, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return true };
        let Some(subscription) = connection.subscriptions.get(track).filter(|found| !found.is_closed())
        else {
            return true;
        };
        let (cx, page) = (&mut *self.cx, &shared.page);
        let stream = streams.get_mut(subscription.stream);
        stream.head = stream.head.max(page.head);
        let (key, head) = (&stream.key, stream.head);
        let mut waits = false;
        for (entry, frame) in page.entries.iter().zip(&shared.frames) {
            missing(connection, track, entry.seq, page.floor);
            waits = !give(connection, track, &Facts::of_entry(entry), cx, |subscription| {
                let encode = |source| {
                    entry_frame(key, entry.seq, &entry.body, entry.flags.has(Flags::BINARY), source, "")
                };
                if entry.seq <= subscription.offline_to {
                    encode("offline")
                } else {
                    frame.get_or_init(|| encode("")).clone()
                }
            });
            if waits {
                break;
            }
        }
        if !waits {
            missing(connection, track, page.next.min(page.head + 1), page.floor);
        }
        let at = covered(connection, track).unwrap_or(u64::MAX);
        connection.subscriptions[track].is_live = !waits && at >= head;
        connection.schedule(wheel, cx);
        cx.touch(connection);
        waits || at >= from || at >= head
    }
}

/// Covers by gaps what lies before `next` and is not in the log any more.
fn missing(connection: &mut Connection, track: TrackId, next: u64, floor: u64) {
    let Some(at) = covered(connection, track) else { return };
    let trimmed = floor.min(next);
    if trimmed > at + 1 {
        write_gap(connection, track, at + 1, trimmed - 1, "trimmed");
    }
    let Some(at) = covered(connection, track) else { return };
    if next > at + 1 {
        write_gap(connection, track, at + 1, next - 1, "expired");
    }
}
