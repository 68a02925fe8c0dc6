//! Read marks: kept until the hub has said yes or no, also for a later process.

use wsc_core::client::{Client, Config, Event, Saved};
use wsc_core::{ErrorCode, StreamName};

use crate::harness::{Harness, connected, durable, ids, inbox, save};

#[test]
fn read_marks_only_go_forward_wait_for_a_connection_and_are_collected() {
    let mut harness = Harness::new(Config::default());
    let mark = |seq| move |client: &mut Client, now| client.mark_read(now, &StreamName::Inbox, "bob", seq);
    harness.handle(mark(5));
    harness.handle(mark(3));
    harness.handle(mark(7));
    harness.open();
    harness.text(&connected(&inbox("e1", 1, 0)));
    let sent = harness.sent();
    assert!(sent.len() == 1 && sent[0].contains(r#""peer":"bob","seq_no":7"#), "{sent:?}");
    harness.handle(mark(8));
    harness.handle(mark(9));
    assert!(harness.sent().is_empty(), "one at a time");
    harness.text(&format!(r#"{{"message_type":"ack","request_id":"{}"}}"#, ids(&sent)[0]));
    let sent = harness.sent();
    assert!(sent.len() == 1 && sent[0].contains(r#""seq_no":9"#));
    harness.text(&format!(r#"{{"message_type":"error","request_id":"{}","code":80902}}"#, ids(&sent)[0]));
    assert!(harness.sent().is_empty());
    harness.pass(5_000);
    let sent = harness.sent();
    assert!(sent.len() == 1 && sent[0].contains(r#""seq_no":9"#));
    harness.text(&format!(r#"{{"message_type":"error","request_id":"{}","code":80401}}"#, ids(&sent)[0]));
    assert!(matches!(harness.events.pop_back(), Some(Event::MarkRefused { peer, .. }) if peer == "bob"));
}

#[test]
fn a_read_mark_that_a_hub_does_not_answer_in_time_is_asked_for_again() {
    let mut harness = Harness::live(Config::default());
    harness.handle(|client, now| client.mark_read(now, &StreamName::Inbox, "bob", 5));
    assert_eq!(harness.sent().len(), 1);
    for _ in 0..2 {
        // The connection lives, and answers nothing.
        harness.pass(10_000);
        harness.text(r#"{"message_type":"pong","server_time_ms":0}"#);
        harness.clear();
        harness.pass(10_000);
        let sent = harness.sent();
        assert!(sent.iter().any(|frame| frame.contains(r#""seq_no":5"#)), "{sent:?}");
    }
}

#[test]
fn a_read_mark_is_stored_until_the_hub_knows_it() {
    let mut harness = Harness::new(durable());
    let mut saved = Saved::default();
    harness.handle(|client, now| client.mark_read(now, &StreamName::Inbox, "bob", 5));
    save(&mut harness, &mut saved);
    let mut next = Harness::new(durable());
    next.client.restore(Saved::decode(&saved.encode()).expect("readable"));
    next.open();
    next.text(&connected(&inbox("e1", 1, 5)));
    save(&mut next, &mut saved);
    let sent = next.sent();
    assert!(sent.len() == 1 && sent[0].contains(r#""peer":"bob","seq_no":5"#), "{sent:?}");
    // The hub's word is of the mark it was told, not of one said since.
    next.handle(|client, now| client.mark_read(now, &StreamName::Inbox, "bob", 6));
    next.text(&format!(r#"{{"message_type":"ack","request_id":"{}"}}"#, ids(&sent)[0]));
    save(&mut next, &mut saved);
    assert_eq!(saved.marks.len(), 1);
    let sent = next.sent();
    next.text(&format!(r#"{{"message_type":"error","request_id":"{}","code":80401}}"#, ids(&sent)[0]));
    save(&mut next, &mut saved);
    assert!(saved.marks.is_empty() && next.client.snapshot().marks.is_empty());
}

#[test]
fn of_too_many_read_marks_the_oldest_is_forgotten_in_the_storage_too() {
    let mut harness = Harness::new(durable());
    let mut saved = Saved { device_id: "d1".into(), ..Saved::default() };
    let mut mark = |peer: u32, seq| {
        let peer = format!("u{peer}");
        harness.handle(|client, now| client.mark_read(now, &StreamName::Inbox, &peer, seq));
    };
    (0..1024).for_each(|peer| mark(peer, 1));
    // One that moves on is not the oldest any more.
    mark(0, 2);
    (1024..1030).for_each(|peer| mark(peer, 1));
    save(&mut harness, &mut saved);
    assert_eq!((saved.marks.len(), &*saved.marks[0].peer), (1024, "u7"));
    assert!(saved.marks.iter().any(|mark| mark.peer == "u0"));
    assert_eq!(saved, harness.client.snapshot());
    let refused = |event: &Event| matches!(event, Event::MarkRefused { code: ErrorCode::QueueFull, .. });
    assert_eq!(harness.events.iter().filter(|event| refused(event)).count(), 6);
}

#[test]
fn a_hub_is_asked_for_a_few_read_marks_at_a_time() {
    let mut harness = Harness::new(durable());
    for peer in 0..100 {
        harness.handle(|client, now| client.mark_read(now, &StreamName::Inbox, &format!("u{peer}"), 1));
    }
    harness.open();
    harness.text(&connected(&inbox("e1", 1, 100)));
    let mut asked = harness.sent();
    assert_eq!(asked.len(), 32);
    while asked.len() < 100 {
        let id = ids(&asked).pop().expect("some are under way");
        harness.text(&format!(r#"{{"message_type":"ack","request_id":"{id}"}}"#));
        let next = harness.sent();
        assert_eq!(next.len(), 1);
        asked.extend(next);
    }
}

#[test]
fn a_read_mark_that_cannot_be_is_refused_and_not_stored() {
    let mut harness = Harness::live(durable());
    let long = "x".repeat(129);
    let (inbox, group) = (StreamName::Inbox, StreamName::group("a"));
    let wrong: [(StreamName<'_>, &str, u64); 7] = [
        (StreamName::group(""), "", 5),
        (StreamName::group("a\n"), "", 5),
        (StreamName::group(&long), "", 5),
        (inbox.clone(), "", 5),
        (inbox.clone(), &long, 5),
        (group.clone(), "bob", 5),
        (group, "", 0),
    ];
    for (stream, peer, seq) in wrong {
        harness.handle(|client, now| client.mark_read(now, &stream, peer, seq));
        assert!(
            matches!(harness.events.pop_back(), Some(Event::MarkRefused { .. })),
            "{stream} {peer} {seq}"
        );
    }
    assert!(harness.actions.is_empty() && harness.client.snapshot().marks.is_empty());
}

#[test]
fn a_hub_that_wants_to_be_left_alone_is_asked_for_no_other_mark_either() {
    let mut harness = Harness::live(Config::default());
    let mark =
        |peer, seq| move |client: &mut Client, now| client.mark_read(now, &StreamName::Inbox, peer, seq);
    harness.handle(mark("bob", 1));
    let sent = harness.sent();
    let id = &ids(&sent)[0];
    harness.text(&format!(
        r#"{{"message_type":"error","request_id":"{id}","code":80902,"retry_after_ms":700}}"#
    ));
    harness.handle(mark("carol", 1));
    assert!(harness.sent().is_empty());
    harness.pass(700);
    assert_eq!(harness.sent().len(), 2);
}

#[test]
fn positions_that_are_other_messages_now_were_not_read() {
    let mut harness = Harness::live(durable());
    let mut saved = harness.client.snapshot();
    harness.close(1006, "");
    for (peer, seq) in [("bob", 20), ("carol", 21), ("dave", 40)] {
        harness.handle(|client, now| client.mark_read(now, &StreamName::Inbox, peer, seq));
    }
    harness.handle(|client, now| client.mark_read(now, &StreamName::group("a"), "", 40));
    save(&mut harness, &mut saved);
    assert_eq!(saved.marks.len(), 4);
    harness.pass(60_000);
    harness.open();
    // The store went back to 20 and begins anew from there.
    harness.text(&connected(&inbox("e2", 21, 45)));
    save(&mut harness, &mut saved);
    let sent = harness.sent();
    assert!(
        sent.len() == 2 && sent[0].contains(r#""peer":"bob""#) && sent[1].contains("group:a"),
        "{sent:?}"
    );
    assert_eq!(saved.marks.iter().map(|mark| mark.seq).collect::<Vec<_>>(), [20, 40]);
}
