//! Checks of users and devices. No part of a running hub.

use super::super::key::StreamKey;
use super::super::store::{Cursor, Delivered, Earlier, KnownEpochs, Store, Target, Write, Written};
use super::*;

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
    let present = epoch(store).await;
    assert!(found.streams.iter().all(|stream| stream.cursor.epoch == present));
    assert_eq!(store.devices(&user("ann")).await.expect("devices"), [found]);
    assert_eq!(open(store, "ann", Some("d2")).await.device, None);
}

async fn places(store: &dyn Store, device: &str) -> Vec<(StreamKey, u64)> {
    let found = open(store, "ann", Some(device)).await.device.expect("the device");
    let mut places: Vec<_> = found.streams.into_iter().map(|s| (s.stream, s.cursor.seq)).collect();
    places.sort();
    places
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
    let before = tip(store, &inbox("ann")).await.epoch;
    let begin = Write::BeginEpoch { stream: inbox("ann"), ended: before.clone() };
    let Written::Epoch(present) = one(store, begin.clone()).await else { panic!("no epoch") };
    assert_ne!(present, before);
    assert_eq!(one(store, begin).await, Written::Epoch(present.clone()), "it ends once");
    let found = open(store, "ann", Some("d1")).await;
    assert_eq!(found.streams[0].epoch, present);
    let earlier = Earlier { epoch: before.clone(), survived: 1, is_proven: false };
    // Other streams may share the epoch.
    for name in [inbox("ann"), StreamKey::Broadcast(scope())] {
        if tip(store, &name).await.epoch != present {
            continue;
        }
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
    assert_eq!(place.cursor, Cursor { epoch: present, seq: 2 });
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

pub async fn positions_of_an_epoch_that_has_ended_are_left_out(store: &dyn Store) {
    let ended = tip(store, &inbox("ann")).await.epoch;
    append(store, to_user("bob", "ann", "m1", START)).await;
    one(store, Write::BeginEpoch { stream: inbox("ann"), ended: ended.clone() }).await;
    let present = tip(store, &inbox("ann")).await.epoch;
    assert_ne!(present, ended);
    for (epoch, counts) in [(ended, false), (present, true)] {
        let epochs = KnownEpochs(vec![(inbox("ann"), epoch)]);
        let cursors = vec![(inbox("ann"), 1), (StreamKey::Broadcast(scope()), 0)];
        device(store, DeviceWrite { cursors, epochs: epochs.clone(), ..seen("ann", "d1", START) }).await;
        let asked = vec![(1, Arc::from("bob"))];
        let delivered = Delivered { user: user("ann"), ranges: vec![(inbox("ann"), 0, 1)], asked, epochs };
        let fresh = one(store, Write::Delivered(delivered)).await;
        assert_eq!(fresh, Written::Delivered(if counts { vec![1] } else { Vec::new() }));
        let known = open(store, "ann", Some("d1")).await.device.expect("a device");
        let place = known.streams.iter().find(|place| place.stream == inbox("ann"));
        assert_eq!(place.map(|place| place.cursor.seq), counts.then_some(1));
        assert!(known.streams.iter().any(|place| matches!(place.stream, StreamKey::Broadcast(_))));
    }
}
