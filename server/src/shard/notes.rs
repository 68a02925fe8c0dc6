//! What is remembered of entries until a connection acknowledges their positions: who wants to hear of it, and what was
//! not delivered by it. Never grows by what the window does not bound: runs of entries that were passed over are one note.

use std::collections::VecDeque;
use std::sync::Arc;

/// The notes of one stream on one connection.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// What is acknowledged beyond this, the log does not know yet to be delivered.
    written: u64,
    /// In the order of positions; made at the first.
    #[expect(clippy::box_collection, reason = "nearly always absent, and there are many subscriptions")]
    notes: Option<Box<VecDeque<Note>>>,
}

/// Something about a position, or about all from one up to it.
#[derive(Debug)]
struct Note {
    seq: u64,
    about: About,
}

#[derive(Debug)]
enum About {
    /// Its sender wants to hear `delivered`.
    Receipt(OwedReceipt),
    /// From here on entries were passed over, of which at least the first is to this user: passing them delivers nothing.
    Passed { first: u64 },
}

/// A receipt to be given when an entry is acknowledged.
#[derive(Debug)]
pub(crate) struct OwedReceipt {
    pub(crate) seq: u64,
    pub(crate) sender: Arc<str>,
    pub(crate) message_id: Arc<str>,
}

impl Notes {
    /// Up to here the log knows what is delivered.
    pub(crate) fn new(written: u64) -> Self {
        Self { written, notes: None }
    }

    /// Nothing is handed over any more.
    pub(crate) fn clear(&mut self) {
        self.notes = None;
    }

    /// The sender of an entry wants to hear when it is acknowledged.
    pub(crate) fn note_receipt(&mut self, receipt: OwedReceipt) {
        let note = Note { seq: receipt.seq, about: About::Receipt(receipt) };
        self.notes.get_or_insert_default().push_back(note);
    }

    /// An entry was passed over. `is_to`: it is to this user, and another device may still get it.
    pub(crate) fn note_passed(&mut self, seq: u64, is_to: bool) {
        let last = self.notes.as_mut().and_then(|notes| notes.back_mut());
        match last {
            Some(Note { seq: last, about: About::Passed { .. } }) if *last + 1 == seq => *last = seq,
            _ if is_to => {
                let note = Note { seq, about: About::Passed { first: seq } };
                self.notes.get_or_insert_default().push_back(note);
            }
            _ => {}
        }
    }

    /// Whether a sender wants to hear when this position is acknowledged.
    pub(crate) fn owes_receipt(&self, to: u64) -> bool {
        let mut notes = self.notes.iter().flat_map(|notes| notes.iter());
        notes.any(|note| note.seq <= to && matches!(note.about, About::Receipt(_)))
    }

    /// What was delivered up to a position and the log does not know: after the first number, up to the second.
    pub(crate) fn delivered(&self, to: u64) -> Vec<(u64, u64)> {
        let (mut found, mut after) = (Vec::new(), self.written);
        for note in self.notes.iter().flat_map(|notes| notes.iter()) {
            if let About::Passed { first } = note.about
                && first <= to
            {
                found.push((after, first - 1));
                after = after.max(note.seq.min(to));
            }
        }
        found.push((after, to));
        found.retain(|(after, to)| after < to);
        found
    }

    /// The same, which the log will know from now on, and the receipts that are owed for it.
    pub(crate) fn take_delivered(&mut self, to: u64) -> (Vec<(u64, u64)>, Vec<OwedReceipt>) {
        let found = self.delivered(to);
        self.written = self.written.max(to);
        let mut owed = Vec::new();
        if let Some(notes) = &mut self.notes {
            while let Some(note) = notes.pop_front_if(|note| note.seq <= to) {
                if let About::Receipt(receipt) = note.about {
                    owed.push(receipt);
                }
            }
            if notes.is_empty() {
                self.notes = None;
            }
        }
        (found, owed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Entry {
        Handed,
        HandedWithReceipt,
        PassedToOther,
        PassedToNobody,
    }

    proptest! {
        #[test]
        fn what_was_handed_over_is_delivered_and_what_is_for_another_device_is_not(
            entries in prop::collection::vec(
                prop::sample::select(vec![
                    Entry::Handed,
                    Entry::HandedWithReceipt,
                    Entry::PassedToOther,
                    Entry::PassedToNobody,
                ]),
                0..60,
            ),
            mut acknowledged in prop::collection::vec((0..60_u64, any::<bool>()), 0..8),
        ) {
            let mut notes = Notes::default();
            for (seq, entry) in (1..).zip(&entries) {
                match entry {
                    Entry::Handed => {}
                    Entry::HandedWithReceipt => notes.note_receipt(OwedReceipt {
                        seq,
                        sender: "s".into(),
                        message_id: "m".into(),
                    }),
                    Entry::PassedToOther => notes.note_passed(seq, true),
                    Entry::PassedToNobody => notes.note_passed(seq, false),
                }
            }
            // Beside what is handed over there is at most one note in a row.
            let receipts = entries.iter().filter(|entry| **entry == Entry::HandedWithReceipt).count();
            let handed = receipts + entries.iter().filter(|entry| **entry == Entry::Handed).count();
            prop_assert!(notes.notes.as_ref().map_or(0, |notes| notes.len()) <= receipts + handed + 1);
            acknowledged.sort_unstable();
            let (mut delivered, mut owed, mut at) = (Vec::new(), Vec::new(), 0);
            for (to, only_looks) in acknowledged {
                let to = to.min(entries.len() as u64);
                if only_looks {
                    prop_assert!(notes.delivered(to).iter().all(|(after, to)| after < to));
                    continue;
                }
                let (found, receipts) = notes.take_delivered(to);
                delivered.extend(found.into_iter().flat_map(|(after, to)| after + 1..=to));
                owed.extend(receipts.into_iter().map(|receipt| receipt.seq));
                at = to;
            }
            for (seq, entry) in (1..=at).zip(&entries) {
                let count = delivered.iter().filter(|found| **found == seq).count();
                match entry {
                    Entry::Handed | Entry::HandedWithReceipt => prop_assert_eq!(count, 1, "{}", seq),
                    Entry::PassedToOther => prop_assert_eq!(count, 0, "{}", seq),
                    Entry::PassedToNobody => prop_assert!(count <= 1, "{}", seq),
                }
                prop_assert_eq!(owed.contains(&seq), *entry == Entry::HandedWithReceipt, "{}", seq);
            }
            prop_assert!(delivered.iter().chain(&owed).all(|seq| *seq <= at));
        }
    }

    #[test]
    fn entries_that_are_passed_over_cost_nothing_however_many_they_are() {
        let mut notes = Notes::default();
        for seq in 1..100_000 {
            notes.note_passed(seq, seq % 3 != 0);
        }
        assert_eq!(notes.notes.as_ref().map_or(0, |notes| notes.len()), 1);
    }
}
