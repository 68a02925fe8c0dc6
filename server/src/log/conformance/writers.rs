//! Checks of several hubs that write at once, of writes that are repeated because their answer was lost, and of one that
//! is cut between its two streams. No part of a running hub.

use std::collections::{BTreeMap, HashSet};
use std::ops::Deref;

use super::super::key::StreamKey;
use super::super::store::{
    Appended, Attach, Conversation, Join, JoinBy, KnownEpochs, Store, StoreError, Target, Write, Written,
};
use super::*;

/// How many messages each writer sends.
const MESSAGES: usize = 300;

/// One hub: batches of the writes in each lane, one call under way.
async fn hub(store: &dyn Store, writes: Vec<Write>) -> Vec<Written> {
    let mut answers: Vec<Option<Written>> = vec![None; writes.len()];
    let indexed: Vec<(usize, Write)> = writes.into_iter().enumerate().collect();
    for batch in indexed.chunks(16) {
        let mut lanes: BTreeMap<usize, (Vec<usize>, Vec<Write>)> = BTreeMap::new();
        for (at, write) in batch {
            let lane = lanes.entry(store.lane(&write.stream())).or_default();
            lane.0.push(*at);
            lane.1.push(write.clone());
        }
        for (lane, (places, batch)) in lanes {
            for (at, answer) in places.into_iter().zip(store.write(lane, &batch).await) {
                answers[at] = Some(answer.expect("a write"));
            }
            // The other hub has a turn.
            tokio::task::yield_now().await;
        }
    }
    answers.into_iter().map(|answer| answer.expect("an answer")).collect()
}

/// A page of everything, whatever the limits of a page.
async fn whole(store: &dyn Store, stream: &StreamKey) -> Vec<(u64, String)> {
    let (mut entries, mut from) = (Vec::new(), 1);
    loop {
        let page = store.headers(stream, from, 100).await.expect("a page");
        let read =
            page.entries.iter().map(|entry| (entry.seq, format!("{} {}", entry.sender, entry.message_id)));
        entries.extend(read);
        if page.next > page.head {
            return entries;
        }
        from = page.next;
    }
}

pub async fn two_hubs_give_each_message_one_position(store: &dyn Store) {
    let targets = |n: usize| match n % 4 {
        0 => Target::User(user("ann")),
        1 => Target::User(user("bob")),
        2 => Target::Group(group("team")),
        _ => Target::Broadcast(scope()),
    };
    // Each hub has a sender of its own, and both have what a third sends again through the other one.
    let of = |own: &str| {
        let writes = (0..MESSAGES).flat_map(|n| {
            let id = format!("{n:04}");
            let by = |sender: &str| Write::Append(message(sender, targets(n), &id, START));
            [by(own), by("both")]
        });
        writes.collect::<Vec<_>>()
    };
    let (one, other) = tokio::join!(hub(store, of("one")), hub(store, of("other")));
    for (at, (one, other)) in one.iter().zip(&other).enumerate() {
        let position = |answer: &Written| match answer {
            Written::Append(Appended::Stored { seq, own_seq }) => (*seq, *own_seq, true),
            Written::Append(Appended::Duplicate { seq, own_seq, .. }) => (*seq, *own_seq, false),
            other => panic!("{other:?} answers an append"),
        };
        let ((seq, own_seq, is_new), again) = (position(one), position(other));
        if at % 2 == 1 {
            assert_eq!(again, (seq, own_seq, !is_new), "message {at} stands once");
        } else {
            assert!(is_new && again.2, "message {at} is of one sender");
        }
    }
    for (stream, each) in [
        (inbox("ann"), 3 * MESSAGES / 4),
        (inbox("bob"), 3 * MESSAGES / 4),
        (StreamKey::Group(group("team")), 3 * MESSAGES / 4),
        (StreamKey::Broadcast(scope()), 3 * MESSAGES / 4),
        (inbox("one"), MESSAGES / 2),
        (inbox("both"), MESSAGES / 2),
    ] {
        let entries = whole(store, &stream).await;
        let positions: Vec<u64> = entries.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(positions, (1..=each as u64).collect::<Vec<_>>(), "{stream:?} has no holes");
        let names: HashSet<&String> = entries.iter().map(|(_, name)| name).collect();
        assert_eq!(names.len(), each, "{stream:?} has each message once");
        // A sender's own copies come in the order of the lanes of what they are of.
        let is_target = each == 3 * MESSAGES / 4;
        for sender in ["one", "other", "both"].iter().filter(|_| is_target) {
            let ids: Vec<&str> = entries.iter().filter_map(|(_, name)| name.strip_prefix(*sender)).collect();
            assert!(ids.is_sorted(), "{stream:?} has the messages of {sender} in order");
        }
    }
}

pub async fn two_hubs_change_memberships_in_one_order(store: &dyn Store) {
    let of = |first: u64| {
        let writes = (0..100_u64).map(|n| {
            let user: Arc<str> = format!("u{}", (n * 7 + first) % 10).into();
            let now = START + 2 * n + first;
            match (n + first) % 3 {
                0 => {
                    Write::Leave { group: group("team"), user, removed: false, request: RequestId(now), now }
                }
                _ => Write::Join(Join {
                    group: group("team"),
                    user,
                    by: JoinBy::Application,
                    max_groups: 9,
                    request: RequestId(now),
                    now,
                }),
            }
        });
        writes.collect::<Vec<_>>()
    };
    let (one, other) = tokio::join!(hub(store, of(0)), hub(store, of(1)));
    let mut versions: Vec<u64> = one.iter().chain(&other).filter_map(version_of).collect();
    versions.sort_unstable();
    let last = tip(store, &StreamKey::Group(group("team"))).await.version;
    assert_eq!(versions, (1..=last).collect::<Vec<_>>(), "each change has a version of its own");
    let joined =
        one.iter().chain(&other).filter(|answer| matches!(answer, Written::Join(Joined::New { .. })));
    let left = one.iter().chain(&other).filter(|answer| matches!(answer, Written::Leave(Some(_))));
    let count = store.member_count(&group("team")).await.expect("a count");
    assert_eq!(count, (joined.count() - left.count()) as u64);
    let members = store.members(&group("team"), None, 100).await.expect("members");
    assert_eq!((members.users.len() as u64, members.total), (count, count));
}

/// The group's version, where an answer tells of a change.
fn version_of(answer: &Written) -> Option<u64> {
    match answer {
        Written::Join(Joined::New { version, .. }) => Some(*version),
        Written::Leave(version) | Written::Disband(version) => *version,
        _ => None,
    }
}

/// One of each write, about users and groups of its own: two batches, as the second needs answers to the first.
fn life(of: usize) -> [Vec<Write>; 2] {
    let name = |what: &str| format!("{what}-{of}");
    let (ann, team) = (user(&name("ann")), group(&name("team")));
    let join = |who: &str, to: &str, now| Join {
        group: group(&name(to)),
        user: name(who).into(),
        by: JoinBy::Application,
        max_groups: 9,
        request: RequestId(1),
        now,
    };
    let claim = |connection: &str| take(7, connection, 0);
    let leave = |who: &str, now| Write::Leave {
        group: team.clone(),
        user: name(who).into(),
        removed: true,
        request: RequestId(2),
        now,
    };
    let first = vec![
        Write::See { user: ann.clone(), visible: START },
        Write::Append(message(&name("bob"), Target::User(ann.clone()), "1", START)),
        Write::Append(message(&name("bob"), Target::User(ann.clone()), "2", START)),
        Write::Join(join("ann", "team", START)),
        Write::Join(join("bob", "team", START)),
        Write::Join(join("cid", "gone", START)),
        Write::Append(message(&name("bob"), Target::Group(team.clone()), "3", START)),
        Write::Mark {
            user: ann.clone(),
            device: "d1".into(),
            conversation: Conversation::Peer(name("bob").into()),
            seq: 1,
        },
        Write::Device(DeviceWrite {
            user: ann.clone(),
            cursors: vec![(StreamKey::Inbox(ann.clone()), 1)],
            claim: claim("c1"),
            ..seen("", "d1", START)
        }),
        Write::Attach(Box::new(Attach {
            user: ann.clone(),
            joins: vec![join("ann", "more", START + 7)],
            claim: claim("c2"),
            ..attach("", "d2", START + 7)
        })),
        Write::Delivered(Delivered {
            user: ann.clone(),
            ranges: vec![(StreamKey::Inbox(ann.clone()), 0, 2)],
            asked: vec![(1, name("bob").into()), (2, name("bob").into())],
            epochs: KnownEpochs::default(),
        }),
    ];
    let second = vec![
        leave("bob", START + 5),
        Write::Disband { group: group(&name("gone")), request: RequestId(3), now: START + 6 },
        Write::Device(DeviceWrite {
            user: ann.clone(),
            claim: release(1, "c1"),
            ..seen("", "d1", START + 8)
        }),
        Write::Status { user: ann.clone(), status: wsc_core::kind::UserStatus::Busy },
        Write::Kick {
            user: ann,
            device: Some("d2".into()),
            reason: "because".into(),
            request: RequestId(9),
            now: START + 9,
        },
    ];
    [first, second]
}

/// What a [`life`] left, without its names.
async fn left_by(store: &dyn Store, of: usize) -> String {
    let name = |what: &str| format!("{what}-{of}");
    let mut told = String::new();
    for stream in [inbox(&name("ann")), inbox(&name("bob")), inbox(&name("cid"))] {
        let tip = tip(store, &stream).await;
        told += &format!("{stream:?} {} {} {:?}\n", tip.head, tip.version, whole(store, &stream).await);
    }
    for of in ["team", "gone", "more"] {
        let (key, stream) = (group(&name(of)), StreamKey::Group(group(&name(of))));
        let (tip, members) =
            (tip(store, &stream).await, store.members(&key, None, 9).await.expect("members"));
        told += &format!(
            "{stream:?} {} {} {members:?} {:?}\n",
            tip.head,
            tip.version,
            whole(store, &stream).await
        );
    }
    let ann = user(&name("ann"));
    let mut devices = store.devices(&ann).await.expect("devices");
    devices.sort_by(|one, other| one.device.cmp(&other.device));
    let marks = store.marks(&ann).await.expect("marks");
    let delivered = store.delivered(&ann, &inbox(&name("ann"))).await.expect("ranges");
    let person = store.people(std::slice::from_ref(&ann)).await.expect("people").remove(0);
    told += &format!("{devices:?} {marks:?} {delivered:?} {person:?}\n");
    told.replace(&format!("-{of}"), "")
}

pub async fn a_batch_repeated_after_any_part_of_it_changes_nothing_twice(store: &dyn Store) {
    let [first, second] = life(0);
    let once = [written(store, &first).await, written(store, &second).await];
    let expected = left_by(store, 0).await;
    for part in 1..=once[0].len() {
        for (batch, once) in life(part).iter().zip(&once) {
            // The store made this much of it, and its answers were lost.
            written(store, &batch[..part.min(batch.len())]).await;
            let repeated = written(store, batch).await;
            for (first, again) in once.iter().zip(&repeated) {
                assert!(is_done(first, again), "{first:?} and then {again:?}, after {part} writes");
            }
        }
        assert_eq!(left_by(store, part).await, expected, "after {part} writes");
    }
}

/// Whether the answer to a repeated write says the same as the first one.
fn is_done(first: &Written, again: &Written) -> bool {
    match (first, again) {
        (
            Written::Append(Appended::Stored { seq, own_seq }),
            Written::Append(Appended::Duplicate { seq: there, own_seq: own_there, .. }),
        ) => (seq, own_seq) == (there, own_there),
        // Others may have joined since.
        (
            Written::Join(Joined::New { head, version, .. }),
            Written::Join(Joined::New { head: there, version: now, .. }),
        ) => head == there && version <= now,
        // Who was to hear of it hears from another question: of marks from `waiting_marks`, of kicks from `people`.
        (Written::Kick(_), Written::Kick(_)) => true,
        (Written::Mark { to, .. }, Written::Mark { to: there, .. }) => to == there,
        // Who wanted to hear of it was answered the first time, and asks for the truth.
        (Written::Delivered(_), Written::Delivered(_)) => true,
        (Written::Attach(first), Written::Attach(again)) => {
            let groups = |attached: &super::super::store::Attached| attached.memberships.len();
            groups(first) == groups(again)
                && std::mem::discriminant(&first.outcome) == std::mem::discriminant(&again.outcome)
        }
        (first, again) => first == again,
    }
}

/// Has a store that writes a message to a user in two steps fail between them, or no longer. `None` for a store that
/// has one step.
pub type Cut<S> = Option<fn(&S, bool)>;

pub async fn a_message_cut_between_its_streams_is_completed_when_sent_again<S>(made: &S, cut: Cut<S>)
where
    S: Deref<Target: Store + Sized>,
{
    let store: &dyn Store = &**made;
    let to_bob = || Write::Append(to_user("ann", "bob", "1", START));
    let Some(cut) = cut else {
        let Written::Append(appended) = one(store, to_bob()).await else { panic!("no append") };
        let both = Appended::Stored { seq: 1, own_seq: Some(1) };
        assert_eq!(appended, both, "one step: both streams or none");
        return;
    };
    cut(made, true);
    let group = || Write::Append(to_group("ann", "team", "2", START));
    let mut cut_off = answers(store, &[to_bob(), group()]).await.into_iter();
    assert!(matches!(cut_off.next(), Some(Err(StoreError::Unfinished))), "it must be cut");
    let next = cut_off.next().expect("an answer").expect("later writes go on");
    assert_eq!(next, Written::Append(Appended::Stored { seq: 1, own_seq: None }));
    assert_eq!(whole(store, &inbox("bob")).await.len(), 1);
    assert_eq!(whole(store, &inbox("ann")).await.len(), 0);
    cut(made, false);
    let other = Append { digest: [9; 16], ..to_user("ann", "bob", "1", START) };
    assert_eq!(append(store, other).await, Appended::Conflict);
    assert_eq!(whole(store, &inbox("ann")).await.len(), 0, "another message completes nothing");
    for _ in 0..2 {
        let Written::Append(Appended::Duplicate { seq, own_seq, .. }) = one(store, to_bob()).await else {
            panic!("it is there already")
        };
        assert_eq!((seq, own_seq), (1, Some(1)));
    }
    let copy = all(store, &inbox("ann")).await.entries;
    assert_eq!(copy.len(), 1);
    assert_eq!((&copy[0].target, &*copy[0].body), (&Target::User(user("bob")), &b"body of 1"[..]));
    assert_eq!(whole(store, &inbox("bob")).await.len(), 1);
}
