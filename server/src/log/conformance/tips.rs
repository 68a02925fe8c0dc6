//! Checks of tips: heads, versions, epochs. No part of a running hub.

use super::super::key::StreamKey;
use super::super::store::{JoinBy, Joined, Store, Target, Write, Written};
use super::*;

pub async fn tips_say_where_streams_stand(store: &dyn Store) {
    let team = StreamKey::Group(group("team"));
    let streams = [team, inbox("ann"), StreamKey::Broadcast(scope()), inbox("none"), inbox("ann")];
    let stand = async || {
        let tips = store.tips(&streams).await.expect("tips");
        let epoch = tips[0].epoch.clone();
        assert!(!epoch.is_empty() && tips.iter().all(|tip| tip.epoch == epoch), "nothing began an epoch");
        tips.iter().map(|tip| (tip.head, tip.version)).collect::<Vec<_>>()
    };
    assert_eq!(stand().await, [(0, 0); 5]);
    for n in 1..=3 {
        append(store, to_group("ann", "team", &format!("g{n}"), START)).await;
    }
    append(store, to_user("bob", "ann", "u", START)).await;
    append(store, message("bob", Target::Broadcast(scope()), "b", START)).await;
    assert_eq!(
        stand().await,
        [(3, 0), (1, 0), (1, 0), (0, 0), (1, 0)],
        "entries are no matter of the version"
    );
    maintain(store, START + 90_000).await;
    assert_eq!(
        stand().await,
        [(3, 0), (1, 0), (1, 0), (0, 0), (1, 0)],
        "the head stays when all entries went"
    );
}

pub async fn versions_count_what_changes_beside_the_entries(store: &dyn Store) {
    let team = StreamKey::Group(group("team"));
    let version = async |stream: &StreamKey| tip(store, stream).await.version;
    let by = JoinBy::Request { issued_at: 1 };
    let (mut of_ann, mut of_bob) = (version(&inbox("ann")).await, version(&inbox("bob")).await);
    let mut changed = async |who: &str, changes: bool| {
        let of_user = if who == "ann" { &mut of_ann } else { &mut of_bob };
        let now = version(&inbox(who)).await;
        assert_eq!(now > *of_user, changes, "the inbox of {who}: {} then {now}", *of_user);
        *of_user = now;
    };
    for (at, who) in [(1, "ann"), (2, "bob")] {
        let Joined::New { epoch, version: told, .. } = join(store, "team", who, by, START + at).await else {
            panic!("{who} does not join")
        };
        assert_eq!((told, version(&team).await), (at, at));
        assert_eq!(epoch, tip(store, &team).await.epoch);
        changed(who, true).await;
    }
    changed("ann", false).await;
    // Nothing changes by what is there already, or is not allowed.
    assert_eq!(join(store, "team", "ann", by, START + 3).await, Joined::Already);
    leave(store, "team", "cid", true, START + 4).await;
    assert_eq!(join(store, "team", "cid", by, START + 5).await, Joined::Refused);
    assert_eq!(version(&team).await, 2);
    changed("ann", false).await;

    let write = Write::Leave {
        group: group("team"),
        user: "bob".into(),
        removed: false,
        request: RequestId(1),
        now: START + 6,
    };
    assert_eq!(one(store, write).await, Written::Leave(Some(3)));
    changed("bob", true).await;
    changed("ann", false).await;
    join(store, "team", "bob", by, START + 7).await;
    changed("bob", true).await;
    let write = Write::Disband { group: group("team"), request: RequestId(2), now: START + 8 };
    assert_eq!(one(store, write).await, Written::Disband(Some(5)));
    for who in ["ann", "bob"] {
        changed(who, true).await;
    }
    assert_eq!(version(&team).await, 5);
}

pub async fn pages_and_openings_stand_where_the_tip_does(store: &dyn Store) {
    join(store, "team", "ann", JoinBy::Application, START).await;
    append(store, to_group("ann", "team", "g", START)).await;
    append(store, to_user("bob", "ann", "u", START)).await;
    let opening = open(store, "ann", None).await;
    for stream in [inbox("ann"), StreamKey::Broadcast(scope()), StreamKey::Group(group("team"))] {
        let tip = tip(store, &stream).await;
        let pages = [
            store.read(&stream, 1, 9, usize::MAX).await.expect("a page"),
            store.read_back(&stream, 9, 9, usize::MAX).await.expect("a page"),
            store.headers(&stream, 1, 0).await.expect("a page"),
        ];
        for page in pages {
            assert_eq!(
                (&page.epoch, page.head, page.version),
                (&tip.epoch, tip.head, tip.version),
                "{stream:?}"
            );
        }
        let opened = opened(&opening, &stream).expect("a stream of ann");
        assert_eq!(
            (&opened.epoch, opened.head, opened.version),
            (&tip.epoch, tip.head, tip.version),
            "{stream:?}"
        );
    }
}

pub async fn an_epoch_begins_between_the_writes_around_it(store: &dyn Store) {
    let before = epoch(store).await;
    let append = |id| Write::Append(to_user("bob", "ann", id, START));
    let begin = Write::BeginEpoch { stream: inbox("ann"), ended: before.clone() };
    let answers = written(store, &[append("1"), append("2"), begin, append("3")]).await;
    let Written::Epoch(present) = &answers[2] else { panic!("no epoch") };
    let opened = open(store, "ann", None).await.streams.remove(0);
    assert_eq!((&opened.epoch, opened.head), (present, 3));
    assert_eq!((&opened.lineage[0].epoch, opened.lineage[0].survived), (&before, 2));
}
