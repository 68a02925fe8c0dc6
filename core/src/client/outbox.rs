//! Unsettled sends in order. The first `flying` of them are under way on the present connection; nothing overtakes.
//! Never decides when to send and never talks to the hub.

use super::event::SendId;
use super::list::List;
use super::saved::SavedSend;
use super::written::with_life;
use crate::frame::Frame;
use crate::time::Timestamp;

/// One unsettled send.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    hash: u64,
    pub(super) send: SavedSend,
    /// What the record says of when it went out first, where that is earlier than it did.
    marked: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// A list: the few bytes that move when the first of some thousand goes cost less than the code of a ring.
    waiting: List<Waiting>,
    flying: usize,
    flying_bytes: usize,
    bytes: usize,
    /// All sends up to this one are stored.
    stored: u64,
    last: u64,
    /// Sends up to this one wait until it is stored, though they are: see [`Outbox::mark`].
    gate: u64,
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn flying(&self) -> usize {
        self.flying
    }

    pub(super) fn unsaved(&self) -> usize {
        let first = self.waiting.partition_point(|waiting| waiting.send.id.0 <= self.stored);
        self.waiting.len() - first
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Ids up to this one were given before.
    pub(super) fn begin_after(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// The id the next send gets.
    pub(super) fn next_id(&mut self) -> SendId {
        self.last += 1;
        SendId(self.last)
    }

    pub(super) fn contains(&self, message_id: &str) -> bool {
        let hash = hash(message_id);
        self.waiting.iter().any(|waiting| waiting.hash == hash && waiting.send.message_id == message_id)
    }

    /// `marked`: when it may go out first, as its record says.
    pub(super) fn push(&mut self, send: SavedSend, marked: Option<Timestamp>) {
        self.last = self.last.max(send.id.0);
        self.bytes += send.cost();
        self.waiting.push(Waiting { hash: hash(&send.message_id), send, marked });
    }

    /// What was taken while there was no connection may go out from now on. Whoever takes up the record must know that, so
    /// that none goes out before this is stored: the id it is stored under. `None`: there is nothing to say.
    pub(super) fn mark(&mut self, now: Timestamp) -> Option<SendId> {
        let mut found = false;
        for waiting in self.waiting.iter_mut() {
            if waiting.send.first_sent.is_none() && waiting.marked.is_none() {
                waiting.marked = Some(now);
                found = true;
            }
        }
        if !found {
            return None;
        }
        let id = self.next_id();
        self.gate = id.0;
        Some(id)
    }

    /// Everything up to this send is stored.
    pub(super) fn stored(&mut self, up_to: SendId) {
        self.stored = self.stored.max(up_to.0);
    }

    /// The first send that is not under way, if it and its mark are stored.
    pub(super) fn candidate(&self) -> Option<&SavedSend> {
        let next = &self.waiting.get(self.flying)?.send;
        let needed = if next.id.0 <= self.gate { self.gate } else { next.id.0 };
        (needed <= self.stored).then_some(next)
    }

    /// Whether one more of this size may be under way.
    pub(super) fn has_room(&self, size: usize, count: usize, bytes: usize) -> bool {
        self.flying == 0 || (self.flying < count && self.flying_bytes.saturating_add(size) <= bytes)
    }

    /// The candidate goes out.
    pub(super) fn launch(&mut self, now: Timestamp) {
        let Some(next) = self.waiting.get_mut(self.flying) else { return };
        self.flying += 1;
        self.flying_bytes += next.send.cost();
        next.send.first_sent.get_or_insert(now);
    }

    /// Nothing is under way any more.
    pub(super) fn ground(&mut self) {
        self.flying = 0;
        self.flying_bytes = 0;
    }

    /// The index of a send under way; answers come nearly in order, so that the search is short.
    pub(super) fn find_flying(&self, message_id: &str) -> Option<usize> {
        let hash = hash(message_id);
        let mut flying = self.waiting.iter().take(self.flying);
        flying.position(|waiting| waiting.hash == hash && waiting.send.message_id == message_id)
    }

    /// The index of a send.
    pub(super) fn find(&self, id: SendId) -> Option<usize> {
        self.waiting.binary_search_by_key(&id, |waiting| waiting.send.id).ok()
    }

    pub(super) fn get(&self, index: usize) -> Option<&SavedSend> {
        self.waiting.get(index).map(|waiting| &waiting.send)
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<SavedSend> {
        let gone = self.waiting.remove(index)?.send;
        self.bytes = self.bytes.saturating_sub(gone.cost());
        if index < self.flying {
            self.flying -= 1;
            self.flying_bytes = self.flying_bytes.saturating_sub(gone.cost());
        }
        Some(gone)
    }

    /// The index of the first send not under way that has expired.
    pub(super) fn expired(&self, now: Timestamp) -> Option<usize> {
        self.grounded().find(|(_, deadline)| *deadline <= now).map(|(index, _)| index)
    }

    /// When the first life of those not under way ends.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.grounded().map(|(_, deadline)| deadline).min()
    }

    /// The places not under way whose life ends, and when.
    fn grounded(&self) -> impl Iterator<Item = (usize, Timestamp)> {
        let ends = |index| Some((index, self.get(index)?.deadline?));
        (self.flying..self.waiting.len()).filter_map(ends)
    }

    /// When the oldest went out first; sends go out in order, so that it is the first's.
    pub(super) fn oldest_sent(&self) -> Option<Timestamp> {
        self.waiting.first().and_then(|waiting| waiting.send.first_sent)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SavedSend> {
        self.waiting.iter().map(|waiting| &waiting.send)
    }

    /// With when they went out first, as their record says.
    pub(super) fn saved(&self) -> impl Iterator<Item = (&SavedSend, Option<Timestamp>)> {
        self.waiting.iter().map(|waiting| (&waiting.send, waiting.send.first_sent.or(waiting.marked)))
    }
}

impl SavedSend {
    /// What it counts against the limits: the frame, and what surrounds it.
    pub(super) fn cost(&self) -> usize {
        self.frame.len() + self.message_id.len() + 96
    }

    /// The frame as it goes out now: with what is left of its life.
    pub(super) fn frame_at(&self, now: Timestamp) -> Frame {
        let left = self.deadline.map(|deadline| deadline.saturating_sub(now).max(1));
        left.and_then(|left| with_life(&self.frame, left)).unwrap_or_else(|| self.frame.clone())
    }
}

/// FNV-1a: only to compare ids quickly.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
