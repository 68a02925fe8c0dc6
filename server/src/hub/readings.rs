//! Streams as connections read them: they open, what is acknowledged of them is noted, and they close.

use std::collections::VecDeque;
use std::sync::Arc;

use wsc_core::peer::TrackId;

use super::arrival::group_of;
use super::state::State;
use crate::log::key::StreamKey;

/// One stream as one connection reads it. Its positions are the [`Peer`]'s.
pub(crate) struct Reading {
    /// Its group; `None`: the inbox or the broadcast.
    pub(crate) group: Option<Arc<str>>,
    /// Its number in [`Streams`].
    pub(crate) stream: u32,
    /// Where it stands in the stream's list of readers.
    pub(crate) place: u32,
    /// Gets entries as they are told; otherwise the log is read.
    pub(crate) live: bool,
    pub(crate) closed: bool,
    /// Entries up to here carry `"source":"offline"`.
    pub(crate) offline_to: u64,
    /// Positions up to here, from the next one, are not for it and not yet told.
    pub(crate) skip_to: u64,
    /// What is acknowledged beyond this, the log does not know yet to be delivered.
    pub(crate) noted: u64,
    /// What must be remembered of entries until they are acknowledged.
    #[expect(clippy::box_collection, reason = "nearly always absent, and there are many readings")]
    pub(crate) notes: Option<Box<VecDeque<Note>>>,
}

impl Reading {
    /// Remembers something of an entry.
    pub(crate) fn note(&mut self, seq: u64, about: About) {
        self.notes.get_or_insert_default().push_back(Note { seq, about });
    }

    /// Whether a sender wants to hear when this position is acknowledged.
    pub(crate) fn owes_receipt(&self, to: u64) -> bool {
        let mut notes = self.notes.iter().flat_map(|notes| notes.iter());
        notes.any(|note| note.seq <= to && matches!(note.about, About::Receipt(_)))
    }

    /// What was delivered up to a position and the log does not know: after the first number, up to the second.
    pub(crate) fn delivered(&self, to: u64) -> Vec<(u64, u64)> {
        let (mut found, mut after) = (Vec::new(), self.noted);
        for note in self.notes.iter().flat_map(|notes| notes.iter()).take_while(|note| note.seq <= to) {
            if matches!(note.about, About::Other) {
                found.push((after, note.seq - 1));
                after = note.seq;
            }
        }
        found.push((after, to));
        found.retain(|(after, to)| after < to);
        found
    }

    /// The same, which the log will know from now on, and the receipts that are owed for it.
    pub(crate) fn take_delivered(&mut self, to: u64) -> (Vec<(u64, u64)>, Vec<OwedReceipt>) {
        let found = self.delivered(to);
        self.noted = self.noted.max(to);
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

    pub(crate) fn owes_skip(&self) -> bool {
        self.skip_to != 0 && !self.closed
    }
}

/// What is remembered of an entry until its position is acknowledged.
pub(crate) struct Note {
    pub(crate) seq: u64,
    pub(crate) about: About,
}

pub(crate) enum About {
    /// Its sender wants to hear `delivered`.
    Receipt(OwedReceipt),
    /// It is to this user and was not for this device: passing it delivers nothing.
    Other,
}

/// A receipt to be given when an entry is acknowledged.
pub(crate) struct OwedReceipt {
    pub(crate) seq: u64,
    pub(crate) sender: Arc<str>,
    pub(crate) message_id: Arc<str>,
}

impl State {
    /// Opens a stream on a connection. `live`: nothing after `head` can have been missed.
    pub(crate) fn open(&mut self, place: u32, key: &StreamKey, from: u64, head: u64, live: bool) {
        let connection = &mut self.connections[place as usize];
        let track = connection.peer.open(from);
        let (number, at) = self.streams.subscribe(key, head, place, track);
        let live = live && from > self.streams.get(number).head;
        connection.readings.push(Reading {
            group: group_of(key),
            stream: number,
            place: at,
            live,
            closed: false,
            offline_to: head,
            skip_to: 0,
            noted: from - 1,
            notes: None,
        });
    }

    /// Ends a stream on a connection.
    pub(crate) fn shut(&mut self, place: u32, track: TrackId) {
        let connection = &mut self.connections[place as usize];
        let reading = &mut connection.readings[track as usize];
        if std::mem::replace(&mut reading.closed, true) {
            return;
        }
        (reading.live, reading.skip_to) = (false, 0);
        reading.notes = None;
        let (number, at) = (reading.stream, reading.place);
        connection.peer.close(track);
        if let Some((moved, moved_track)) = self.streams.unsubscribe(number, at) {
            self.connections[moved as usize].readings[moved_track as usize].place = at;
        }
    }
}
