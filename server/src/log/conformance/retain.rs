//! Checks of what is forgotten, and of closing. No part of a running hub.

use super::super::key::StreamKey;
use super::super::store::{Appended, JoinBy, Joined, Store, StoreError, Target, Write};
use super::*;

pub async fn too_many_entries_go_and_the_head_stays(store: &dyn Store) {
    for n in 1..=9 {
        append(store, to_group("ann", "team", &format!("g{n}"), START)).await;
        append(store, message("ann", Target::Broadcast(scope()), &format!("b{n}"), START)).await;
        append(store, to_user("ann", "bob", &format!("u{n}"), START)).await;
    }
    maintain(store, START).await;
    let streams = [
        (StreamKey::Group(group("team")), 6),
        (StreamKey::Broadcast(scope()), 7),
        (inbox("bob"), 5),
        (inbox("ann"), 5),
    ];
    for (stream, floor) in streams {
        let page = all(store, &stream).await;
        assert_eq!((page.floor, page.head, page.next), (floor, 9, 10), "{stream:?}");
        assert_eq!(seqs(&page), (floor..=9).collect::<Vec<_>>());
        let page = store.read_back(&stream, 9, 100, usize::MAX).await.expect("a read");
        assert_eq!((page.entries.len() as u64, page.next), (10 - floor, floor - 1));
        let page = store.read_back(&stream, 2, 100, usize::MAX).await.expect("a read");
        assert_eq!((page.entries.len(), page.floor), (0, floor));
    }
    let opened = open(store, "bob", None).await;
    assert_eq!((opened.streams[0].floor, opened.streams[0].head), (5, 9));
}

pub async fn old_entries_go_and_positions_are_never_used_again(store: &dyn Store) {
    append(store, to_user("ann", "bob", "a", START)).await;
    append(store, to_user("ann", "bob", "b", START + 5_000)).await;
    maintain(store, START + 10_000).await;
    assert_eq!(seqs(&all(store, &inbox("bob")).await), [1, 2]);
    maintain(store, START + 10_001).await;
    assert_eq!(seqs(&all(store, &inbox("bob")).await), [2]);
    maintain(store, START + 90_000).await;
    let page = all(store, &inbox("bob")).await;
    assert_eq!((page.floor, page.head, page.entries.len(), page.next), (3, 2, 0, 3));
    let appended = append(store, to_user("ann", "bob", "c", START + 90_000)).await;
    assert_eq!(appended, Appended::Stored { seq: 3, own_seq: Some(3) });
    maintain(store, START + 100_001).await;
    assert_eq!(all(store, &inbox("bob")).await.floor, 4, "a stream that was empty is trimmed again");
}

pub async fn a_body_lives_until_both_inboxes_let_it_go(store: &dyn Store) {
    append(store, to_user("ann", "bob", "first", START)).await;
    // Bob's inbox runs over, Ann's does not.
    for n in 0..9 {
        append(store, to_user("cid", "bob", &format!("c{n}"), START)).await;
    }
    maintain(store, START).await;
    assert_eq!(all(store, &inbox("bob")).await.floor, 6);
    let page = all(store, &inbox("ann")).await;
    assert_eq!(page.entries[0].body, "body of first");
    // And the other way round.
    append(store, to_user("ann", "dan", "second", START)).await;
    for n in 0..9 {
        append(store, to_user("eve", "ann", &format!("e{n}"), START)).await;
    }
    maintain(store, START).await;
    assert_eq!(all(store, &inbox("ann")).await.floor, 7);
    assert_eq!(all(store, &inbox("dan")).await.entries[0].body, "body of second");
    maintain(store, START + 50_000).await;
    for who in ["ann", "bob", "cid", "dan", "eve"] {
        assert_eq!(seqs(&all(store, &inbox(who)).await), [0_u64; 0], "{who}");
    }
}

pub async fn a_trimmed_message_is_still_recognised_within_the_window(store: &dyn Store) {
    for n in 1..=9 {
        append(store, to_group("ann", "team", &format!("m{n}"), START)).await;
    }
    maintain(store, START + 1).await;
    let again = append(store, to_group("ann", "team", "m1", START + 5_000)).await;
    assert_eq!(again, Appended::Duplicate { seq: 1, own_seq: None, create_at: START });
    maintain(store, START + 5_001).await;
    let anew = append(store, to_group("ann", "team", "m1", START + 5_001)).await;
    assert_eq!(anew, Appended::Stored { seq: 10, own_seq: None });
    // The old entry's end does not take the new id with it.
    maintain(store, START + 10_001).await;
    let again = append(store, to_group("ann", "team", "m1", START + 10_001)).await;
    assert_eq!(again, Appended::Duplicate { seq: 10, own_seq: None, create_at: START + 5_001 });
}

pub async fn devices_unseen_for_long_go(store: &dyn Store) {
    let places = vec![(inbox("ann"), 1)];
    device(store, DeviceWrite { cursors: places.clone(), ..seen("ann", "d1", START) }).await;
    device(store, DeviceWrite { cursors: places, ..seen("ann", "d2", START) }).await;
    device(store, seen("ann", "d2", START + 9_000)).await;
    maintain(store, START + 20_000).await;
    assert_eq!(store.devices(&user("ann")).await.expect("devices").len(), 2);
    maintain(store, START + 20_001).await;
    assert_eq!(open(store, "ann", Some("d1")).await.device, None);
    assert!(open(store, "ann", Some("d2")).await.device.is_some());
    maintain(store, START + 29_001).await;
    let opened = open(store, "ann", Some("d2")).await;
    assert_eq!(opened.device, None);
    assert_eq!(store.last_seen(&user("ann")).await.expect("a time"), START + 9_000);
}

pub async fn a_removal_is_forgotten_after_its_time(store: &dyn Store) {
    join(store, "team", "ann", JoinBy::Application, START).await;
    leave(store, "team", "ann", true, START).await;
    maintain(store, START + 20_000).await;
    let by = JoinBy::Request { issued_at: 0 };
    assert_eq!(join(store, "team", "ann", by, START + 20_000).await, Joined::Refused);
    maintain(store, START + 20_001).await;
    assert_eq!(joined_at(&join(store, "team", "ann", by, START + 20_001).await), Some(0));
}

pub async fn maintenance_comes_to_an_end(store: &dyn Store) {
    let writes: Vec<Write> = (0..6_000)
        .map(|n| {
            Write::Append(to_user(&format!("s{}", n % 7), &format!("r{}", n % 50), &format!("m{n}"), START))
        })
        .collect();
    for batch in writes.chunks(1_000) {
        written(store, batch).await;
    }
    maintain(store, START).await;
    for n in 0..50 {
        assert_eq!(all(store, &inbox(&format!("r{n}"))).await.entries.len(), 5);
    }
    maintain(store, START + 60_000).await;
    for n in 0..50 {
        let page = all(store, &inbox(&format!("r{n}"))).await;
        assert_eq!((page.head, page.entries.len()), (120, 0));
    }
    assert!(!store.maintain(START + 60_000).await.expect("maintenance"), "nothing more to do");
}

pub async fn after_closing_everything_fails(store: &dyn Store) {
    append(store, to_user("ann", "bob", "a", START)).await;
    store.close().await.expect("closing");
    let closed = |error: Option<StoreError>| assert!(matches!(error, Some(StoreError::Closed)), "{error:?}");
    let write = Write::Append(to_user("ann", "bob", "b", START));
    for answer in answers(store, &[write.clone(), write]).await {
        closed(answer.err());
    }
    closed(store.read(&inbox("bob"), 1, 1, 1).await.err());
    closed(store.open(&user("bob"), None).await.err());
    closed(store.maintain(START).await.err());
    closed(store.close().await.err());
}
