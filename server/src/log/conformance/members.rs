//! Checks of memberships. No part of a running hub.

use super::super::key::StreamKey;
use super::super::store::{JoinBy, Joined, Membership, Store, Write, Written};
use super::*;

const SECOND: u64 = 1_000;
const CLAIM: fn(u64) -> JoinBy = |issued_at| JoinBy::Claim { issued_at };
const REQUEST: fn(u64) -> JoinBy = |issued_at| JoinBy::Request { issued_at };

pub async fn a_join_starts_at_the_present_head(store: &dyn Store) {
    assert_eq!(joined_at(&join(store, "team", "ann", CLAIM(0), START).await), Some(0));
    append(store, to_group("ann", "team", "a", START)).await;
    assert_eq!(joined_at(&join(store, "team", "bob", REQUEST(0), START + 1).await), Some(1));
    assert_eq!(join(store, "team", "bob", REQUEST(0), START + 2).await, Joined::Already);
    let memberships = store.memberships(&group("team"), &ids(&["none", "bob"])).await.expect("memberships");
    assert_eq!(memberships, [None, Some(Membership { start: 1, since: START + 1 })]);

    let stream = StreamKey::Group(group("team"));
    assert_eq!(opened(&open(store, "bob", None).await, &stream).map(|s| (s.start, s.head)), Some((1, 1)));
    assert!(leave(store, "team", "bob", false, START + 3).await);
    assert!(!leave(store, "team", "bob", false, START + 4).await);
    assert_eq!(opened(&open(store, "bob", None).await, &stream), None);
    append(store, to_group("ann", "team", "b", START)).await;
    assert_eq!(joined_at(&join(store, "team", "bob", JoinBy::Application, START + 4).await), Some(2));
}

pub async fn an_older_token_cannot_undo_a_leave(store: &dyn Store) {
    let second = START / SECOND;
    join(store, "team", "ann", CLAIM(second), START).await;
    leave(store, "team", "ann", false, START + 5 * SECOND).await;
    for issued_at in [0, second, second + 5] {
        assert_eq!(join(store, "team", "ann", CLAIM(issued_at), START).await, Joined::Refused);
    }
    // Its own wish may be changed by its own request.
    assert_eq!(joined_at(&join(store, "team", "ann", REQUEST(second), START).await), Some(0));
    leave(store, "team", "ann", false, START + 5 * SECOND).await;
    assert_eq!(joined_at(&join(store, "team", "ann", CLAIM(second + 6), START).await), Some(0));
}

pub async fn a_removal_beats_requests_with_older_tokens(store: &dyn Store) {
    let second = START / SECOND;
    join(store, "team", "ann", CLAIM(second), START).await;
    assert!(leave(store, "team", "ann", true, START).await);
    for issued_at in [0, second] {
        assert_eq!(join(store, "team", "ann", CLAIM(issued_at), START).await, Joined::Refused);
        assert_eq!(join(store, "team", "ann", REQUEST(issued_at), START).await, Joined::Refused);
    }
    assert_eq!(joined_at(&join(store, "team", "ann", JoinBy::Application, START).await), Some(0));
    // A later leave does not make the removal forgotten.
    assert!(leave(store, "team", "ann", false, START + 9 * SECOND).await);
    assert_eq!(join(store, "team", "ann", REQUEST(second), START).await, Joined::Refused);
    assert_eq!(joined_at(&join(store, "team", "ann", REQUEST(second + 1), START).await), Some(0));
}

pub async fn a_removal_counts_even_of_one_who_is_no_member(store: &dyn Store) {
    let second = START / SECOND;
    assert!(!leave(store, "team", "ann", true, START).await);
    assert_eq!(join(store, "team", "ann", CLAIM(second), START).await, Joined::Refused);
    assert_eq!(joined_at(&join(store, "team", "ann", CLAIM(second + 1), START).await), Some(0));
    assert!(!leave(store, "team", "bob", false, START).await);
    assert_eq!(joined_at(&join(store, "team", "bob", CLAIM(0), START).await), Some(0));
}

pub async fn a_user_is_in_no_more_groups_than_allowed(store: &dyn Store) {
    let join = |to: &str, now: u64| {
        let by = JoinBy::Application;
        Write::Join(Join {
            group: group(to),
            user: "ann".into(),
            by,
            max_groups: 2,
            request: RequestId(now),
            now,
        })
    };
    // All in one batch: each write sees those before it.
    let writes = [join("a", START), join("b", START), join("c", START), join("a", START + 1)];
    let answers = written(store, &writes).await;
    assert!(matches!(
        answers[..],
        [
            Written::Join(Joined::New { head: 0, .. }),
            Written::Join(Joined::New { head: 0, .. }),
            Written::Join(Joined::TooMany),
            Written::Join(Joined::Already)
        ]
    ));
    leave(store, "a", "ann", false, START).await;
    let answer = one(store, join("c", START)).await;
    assert!(matches!(answer, Written::Join(Joined::New { head: 0, .. })), "{answer:?}");
}

pub async fn disband_ends_all_memberships(store: &dyn Store) {
    for who in ["cid", "ann", "bob"] {
        join(store, "team", who, JoinBy::Application, START).await;
    }
    leave(store, "team", "bob", false, START).await;
    append(store, to_group("ann", "team", "a", START)).await;
    let answer = one(store, Write::Disband { group: group("team"), request: RequestId(1), now: START }).await;
    assert!(matches!(answer, Written::Disband(Some(_))), "{answer:?}");
    let members = store.members(&group("team"), None, 10).await.expect("members");
    assert_eq!((members.users.len(), members.total), (0, 0));
    assert_eq!(store.member_count(&group("team")).await.expect("a count"), 0);
    assert_eq!(open(store, "ann", None).await.streams.len(), 2);
    assert_eq!(join(store, "team", "ann", REQUEST(START / SECOND), START).await, Joined::Refused);
    assert_eq!(all(store, &StreamKey::Group(group("team"))).await.head, 1);
    for empty in ["team", "none"] {
        let answer =
            one(store, Write::Disband { group: group(empty), request: RequestId(2), now: START }).await;
        assert_eq!(answer, Written::Disband(None), "{empty}");
    }
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
    for (name, count) in [("team", 5), ("none", 0)] {
        assert_eq!(store.member_count(&group(name)).await.expect("a count"), count);
    }
}

pub async fn two_requests_in_one_millisecond_are_two(store: &dyn Store) {
    let join = |request| {
        let by = JoinBy::Application;
        let (group, user) = (group("team"), "ann".into());
        Write::Join(Join { group, user, by, max_groups: 2, request: RequestId(request), now: START })
    };
    let leave = |request| Write::Leave {
        group: group("team"),
        user: "ann".into(),
        removed: false,
        request: RequestId(request),
        now: START,
    };
    let disband = |request| Write::Disband { group: group("team"), request: RequestId(request), now: START };
    let writes = [join(1), join(2), join(1), leave(3), leave(4), leave(3)];
    let answers = written(store, &writes).await;
    assert!(matches!(answers[0], Written::Join(Joined::New { .. })));
    assert_eq!(answers[1..3], [Written::Join(Joined::Already), answers[0].clone()]);
    assert_eq!(answers[3..], [Written::Leave(Some(2)), Written::Leave(None), Written::Leave(Some(2))]);
    let answers = written(store, &[join(5), disband(6), disband(7), disband(6)]).await;
    let ended = Written::Disband(Some(4));
    assert_eq!(answers[1..], [ended.clone(), Written::Disband(None), ended]);
}
