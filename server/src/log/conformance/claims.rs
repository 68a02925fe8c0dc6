//! Checks of claims, kicks, status and signs of life. No part of a running hub.

use wsc_core::kind::UserStatus;

use super::super::key::StreamKey;
use super::super::store::{
    Attach, AttachOutcome, Beat, Claim, Facts, Join, JoinBy, Person, Store, Write, Written,
};
use super::*;

/// Two hubs.
const HERE: u128 = 1;
const THERE: u128 = 2;

pub fn take(incarnation: u128, connection: &str, sent_ms: u64) -> ClaimChange {
    ClaimChange::Take { incarnation, connection: connection.into(), is_exclusive: true, sent_ms }
}

pub fn release(turn: u64, connection: &str) -> ClaimChange {
    ClaimChange::Release { turn, connection: connection.into() }
}

/// The turn of the claim; `None`: a newer connection has it.
async fn claim(store: &dyn Store, device: &str, claim: ClaimChange, now: u64) -> Option<u64> {
    match one(store, Write::Device(DeviceWrite { claim, ..seen("ann", device, now) })).await {
        Written::Device { turn } => Some(turn),
        Written::Overtaken => None,
        other => panic!("{other:?} answers a device"),
    }
}

pub async fn person(store: &dyn Store, who: &str) -> Person {
    store.people(&[user(who)]).await.expect("people").remove(0)
}

/// Device, hub and turn of each claim.
async fn claims(store: &dyn Store) -> Vec<(String, u128, u64)> {
    let claims = person(store, "ann").await.claims.into_iter();
    claims.map(|Claim { device, incarnation, turn, .. }| (device.to_string(), incarnation, turn)).collect()
}

pub async fn the_newest_claim_of_a_device_counts(store: &dyn Store) {
    let version = async || tip(store, &inbox("ann")).await.version;
    let begin = version().await;
    assert_eq!(claims(store).await, []);
    let first = claim(store, "d1", take(HERE, "c1", 0), START).await.expect("a claim");
    let after = version().await;
    assert!(first > 0 && after > begin);
    // A repeated one is known by its connection.
    assert_eq!(claim(store, "d1", take(HERE, "c1", 0), START).await, Some(first));
    assert_eq!(version().await, after);
    let other = claim(store, "d2", take(HERE, "c2", 0), START).await.expect("a claim");
    let second = claim(store, "d1", take(THERE, "c3", 0), START + 1).await.expect("a claim");
    assert!(first < other && other < second, "turns grow over all devices");
    let both = [("d1".to_owned(), THERE, second), ("d2".to_owned(), HERE, other)];
    assert_eq!(claims(store).await, both);
    assert_eq!(person(store, "ann").await.version, version().await);
    // What was replaced cannot be released, and keeps nothing from being written.
    let before = version().await;
    let old = DeviceWrite {
        cursors: vec![(inbox("ann"), 7)],
        claim: release(first, "c1"),
        ..seen("ann", "d1", START + 2)
    };
    assert_eq!(one(store, Write::Device(old)).await, Written::Device { turn: 0 });
    assert_eq!((claims(store).await, version().await), (both.to_vec(), before));
    assert_eq!(open(store, "ann", Some("d1")).await.device.expect("a device").streams[0].cursor.seq, 7);
}

pub async fn a_claim_ends_when_it_is_released(store: &dyn Store) {
    let version = async || tip(store, &inbox("ann")).await.version;
    let turns = [
        claim(store, "d1", take(HERE, "c1", 0), START).await.expect("a claim"),
        claim(store, "d2", take(HERE, "c2", 0), START).await.expect("a claim"),
    ];
    let mut before = version().await;
    for (turn, device, left, now) in [(turns[0], "d1", 0, START + 1), (turns[1], "d2", START + 2, START + 2)]
    {
        for repeated in [false, true] {
            let released = claim(store, device, release(turn, &device.replace('d', "c")), now).await;
            assert_eq!(released, Some(0));
            let after = version().await;
            assert_eq!(after > before, !repeated, "{device}, repeated: {repeated}");
            before = after;
        }
        assert_eq!(person(store, "ann").await.left, left);
    }
    assert_eq!(claims(store).await, []);
    let next = claim(store, "d1", take(HERE, "c4", 0), START + 3).await.expect("a claim");
    // In a store that has lost something a turn may be given again.
    assert_eq!(claim(store, "d1", release(next, "c1"), START + 3).await, Some(0));
    assert_eq!(claims(store).await.len(), 1, "another connection's is not released");
    assert!(next > turns[1], "a turn is never given again");
}

pub async fn a_connect_that_was_sent_before_the_present_one_is_overtaken(store: &dyn Store) {
    let present = claim(store, "d1", take(HERE, "c1", 100_000), START).await.expect("a claim");
    let before = (claims(store).await, tip(store, &inbox("ann")).await, person(store, "ann").await);
    let late = DeviceWrite {
        cursors: vec![(inbox("ann"), 9)],
        claim: take(THERE, "c2", 99_999),
        ..seen("ann", "d1", START + 1)
    };
    assert_eq!(one(store, Write::Device(late)).await, Written::Overtaken);
    let join = Join {
        group: group("team"),
        user: "ann".into(),
        by: JoinBy::Application,
        max_groups: 9,
        request: RequestId(1),
        now: START,
    };
    let late =
        Attach { joins: vec![join], claim: take(THERE, "c2", 99_999), ..attach("ann", "d1", START + 1) };
    let Written::Attach(attached) = one(store, Write::Attach(Box::new(late))).await else {
        panic!("no answer")
    };
    assert_eq!((&attached.outcome, attached.memberships.len()), (&AttachOutcome::Overtaken, 0));
    let after = (claims(store).await, tip(store, &inbox("ann")).await, person(store, "ann").await);
    assert_eq!(after, before, "nothing was written");
    assert_eq!(open(store, "ann", Some("d1")).await.device.expect("the device").streams, []);
    assert_eq!(store.member_count(&group("team")).await.expect("a count"), 0);
    // Unknown, so long before that a clock was set, or of another device.
    let mut turn = present;
    for (device, sent_ms) in [("d1", 0), ("d2", 1), ("d1", 200_000), ("d1", 140_000)] {
        let next = claim(store, device, take(THERE, &format!("{device}-{sent_ms}"), sent_ms), START).await;
        assert!(next > Some(turn), "{device} {sent_ms}: {next:?}");
        turn = next.unwrap_or(0);
    }
}

pub async fn connections_that_share_a_device_claim_for_themselves(store: &dyn Store) {
    let own = |connection: &str| ClaimChange::Take {
        incarnation: HERE,
        connection: connection.into(),
        is_exclusive: false,
        sent_ms: 5,
    };
    let shared = claim(store, "shared", own("c1"), START).await.expect("a claim");
    let other = claim(store, "shared", own("c2"), START).await.expect("a claim");
    let ephemeral = claim(store, "", own("c3"), START).await.expect("a claim");
    let expected = [("c1", shared), ("c2", other), ("c3", ephemeral)];
    let expected = expected.map(|(device, turn)| (device.to_owned(), HERE, turn));
    assert_eq!(claims(store).await, expected);
    let devices = store.devices(&user("ann")).await.expect("devices");
    assert_eq!(devices.iter().map(|device| &*device.device).collect::<Vec<_>>(), ["shared"]);
    assert_eq!(claim(store, "", release(ephemeral, "c3"), START).await, Some(0));
    assert_eq!(claims(store).await, expected[..2]);
}

pub async fn an_attach_takes_a_claim(store: &dyn Store) {
    let claim = take(HERE, "c1", 0);
    let attach = Attach { claim, ..attach("ann", "d1", START) };
    let Written::Attach(attached) = one(store, Write::Attach(Box::new(attach))).await else {
        panic!("no answer")
    };
    let AttachOutcome::Ready(attachment) = attached.outcome else { panic!("{attached:?}") };
    assert_eq!(claims(store).await, [("d1".to_owned(), HERE, attachment.turn)]);
    let version = tip(store, &inbox("ann")).await.version;
    assert_eq!(attachment.streams[0].0.version, version, "the claim is counted in what the device is told");
}

pub async fn a_kick_ends_the_claims_there_are(store: &dyn Store) {
    let kick = |device: Option<&str>, now| Write::Kick {
        user: user("ann"),
        device: device.map(Arc::from),
        reason: "because".into(),
        request: RequestId::new(),
        now,
    };
    assert_eq!(one(store, kick(None, START)).await, Written::Kick(None));
    for id in ["d1", "d2", "d3"] {
        claim(store, id, take(HERE, id, 0), START).await;
    }
    let before = tip(store, &inbox("ann")).await.version;
    let Written::Kick(Some(version)) = one(store, kick(Some("d2"), START)).await else { panic!("no kick") };
    assert!(version > before);
    assert_eq!(version, tip(store, &inbox("ann")).await.version);
    let devices = async || claims(store).await.into_iter().map(|(device, ..)| device).collect::<Vec<_>>();
    assert_eq!(devices().await, ["d1", "d3"]);
    assert_eq!(one(store, kick(Some("d2"), START + 1)).await, Written::Kick(None), "it was kicked");
    assert!(matches!(one(store, kick(None, START + 2)).await, Written::Kick(Some(_))));
    assert_eq!(devices().await, [""; 0]);
    assert_eq!(person(store, "ann").await.left, START + 2);
    claim(store, "d2", take(HERE, "again", 0), START + 3).await;
    assert_eq!(devices().await, ["d2"], "who comes back is no longer kicked");
    let request = RequestId(7);
    let once =
        Write::Kick { user: user("ann"), device: None, reason: "once".into(), request, now: START + 4 };
    assert!(matches!(one(store, once.clone()).await, Written::Kick(Some(_))));
    claim(store, "d2", take(HERE, "once more", 0), START + 5).await;
    one(store, once).await;
    assert_eq!(devices().await, ["d2"], "a request that is repeated does not meet who has come since");
}

pub async fn people_are_described_in_the_order_asked(store: &dyn Store) {
    let status = |status| Write::Status { user: user("ann"), status };
    let before = tip(store, &inbox("ann")).await.version;
    for (at, chosen) in [UserStatus::Online, UserStatus::Busy, UserStatus::Busy].into_iter().enumerate() {
        assert_eq!(one(store, status(chosen)).await, Written::Done);
        assert_eq!(tip(store, &inbox("ann")).await.version > before, at > 0, "after change {at}");
    }
    let version = tip(store, &inbox("ann")).await.version;
    device(store, seen("ann", "d1", START + 5)).await;
    let people = store.people(&[user("bob"), user("ann")]).await.expect("people");
    let described =
        |status, last_seen, version| Person { claims: Vec::new(), status, last_seen, left: 0, version };
    let expected = [described(UserStatus::Online, 0, 0), described(UserStatus::Busy, START + 5, version)];
    assert_eq!(people, expected);
}

pub async fn users_with_a_claim_are_listed_in_order(store: &dyn Store) {
    for who in ["d", "b", "a", "c", "aa"] {
        let claim = take(HERE, "c1", 0);
        one(store, Write::Device(DeviceWrite { claim, ..seen(who, "d1", START) })).await;
    }
    device(store, seen("e", "d1", START)).await;
    one(
        store,
        Write::Kick { user: user("b"), device: None, reason: "".into(), request: RequestId(3), now: START },
    )
    .await;
    let claimed = async |after: &str, limit| store.claimed(&scope(), after, limit).await.expect("users");
    assert_eq!(claimed("", 9).await, ids(&["a", "aa", "c", "d"]));
    assert_eq!(claimed("a", 2).await, ids(&["aa", "c"]));
    assert_eq!(claimed("d", 9).await, ids(&[]));
    assert_eq!(store.claimed(&Scope::new("other", "space"), "", 9).await.expect("users"), ids(&[]));
}

pub async fn hubs_that_give_signs_of_life_are_alive(store: &dyn Store) {
    let facts = |name: &str| Facts { name: name.into(), connections: 7, ..Facts::default() };
    let sign = async |incarnation: u128, leave: bool| {
        let facts = facts(&incarnation.to_string());
        let beat = Beat { incarnation, now: START, lease: 60_000, facts, leave };
        let nodes = store.beat(&beat).await.expect("hubs");
        assert!(nodes.lived);
        nodes.alive
    };
    assert_eq!(sign(HERE, false).await, [(HERE, facts("1"))]);
    assert_eq!(sign(THERE, false).await, [(HERE, facts("1")), (THERE, facts("2"))]);
    assert_eq!(sign(HERE, true).await, [(THERE, facts("2"))]);
}

pub async fn versions_of_inboxes_do_not_touch_others(store: &dyn Store) {
    claim(store, "d1", take(HERE, "c1", 0), START).await;
    for stream in [inbox("bob"), StreamKey::Broadcast(scope())] {
        assert_eq!(tip(store, &stream).await.version, 0, "{stream:?}");
    }
}
