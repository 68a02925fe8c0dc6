//! Checks of appending and reading. No part of a running hub.

use bytes::Bytes;

use super::super::key::{Scope, StreamKey, UserKey};
use super::super::store::{Appended, Flags, JoinBy, Store, StoreError, Target, Write, Written};
use super::*;

fn stored(seq: u64, own_seq: impl Into<Option<u64>>) -> Appended {
    Appended::Stored { seq, own_seq: own_seq.into() }
}

pub async fn a_message_to_a_user_takes_a_position_in_both_inboxes(store: &dyn Store) {
    assert_eq!(append(store, to_user("ann", "bob", "a", START)).await, stored(1, 1));
    assert_eq!(append(store, to_user("bob", "ann", "b", START)).await, stored(2, 2));
    assert_eq!(append(store, to_user("ann", "cid", "c", START)).await, stored(1, 3));
    for (owner, expected) in [("ann", "a b c"), ("bob", "a b"), ("cid", "c")] {
        let page = all(store, &inbox(owner)).await;
        let read: Vec<&str> = page.entries.iter().map(|entry| &*entry.message_id).collect();
        assert_eq!(read.join(" "), expected, "in the inbox of {owner}");
        assert_eq!((page.floor, page.head, page.next), (1, read.len() as u64, read.len() as u64 + 1));
    }
    let page = all(store, &inbox("ann")).await;
    assert_eq!(page.entries[0].target, Target::User(user("bob")));
    assert_eq!(page.entries[0].body, Bytes::from("body of a"));
}

pub async fn a_message_to_oneself_takes_one_position(store: &dyn Store) {
    assert_eq!(append(store, to_user("ann", "ann", "a", START)).await, stored(1, None));
    assert_eq!(all(store, &inbox("ann")).await.head, 1);
}

pub async fn an_application_without_inbox_gets_no_copy(store: &dyn Store) {
    let mut message = to_user("app", "ann", "a", START);
    message.copy_to_sender = false;
    assert_eq!(append(store, message).await, stored(1, None));
    assert_eq!(all(store, &inbox("app")).await.head, 0);
}

pub async fn groups_and_broadcast_take_one_position(store: &dyn Store) {
    assert_eq!(append(store, to_group("ann", "team", "a", START)).await, stored(1, None));
    assert_eq!(append(store, message("ann", Target::Broadcast(scope()), "b", START)).await, stored(1, None));
    assert_eq!(all(store, &inbox("ann")).await.head, 0);
    assert_eq!(seqs(&all(store, &StreamKey::Group(group("team"))).await), [1]);
    assert_eq!(seqs(&all(store, &StreamKey::Broadcast(scope())).await), [1]);
}

pub async fn an_entry_is_read_as_it_was_written(store: &dyn Store) {
    let written = Append {
        device: "phone ☎".into(),
        body: Bytes::from(vec![0, 255, 7, 0]),
        flags: Flags::REQUIRE_ACK.with(Flags::BINARY, true),
        only_device: "tablet".into(),
        expires_at: START + 5,
        ..to_user("ann", "bob", "ä-1", START)
    };
    append(store, written.clone()).await;
    for owner in ["ann", "bob"] {
        let entry = all(store, &inbox(owner)).await.entries.remove(0);
        assert_eq!(entry.seq, 1);
        assert_eq!((&entry.target, &entry.sender), (&written.target, &written.sender));
        assert_eq!((&entry.device, &entry.message_id), (&written.device, &written.message_id));
        assert_eq!((entry.flags, &entry.only_device), (written.flags, &written.only_device));
        assert_eq!((entry.expires_at, entry.create_at, &entry.body), (START + 5, START, &written.body));
    }
}

pub async fn the_same_again_is_answered_with_the_first_position(store: &dyn Store) {
    append(store, to_user("ann", "bob", "x", START)).await;
    append(store, to_user("ann", "bob", "a", START)).await;
    let again = Append { device: "d2".into(), now: START + 4_000, ..to_user("ann", "bob", "a", START) };
    let expected = Appended::Duplicate { seq: 2, own_seq: Some(2), create_at: START };
    assert_eq!(append(store, again).await, expected);
    assert_eq!(all(store, &inbox("bob")).await.head, 2);
}

pub async fn the_same_again_within_one_batch_is_stored_once(store: &dyn Store) {
    let write = Write::Append(to_user("ann", "bob", "a", START));
    let answers = written(store, &[write.clone(), write]).await;
    let duplicate = Appended::Duplicate { seq: 1, own_seq: Some(1), create_at: START };
    assert_eq!(answers, [Written::Append(stored(1, 1)), Written::Append(duplicate)]);
}

pub async fn the_same_id_with_other_content_is_a_conflict(store: &dyn Store) {
    append(store, to_user("ann", "bob", "a", START)).await;
    let other = Append { digest: [9; 16], ..to_user("ann", "bob", "a", START + 1) };
    assert_eq!(append(store, other).await, Appended::Conflict);
    assert_eq!(all(store, &inbox("bob")).await.head, 1);
}

pub async fn the_same_id_to_another_target_is_another_message(store: &dyn Store) {
    append(store, to_user("ann", "bob", "a", START)).await;
    assert_eq!(append(store, to_user("ann", "cid", "a", START)).await, stored(1, 2));
    assert_eq!(append(store, to_user("bob", "ann", "a", START)).await, stored(3, 2));
}

pub async fn an_id_is_new_again_after_its_time(store: &dyn Store) {
    append(store, to_user("ann", "bob", "a", START)).await;
    let again = append(store, to_user("ann", "bob", "a", START + 5_000)).await;
    assert_eq!(again, Appended::Duplicate { seq: 1, own_seq: Some(1), create_at: START });
    assert_eq!(append(store, to_user("ann", "bob", "a", START + 5_001)).await, stored(2, 2));
    let again = append(store, to_user("ann", "bob", "a", START + 5_002)).await;
    assert_eq!(again, Appended::Duplicate { seq: 2, own_seq: Some(2), create_at: START + 5_001 });
}

pub async fn without_dedupe_every_append_is_stored(store: &dyn Store) {
    for seq in 1..=3 {
        let message = Append { dedupe: false, ..to_user("ann", "bob", "a", START) };
        assert_eq!(append(store, message).await, stored(seq, seq));
    }
    assert_eq!(append(store, to_user("ann", "bob", "a", START)).await, stored(4, 4));
}

pub async fn ids_in_any_order_are_recognised(store: &dyn Store) {
    let ids = ["m", "zz", "a", "z", "aaa", "b", "aab", "y"];
    for round in 0..2 {
        for (at, id) in ids.iter().enumerate() {
            let seq = at as u64 + 1;
            let expected = match round {
                0 => stored(seq, seq),
                _ => Appended::Duplicate { seq, own_seq: Some(seq), create_at: START },
            };
            assert_eq!(append(store, to_user("ann", "bob", id, START)).await, expected, "{id}");
        }
    }
}

pub async fn pages_obey_limits_in_both_directions(store: &dyn Store) {
    let stream = StreamKey::Group(group("team"));
    let empty = store.read(&stream, 1, 10, 1_000).await.expect("a read");
    assert_eq!((empty.floor, empty.head, empty.next, empty.entries.len()), (1, 0, 1, 0));
    let writes: Vec<Write> =
        (1..=9).map(|n| Write::Append(to_group("ann", "team", &format!("m{n}"), START))).collect();
    written(store, &writes).await;

    let page = store.read(&stream, 3, 2, usize::MAX).await.expect("a read");
    assert_eq!((seqs(&page), page.next, page.head), (vec![3, 4], 5, 9));
    // Each body has 10 bytes: the first always fits.
    let page = store.read(&stream, 3, 10, 1).await.expect("a read");
    assert_eq!((seqs(&page), page.next), (vec![3], 4));
    let page = store.read(&stream, 3, 10, 30).await.expect("a read");
    assert_eq!((seqs(&page), page.next), (vec![3, 4, 5], 6));
    let page = store.read(&stream, 8, 10, usize::MAX).await.expect("a read");
    assert_eq!((seqs(&page), page.next), (vec![8, 9], 10));
    let page = store.read(&stream, 10, 10, usize::MAX).await.expect("a read");
    assert_eq!((seqs(&page), page.next), (vec![], 10));
    let page = store.read(&stream, u64::MAX, 10, usize::MAX).await.expect("a read");
    assert_eq!((seqs(&page), page.head), (vec![], 9));

    let page = store.read_back(&stream, u64::MAX, 2, usize::MAX).await.expect("a read");
    assert_eq!((seqs(&page), page.next), (vec![9, 8], 7));
    let page = store.read_back(&stream, 7, 10, 25).await.expect("a read");
    assert_eq!((seqs(&page), page.next), (vec![7, 6], 5));
    let page = store.read_back(&stream, 2, 10, usize::MAX).await.expect("a read");
    assert_eq!((seqs(&page), page.next), (vec![2, 1], 0));
    let page = store.read_back(&stream, 0, 10, usize::MAX).await.expect("a read");
    assert_eq!((seqs(&page), page.next), (vec![], 0));
}

pub async fn headers_have_no_bodies(store: &dyn Store) {
    append(store, to_user("ann", "bob", "a", START)).await;
    for owner in ["ann", "bob"] {
        let mut full = all(store, &inbox(owner)).await;
        full.entries[0].body = Bytes::new();
        assert_eq!(store.headers(&inbox(owner), 1, 10).await.expect("headers"), full);
    }
}

pub async fn scopes_do_not_see_each_other(store: &dyn Store) {
    append(store, to_user("ann", "bob", "a", START)).await;
    let other = Scope::new("other", "space");
    let bob = UserKey::new(&other, "bob");
    let page = all(store, &StreamKey::Inbox(bob.clone())).await;
    assert_eq!((page.head, page.entries.len()), (0, 0));
    let message = message("ann", Target::User(bob.clone()), "a", START);
    assert_eq!(append(store, message).await, stored(1, 1));
    let found = store.find(&UserKey::new(&other, "ann"), &ids(&["a"])).await.expect("a find");
    assert_eq!(found[0].as_ref().map(|found| &found.target), Some(&Target::User(bob)));
}

pub async fn names_with_any_bytes_stay_apart(store: &dyn Store) {
    let names = ["a", "a\0", "a\0b", "\0", "ab", "b", "ä", "\u{10ffff}", " ", "a/b", "1"];
    let spaces = [("x", "yz"), ("xy", "z"), ("x", ""), ("", "x")];
    for (app, namespace) in spaces {
        let scope = Scope::new(app, namespace);
        for name in names {
            let target = Target::User(UserKey::new(&scope, name));
            assert_eq!(
                append(store, message("s", target, name, START)).await.position(),
                Some(1),
                "{name:?}"
            );
            let target = Target::Group(GroupKey::new(&scope, name));
            assert_eq!(append(store, message("s", target, name, START)).await, stored(1, None), "{name:?}");
            join(store, name, name, JoinBy::Application, START).await;
            device(store, seen("ann", name, START)).await;
        }
    }
    assert_eq!(store.devices(&user("ann")).await.expect("devices").len(), names.len());
}

pub async fn find_tells_where_a_message_went(store: &dyn Store) {
    append(store, to_user("ann", "bob", "a", START)).await;
    append(store, to_user("ann", "bob", "ab", START)).await;
    append(store, to_group("ann", "team", "b", START)).await;
    let found = store.find(&user("ann"), &ids(&["b", "none", "ab"])).await.expect("a find");
    let there = |entry: crate::log::store::Entry| (entry.seq, entry.message_id.to_string());
    let found: Vec<_> =
        found.into_iter().map(|found| found.map(|f| (f.target, f.seq, f.entry.map(there)))).collect();
    let expected = [
        Some((Target::Group(group("team")), 1, Some((1, "b".to_owned())))),
        None,
        Some((Target::User(user("bob")), 2, Some((2, "ab".to_owned())))),
    ];
    assert_eq!(found, expected);
    assert_eq!(store.find(&user("bob"), &ids(&["a"])).await.expect("a find"), [None]);
}

pub async fn a_group_message_needs_membership_when_asked_for(store: &dyn Store) {
    let message = |id, now| Append { require_member: true, ..to_group("ann", "team", id, now) };
    assert_eq!(append(store, message("a", START)).await, Appended::NotMember);
    join(store, "team", "bob", JoinBy::Application, START).await;
    assert_eq!(append(store, message("a", START)).await, Appended::NotMember);
    join(store, "team", "ann", JoinBy::Application, START).await;
    assert_eq!(append(store, message("a", START)).await, stored(1, None));
    leave(store, "team", "ann", false, START).await;
    assert_eq!(append(store, message("b", START)).await, Appended::NotMember);
    // What was accepted before is answered as before.
    let again = Appended::Duplicate { seq: 1, own_seq: None, create_at: START };
    assert_eq!(append(store, message("a", START + 1)).await, again);
}

pub async fn an_id_too_long_is_refused_alone_or_stored(store: &dyn Store) {
    let long = "x".repeat(100_000);
    let receivers = ["bob", &long, "cid"];
    let writes = receivers.map(|to| Write::Append(to_user("ann", to, "a", START)));
    let mut answers = answers(store, &writes).await.into_iter();
    let mut next = || answers.next().expect("an answer");
    assert_eq!(next().expect("the first"), Written::Append(stored(1, 1)));
    let own = match next() {
        Ok(long) => {
            assert_eq!(long, Written::Append(stored(1, 2)));
            3
        }
        Err(StoreError::Invalid(_)) => 2,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(next().expect("the last"), Written::Append(stored(1, own)));
}

impl Appended {
    /// The position in the target's stream.
    fn position(&self) -> Option<u64> {
        match self {
            Self::Stored { seq, .. } => Some(*seq),
            _ => None,
        }
    }
}
