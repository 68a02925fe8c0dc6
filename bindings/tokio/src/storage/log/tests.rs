//! The log on files that a test damages.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;
use wsc_core::StreamName;
use wsc_core::client::{Owner, SavedCursor, SavedMark, SavedSend, SendId};
use wsc_core::frame::Frame;

use super::*;

const SALT_OF_FILE: u32 = 0x5eed_0001;

fn send(id: u64, frame: Frame) -> SavedSend {
    SavedSend {
        id: SendId(id),
        message_id: format!("m{id}"),
        first_sent: None,
        deadline: None,
        receipts: false,
        frame,
    }
}

fn base() -> Saved {
    let (epoch, peer) = ("e1".to_owned(), "bob".to_owned());
    Saved {
        device_id: "d1".to_owned(),
        owner: Owner::new("alice", "shop", ""),
        last_send: 2,
        sends: vec![
            send(1, Frame::Text("{}".to_owned())),
            send(2, Frame::Binary(vec![0, 0, 0, 2, b'{', b'}', 7])),
        ],
        cursors: vec![SavedCursor { stream: StreamName::Inbox, epoch, seq: 7 }],
        marks: vec![SavedMark { stream: StreamName::Inbox, peer, seq: 3 }],
    }
}

/// A file, and its records: where each is, and what it says; `None`: a head.
struct File {
    bytes: Vec<u8>,
    records: Vec<(Range<usize>, Option<Change>)>,
}

impl File {
    fn new(saved: &Saved, later: &[Change], salt: u32) -> Self {
        let mut bytes = write(saved, salt);
        for change in later {
            add(&mut bytes, change, salt);
        }
        let (mut records, mut at) = (Vec::new(), 0);
        let sends = saved.sends.iter().cloned().map(Change::Put);
        let cursors = saved.cursors.iter().cloned().map(Change::Cursor);
        let marks = saved.marks.iter().cloned().map(Change::Mark);
        let all = sends.chain(cursors).chain(marks).chain(later.iter().cloned());
        for change in [None, None].into_iter().chain(all.map(Some)) {
            let (_, end) = record_at(&bytes, at, salt).expect("a record");
            records.push((at..end, change));
            at = end;
        }
        assert_eq!(at, bytes.len());
        Self { bytes, records }
    }

    /// What can be known when these bytes are not to be trusted; `None`: nothing, for no head is whole.
    fn without(&self, damaged: &[Range<usize>]) -> Option<Saved> {
        let is_whole = |range: &Range<usize>| {
            damaged.iter().all(|damage| damage.end <= range.start || range.end <= damage.start)
        };
        let mut whole = self.records.iter().filter(|(range, _)| is_whole(range)).peekable();
        whole.next_if(|(_, change)| change.is_none())?;
        let mut saved = Saved { sends: vec![], cursors: vec![], marks: vec![], ..base() };
        whole.filter_map(|(_, change)| change.clone()).for_each(|change| saved.apply(change));
        Some(saved)
    }

    /// Reads damaged bytes: nothing intact is lost, nothing invented, and the damage is told.
    fn check(&self, bytes: &[u8], damaged: Range<usize>) {
        match (Log::read(bytes), self.without(std::slice::from_ref(&damaged))) {
            (Ok(log), Some(expected)) => {
                assert_eq!(log.saved.as_ref(), Some(&expected), "{damaged:?}");
                assert!(log.damaged > 0, "{damaged:?} is not told");
            }
            (Err(NotAnOutbox), None) => {}
            (Ok(log), None) => assert!(log.saved.is_none() && log.damaged > 0, "{log:?}"),
            (Err(NotAnOutbox), Some(_)) => panic!("refused for {damaged:?}"),
        }
    }
}

fn later() -> Vec<Change> {
    vec![
        Change::Put(send(3, Frame::Text("{\"a\":1}".to_owned()))),
        Change::Sent { up_to: SendId(4), at: 1_795_528_800_123 },
        Change::Settled { send: SendId(2) },
        Change::Put(send(5, Frame::Binary(vec![0; 40]))),
    ]
}

#[test]
fn the_checksum_is_the_common_one() {
    assert_eq!(checksum(b"123456789", 0), 0xcbf4_3926);
}

#[test]
fn a_changed_byte_costs_its_own_record_and_is_told() {
    let file = File::new(&base(), &later(), SALT_OF_FILE);
    for at in 0..file.bytes.len() {
        for mask in [1, 0x20, 0x80, 0xff] {
            let mut bytes = file.bytes.clone();
            bytes[at] ^= mask;
            file.check(&bytes, at..at + 1);
        }
    }
}

#[test]
fn a_torn_tail_costs_its_own_record_and_is_not_told() {
    let file = File::new(&base(), &later(), SALT_OF_FILE);
    let head = file.records[0].0.end;
    for cut in head..=file.bytes.len() {
        let mut torn = file.bytes[..cut].to_vec();
        let expected = file.without(std::slice::from_ref(&(cut..usize::MAX)));
        let end = file.records.iter().map(|(range, _)| range.end).filter(|end| *end <= cut).max();
        if end == Some(cut) {
            // The system had made the file longer already.
            torn.extend([0; 30]);
        }
        let log = Log::read(&torn).expect("read");
        assert_eq!((log.saved, Some(log.end), log.damaged), (expected, end, 0), "{cut}");
    }
    for cut in 1..head {
        let log = Log::read(&file.bytes[..cut]).expect("begun");
        assert_eq!((log.saved, log.damaged), (None, cut), "never written so, and so told");
    }
}

#[test]
fn zeros_in_the_middle_cost_the_records_that_they_touch() {
    let file = File::new(&base(), &later(), SALT_OF_FILE);
    let last = file.records.last().expect("some").0.start;
    for from in (0..last).step_by(3) {
        for to in (from + 1..=last).step_by(5) {
            let mut zeros = file.bytes.clone();
            zeros[from..to].fill(0);
            if zeros != file.bytes {
                file.check(&zeros, from..to);
            }
        }
    }
}

#[test]
fn an_outbox_in_the_payload_of_a_message_is_no_part_of_the_one_around_it() {
    let stolen = File::new(&base(), &later(), 7).bytes;
    let carrying =
        vec![Change::Put(send(6, Frame::Binary(stolen))), Change::Put(send(7, Frame::Text("{}".to_owned())))];
    let file = File::new(&base(), &carrying, SALT_OF_FILE);
    let at = file.records[file.records.len() - 2].0.start;
    for at in at..at + HEADER + 4 {
        let mut bytes = file.bytes.clone();
        bytes[at] ^= 0x40;
        file.check(&bytes, at..at + 1);
    }
}

#[test]
fn a_file_of_an_earlier_version_is_read_and_mended_as_well() {
    let mut bytes = Vec::new();
    record(&mut bytes, &base().encode(), 0);
    let mut expected = base();
    let starts: Vec<_> = later()
        .into_iter()
        .map(|change| {
            let start = bytes.len();
            add(&mut bytes, &change, 0);
            expected.apply(change);
            start
        })
        .collect();
    let log = Log::read(&bytes).expect("read");
    assert_eq!((log.saved, log.end, log.damaged), (Some(expected), bytes.len(), 0));
    bytes[starts[1] + 3] ^= 0x80;
    let log = Log::read(&bytes).expect("read");
    assert!(log.damaged > 0);
    let sends: Vec<_> = log.saved.expect("saved").sends.iter().map(|send| send.id.0).collect();
    assert_eq!(sends, [1, 3, 5]);
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof!["[ -~]{0,40}".prop_map(Frame::Text), vec(any::<u8>(), 0..60).prop_map(Frame::Binary)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_damaged_nothing_intact_is_lost_and_nothing_invented(
        frames in vec(frame(), 1..8),
        salt in any::<u32>(),
        damages in vec((any::<prop::sample::Index>(), 1..40_usize, any::<u8>()), 1..4),
    ) {
        let later: Vec<_> = (10..).zip(frames).map(|(id, frame)| Change::Put(send(id, frame))).collect();
        let file = File::new(&base(), &later, salt);
        let mut bytes = file.bytes.clone();
        for (at, length, byte) in damages {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + length);
            bytes[at..end].fill(byte);
        }
        let damaged: Vec<_> =
            (0..bytes.len()).filter(|at| bytes[*at] != file.bytes[*at]).map(|at| at..at + 1).collect();
        match (Log::read(&bytes), file.without(&damaged)) {
            (Ok(log), Some(expected)) => prop_assert_eq!(log.saved, Some(expected)),
            (Ok(log), None) => prop_assert!(log.saved.is_none()),
            (Err(NotAnOutbox), expected) => prop_assert!(expected.is_none()),
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = Log::read(&bytes);
    }
}
