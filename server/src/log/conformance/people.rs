//! Checks of users, groups and devices. No part of a running hub.

use super::super::key::StreamKey;
use super::super::store::{
    Conversation, Cursor, Earlier, JoinBy, Joined, Membership, Ranges, Store, Target, WaitingMark, Write,
    Written,
};
use super::*;

const SECOND: u64 = 1_000;
const CLAIM: fn(u64) -> JoinBy = |issued_at| JoinBy::Claim { issued_at };
const REQUEST: fn(u64) -> JoinBy = |issued_at| JoinBy::Request { issued_at };

pub async fn a_join_starts_at_the_present_head(store: &dyn Store) {
    assert_eq!(join(store, "team", "ann", CLAIM(0), START).await, Joined::New { head: 0 });
    append(store, to_group("ann", "team", "a", START)).await;
    assert_eq!(join(store, "team", "bob", REQUEST(0), START + 1).await, Joined::New { head: 1 });
    assert_eq!(join(store, "team", "bob", REQUEST(0), START + 2).await, Joined::Already);
    let membership = store.membership(&group("team"), "bob").await.expect("a membership");
    assert_eq!(membership, Some(Membership { start: 1, since: START + 1 }));

    let stream = StreamKey::Group(group("team"));
    assert_eq!(opened(&open(store, "bob", None).await, &stream).map(|s| (s.start, s.head)), Some((1, 1)));
    assert!(leave(store, "team", "bob", false, START + 3).await);
    assert!(!leave(store, "team", "bob", false, START + 3).await);
    assert_eq!(opened(&open(store, "bob", None).await, &stream), None);
    append(store, to_group("ann", "team", "b", START)).await;
    assert_eq!(join(store, "team", "bob", JoinBy::Application, START + 4).await, Joined::New { head: 2 });
}

pub async fn an_older_token_cannot_undo_a_leave(store: &dyn Store) {
    let second = START / SECOND;
    join(store, "team", "ann", CLAIM(second), START).await;
    leave(store, "team", "ann", false, START + 5 * SECOND).await;
    for issued_at in [0, second, second + 5] {
        assert_eq!(join(store, "team", "ann", CLAIM(issued_at), START).await, Joined::Refused);
    }
    // Its own wish may be changed by its own request.
    assert_eq!(join(store, "team", "ann", REQUEST(second), START).await, Joined::New { head: 0 });
    leave(store, "team", "ann", false, START + 5 * SECOND).await;
    assert_eq!(join(store, "team", "ann", CLAIM(second + 6), START).await, Joined::New { head: 0 });
}

pub async fn a_removal_beats_requests_with_older_tokens(store: &dyn Store) {
    let second = START / SECOND;
    join(store, "team", "ann", CLAIM(second), START).await;
    assert!(leave(store, "team", "ann", true, START).await);
    for issued_at in [0, second] {
        assert_eq!(join(store, "team", "ann", CLAIM(issued_at), START).await, Joined::Refused);
        assert_eq!(join(store, "team", "ann", REQUEST(issued_at), START).await, Joined::Refused);
    }
    assert_eq!(join(store, "team", "ann", JoinBy::Application, START).await, Joined::New { head: 0 });
    // A later leave does not make the removal forgotten.
    assert!(leave(store, "team", "ann", false, START + 9 * SECOND).await);
    assert_eq!(join(store, "team", "ann", REQUEST(second), START).await, Joined::Refused);
    assert_eq!(join(store, "team", "ann", REQUEST(second + 1), START).await, Joined::New { head: 0 });
}

pub async fn a_removal_counts_even_of_one_who_is_no_member(store: &dyn Store) {
    let second = START / SECOND;
    assert!(!leave(store, "team", "ann", true, START).await);
    assert_eq!(join(store, "team", "ann", CLAIM(second), START).await, Joined::Refused);
    assert_eq!(join(store, "team", "ann", CLAIM(second + 1), START).await, Joined::New { head: 0 });
    assert!(!leave(store, "team", "bob", false, START).await);
    assert_eq!(join(store, "team", "bob", CLAIM(0), START).await, Joined::New { head: 0 });
}

pub async fn a_user_is_in_no_more_groups_than_allowed(store: &dyn Store) {
    let join = |to: &str| {
        let by = JoinBy::Application;
        Write::Join(Join { group: group(to), user: "ann".into(), by, max_groups: 2, now: START })
    };
    // All in one batch: each write sees those before it.
    let written = store.write(&[join("a"), join("b"), join("c"), join("a")]).await.expect("a write");
    let expected = [Joined::New { head: 0 }, Joined::New { head: 0 }, Joined::TooMany, Joined::Already];
    assert_eq!(written, expected.map(Written::Join));
    leave(store, "a", "ann", false, START).await;
    assert_eq!(one(store, join("c")).await, Written::Join(Joined::New { head: 0 }));
}

pub async fn disband_ends_all_memberships(store: &dyn Store) {
    for who in ["cid", "ann", "bob"] {
        join(store, "team", who, JoinBy::Application, START).await;
    }
    leave(store, "team", "bob", false, START).await;
    append(store, to_group("ann", "team", "a", START)).await;
    let written = one(store, Write::Disband { group: group("team"), now: START }).await;
    assert_eq!(written, Written::Disband(ids(&["ann", "cid"])));
    let members = store.members(&group("team"), None, 10).await.expect("members");
    assert_eq!((members.users.len(), members.total), (0, 0));
    assert_eq!(open(store, "ann", None).await.streams.len(), 2);
    assert_eq!(join(store, "team", "ann", REQUEST(START / SECOND), START).await, Joined::Refused);
    assert_eq!(all(store, &StreamKey::Group(group("team"))).await.head, 1);
    assert_eq!(
        one(store, Write::Disband { group: group("none"), now: START }).await,
        Written::Disband(Vec::new())
    );
}

pub async fn members_come_in_order_and_in_pages(store: &dyn Store) {
    for who in ["d", "b", "é", "a", "c", "aa"] {
        join(store, "team", who, JoinBy::Application, START).await;
    }
    leave(store, "team", "b", false, START).await;
    let page = store.members(&group("team"), None, 2).await.expect("members");
    assert_eq!((page.users, page.total, page.more), (ids(&["a", "aa"]), 5, true));
    let page = store.members(&group("team"), Some("aa"), 2).await.expect("members");
    assert_eq!((page.users, page.total, page.more), (ids(&["c", "d"]), 5, true));
    let page = store.members(&group("team"), Some("d"), 2).await.expect("members");
    assert_eq!((page.users, page.total, page.more), (ids(&["é"]), 5, false));
    assert_eq!(store.members(&group("none"), None, 2).await.expect("members").total, 0);
}

pub async fn broadcast_starts_where_the_user_was_first_seen(store: &dyn Store) {
    let stream = StreamKey::Broadcast(scope());
    let start = async || {
        let found = open(store, "ann", None).await;
        opened(&found, &stream).map(|stream| (stream.start, stream.head))
    };
    append(store, message("sys", Target::Broadcast(scope()), "a", START)).await;
    assert_eq!(start().await, Some((1, 1)), "not seen yet: at the head");
    one(store, Write::See { user: user("ann"), visible: START }).await;
    append(store, message("sys", Target::Broadcast(scope()), "b", START)).await;
    one(store, Write::See { user: user("ann"), visible: START }).await;
    assert_eq!(start().await, Some((1, 2)));
}

pub async fn a_read_mark_only_moves_forward(store: &dyn Store) {
    let mark = |seq, conversation: &Conversation| Write::Mark {
        user: user("ann"),
        device: "d1".into(),
        conversation: conversation.clone(),
        seq,
    };
    let (bob, team) = (Conversation::Peer("bob".into()), Conversation::Group("bob".into()));
    let writes = [mark(3, &bob), mark(2, &bob), mark(7, &bob), mark(1, &team)];
    let written = store.write(&writes).await.expect("a write");
    let expected = [(0, 3), (3, 3), (3, 7), (0, 1)].map(|(from, to)| Written::Mark { from, to });
    assert_eq!(written, expected);
    let mut marks = store.marks(&user("ann")).await.expect("marks");
    marks.sort();
    assert_eq!(marks, [(bob, 7), (team, 1)]);
    assert_eq!(store.marks(&user("bob")).await.expect("marks"), []);
}

async fn places(store: &dyn Store, device: &str) -> Vec<(StreamKey, u64)> {
    let found = open(store, "ann", Some(device)).await.device.expect("the device");
    let mut places: Vec<_> = found.streams.into_iter().map(|s| (s.stream, s.cursor.seq)).collect();
    places.sort();
    places
}

pub async fn a_device_keeps_its_places_and_they_never_fall(store: &dyn Store) {
    let (own, team) = (inbox("ann"), StreamKey::Group(group("team")));
    let write = |cursors: &[(&StreamKey, u64)], now| DeviceWrite {
        cursors: cursors.iter().map(|(stream, seq)| ((*stream).clone(), *seq)).collect(),
        attempts: 3,
        ..seen("ann", "d1", now)
    };
    device(store, write(&[(&own, 5), (&team, 2)], START)).await;
    device(store, write(&[(&own, 4)], START + 9)).await;
    device(store, write(&[(&own, 6)], START + 7)).await;
    assert_eq!(places(store, "d1").await, [(own, 6), (team, 2)]);
    let found = open(store, "ann", Some("d1")).await;
    let found = found.device.expect("the device");
    assert_eq!((&*found.device, found.attempts, found.last_seen), ("d1", 3, START + 9));
    assert!(found.streams.iter().all(|stream| stream.cursor.epoch == store.epoch()));
    assert_eq!(store.devices(&user("ann")).await.expect("devices"), [found]);
    assert_eq!(open(store, "ann", Some("d2")).await.device, None);
}

pub async fn a_read_mark_waits_until_it_is_passed_on(store: &dyn Store) {
    let (bob, team) = (Conversation::Peer("bob".into()), Conversation::Group("team".into()));
    let mark = |conversation: &Conversation, seq| Write::Mark {
        user: user("ann"),
        device: format!("d{seq}").into(),
        conversation: conversation.clone(),
        seq,
    };
    let passed = |conversation: &Conversation, seq| {
        let passes_on = Some(Box::new((conversation.clone(), seq)));
        Write::Append(Append { passes_on, dedupe: false, ..to_user("ann", "ann", "mark", START) })
    };
    let waiting = async || store.waiting_marks(10).await.expect("marks");
    let waits = |conversation: &Conversation, seq| WaitingMark {
        user: user("ann"),
        conversation: conversation.clone(),
        seq,
        device: format!("d{seq}").into(),
    };
    store.write(&[mark(&bob, 3), mark(&team, 1), passed(&team, 1), mark(&bob, 7)]).await.expect("a write");
    assert_eq!(waiting().await, [waits(&bob, 7)]);
    // An earlier one was passed on, and the last still waits.
    store.write(&[passed(&bob, 3), mark(&bob, 5)]).await.expect("a write");
    assert_eq!(waiting().await, [waits(&bob, 7)]);
    store.write(&[mark(&team, 2), passed(&bob, 7)]).await.expect("a write");
    assert_eq!(waiting().await, [waits(&team, 2)]);
    assert_eq!(store.waiting_marks(0).await.expect("marks"), []);
}

fn delivered(to: &str, ranges: &[(StreamKey, u64, u64)], asked: &[(u64, &str)]) -> Write {
    let asked = asked.iter().map(|(seq, sender)| (*seq, Arc::from(*sender))).collect();
    Write::Delivered(Delivered { user: user(to), ranges: ranges.to_vec(), asked })
}

pub async fn what_was_delivered_is_told_once_and_not_after_it_was_read(store: &dyn Store) {
    for n in 1..=9 {
        append(store, to_user(if n % 2 == 0 { "bob" } else { "cid" }, "ann", &format!("m{n}"), START)).await;
    }
    let own = inbox("ann");
    let first =
        delivered("ann", &[(own.clone(), 0, 2), (own.clone(), 3, 4)], &[(1, "cid"), (2, "bob"), (4, "bob")]);
    assert_eq!(one(store, first.clone()).await, Written::Delivered(vec![1, 2, 4]));
    assert_eq!(one(store, first).await, Written::Delivered(vec![]));
    // All of bob's up to 8 are read, and none of cid's.
    let read = Write::Mark {
        user: user("ann"),
        device: "d1".into(),
        conversation: Conversation::Peer("bob".into()),
        seq: 8,
    };
    one(store, read).await;
    let asked = [(3, "cid"), (5, "cid"), (6, "bob"), (7, "cid"), (8, "bob")];
    let rest = delivered("ann", &[(own.clone(), 1, 8)], &asked);
    assert_eq!(one(store, rest).await, Written::Delivered(vec![3, 5, 7]));
    let ranges = store.delivered(&user("ann"), &own).await.expect("ranges");
    assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, 8)]);
    assert_eq!(store.delivered(&user("bob"), &inbox("bob")).await.expect("ranges"), Ranges::default());
}

pub async fn what_was_delivered_in_a_group_is_forgotten_with_the_membership(store: &dyn Store) {
    let team = StreamKey::Group(group("team"));
    for who in ["ann", "bob"] {
        join(store, "team", who, JoinBy::Application, START).await;
        one(store, delivered(who, &[(team.clone(), 0, 3)], &[])).await;
    }
    leave(store, "team", "ann", false, START).await;
    assert_eq!(store.delivered(&user("ann"), &team).await.expect("ranges"), Ranges::default());
    assert!(store.delivered(&user("bob"), &team).await.expect("ranges").contains(3));
}

pub async fn a_connected_device_makes_no_room(store: &dyn Store) {
    let connected: Vec<Arc<str>> = ids(&["d1", "d2", "d3"]);
    for (at, id) in ["d1", "d2", "d3"].into_iter().enumerate() {
        let write = seen("ann", id, START + at as u64);
        device(store, DeviceWrite { max_devices: 2, connected: connected.clone(), ..write }).await;
    }
    let devices = async || {
        let devices = store.devices(&user("ann")).await.expect("devices");
        let mut devices: Vec<_> = devices.into_iter().map(|device| device.device).collect();
        devices.sort();
        devices
    };
    assert_eq!(devices().await, connected, "all are connected: none goes");
    // The oldest leaves, and is one too many then; but it was seen last.
    let left = DeviceWrite { max_devices: 2, connected: ids(&["d3"]), ..seen("ann", "d1", START + 9) };
    device(store, left).await;
    assert_eq!(devices().await, ids(&["d1", "d3"]));
}

pub async fn a_new_epoch_distrusts_what_clients_name_in_the_last(store: &dyn Store) {
    append(store, to_user("bob", "ann", "1", START)).await;
    device(store, DeviceWrite { cursors: vec![(inbox("ann"), 1)], ..seen("ann", "d1", START) }).await;
    one(store, delivered("ann", &[(inbox("ann"), 0, 1)], &[])).await;
    let before = store.epoch();
    store.begin_epoch().await.expect("an epoch");
    assert_ne!(store.epoch(), before);
    let found = open(store, "ann", Some("d1")).await;
    assert_eq!(found.epoch, store.epoch());
    let earlier = Earlier { epoch: before.clone(), survived: 1, is_proven: false };
    for name in [inbox("ann"), StreamKey::Broadcast(scope())] {
        let lineage = &opened(&found, &name).expect("a stream").lineage;
        let survived = if name == inbox("ann") { 1 } else { 0 };
        assert_eq!(lineage.first(), Some(&Earlier { survived, ..earlier.clone() }), "{name:?}");
    }
    let place = &found.device.expect("the device").streams[0];
    assert_eq!(place.cursor, Cursor { epoch: before, seq: 1 });
    assert!(store.delivered(&user("ann"), &inbox("ann")).await.expect("ranges").contains(1));
    // The numbers go on, and what is written now belongs to the new epoch.
    let appended = append(store, to_user("bob", "ann", "2", START)).await;
    assert_eq!(appended, Appended::Stored { seq: 2, own_seq: Some(2) });
    device(store, DeviceWrite { cursors: vec![(inbox("ann"), 2)], ..seen("ann", "d1", START) }).await;
    let place = open(store, "ann", Some("d1")).await.device.expect("the device").streams.remove(0);
    assert_eq!(place.cursor, Cursor { epoch: store.epoch(), seq: 2 });
}

pub async fn the_longest_unseen_device_makes_room(store: &dyn Store) {
    for (at, id) in ["d3", "d1", "d4", "d2"].into_iter().enumerate() {
        device(
            store,
            DeviceWrite {
                max_devices: 3,
                cursors: vec![(inbox("ann"), 1)],
                ..seen("ann", id, START + at as u64)
            },
        )
        .await;
    }
    let devices = async || {
        let devices = store.devices(&user("ann")).await.expect("devices");
        let mut devices: Vec<_> = devices.into_iter().map(|device| device.device).collect();
        devices.sort();
        devices
    };
    assert_eq!(devices().await, ids(&["d1", "d2", "d4"]));
    device(store, DeviceWrite { max_devices: 3, ..seen("ann", "d1", START + 9) }).await;
    // A new one stays although it was seen before all others.
    device(store, DeviceWrite { max_devices: 3, ..seen("ann", "d0", START) }).await;
    assert_eq!(devices().await, ids(&["d0", "d1", "d2"]));
    device(store, DeviceWrite { max_devices: 4, ..seen("ann", "d3", START) }).await;
    assert_eq!(places(store, "d3").await, [], "nothing is left of the one that went");
}

pub async fn forgotten_streams_are_gone_from_the_device(store: &dyn Store) {
    let team = StreamKey::Group(group("team"));
    let cursors = vec![(inbox("ann"), 1), (team.clone(), 2)];
    device(store, DeviceWrite { cursors, ..seen("ann", "d1", START) }).await;
    let forget = vec![team, StreamKey::Group(group("never"))];
    device(store, DeviceWrite { forget, ..seen("ann", "d1", START) }).await;
    assert_eq!(places(store, "d1").await, [(inbox("ann"), 1)]);
}

pub async fn the_newest_sight_of_a_user_counts(store: &dyn Store) {
    let last_seen = async || store.last_seen(&user("ann")).await.expect("a time");
    assert_eq!(last_seen().await, 0);
    device(store, seen("ann", "d1", START + 5)).await;
    device(store, seen("ann", "d2", START + 3)).await;
    one(store, Write::See { user: user("ann"), visible: START }).await;
    assert_eq!(last_seen().await, START + 5);
    // The device is there; others cannot see the user.
    device(store, DeviceWrite { visible: START + 4, ..seen("ann", "d1", START + 9) }).await;
    assert_eq!(last_seen().await, START + 5);
    let found = open(store, "ann", Some("d1")).await.device.expect("the device");
    assert_eq!(found.last_seen, START + 9);
}
