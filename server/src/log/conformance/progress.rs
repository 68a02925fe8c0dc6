//! Checks of read marks and of what was delivered. No part of a running hub.

use super::super::key::StreamKey;
use super::super::store::{Conversation, JoinBy, Ranges, Store, WaitingMark, Write, Written};
use super::*;

pub async fn a_read_mark_only_moves_forward(store: &dyn Store) {
    let mark = |seq, conversation: &Conversation| Write::Mark {
        user: user("ann"),
        device: "d1".into(),
        conversation: conversation.clone(),
        seq,
    };
    let (bob, team) = (Conversation::Peer("bob".into()), Conversation::Group("bob".into()));
    let writes = [mark(3, &bob), mark(2, &bob), mark(7, &bob), mark(1, &team)];
    let answers = written(store, &writes).await;
    let expected = [(0, 3), (3, 3), (3, 7), (0, 1)].map(|(from, to)| Written::Mark { from, to });
    assert_eq!(answers, expected);
    let mut marks = store.marks(&user("ann")).await.expect("marks");
    marks.sort();
    assert_eq!(marks, [(bob, 7), (team, 1)]);
    assert_eq!(store.marks(&user("bob")).await.expect("marks"), []);
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
    written(store, &[mark(&bob, 3), mark(&team, 1), passed(&team, 1), mark(&bob, 7)]).await;
    assert_eq!(waiting().await, [waits(&bob, 7)]);
    // An earlier one is not passed on any more: the last will be.
    let answers = written(store, &[passed(&bob, 3), mark(&bob, 5)]).await;
    assert_eq!(answers[0], Written::Append(Appended::Obsolete));
    assert_eq!(waiting().await, [waits(&bob, 7)]);
    assert_eq!(tip(store, &inbox("ann")).await.head, 1);
    written(store, &[mark(&team, 2), passed(&bob, 7)]).await;
    assert_eq!(waiting().await, [waits(&team, 2)]);
    // Another hub has done it.
    let answers = written(store, &[passed(&bob, 7)]).await;
    assert_eq!(answers[0], Written::Append(Appended::Obsolete));
    assert_eq!(tip(store, &inbox("ann")).await.head, 2);
    assert_eq!(store.waiting_marks(0).await.expect("marks"), []);
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
