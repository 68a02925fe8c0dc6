//! Checks of attaching a device. No part of a running hub.

use super::super::key::StreamKey;
use super::super::store::{
    Attach, AttachOutcome, Attached, Attachment, Cursor, DeviceStream, InboxDelivered, Join, JoinBy,
    Membership, NewMembership, Store, Target, Write, Written,
};
use super::*;

async fn attached(store: &dyn Store, attach: Attach) -> Attached {
    match one(store, Write::Attach(Box::new(attach))).await {
        Written::Attach(attached) => *attached,
        other => panic!("{other:?} answers an attach"),
    }
}

async fn ready(store: &dyn Store, attach: Attach) -> Attachment {
    match attached(store, attach).await.outcome {
        AttachOutcome::Ready(attachment) => attachment,
        other => panic!("{other:?}"),
    }
}

fn from(attachment: &Attachment) -> Vec<(StreamKey, u64)> {
    attachment.streams.iter().map(|(opened, resume)| (opened.stream.clone(), resume.from)).collect()
}

fn team() -> StreamKey {
    StreamKey::Group(group("team"))
}

fn join_of(who: &str, to: &str, now: u64) -> Join {
    Join {
        group: group(to),
        user: who.into(),
        by: JoinBy::Claim { issued_at: now / 1000 },
        max_groups: 9,
        request: RequestId(now),
        now,
    }
}

/// Where a device stands as the store has it, in order of the streams.
async fn stands(store: &dyn Store, who: &str, device: &str) -> Vec<(StreamKey, u64)> {
    let device = open(store, who, Some(device)).await.device.unwrap_or_default();
    let streams = device.streams.into_iter().map(|DeviceStream { stream, cursor }| (stream, cursor.seq));
    let mut streams: Vec<_> = streams.collect();
    streams.sort();
    streams
}

pub async fn an_attach_joins_and_places_the_device(store: &dyn Store) {
    for n in 1..=3 {
        append(store, to_group("bob", "team", &format!("g{n}"), START)).await;
        append(store, to_user("bob", "ann", &format!("u{n}"), START)).await;
    }
    append(store, message("bob", Target::Broadcast(scope()), "b", START)).await;
    let joins = vec![join_of("ann", "team", START), join_of("ann", "other", START)];
    let first = Attach { joins: joins.clone(), ..attach("ann", "d1", START) };
    let answer = attached(store, first.clone()).await;
    let epoch = epoch(store).await;
    let began =
        |name: &str, head| NewMembership { group: group(name), head, epoch: epoch.clone(), version: 1 };
    let memberships = [began("team", 3), began("other", 0)];
    assert_eq!(answer.memberships, memberships);
    let AttachOutcome::Ready(attachment) = &answer.outcome else { panic!("{answer:?}") };
    let (broadcast, other) = (StreamKey::Broadcast(scope()), StreamKey::Group(group("other")));
    let starts = [(inbox("ann"), 1), (broadcast, 2), (other, 1), (team(), 4)];
    assert_eq!(from(attachment), starts);
    assert_eq!(attachment.groups, ids(&["other", "team"]));
    let opened = open(store, "ann", None).await.streams;
    for (stream, _) in &attachment.streams {
        assert!(opened.contains(stream), "as it is opened: {stream:?}");
    }
    let mut kept = starts.map(|(stream, from)| (stream, from - 1)).to_vec();
    kept.sort();
    assert_eq!(stands(store, "ann", "d1").await, kept);
    assert_eq!(store.last_seen(&user("ann")).await.expect("a time"), START);

    // The same again, as when its answer was lost, and the next time.
    assert_eq!(attached(store, first).await, answer);
    let joins =
        joins.into_iter().map(|join| Join { request: RequestId(1), now: START + 1, ..join }).collect();
    let again = attached(store, Attach { joins, ..attach("ann", "d1", START + 1) }).await;
    assert_eq!((again.memberships, again.outcome), (Vec::new(), answer.outcome));
    let device = open(store, "ann", Some("d1")).await.device.expect("the device");
    assert_eq!(device.last_seen, START + 1);
}

pub async fn an_attach_goes_on_where_the_device_says(store: &dyn Store) {
    let epoch = epoch(store).await;
    join(store, "team", "ann", JoinBy::Application, START).await;
    for n in 1..=4 {
        append(store, to_group("bob", "team", &format!("g{n}"), START)).await;
        append(store, to_user("bob", "ann", &format!("u{n}"), START)).await;
    }
    let kept = vec![(inbox("ann"), 1), (team(), 2)];
    device(store, DeviceWrite { cursors: kept, attempts: 2, ..seen("ann", "d1", START) }).await;
    let attachment = ready(store, attach("ann", "d1", START + 1)).await;
    assert_eq!((from(&attachment)[0].1, from(&attachment)[2].1, attachment.attempts), (2, 3, 2));
    // What it acknowledged of the group, and was not written, was delivered.
    let at = |stream: StreamKey, seq| (stream, Cursor { epoch: epoch.clone(), seq });
    let named = Attach { cursors: vec![at(team(), 4)], ..attach("ann", "d1", START + 2) };
    assert_eq!(from(&ready(store, named).await)[2], (team(), 5));
    let delivered = async |stream: &StreamKey| {
        let ranges = store.delivered(&user("ann"), stream).await.expect("ranges");
        ranges.iter().collect::<Vec<_>>()
    };
    assert_eq!(delivered(&team()).await, [(2, 4)]);
    // Of the inbox the headers say it, which are read before.
    let mut named = Attach { cursors: vec![at(inbox("ann"), 4)], ..attach("ann", "d1", START + 3) };
    let needed = AttachOutcome::HeadersNeeded { epoch: epoch.clone(), after: 1, to: 4 };
    assert_eq!(attached(store, named.clone()).await.outcome, needed);
    assert_eq!(stands(store, "ann", "d1").await[0], (inbox("ann"), 1), "nothing was kept");
    assert_eq!(delivered(&inbox("ann")).await, []);
    named.delivered =
        Some(InboxDelivered { epoch: epoch.clone(), after: 1, to: 4, ranges: vec![(1, 2), (3, 4)] });
    assert_eq!(from(&ready(store, named).await)[0], (inbox("ann"), 5));
    assert_eq!(delivered(&inbox("ann")).await, [(1, 2), (3, 4)]);
    assert_eq!(stands(store, "ann", "d1").await[0], (inbox("ann"), 4));
}

pub async fn a_device_ahead_of_the_store_is_not_attached(store: &dyn Store) {
    append(store, to_user("bob", "ann", "u", START)).await;
    let before = tip(store, &inbox("ann")).await.epoch;
    let cursors = vec![(inbox("ann"), Cursor { epoch: before.clone(), seq: 2 })];
    let joins = vec![join_of("ann", "team", START)];
    let ahead = Attach { cursors, joins, ..attach("ann", "d1", START) };
    let answer = attached(store, ahead.clone()).await;
    let AttachOutcome::Ahead(stream) = &answer.outcome else { panic!("{answer:?}") };
    assert_eq!((&stream.stream, stream.head, &stream.epoch), (&inbox("ann"), 1, &before));
    assert_eq!(open(store, "ann", Some("d1")).await.device, None, "nothing was kept");
    // The membership may have begun, then it is told.
    let membership = store.memberships(&group("team"), &ids(&["ann"])).await.expect("memberships");
    assert_eq!(membership[0].is_some(), !answer.memberships.is_empty());

    one(store, Write::BeginEpoch { stream: inbox("ann"), ended: before }).await;
    let again = attached(store, ahead).await;
    assert_eq!(again.memberships.len(), 1);
    assert_eq!(again.memberships[0].epoch, tip(store, &team()).await.epoch);
    let AttachOutcome::Ready(attachment) = again.outcome else { panic!("{:?}", again.outcome) };
    let (opened, resume) = &attachment.streams[0];
    let present = tip(store, &inbox("ann")).await.epoch;
    assert_eq!((resume.from, resume.new_epoch, &opened.epoch), (1, true, &present));
    let membership = store.memberships(&group("team"), &ids(&["ann"])).await.expect("memberships");
    assert_eq!(membership, [Some(Membership { start: 0, since: START })]);
}

pub async fn of_an_ephemeral_device_nothing_is_kept(store: &dyn Store) {
    append(store, to_user("bob", "ann", "u", START)).await;
    let attachment = ready(store, Attach { at_head: true, ..attach("ann", "", START) }).await;
    assert_eq!(from(&attachment)[0], (inbox("ann"), 2));
    assert_eq!(store.devices(&user("ann")).await.expect("devices"), []);
    // The user is known from now on.
    append(store, message("bob", Target::Broadcast(scope()), "b", START)).await;
    assert_eq!(open(store, "ann", None).await.streams[1].start, 0);
}

pub async fn an_attach_reads_only_the_groups_it_wants_and_makes_room(store: &dyn Store) {
    for name in ["a", "b", "c"] {
        join(store, name, "ann", JoinBy::Application, START).await;
    }
    let wanted = Attach { groups: Some(ids(&["c", "b", "x"])), max_streams: 3, ..attach("ann", "d1", START) };
    let attachment = ready(store, wanted).await;
    assert_eq!(from(&attachment)[2..], [(StreamKey::Group(group("b")), 1)]);
    assert_eq!(attachment.groups, ids(&["a", "b", "c"]));
    assert_eq!(stands(store, "ann", "d1").await.len(), 3);
    for (at, id) in [(1, "d2"), (2, "d3")] {
        ready(store, Attach { max_devices: 2, ..attach("ann", id, START + at) }).await;
    }
    let mut devices = store.devices(&user("ann")).await.expect("devices");
    devices.sort_by(|one, other| one.device.cmp(&other.device));
    assert_eq!(devices.iter().map(|device| &*device.device).collect::<Vec<_>>(), ["d2", "d3"]);
}

pub async fn an_attach_sees_the_writes_before_it(store: &dyn Store) {
    let joined = Write::Join(join_of("ann", "team", START));
    let append = |id| Write::Append(to_group("bob", "team", id, START));
    let left = Write::Leave {
        group: group("team"),
        user: "ann".into(),
        removed: false,
        request: RequestId(1),
        now: START + 1,
    };
    let attach = |now| Write::Attach(Box::new(attach("ann", "d1", now)));
    let answers =
        written(store, &[append("1"), joined, append("2"), attach(START), left, attach(START + 2)]).await;
    let streams = |at: usize| match &answers[at] {
        Written::Attach(attached) => match &attached.outcome {
            AttachOutcome::Ready(attachment) => attachment.streams.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let (opened, resume) = &streams(3)[2];
    assert_eq!((&opened.stream, opened.start, opened.head, resume.from), (&team(), 1, 2, 2));
    assert_eq!(streams(5).len(), 2, "it is no member any more");
}
