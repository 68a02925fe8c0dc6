//! Checks of users, groups and devices. No part of a running hub.

use super::super::key::StreamKey;
use super::super::store::{Conversation, JoinBy, Joined, Membership, Store, Target, Write, Written};
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
    one(store, Write::See { user: user("ann"), now: START }).await;
    append(store, message("sys", Target::Broadcast(scope()), "b", START)).await;
    one(store, Write::See { user: user("ann"), now: START + 1 }).await;
    assert_eq!(start().await, Some((1, 2)));
}

pub async fn a_read_mark_only_moves_forward(store: &dyn Store) {
    let mark = |seq, conversation: &Conversation| Write::Mark {
        user: user("ann"),
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

async fn places(store: &dyn Store, device: &str) -> Vec<(StreamKey, u64, u64)> {
    let found = open(store, "ann", Some(device)).await.device.expect("the device");
    let mut places: Vec<_> = found.streams.into_iter().map(|s| (s.stream, s.cursor.seq, s.start)).collect();
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
    assert_eq!(places(store, "d1").await, [(own, 6, 0), (team, 2, 0)]);
    let found = open(store, "ann", Some("d1")).await;
    let found = found.device.expect("the device");
    assert_eq!((&*found.device, found.attempts, found.last_seen), ("d1", 3, START + 9));
    assert!(found.streams.iter().all(|stream| stream.cursor.epoch == store.epoch()));
    assert_eq!(store.devices(&user("ann")).await.expect("devices"), [found]);
    assert_eq!(open(store, "ann", Some("d2")).await.device, None);
}

pub async fn a_start_is_set_once_and_only_raised(store: &dyn Store) {
    let own = inbox("ann");
    let write = |start, cursor| DeviceWrite {
        starts: vec![(inbox("ann"), start)],
        cursors: vec![(inbox("ann"), cursor)],
        ..seen("ann", "d1", START)
    };
    device(store, write(4, 4)).await;
    device(store, write(2, 5)).await;
    assert_eq!(places(store, "d1").await, [(own.clone(), 5, 4)]);
    device(store, write(9, 9)).await;
    assert_eq!(places(store, "d1").await, [(own, 9, 9)]);
}

pub async fn a_start_alone_places_a_new_device(store: &dyn Store) {
    let own = inbox("ann");
    let write = |start| DeviceWrite { starts: vec![(inbox("ann"), start)], ..seen("ann", "d1", START) };
    device(store, write(4)).await;
    assert_eq!(places(store, "d1").await, [(own.clone(), 4, 4)]);
    device(store, write(6)).await;
    assert_eq!(places(store, "d1").await, [(own, 4, 6)]);
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
    assert_eq!(places(store, "d1").await, [(inbox("ann"), 1, 0)]);
}

pub async fn the_newest_sight_of_a_user_counts(store: &dyn Store) {
    assert_eq!(open(store, "ann", None).await.last_seen, 0);
    device(store, seen("ann", "d1", START + 5)).await;
    device(store, seen("ann", "d2", START + 3)).await;
    assert_eq!(open(store, "ann", Some("d2")).await.last_seen, START + 5);
}
