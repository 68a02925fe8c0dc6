//! The streams a client reads: what the application got, what it acknowledged, what the hub knows of it. Never talks to
//! the hub.
//!
//! Three positions per stream, each at most the next:
//! - `acknowledged`: acknowledged to the hub on this connection;
//! - `cursor`: the application has everything up to here; a new connection continues after it;
//! - `emitted`: this process has made events for everything up to here.
//!
//! After a reconnect the hub repeats what lies between `cursor` and `emitted`: it is covered, but makes no second event.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::event::Generation;
use super::list::List;
use super::saved::SavedCursor;
use crate::coverage::{Coverage, Fit};
use crate::names::StreamName;

/// No position.
const NONE: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) name: StreamName<'static>,
    pub(super) epoch: String,
    pub(super) generation: Generation,
    pub(super) cursor: u64,
    /// The cursor sent in the pending `connect`, as the application may move on meanwhile; `None` if that was one of the
    /// previous epoch.
    requested: Option<u64>,
    /// The cursor in the previous epoch, until the application acknowledges something of this one: a process that ends
    /// first must hear again that something may be lost.
    previous: Option<(String, u64)>,
    emitted: u64,
    /// Skips beyond the cursor: passed as soon as the cursor reaches them.
    skips: Vec<(u64, u64)>,
    /// What the live connection has covered; `None`: not read now.
    coverage: Option<Coverage>,
    /// The newest position when it was opened on this connection.
    pub(super) head: u64,
    /// The last position acknowledged on this connection.
    acknowledged: u64,
    /// The lowest entry with `require_ack` that is not acknowledged; [`NONE`]: there is none.
    urgent: u64,
    /// Entries taken on this connection since the last acknowledgement.
    taken: u32,
    /// The cursor as it was stored last.
    stored: Option<u64>,
    /// The application has heard of the new epoch on this connection.
    pub(super) epoch_reported: bool,
}

/// What became of a stream at `connected`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Adoption {
    /// It continues after the cursor.
    Continues,
    /// It continues in the same epoch, but the hub leaves out these positions without a gap.
    Passed(u64, u64),
    /// Another epoch begins.
    Renewed,
}

/// What a range of positions covered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Covered {
    /// New positions from here on.
    New(u64),
    /// Repeated after a reconnect: emitted before.
    Again,
    /// Covered before on this connection.
    Old,
    /// Positions are missing.
    Hole,
}

impl Inbox {
    /// A stream with a known cursor, not read yet.
    pub(super) fn new(name: StreamName<'static>, epoch: String, cursor: u64, generation: Generation) -> Self {
        Self {
            name,
            epoch,
            generation,
            cursor,
            requested: Some(cursor),
            previous: None,
            emitted: cursor,
            skips: Vec::new(),
            coverage: None,
            head: 0,
            acknowledged: cursor,
            urgent: NONE,
            taken: 0,
            stored: None,
            epoch_reported: false,
        }
    }

    /// As [`Inbox::new`], with a cursor that came out of the storage.
    pub(super) fn restored(mut self) -> Self {
        self.stored = Some(self.cursor);
        self
    }

    pub(super) fn saved(&self) -> SavedCursor {
        let (epoch, seq) = self.resume_point();
        SavedCursor { stream: self.name.clone(), epoch: epoch.to_owned(), seq }
    }

    /// Where a new connection, or another process, continues: epoch and cursor.
    pub(super) fn resume_point(&self) -> (&str, u64) {
        match &self.previous {
            Some((epoch, seq)) => (epoch, *seq),
            None => (&self.epoch, self.cursor),
        }
    }

    /// The resume point is sent in `connect`.
    pub(super) fn set_requested(&mut self) {
        self.requested = self.previous.is_none().then_some(self.cursor);
    }

    /// The application acknowledged something of the present numbering; true when it had not before.
    pub(super) fn confirm(&mut self) -> bool {
        self.previous.take().is_some()
    }

    /// The hub sends it from `from` on.
    pub(super) fn open(&mut self, epoch: &str, from: u64, head: u64, generation: Generation) -> Adoption {
        self.coverage = Some(Coverage::new(from));
        self.head = head;
        let before = from.saturating_sub(1);
        let adoption = if self.epoch != epoch || self.requested.is_some_and(|requested| before < requested) {
            let resume = (core::mem::take(&mut self.epoch), self.requested.unwrap_or(self.cursor));
            self.previous.get_or_insert(resume);
            epoch.clone_into(&mut self.epoch);
            self.generation = generation;
            self.cursor = before;
            self.emitted = before;
            self.skips.clear();
            self.stored = None;
            Adoption::Renewed
        } else {
            // What was emitted beyond the head was never in this log: it must be able to come again.
            self.emitted = self.emitted.min(head.max(before));
            let passed = (self.emitted + 1, before);
            if before > self.cursor {
                self.emitted = self.emitted.max(before);
                self.pass(self.cursor + 1, before);
            }
            if passed.0 <= passed.1 { Adoption::Passed(passed.0, passed.1) } else { Adoption::Continues }
        };
        self.acknowledged = before;
        self.taken = 0;
        self.urgent = NONE;
        // The application has heard of this epoch already.
        self.epoch_reported = self.requested.is_none() && adoption != Adoption::Renewed;
        adoption
    }

    /// The connection is gone.
    fn disconnect(&mut self) {
        self.coverage = None;
        self.taken = 0;
        self.urgent = NONE;
    }

    pub(super) fn is_open(&self) -> bool {
        self.coverage.is_some()
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.coverage.is_some_and(|coverage| coverage.cursor() >= self.head)
    }

    /// Takes `first..=last` if it fits.
    pub(super) fn take(&mut self, first: u64, last: u64) -> Covered {
        let Some(coverage) = self.coverage.as_mut() else { return Covered::Old };
        match coverage.take(first, last) {
            Fit::Hole => Covered::Hole,
            Fit::Old => Covered::Old,
            Fit::Taken if last < first => Covered::New(first),
            Fit::Taken if last <= self.emitted => Covered::Again,
            Fit::Taken => {
                let new = first.max(self.emitted + 1);
                self.emitted = last;
                Covered::New(new)
            }
        }
    }

    /// An entry was taken.
    pub(super) fn count(&mut self, seq: u64, urgent: bool) {
        self.taken = self.taken.saturating_add(1);
        if urgent {
            self.urgent = self.urgent.min(seq);
        }
    }

    /// Entries taken on this connection and not acknowledged.
    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    /// Positions that the application need not acknowledge.
    pub(super) fn pass(&mut self, first: u64, last: u64) {
        match self.skips.last_mut() {
            _ if first <= self.cursor + 1 => self.cursor = self.cursor.max(last),
            Some(skip) if skip.1 + 1 == first => skip.1 = last,
            _ => self.skips.push((first, last)),
        }
        self.absorb();
    }

    /// The application has all up to here; true when that moved the cursor.
    pub(super) fn hand_over(&mut self, seq: u64) -> bool {
        let seq = seq.min(self.emitted);
        if seq <= self.cursor {
            return false;
        }
        self.cursor = seq;
        self.absorb();
        true
    }

    fn absorb(&mut self) {
        // They rise and do not touch, so that those that are reached are the first.
        while let Some((first, last)) = self.skips.first().copied()
            && first <= self.cursor + 1
        {
            self.cursor = self.cursor.max(last);
            self.skips.remove(0);
        }
    }

    /// Whether an entry that wants it at once can be acknowledged.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent <= self.target()
    }

    /// What can be acknowledged: handed over, and covered on this connection.
    fn target(&self) -> u64 {
        match &self.coverage {
            Some(coverage) if self.previous.is_none() => coverage.cursor().min(self.cursor),
            _ => 0,
        }
    }

    /// The position to acknowledge now, if it is news to the hub.
    pub(super) fn acknowledge(&mut self) -> Option<u64> {
        let target = self.target();
        if target <= self.acknowledged {
            return None;
        }
        self.acknowledged = target;
        if self.urgent <= target {
            self.urgent = NONE;
        }
        let open = self.coverage.map_or(0, |coverage| coverage.cursor() - target);
        self.taken = self.taken.min(u32::try_from(open).unwrap_or(u32::MAX));
        Some(target)
    }

    /// The cursor, if the storage does not have it.
    pub(super) fn unstored(&mut self) -> Option<u64> {
        if self.previous.is_some() || self.stored == Some(self.cursor) {
            return None;
        }
        self.stored = Some(self.cursor);
        self.stored
    }
}

/// Every stream, sorted by name.
#[derive(Debug, Default)]
pub(super) struct Inboxes {
    all: List<Inbox>,
    generations: Generation,
    /// Entries taken and not acknowledged, over all streams.
    taken: u64,
}

impl Inboxes {
    pub(super) fn next_generation(&mut self) -> Generation {
        self.generations = self.generations.wrapping_add(1);
        self.generations
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// An entry was taken.
    pub(super) fn add_taken(&mut self) {
        self.taken += 1;
    }

    /// The connection is gone.
    pub(super) fn disconnect(&mut self) {
        for inbox in self.all.iter_mut() {
            inbox.disconnect();
        }
        self.taken = 0;
    }

    /// Entries were acknowledged, or will not be.
    pub(super) fn sub_taken(&mut self, count: u32) {
        self.taken = self.taken.saturating_sub(u64::from(count));
    }

    pub(super) fn find(&self, name: &StreamName<'_>) -> Result<usize, usize> {
        self.all.binary_search_by(|inbox| inbox.name.cmp(name))
    }

    pub(super) fn index(&mut self, index: usize) -> Option<&mut Inbox> {
        self.all.get_mut(index).map(|inbox| &mut **inbox)
    }

    pub(super) fn insert(&mut self, inbox: Inbox) -> usize {
        let index = match self.find(&inbox.name) {
            Ok(index) => {
                self.all.remove(index);
                index
            }
            Err(index) => index,
        };
        self.all.insert(index, inbox);
        index
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<Box<Inbox>> {
        self.all.remove(index)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Inbox> {
        self.all.iter_mut().map(|inbox| &mut **inbox)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Inbox> {
        self.all.iter().map(|inbox| &**inbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(cursor: u64) -> Inbox {
        let mut inbox = Inbox::new(StreamName::Inbox, "e1".to_owned(), cursor, 1);
        assert_eq!(inbox.open("e1", cursor + 1, cursor, 2), Adoption::Continues);
        inbox
    }

    #[test]
    fn a_skip_behind_an_entry_waits_for_the_application() {
        let mut inbox = inbox(4);
        assert_eq!(inbox.take(5, 5), Covered::New(5));
        assert_eq!(inbox.take(6, 7), Covered::New(6));
        inbox.pass(6, 7);
        assert_eq!((inbox.cursor, inbox.acknowledge()), (4, None));
        assert!(inbox.hand_over(5));
        assert_eq!((inbox.cursor, inbox.acknowledge(), inbox.acknowledge()), (7, Some(7), None));
    }

    #[test]
    fn what_the_application_has_is_covered_again_but_emitted_once() {
        let mut inbox = inbox(0);
        assert_eq!(inbox.take(1, 1), Covered::New(1));
        assert_eq!(inbox.take(2, 2), Covered::New(2));
        inbox.disconnect();
        assert!(inbox.hand_over(1));
        assert_eq!(inbox.open("e1", 2, 3, 9), Adoption::Continues);
        assert_eq!(inbox.take(2, 2), Covered::Again);
        assert_eq!(inbox.take(3, 3), Covered::New(3));
        assert_eq!(inbox.take(3, 3), Covered::Old);
        assert_eq!(inbox.take(5, 5), Covered::Hole);
    }

    #[test]
    fn an_acknowledgement_never_goes_beyond_what_this_connection_covered() {
        let mut inbox = inbox(0);
        for seq in 1..=3 {
            assert_eq!(inbox.take(seq, seq), Covered::New(seq));
        }
        inbox.disconnect();
        assert_eq!(inbox.open("e1", 1, 3, 9), Adoption::Continues);
        assert!(inbox.hand_over(3));
        assert_eq!(inbox.acknowledge(), None);
        assert_eq!(inbox.take(1, 1), Covered::Again);
        assert_eq!(inbox.acknowledge(), Some(1));
    }

    #[test]
    fn a_new_epoch_or_a_step_back_renews_the_stream() {
        let mut inbox = inbox(9);
        assert_eq!(inbox.open("e2", 5, 6, 7), Adoption::Renewed);
        assert_eq!((inbox.cursor, inbox.generation), (4, 7));
        assert_eq!(inbox.open("e2", 1, 2, 8), Adoption::Renewed);
        assert_eq!(inbox.take(1, 1), Covered::New(1));
    }

    #[test]
    fn positions_left_out_without_a_gap_are_reported() {
        let mut inbox = inbox(4);
        assert_eq!(inbox.open("e1", 9, 12, 7), Adoption::Passed(5, 8));
        assert_eq!(inbox.cursor, 8);
    }
}
