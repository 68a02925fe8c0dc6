//! A door for `tests/fuzz` alone: the decoding of records is the store's own affair otherwise.

use super::conversations::IndexRecord;
use super::layout;
use super::record::{
    DeliveredRecord, DeviceRecord, GroupRecord, IdRecord, LogRecord, MemberRecord, Number, PlaceRecord,
    Record, StreamRecord, UserRecord, WaitingRecord,
};

/// Reads bytes as every kind of value and of key. What is read is written and read again as the same.
///
/// # Panics
/// When that does not hold.
pub fn decode(bytes: &[u8]) {
    if let Ok(read) = LogRecord::decode(bytes) {
        let written = match &read {
            LogRecord::Message(message) => message.encode(),
            LogRecord::Copy(copy) => copy.encode(),
        };
        assert_eq!(LogRecord::decode(&written).as_ref(), Ok(&read));
    }
    again::<Number>(bytes);
    again::<PlaceRecord>(bytes);
    again::<DeliveredRecord>(bytes);
    again::<WaitingRecord>(bytes);
    again::<DeviceRecord>(bytes);
    again::<UserRecord>(bytes);
    again::<GroupRecord>(bytes);
    again::<IndexRecord>(bytes);
    again::<MemberRecord>(bytes);
    again::<IdRecord>(bytes);
    again::<StreamRecord>(bytes);
    let _ = layout::entry_seq(bytes);
    let _ = layout::id_target(bytes);
    let _ = layout::number(bytes);
    let _ = layout::id_of(bytes);
    let _ = layout::mark_conversation(bytes);
    let _ = layout::timer_parts(bytes);
}

fn again<R: Record + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(read) = R::decode(bytes) {
        assert_eq!(R::decode(&read.encode()).as_ref(), Ok(&read));
    }
}
