//! Where a device goes on in a stream. Pure: positions in, positions out.

use crate::log::store::{Cursor, DeviceStream, OpenedStream};

/// Where reading begins, and what must be said before the first entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The first position covered on the connection.
    pub(crate) from: u64,
    /// Say `gap` of reason `epoch` with an empty range first.
    pub(crate) new_epoch: bool,
    /// Say `gap` of reason `left` from `from` up to here first; 0: nothing.
    pub(crate) left_to: u64,
    /// The device got nothing up to here as an entry.
    pub(crate) start: u64,
}

/// Decides where a device goes on: its cursor in the frame, else the stored one, else the user's start (or the head).
pub(crate) fn resume(
    stream: &OpenedStream,
    epoch: &str,
    in_frame: Option<&Cursor>,
    stored: Option<&DeviceStream>,
    at_head: bool,
) -> Resume {
    let Some(cursor) = in_frame.or_else(|| Some(&stored?.cursor)) else {
        let start = if at_head { stream.head } else { stream.start };
        return Resume { from: start + 1, new_epoch: false, left_to: 0, start };
    };
    let mut resume = go_on(stream, epoch, cursor, in_frame.is_some());
    // It begins again further on when it does not go on after its own cursor.
    let begins = (resume.from - 1).max(resume.left_to);
    resume.start = match stored {
        Some(stored) if begins <= cursor.seq => stored.start.min(begins),
        _ => begins,
    };
    resume
}

fn go_on(stream: &OpenedStream, epoch: &str, cursor: &Cursor, in_frame: bool) -> Resume {
    let at = |from, new_epoch, left_to| Resume { from, new_epoch, left_to, start: 0 };
    let (seq, new_epoch) = if *cursor.epoch == *epoch {
        if cursor.seq <= stream.head { (cursor.seq, false) } else { (stream.floor.max(1) - 1, true) }
    } else {
        match stream.lineage.iter().find(|earlier| earlier.epoch == cursor.epoch) {
            Some(earlier) => (cursor.seq.min(earlier.seq), true),
            None => (stream.floor.max(1) - 1, true),
        }
    };
    if seq >= stream.start {
        return at(seq + 1, new_epoch, 0);
    }
    if in_frame && !new_epoch {
        // The cursor lies before the present membership: what came between was not for this user.
        return at(seq + 1, new_epoch, stream.start);
    }
    at(stream.start + 1, new_epoch, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::{Scope, StreamKey};

    fn stream(start: u64, floor: u64, head: u64) -> OpenedStream {
        let lineage = vec![Cursor { epoch: "e1".into(), seq: 30 }, Cursor { epoch: "e0".into(), seq: 10 }];
        OpenedStream { stream: StreamKey::Broadcast(Scope::default()), start, floor, head, lineage }
    }

    fn cursor(epoch: &str, seq: u64) -> Option<Cursor> {
        Some(Cursor { epoch: epoch.into(), seq })
    }

    #[expect(clippy::needless_pass_by_value, reason = "made in the call")]
    fn from(stream: &OpenedStream, frame: Option<Cursor>, stored: Option<Cursor>) -> (u64, bool, u64) {
        let stored = stored.map(|cursor| at(stream, cursor, 0));
        let resume = resume(stream, "e2", frame.as_ref(), stored.as_ref(), false);
        (resume.from, resume.new_epoch, resume.left_to)
    }

    fn at(stream: &OpenedStream, cursor: Cursor, start: u64) -> DeviceStream {
        DeviceStream { stream: stream.stream.clone(), cursor, start }
    }

    #[test]
    fn a_device_begins_at_the_user_s_start_or_at_the_head() {
        assert_eq!(from(&stream(7, 1, 50), None, None), (8, false, 0));
        assert_eq!(resume(&stream(7, 1, 50), "e2", None, None, true).from, 51);
    }

    #[test]
    fn the_cursor_in_the_frame_comes_before_the_stored_one() {
        assert_eq!(from(&stream(0, 1, 50), cursor("e2", 41), cursor("e2", 45)), (42, false, 0));
        assert_eq!(from(&stream(0, 1, 50), None, cursor("e2", 45)), (46, false, 0));
    }

    #[test]
    fn a_cursor_of_an_earlier_epoch_goes_on_after_what_survived() {
        assert_eq!(from(&stream(0, 1, 50), cursor("e1", 28), None), (29, true, 0));
        assert_eq!(from(&stream(0, 1, 50), cursor("e1", 44), None), (31, true, 0));
        assert_eq!(from(&stream(0, 1, 50), cursor("e0", 44), None), (11, true, 0));
    }

    #[test]
    fn an_unknown_epoch_or_a_cursor_beyond_the_head_begins_at_the_oldest_kept() {
        assert_eq!(from(&stream(0, 12, 50), cursor("other", 44), None), (12, true, 0));
        assert_eq!(from(&stream(0, 12, 50), cursor("e2", 51), None), (12, true, 0));
        assert_eq!(from(&stream(20, 12, 50), cursor("e2", 51), None), (21, true, 0));
    }

    #[test]
    fn what_a_device_got_before_stays_gotten_until_it_begins_again_further_on() {
        let start = |stream: &OpenedStream, frame: Option<Cursor>, stored: Option<(Cursor, u64)>| {
            let stored = stored.map(|(cursor, start)| at(stream, cursor, start));
            resume(stream, "e2", frame.as_ref(), stored.as_ref(), false).start
        };
        let stored = |epoch: &str, seq, start| Some((Cursor { epoch: epoch.into(), seq }, start));
        let whole = stream(0, 1, 50);
        assert_eq!(start(&whole, None, None), 0);
        assert_eq!(start(&stream(7, 1, 50), None, None), 7);
        assert_eq!(start(&whole, None, stored("e2", 45, 3)), 3);
        assert_eq!(start(&whole, cursor("e2", 41), stored("e2", 45, 3)), 3);
        assert_eq!(start(&whole, cursor("e2", 49), stored("e2", 45, 3)), 3);
        // The hub does not know any more where it began.
        assert_eq!(start(&whole, cursor("e2", 41), None), 41);
        // A later membership, and a store that lost its end.
        assert_eq!(start(&stream(20, 1, 50), None, stored("e2", 5, 3)), 20);
        assert_eq!(start(&stream(20, 1, 50), cursor("e2", 5), stored("e2", 5, 3)), 20);
        assert_eq!(start(&whole, cursor("e1", 44), stored("e1", 44, 3)), 3);
        assert_eq!(start(&whole, cursor("e0", 44), stored("e0", 44, 40)), 10);
    }

    #[test]
    fn a_cursor_from_before_the_present_membership_hears_that_it_was_away() {
        assert_eq!(from(&stream(20, 1, 50), cursor("e2", 5), None), (6, false, 20));
        assert_eq!(from(&stream(20, 1, 50), None, cursor("e2", 5)), (21, false, 0));
    }
}
