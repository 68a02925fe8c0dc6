//! What outlives the process.

use wsc_core::client::{Action, Change, Client, Config, Outcome, Saved, SendId};
use wsc_core::{Message, StreamName};

use crate::harness::{Harness, START, durable, entry, ids, inbox, save};

#[test]
fn a_send_waits_until_it_is_stored_and_nothing_overtakes_it() {
    let mut harness = Harness::live(durable());
    let (a, b) = (harness.say("a"), harness.say("b"));
    assert!(harness.sent().is_empty());
    assert_eq!((harness.client.sync().unsaved, harness.client.sync().saved), (2, 0));
    harness.handle(|client, now| client.handle_stored(now, a));
    assert_eq!(ids(&harness.sent()), ["a"]);
    harness.handle(|client, now| client.handle_stored(now, b));
    assert_eq!(ids(&harness.sent()), ["b"]);
}

/// What a harness stored of its sends, in order.
fn stored(harness: &Harness) -> Vec<Change> {
    let change = |action: &Action| match action {
        Action::Persist(change) if change.confirm().is_some() => Some(change.clone()),
        _ => None,
    };
    harness.actions.iter().filter_map(change).collect()
}

#[test]
fn what_is_taken_while_connected_is_stored_as_perhaps_sent() {
    let mut harness = Harness::live(durable());
    harness.clear();
    harness.say("a");
    let changes = stored(&harness);
    assert!(matches!(&changes[..], [Change::Put(send)] if send.first_sent == Some(START)), "{changes:?}");
}

#[test]
fn what_waited_for_a_connection_goes_out_once_it_is_stored_that_it_may() {
    let mut harness = Harness::new(durable());
    let a = harness.say("a");
    assert!(matches!(&stored(&harness)[..], [Change::Put(send)] if send.first_sent.is_none()));
    harness.open();
    harness.clear();
    harness.text(&crate::harness::connected(&inbox("e1", 1, 0)));
    let [Change::Sent { up_to, at: START }] = stored(&harness)[..] else { panic!("{:?}", harness.actions) };
    assert!(up_to > a && harness.sent().is_empty());
    // Confirmed before, but not after, the connection came.
    harness.handle(|client, now| client.handle_stored(now, a));
    assert!(harness.sent().is_empty());
    let b = harness.say("b");
    harness.handle(|client, now| client.handle_stored(now, up_to));
    assert_eq!(ids(&harness.sent()), ["a"]);
    harness.handle(|client, now| client.handle_stored(now, b));
    assert_eq!(ids(&harness.sent()), ["b"]);
}

#[test]
fn what_an_earlier_process_may_have_sent_is_unknown_where_it_would_have_expired() {
    for (connected, outcome) in [(true, Outcome::Unknown), (false, Outcome::Expired)] {
        let mut harness = if connected { Harness::live(durable()) } else { Harness::new(durable()) };
        let mut saved = Saved { device_id: "d1".into(), ..Saved::default() };
        let mortal = |id: &'static str| Message {
            message_id: id.into(),
            expires_in_ms: Some(5_000),
            ..Message::to_user("bob", "x")
        };
        let (a, b) = (harness.send(mortal("a")), harness.send(mortal("b")));
        // The process ends here, whether or not the frames went out.
        save(&mut harness, &mut saved);
        let mut harness = Harness::new(durable());
        harness.client.restore(saved);
        assert_eq!(harness.handle(|client, now| client.cancel(now, a)), !connected);
        harness.pass(5_000);
        let ends = if connected {
            vec![(a.0, outcome.clone()), (b.0, outcome)]
        } else {
            vec![(a.0, Outcome::Cancelled), (b.0, outcome)]
        };
        assert_eq!(harness.outcomes(), ends);
    }
}

#[test]
fn changes_give_the_same_as_a_snapshot() {
    let mut harness = Harness::new(durable());
    let mut saved = Saved { device_id: "d1".into(), ..Saved::default() };
    harness.open();
    harness.text(&crate::harness::connected(&inbox("e1", 1, 3)));
    for (index, id) in ["a", "b", "c"].into_iter().enumerate() {
        let send = harness.say(id);
        harness.handle(|client, now| client.handle_stored(now, send));
        harness.text(&entry("inbox", index as u64 + 1));
    }
    harness.accept("b", 7);
    for (peer, seq) in [("bob", 1), ("carol", 2), ("bob", 3)] {
        harness.handle(|client, now| client.mark_read(now, &StreamName::Inbox, peer, seq));
    }
    harness.pass(200);
    save(&mut harness, &mut saved);
    assert_eq!(saved, harness.client.snapshot());
    assert_eq!(saved.cursors[0].seq, 3);
    assert_eq!(
        saved.marks.iter().map(|mark| (&*mark.peer, mark.seq)).collect::<Vec<_>>(),
        [("carol", 2), ("bob", 3)]
    );
}

#[test]
fn another_process_goes_on_where_the_first_stopped() {
    let mut harness = Harness::live(durable());
    for id in ["a", "b", "c"] {
        let send = harness.say(id);
        harness.handle(|client, now| client.handle_stored(now, send));
    }
    harness.accept("a", 1);
    harness.text(&entry("inbox", 1));
    let saved = Saved::decode(&harness.client.snapshot().encode()).expect("readable");
    let mut next = Harness::new(durable());
    next.client.restore(saved);
    assert!(next.open().contains(r#""cursors":{"inbox":{"epoch":"e1","seq":1}}"#));
    next.text(&crate::harness::connected(&inbox("e1", 2, 1)));
    assert_eq!(ids(&next.sent()), ["b", "c"]);
    let fresh = next.say("d");
    assert_eq!(fresh, SendId(4));
    next.accept("b", 2);
    assert!(matches!(next.outcomes()[..], [(2, Outcome::Accepted { .. })]));
}

#[test]
fn another_process_does_not_send_again_what_is_too_old() {
    let mut harness = Harness::live(durable());
    let a = harness.say("a");
    harness.handle(|client, now| client.handle_stored(now, a));
    let mut next = Harness::new(durable());
    next.client.restore(harness.client.snapshot());
    next.now += 90_000;
    next.open();
    next.text(&crate::harness::connected(&inbox("e1", 1, 0)));
    assert!(next.sent().is_empty());
    assert_eq!(next.outcomes(), [(a.0, Outcome::Unknown)]);
}

#[test]
fn a_stream_left_is_forgotten_in_the_storage_too() {
    let mut harness = Harness::new(durable());
    let mut saved = Saved::default();
    harness.open();
    harness.text(&crate::harness::connected(r#""group:a":{"epoch":"e1","from":5,"head":4}"#));
    save(&mut harness, &mut saved);
    assert_eq!((saved.cursors[0].stream.clone(), saved.cursors[0].seq), (StreamName::group("a"), 4));
    harness.text(r#"{"message_type":"group_changed","data":{"group_id":"a","action":"disbanded"}}"#);
    save(&mut harness, &mut saved);
    assert!(saved.cursors.is_empty());
}

#[test]
fn cursors_moved_without_a_connection_are_stored() {
    let mut harness = Harness::live(Config { auto_acknowledge: false, ..durable() });
    harness.text(&entry("inbox", 1));
    harness.close(4029, "retry_after_ms=60000");
    harness.clear();
    harness.handle(|client, now| client.acknowledge(now, &StreamName::Inbox, 1, 1));
    harness.pass(200);
    assert!(matches!(&harness.actions[0], Action::Persist(Change::Cursor(cursor)) if cursor.seq == 1));
}

#[test]
fn without_storage_nothing_is_asked_to_be_stored() {
    let mut harness = Harness::live(Config::default());
    harness.say("a");
    harness.accept("a", 1);
    harness.text(&entry("inbox", 1));
    harness.pass(1000);
    assert!(!harness.actions.iter().any(|action| matches!(action, Action::Persist(_))));
}

#[test]
fn ids_differ_between_seeds_and_calls() {
    let mut ids = Vec::new();
    for seed in 0..4 {
        let mut client = Client::new(Config::default(), seed);
        for _ in 0..4 {
            let send = client.send(START, &Message::to_user("bob", "x")).expect("taken");
            ids.push(client.message_id(send).expect("unsettled").to_owned());
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 16);
}
