//! Streams as connections read them: they open, and they close.

use wsc_core::peer::TrackId;

use super::arrival::group_of;
use super::state::{Reading, State};
use crate::log::key::StreamKey;

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
