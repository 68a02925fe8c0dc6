//! Where a device goes on in a stream. Pure: positions in, positions out. The same for every store.

use super::store::{Cursor, DeviceStream, OpenedStream, Resume};

/// Decides where a device goes on: its cursor in the frame, else the stored one, else the user's start (or the head).
pub(crate) fn resume(
    stream: &OpenedStream,
    in_frame: Option<&Cursor>,
    stored: Option<&DeviceStream>,
    at_head: bool,
) -> Resume {
    let Some(cursor) = in_frame.or_else(|| Some(&stored?.cursor)) else {
        let start = if at_head { stream.head } else { stream.start };
        return Resume { from: start + 1, new_epoch: false, left_to: 0, noted: start, is_ahead: false };
    };
    let mut resume = go_on(stream, cursor, in_frame.is_some());
    resume.noted = resume.from - 1;
    // What lies between the stored place and the device's own was on a connection that ended before it was written.
    if let (Some(_), Some(stored)) = (in_frame, stored)
        && resume.left_to == 0
    {
        let known = place(stream, &stored.cursor, false).unwrap_or(resume.noted);
        resume.noted = resume.noted.min(known.max(stream.start));
    }
    resume
}

/// A cursor in the present numbering; `None`: nothing is known of it. `by_client`: it was named by a client.
fn place(stream: &OpenedStream, cursor: &Cursor, by_client: bool) -> Option<u64> {
    if cursor.epoch == stream.epoch {
        return (cursor.seq <= stream.head).then_some(cursor.seq);
    }
    let earlier = stream.lineage.iter().find(|earlier| earlier.epoch == cursor.epoch)?;
    (earlier.is_proven || !by_client).then_some(cursor.seq.min(earlier.survived))
}

fn go_on(stream: &OpenedStream, cursor: &Cursor, in_frame: bool) -> Resume {
    let is_present = cursor.epoch == stream.epoch;
    let found = place(stream, cursor, in_frame);
    let (new_epoch, is_ahead) = (!is_present || found.is_none(), is_present && found.is_none());
    let at = |from, left_to| Resume { from, new_epoch, left_to, noted: 0, is_ahead };
    let seq = found.unwrap_or_else(|| stream.floor.max(1) - 1);
    if seq >= stream.start {
        return at(seq + 1, 0);
    }
    if in_frame && !new_epoch {
        // The cursor lies before the present membership: what came between was not for this user.
        return at(seq + 1, stream.start);
    }
    at(stream.start + 1, 0)
}

#[cfg(test)]
mod tests {
    use super::super::key::{Scope, StreamKey};
    use super::super::store::Earlier;
    use super::*;

    fn stream(start: u64, floor: u64, head: u64) -> OpenedStream {
        let earlier = |epoch: &str, survived, is_proven| Earlier { epoch: epoch.into(), survived, is_proven };
        let lineage = vec![earlier("ex", 40, false), earlier("e1", 30, true), earlier("e0", 10, true)];
        let stream = StreamKey::Broadcast(Scope::default());
        OpenedStream { stream, start, floor, head, epoch: "e2".into(), version: 0, lineage }
    }

    fn cursor(epoch: &str, seq: u64) -> Option<Cursor> {
        Some(Cursor { epoch: epoch.into(), seq })
    }

    #[expect(clippy::needless_pass_by_value, reason = "made in the call")]
    fn from(stream: &OpenedStream, frame: Option<Cursor>, stored: Option<Cursor>) -> (u64, bool, u64) {
        let stored = stored.map(|cursor| DeviceStream { stream: stream.stream.clone(), cursor });
        let resume = resume(stream, frame.as_ref(), stored.as_ref(), false);
        (resume.from, resume.new_epoch, resume.left_to)
    }

    #[test]
    fn a_device_begins_at_the_user_s_start_or_at_the_head() {
        assert_eq!(from(&stream(7, 1, 50), None, None), (8, false, 0));
        assert_eq!(resume(&stream(7, 1, 50), None, None, true).from, 51);
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
    fn what_a_client_names_in_an_epoch_that_is_not_proven_counts_for_nothing() {
        assert_eq!(from(&stream(0, 12, 50), cursor("ex", 14), None), (12, true, 0));
        // What the store itself wrote down means what it meant.
        assert_eq!(from(&stream(0, 12, 50), None, cursor("ex", 14)), (15, true, 0));
        assert_eq!(from(&stream(0, 12, 50), None, cursor("ex", 44)), (41, true, 0));
    }

    #[test]
    fn only_a_client_s_cursor_beyond_the_head_of_the_present_epoch_is_ahead() {
        let ahead = |frame: Option<Cursor>| resume(&stream(0, 1, 50), frame.as_ref(), None, false).is_ahead;
        assert!(ahead(cursor("e2", 51)));
        assert!(
            !ahead(cursor("e2", 50))
                && !ahead(cursor("e1", 51))
                && !ahead(cursor("other", 51))
                && !ahead(None)
        );
    }

    #[test]
    fn what_was_acknowledged_and_not_written_is_known_by_the_device_s_own_cursor() {
        let noted = |stream: &OpenedStream, frame: Option<Cursor>, stored: Option<Cursor>| {
            let stored = stored.map(|cursor| DeviceStream { stream: stream.stream.clone(), cursor });
            resume(stream, frame.as_ref(), stored.as_ref(), false).noted
        };
        let whole = stream(0, 1, 50);
        assert_eq!(noted(&whole, None, None), 0);
        assert_eq!(noted(&stream(7, 1, 50), None, None), 7);
        assert_eq!(noted(&whole, None, cursor("e2", 45)), 45);
        assert_eq!(noted(&whole, cursor("e2", 49), cursor("e2", 45)), 45);
        assert_eq!(noted(&whole, cursor("e2", 41), cursor("e2", 45)), 40 + 1);
        // The hub does not know any more where it began.
        assert_eq!(noted(&whole, cursor("e2", 41), None), 41);
        assert_eq!(noted(&stream(20, 1, 50), cursor("e2", 25), cursor("e2", 5)), 20);
        assert_eq!(noted(&whole, cursor("e1", 44), cursor("e1", 20)), 20);
    }

    #[test]
    fn a_cursor_from_before_the_present_membership_hears_that_it_was_away() {
        assert_eq!(from(&stream(20, 1, 50), cursor("e2", 5), None), (6, false, 20));
        assert_eq!(from(&stream(20, 1, 50), None, cursor("e2", 5)), (21, false, 0));
    }
}
