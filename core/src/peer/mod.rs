//! The hub's half of one connection: deadlines, coverage, the window, budgets. It knows positions, not messages; it
//! never reads a clock or a socket, and it asks for nothing: the hub calls, the answers decide.

use alloc::vec::Vec;

mod track;

pub use track::Track;

use crate::budget::Budget;
use crate::codes::CloseCode;
use crate::coverage::Fit;
use crate::limits;
use crate::time::Timestamp;

/// The times and limits of a connection. Times in milliseconds; a budget of 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Time for the `connect` frame.
    pub connect_ms: u64,
    /// Silence before a client pings; the hub closes after 2.5 times as much.
    pub heartbeat_ms: u64,
    /// Unacknowledged entries under way.
    pub window: u32,
    /// Entries out and none acknowledged for this long is a failed attempt.
    pub ack_timeout_ms: u64,
    /// Requests per second.
    pub requests: u32,
    /// Control frames (pings, acknowledgements) per second.
    pub controls: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_ms: limits::CONNECT_MS,
            heartbeat_ms: limits::HEARTBEAT_MS,
            window: limits::WINDOW,
            ack_timeout_ms: limits::ACK_TIMEOUT_MS,
            requests: 100,
            controls: 1000,
        }
    }
}

/// A `connect` that is older than this against another is not late: a clock was set.
const LATE_MS: u64 = 60_000;

/// Whether a `connect` arrives after one that its device sent later: then it is not the newer connection. Both times are
/// the device's (`sent_ms`); 0 means unknown.
#[must_use]
pub fn is_overtaken(sent_ms: u64, present_ms: u64) -> bool {
    sent_ms != 0 && sent_ms < present_ms && present_ms - sent_ms < LATE_MS
}

/// Which stream of a connection: its number in the order of opening. Not used again while the connection lives.
pub type TrackId = u32;

/// What may be done with a run of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is under way now: write it.
    Send,
    /// It lies below what is covered: drop it.
    Old,
    /// Positions before it are missing, or the window is full: it stays in the log.
    Wait,
}

/// The hub's half of one connection.
#[derive(Clone, Debug)]
pub struct Peer {
    attached: bool,
    since: Timestamp,
    heard: Timestamp,
    /// When entries last made progress: the first went out, or some were acknowledged.
    progress: Timestamp,
    in_flight: u32,
    tracks: Vec<Option<Track>>,
    requests: Budget,
    controls: Budget,
    misunderstood: Budget,
}

impl Peer {
    /// A connection that was just opened and owes a `connect` frame.
    #[must_use]
    pub fn new(now: Timestamp, settings: &Settings) -> Self {
        Self {
            attached: false,
            since: now,
            heard: now,
            progress: now,
            in_flight: 0,
            tracks: Vec::new(),
            requests: Budget::new(settings.requests, now),
            controls: Budget::new(settings.controls, now),
            // A bucket of seconds used for minutes: the caller's time is divided by 60.
            misunderstood: Budget::new(limits::BAD_FRAMES - 1, now / 60),
        }
    }

    /// The connection was accepted and `connected` is written next.
    pub fn attach(&mut self, now: Timestamp) {
        self.attached = true;
        self.heard = now;
    }

    /// Something came in: it is a sign of life.
    pub fn heard(&mut self, now: Timestamp) {
        self.heard = self.heard.max(now);
    }

    /// Makes room for exactly this many more streams: there are many connections, and each reads few.
    pub fn reserve(&mut self, streams: usize) {
        self.tracks.reserve_exact(streams);
    }

    /// Begins to cover a stream from a position.
    pub fn open(&mut self, from: u64) -> TrackId {
        self.tracks.push(Some(Track::new(from)));
        u32::try_from(self.tracks.len() - 1).unwrap_or(u32::MAX)
    }

    /// Ends a stream: nothing more comes of it, its entries under way count no more.
    pub fn close(&mut self, track: TrackId) {
        if let Some(track) = self.tracks.get_mut(track as usize).and_then(Option::take) {
            self.in_flight -= track.in_flight();
        }
    }

    /// A stream, unless it was closed.
    #[must_use]
    pub fn track(&self, track: TrackId) -> Option<&Track> {
        self.tracks.get(track as usize).and_then(Option::as_ref)
    }

    fn track_mut(&mut self, track: TrackId) -> Option<&mut Track> {
        self.tracks.get_mut(track as usize).and_then(Option::as_mut)
    }

    /// How many more entries may be under way.
    #[must_use]
    pub fn room(&self, settings: &Settings) -> u32 {
        settings.window.saturating_sub(self.in_flight)
    }

    /// How many entries are under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Asks to write the entries of `first..=last`, each one of them, in one go.
    #[must_use]
    pub fn offer(
        &mut self,
        track: TrackId,
        first: u64,
        last: u64,
        settings: &Settings,
        now: Timestamp,
    ) -> Offer {
        let count = u32::try_from(last + 1 - first).unwrap_or(u32::MAX);
        let room = self.room(settings);
        let idle = self.in_flight == 0;
        let Some(track) = self.track_mut(track) else { return Offer::Old };
        if track.next() == first && count > room {
            return Offer::Wait;
        }
        match track.take(first, last) {
            Fit::Hole => Offer::Wait,
            Fit::Old => Offer::Old,
            Fit::Taken => {
                track.sent(first, last, count);
                self.in_flight += count;
                if idle {
                    self.progress = now;
                }
                Offer::Send
            }
        }
    }

    /// Covers `first..=last` by a `skip` or a `gap`; `Taken` means: write it.
    #[must_use]
    pub fn pass(&mut self, track: TrackId, first: u64, last: u64) -> Fit {
        self.track_mut(track).map_or(Fit::Old, |track| track.take(first, last))
    }

    /// The client acknowledged a stream up to `seq`. Returns the positions it newly acknowledged as (after, up to), or
    /// nothing when it says nothing new or the stream is closed; an error when it runs ahead of what was covered.
    pub fn acknowledge(
        &mut self,
        track: TrackId,
        seq: u64,
        now: Timestamp,
    ) -> Result<Option<(u64, u64)>, CloseCode> {
        let Some(found) = self.track_mut(track) else { return Ok(None) };
        if seq >= found.next() {
            return Err(CloseCode::Violation);
        }
        let before = found.acknowledged();
        if seq <= before {
            return Ok(None);
        }
        let settled = found.acknowledge(seq);
        self.in_flight -= settled;
        if settled > 0 {
            self.progress = now;
        }
        Ok(Some((before, seq)))
    }

    /// Takes one request from the budget; else says in how many milliseconds.
    pub fn request(&mut self, now: Timestamp) -> Result<(), u64> {
        self.requests.take(1, now)
    }

    /// Takes one control frame from the budget; else says in how many milliseconds.
    pub fn control(&mut self, now: Timestamp) -> Result<(), u64> {
        self.controls.take(1, now)
    }

    /// A frame was not understood; an error when it was one too many within a minute.
    pub fn misunderstood(&mut self, now: Timestamp) -> Result<(), CloseCode> {
        self.misunderstood.take(1, now / 60).map_err(|_| CloseCode::Violation)
    }

    /// When [`Peer::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self, settings: &Settings) -> Timestamp {
        if !self.attached {
            return self.since + settings.connect_ms;
        }
        let silence = self.heard + settings.heartbeat_ms * 5 / 2;
        if self.in_flight > 0 { silence.min(self.progress + settings.ack_timeout_ms) } else { silence }
    }

    /// Why the connection must end now, if it must.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Timestamp, settings: &Settings) -> Option<CloseCode> {
        if now < self.poll_timeout(settings) {
            return None;
        }
        if self.attached && self.in_flight > 0 && now >= self.progress + settings.ack_timeout_ms {
            return Some(CloseCode::Unacknowledged);
        }
        Some(CloseCode::Silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        connect_ms: 10_000,
        heartbeat_ms: 25_000,
        window: 4,
        ack_timeout_ms: 30_000,
        requests: 2,
        controls: 2,
    };

    fn attached(from: u64) -> (Peer, TrackId) {
        let mut peer = Peer::new(0, &SETTINGS);
        peer.attach(0);
        let track = peer.open(from);
        (peer, track)
    }

    #[test]
    fn no_connect_frame_for_ten_seconds_ends_the_connection() {
        let mut peer = Peer::new(5, &SETTINGS);
        assert_eq!(peer.handle_timeout(10_004, &SETTINGS), None);
        assert_eq!(peer.handle_timeout(10_005, &SETTINGS), Some(CloseCode::Silent));
    }

    #[test]
    fn silence_for_two_and_a_half_heartbeats_ends_the_connection() {
        let (mut peer, _) = attached(1);
        peer.heard(1000);
        assert_eq!(peer.handle_timeout(63_499, &SETTINGS), None);
        assert_eq!(peer.handle_timeout(63_500, &SETTINGS), Some(CloseCode::Silent));
    }

    #[test]
    fn entries_are_sent_once_in_order_and_within_the_window() {
        let (mut peer, track) = attached(1);
        assert_eq!(peer.offer(track, 2, 2, &SETTINGS, 0), Offer::Wait);
        assert_eq!(peer.offer(track, 1, 3, &SETTINGS, 0), Offer::Send);
        assert_eq!(peer.offer(track, 2, 3, &SETTINGS, 0), Offer::Old);
        assert_eq!(peer.offer(track, 4, 5, &SETTINGS, 0), Offer::Wait);
        assert_eq!(peer.acknowledge(track, 1, 1), Ok(Some((0, 1))));
        assert_eq!(peer.offer(track, 4, 5, &SETTINGS, 2), Offer::Send);
        assert_eq!(peer.in_flight(), 4);
    }

    #[test]
    fn skipped_positions_take_no_room_in_the_window() {
        let (mut peer, track) = attached(1);
        assert_eq!(peer.pass(track, 1, 1000), Fit::Taken);
        assert_eq!(peer.offer(track, 1001, 1002, &SETTINGS, 0), Offer::Send);
        assert_eq!(peer.pass(track, 1003, 1003), Fit::Taken);
        assert_eq!(peer.offer(track, 1004, 1005, &SETTINGS, 0), Offer::Send);
        assert_eq!(peer.room(&SETTINGS), 0);
        assert_eq!(peer.acknowledge(track, 1003, 0), Ok(Some((0, 1003))));
        assert_eq!(peer.room(&SETTINGS), 2);
        assert_eq!(peer.acknowledge(track, 1004, 0), Ok(Some((1003, 1004))));
        assert_eq!(peer.acknowledge(track, 1005, 0), Ok(Some((1004, 1005))));
        assert_eq!(peer.in_flight(), 0);
    }

    #[test]
    fn an_acknowledgement_ahead_of_what_was_covered_is_a_violation() {
        let (mut peer, track) = attached(5);
        assert_eq!(peer.acknowledge(track, 4, 0), Ok(None));
        assert_eq!(peer.acknowledge(track, 5, 0), Err(CloseCode::Violation));
        peer.close(track);
        assert_eq!(peer.acknowledge(track, 99, 0), Ok(None));
    }

    #[test]
    fn entries_out_and_none_acknowledged_for_thirty_seconds_is_a_failed_attempt() {
        let (mut peer, track) = attached(1);
        assert_eq!(peer.offer(track, 1, 2, &SETTINGS, 1000), Offer::Send);
        peer.heard(30_000);
        assert_eq!(peer.acknowledge(track, 1, 20_000), Ok(Some((0, 1))));
        assert_eq!(peer.handle_timeout(49_999, &SETTINGS), None);
        assert_eq!(peer.handle_timeout(50_000, &SETTINGS), Some(CloseCode::Unacknowledged));
    }

    #[test]
    fn a_connect_is_overtaken_by_one_sent_shortly_after_it() {
        assert!(is_overtaken(1000, 1001) && is_overtaken(1000, 60_999));
        assert!(!is_overtaken(1000, 1000) && !is_overtaken(1001, 1000) && !is_overtaken(1000, 61_000));
        assert!(!is_overtaken(0, 5) && !is_overtaken(5, 0));
    }

    #[test]
    fn a_closed_stream_frees_its_part_of_the_window() {
        let (mut peer, track) = attached(1);
        assert_eq!(peer.offer(track, 1, 4, &SETTINGS, 0), Offer::Send);
        peer.close(track);
        assert_eq!(peer.in_flight(), 0);
        assert_eq!(peer.offer(track, 5, 5, &SETTINGS, 0), Offer::Old);
    }

    #[test]
    fn the_tenth_misunderstood_frame_in_a_minute_is_one_too_many() {
        let mut peer = Peer::new(0, &SETTINGS);
        for _ in 0..9 {
            assert_eq!(peer.misunderstood(10), Ok(()));
        }
        assert_eq!(peer.misunderstood(10), Err(CloseCode::Violation));
        assert_eq!(peer.misunderstood(60_010), Ok(()));
    }
}
