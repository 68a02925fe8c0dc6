//! Streams as connections read them: they open, and they close.

use std::sync::Arc;

use wsc_core::peer::TrackId;

use super::arrival::group_of;
use super::notes::Notes;
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
    pub(crate) notes: Option<Box<Notes>>,
}

impl Reading {
    pub(crate) fn owes_skip(&self) -> bool {
        self.skip_to != 0 && !self.closed
    }
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
