//! The encodings: what is written is read, and nothing that can lie on a disk makes the decoding panic.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::super::index::{Expiring, Index, Mark, Name};
use super::super::super::key::{GroupKey, Scope, StreamKey, UserKey};
use super::super::super::store::{Conversation, Flags, Ranges};
use super::super::codec::*;
use super::super::conversations::IndexRecord;
use super::super::layout;
use super::super::record::*;

fn stream() -> impl Strategy<Value = StreamKey> {
    (".{0,5}", ".{0,5}", ".{0,9}", 0..3).prop_map(|(app, namespace, id, kind)| {
        let scope = Scope::new(&app, &namespace);
        match kind {
            0 => StreamKey::Inbox(UserKey::new(&scope, &id)),
            1 => StreamKey::Group(GroupKey::new(&scope, &id)),
            _ => StreamKey::Broadcast(scope),
        }
    })
}

fn survives<R: Record + PartialEq + std::fmt::Debug>(record: &R) {
    let bytes = record.encode();
    assert_eq!(R::decode(&bytes).as_ref(), Ok(record));
    for length in 0..bytes.len() {
        let _ = R::decode(&bytes[..length]);
    }
}

proptest! {
    #[test]
    fn messages_and_copies_are_read_as_written(
        texts in prop::array::uniform4(".{0,20}"),
        numbers in prop::array::uniform5(any::<u64>()),
        flags: u8,
        dedupe: bool,
        body: Vec<u8>,
    ) {
        let [sender, device, message_id, only_device] = &texts;
        let [create_at, expires_at, sender_number, own_seq, seq] = numbers;
        let flags = Flags(flags);
        let message = MessageRecord {
            flags, dedupe, create_at, expires_at, sender_number, sender, device, message_id, only_device, own_seq,
            body: &body,
        };
        let bytes = message.encode();
        prop_assert_eq!(LogRecord::decode(&bytes), Ok(LogRecord::Message(message.clone())));
        let copy = CopyRecord { create_at, stream: sender_number, seq, receiver: sender };
        let bytes = copy.encode();
        prop_assert_eq!(LogRecord::decode(&bytes), Ok(LogRecord::Copy(copy.clone())));
    }

    #[test]
    fn small_records_are_read_as_written(
        numbers in prop::array::uniform5(any::<u64>()),
        digest: [u8; 16],
        name in stream(),
        lineage in prop::collection::vec(any::<(u64, u64)>(), 0..9),
    ) {
        let [a, b, c, d, e] = numbers;
        survives(&Number { value: a });
        survives(&PlaceRecord { generation: a, seq: b });
        let mut ranges = Ranges::default();
        lineage.iter().for_each(|(after, to)| ranges.insert(*after, *to));
        survives(&DeliveredRecord { generation: a, ranges });
        survives(&WaitingRecord { seq: a, device: name.scope().app.clone() });
        survives(&DeviceRecord { attempts: a, last_seen: b });
        survives(&UserRecord { broadcast: a, last_seen: b, version: c });
        survives(&GroupRecord { members: a, version: b, disbanded: c });
        survives(&MemberRecord { start: a, since: b, user: c, left: d, removed: e, request: a });
        let marks = lineage.iter().filter_map(|(mark, _)| Mark::from_number(mark % 5, 2)).collect();
        let names = [a, b].map(|last| Name { name: last.to_string().into(), last, at: c });
        let expiring = Mark::from_number(2, 2).map(|mark| Expiring { seq: a, mark, at: b, expires_at: c });
        let index = Index::stored(d / 2, names.to_vec(), marks, expiring.into_iter().collect());
        survives(&IndexRecord { generation: e, index });
        survives(&IdRecord { digest, seq: a, own_seq: b, create_at: c });
        survives(&StreamRecord { name, floor: a.max(1), generation: b, lineage });
    }

    #[test]
    fn any_bytes_are_a_record_or_invalid(bytes: Vec<u8>, first in 0..4_u8) {
        let mut versioned = bytes.clone();
        versioned.insert(0, first);
        for bytes in [&bytes, &versioned] {
            let _ = LogRecord::decode(bytes);
            let _ = Number::decode(bytes);
            let _ = PlaceRecord::decode(bytes);
            let _ = DeliveredRecord::decode(bytes);
            let _ = WaitingRecord::decode(bytes);
            let _ = DeviceRecord::decode(bytes);
            let _ = UserRecord::decode(bytes);
            let _ = GroupRecord::decode(bytes);
            let _ = IndexRecord::decode(bytes);
            let _ = MemberRecord::decode(bytes);
            let _ = IdRecord::decode(bytes);
            let _ = StreamRecord::decode(bytes);
            let _ = layout::entry_seq(bytes);
            let _ = layout::id_target(bytes);
            let _ = layout::id_of(bytes);
            let _ = layout::number(bytes);
            let _ = layout::mark_conversation(bytes);
            let _ = layout::timer_parts(bytes);
        }
    }

    #[test]
    fn keys_keep_names_apart_and_positions_in_order(
        one in stream(), other in stream(), id in ".{0,9}", more in ".{0,9}", a: u64, b: u64, c: u64, d: u64,
    ) {
        prop_assert_eq!(layout::name(&one) == layout::name(&other), one == other);
        let mut bytes = Vec::new();
        layout::put_stream(&mut bytes, &one);
        prop_assert_eq!(layout::stream_name(&mut Decoder::new(&bytes)), Ok(one));
        prop_assert_eq!(layout::entry(a, b).cmp(&layout::entry(c, d)), (a, b).cmp(&(c, d)));
        prop_assert_eq!(layout::entry_seq(&layout::entry(a, b)), Ok(b));
        let (key, other) = (layout::id(a, &id, b), layout::id(a, &more, b));
        prop_assert_eq!(key.cmp(&other), (id.len(), &id).cmp(&(more.len(), &more)));
        prop_assert_eq!(layout::id_target(&key), Ok(b));
        prop_assert_eq!(layout::places(a, &more) == layout::places(a, &id), id == more);
        prop_assert_eq!(layout::last_number(&layout::place(a, &id, c)), Ok(c));
        let member = layout::with_id(layout::MEMBER, a, &id);
        prop_assert_eq!(layout::id_of(&member), Ok(id.as_str()));
        let timer = layout::timer(layout::timer::ID, a, id.as_bytes());
        prop_assert_eq!(layout::timer_parts(&timer), Ok((a, id.as_bytes())));
        for conversation in [Conversation::Peer(Arc::from(&*id)), Conversation::Group(Arc::from(&*id))] {
            prop_assert_eq!(layout::mark_conversation(&layout::mark(layout::MARK, a, &conversation)), Ok(conversation));
        }
        let end = layout::after(&key);
        prop_assert!(end > key || end.is_empty());
    }
}
