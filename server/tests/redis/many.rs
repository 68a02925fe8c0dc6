//! More of something than one call takes.

use wsc_server::StreamKey;
use wsc_server::log::conformance::{
    START, all, answers, group, inbox, retention, scope, seen, seqs, take, tip, to_group, to_user, user,
    written,
};
use wsc_server::log::redis::{RedisOptions, RedisStore};
use wsc_server::log::store::{
    Beat, DeviceWrite, Facts, Join, JoinBy, RequestId, Retention, Store as _, Write, Written,
};

use super::{Store, options, store};

fn joins(count: usize) -> Vec<Write> {
    let join = |number: usize| Join {
        group: group("team"),
        user: format!("u{number:04}").into(),
        by: JoinBy::Application,
        max_groups: 9,
        request: RequestId(1),
        now: START,
    };
    (0..count).map(|number| Write::Join(join(number))).collect()
}

#[tokio::test]
async fn a_large_group_ends_for_all_of_its_members() {
    for partitions in [1, 16] {
        let Store { store, redis: _redis } = store(partitions);
        written(&store, &joins(2_500)).await;
        assert_eq!(store.member_count(&group("team")).await.unwrap(), 2_500);
        let page = store.members(&group("team"), Some("u0099"), 2).await.unwrap();
        assert_eq!((&*page.users[0], &*page.users[1], page.more), ("u0100", "u0101", true));
        let disband = Write::Disband { group: group("team"), request: RequestId(2), now: START };
        for _ in 0..2 {
            assert_eq!(
                written(&store, std::slice::from_ref(&disband)).await,
                [Written::Disband(Some(2_501))]
            );
        }
        assert_eq!(store.member_count(&group("team")).await.unwrap(), 0);
        for number in [0, 999, 1_000, 2_499] {
            let who = format!("u{number:04}");
            assert_eq!(tip(&store, &inbox(&who)).await.version, 2, "{who}, {partitions} partitions");
            assert_eq!(store.open(&user(&who), None).await.unwrap().streams.len(), 2);
        }
    }
}

#[tokio::test]
async fn long_pages_and_large_batches_are_whole() {
    let Store { store, redis: _redis } = store(1);
    let team = StreamKey::Group(group("team"));
    let writes: Vec<Write> =
        (0..700).map(|number| Write::Append(to_group("ann", "team", &number.to_string(), START))).collect();
    let made = answers(&store, &writes).await;
    assert!(made.iter().all(Result::is_ok));
    assert_eq!(seqs(&all(&store, &team).await), (1..=700).collect::<Vec<_>>());
    let back = store.read_back(&team, 650, 500, usize::MAX).await.unwrap();
    assert_eq!((seqs(&back), back.next), ((151..=650).rev().collect::<Vec<_>>(), 150));
    // Entries of more bytes than a call takes.
    let body = bytes::Bytes::from(vec![7; 100_000]);
    let large: Vec<Write> = (0..8)
        .map(|number| {
            let append = to_user("ann", "bob", &number.to_string(), START);
            Write::Append(wsc_server::log::store::Append { body: body.clone(), ..append })
        })
        .collect();
    assert!(answers(&store, &large).await.iter().all(Result::is_ok));
    for who in ["ann", "bob"] {
        let page = all(&store, &inbox(who)).await;
        assert_eq!(page.entries.len(), 8);
        assert!(page.entries.iter().all(|entry| entry.body == body));
        let page = store.read(&inbox(who), 1, 9, 250_000).await.unwrap();
        assert_eq!((seqs(&page), page.next), (vec![1, 2], 3));
    }
}

#[tokio::test]
async fn claims_of_hubs_that_are_dead_for_long_go() {
    let Store { store, redis: _redis } = store(16);
    let facts = Facts::default();
    let beat = Beat { incarnation: 1, now: START, lease: 60_000, facts, leave: false };
    store.beat(&beat).await.unwrap();
    let claims: Vec<Write> = (0..600)
        .map(|number| {
            let claim = take(1 + number % 2, "c1", 0);
            Write::Device(DeviceWrite { claim, ..seen(&format!("u{number:03}"), "d1", START) })
        })
        .collect();
    written(&store, &claims).await;
    let claimed = async || store.claimed(&scope(), "", 1_000).await.unwrap().len();
    for (now, left) in [(START + 600_000, 600), (START + 600_001, 300)] {
        for _ in 0..50 {
            store.maintain(now).await.unwrap();
        }
        assert_eq!(claimed().await, left);
    }
    let people = store.people(&[user("u000"), user("u001")]).await.unwrap();
    assert_eq!((people[0].claims.len(), people[1].claims.len()), (1, 0));
}

#[tokio::test]
async fn old_entries_of_many_streams_go_step_by_step() {
    let redis = super::server::Redis::start();
    let retention = Retention { inbox_entries: 1_000_000, ..retention() };
    let store = RedisStore::open(RedisOptions { retention, ..options(&redis) }).unwrap();
    let writes: Vec<Write> = (0..9_000)
        .map(|number| {
            let to = if number < 5_000 { "bob".to_owned() } else { format!("r{}", number % 200) };
            Write::Append(to_user("ann", &to, &number.to_string(), START))
        })
        .collect();
    assert!(answers(&store, &writes).await.iter().all(Result::is_ok));
    let mut steps = 0;
    while store.maintain(START + 10_001).await.unwrap() {
        steps += 1;
        assert!(steps < 100, "it comes to an end");
    }
    assert!(steps > 3, "each call is bounded: {steps}");
    let streams: Vec<StreamKey> = ["bob", "ann", "r0", "r199"].map(inbox).to_vec();
    for (stream, head) in streams.iter().zip([5_000, 9_000, 20, 20]) {
        let page = all(&store, stream).await;
        assert_eq!((page.floor, page.head, page.entries.len()), (head + 1, head, 0), "{stream:?}");
    }
}
