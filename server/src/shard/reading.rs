//! Pages of the log that are being read, and for whom: connections that want the same get the same.

use std::collections::HashMap;

use wsc_core::peer::TrackId;

use crate::log::key::StreamKey;
use crate::net::id::ConnectionId;

/// A connection that waits for a page, and on which of its tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    pub(crate) id: ConnectionId,
    pub(crate) track: TrackId,
}

/// Who waits for which page: by stream and first position.
#[derive(Debug, Default)]
pub(crate) struct Reading(HashMap<(StreamKey, u64), Vec<Reader>>);

impl Reading {
    /// A connection waits for a page. Whether it is to be read: nobody waits for it already.
    pub(crate) fn join(&mut self, stream: &StreamKey, from: u64, reader: Reader) -> bool {
        let waiting = self.0.entry((stream.clone(), from)).or_default();
        waiting.push(reader);
        waiting.len() == 1
    }

    /// A page was read; those who wait for it.
    pub(crate) fn end(&mut self, stream: &StreamKey, from: u64) -> Vec<Reader> {
        self.0.remove(&(stream.clone(), from)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::Scope;

    #[test]
    fn a_page_is_read_once_for_all_who_want_it_at_the_same_time() {
        let (mut reading, stream) = (Reading::default(), StreamKey::Broadcast(Scope::default()));
        let reader = |slot| Reader { id: ConnectionId { slot, generation: 1 }, track: 1 };
        assert!(reading.join(&stream, 7, reader(1)));
        assert!(!reading.join(&stream, 7, reader(2)));
        assert!(reading.join(&stream, 8, reader(3)));
        assert_eq!(reading.end(&stream, 7), [reader(1), reader(2)]);
        assert!(reading.join(&stream, 7, reader(1)));
    }
}
