//! Read marks: kept until the hub has said yes or no, also for a later process.

use wsc_core::StreamName;
use wsc_core::client::{Client, Config, Event, Saved};

use crate::desk::{Desk, connected, durable, ids, inbox, save};

#[test]
fn read_marks_only_go_forward_wait_for_a_connection_and_are_collected() {
    let mut desk = Desk::new(Config::default());
    let mark = |seq| move |client: &mut Client, now| client.mark_read(now, &StreamName::Inbox, "bob", seq);
    desk.handle(mark(5));
    desk.handle(mark(3));
    desk.handle(mark(7));
    desk.open();
    desk.text(&connected(&inbox("e1", 1, 0)));
    let sent = desk.sent();
    assert!(sent.len() == 1 && sent[0].contains(r#""peer":"bob","seq_no":7"#), "{sent:?}");
    desk.handle(mark(8));
    desk.handle(mark(9));
    assert!(desk.sent().is_empty(), "one at a time");
    desk.text(&format!(r#"{{"message_type":"ack","request_id":"{}"}}"#, ids(&sent)[0]));
    let sent = desk.sent();
    assert!(sent.len() == 1 && sent[0].contains(r#""seq_no":9"#));
    desk.text(&format!(r#"{{"message_type":"error","request_id":"{}","code":80902}}"#, ids(&sent)[0]));
    assert!(desk.sent().is_empty());
    desk.pass(5_000);
    let sent = desk.sent();
    assert!(sent.len() == 1 && sent[0].contains(r#""seq_no":9"#));
    desk.text(&format!(r#"{{"message_type":"error","request_id":"{}","code":80401}}"#, ids(&sent)[0]));
    assert!(matches!(desk.events.pop_back(), Some(Event::MarkRefused { peer, .. }) if peer == "bob"));
}

#[test]
fn a_read_mark_that_a_hub_does_not_answer_in_time_is_asked_for_again() {
    let mut desk = Desk::live(Config::default());
    desk.handle(|client, now| client.mark_read(now, &StreamName::Inbox, "bob", 5));
    assert_eq!(desk.sent().len(), 1);
    for _ in 0..2 {
        // The connection lives, and answers nothing.
        desk.pass(10_000);
        desk.text(r#"{"message_type":"pong","server_time_ms":0}"#);
        desk.clear();
        desk.pass(10_000);
        let sent = desk.sent();
        assert!(sent.iter().any(|frame| frame.contains(r#""seq_no":5"#)), "{sent:?}");
    }
}

#[test]
fn a_read_mark_is_stored_until_the_hub_knows_it() {
    let mut desk = Desk::new(durable());
    let mut saved = Saved::default();
    desk.handle(|client, now| client.mark_read(now, &StreamName::Inbox, "bob", 5));
    save(&mut desk, &mut saved);
    let mut next = Desk::new(durable());
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
    let mut desk = Desk::new(durable());
    let mut saved = Saved { device_id: "d1".into(), ..Saved::default() };
    for peer in 0..300 {
        let peer = format!("u{peer}");
        desk.handle(|client, now| client.mark_read(now, &StreamName::Inbox, &peer, 1));
    }
    save(&mut desk, &mut saved);
    assert_eq!((saved.marks.len(), &*saved.marks[0].peer), (256, "u44"));
    assert_eq!(saved, desk.client.snapshot());
}

#[test]
fn a_hub_that_wants_to_be_left_alone_is_asked_for_no_other_mark_either() {
    let mut desk = Desk::live(Config::default());
    let mark =
        |peer, seq| move |client: &mut Client, now| client.mark_read(now, &StreamName::Inbox, peer, seq);
    desk.handle(mark("bob", 1));
    let sent = desk.sent();
    let id = &ids(&sent)[0];
    desk.text(&format!(
        r#"{{"message_type":"error","request_id":"{id}","code":80902,"retry_after_ms":700}}"#
    ));
    desk.handle(mark("carol", 1));
    assert!(desk.sent().is_empty());
    desk.pass(700);
    assert_eq!(desk.sent().len(), 2);
}

#[test]
fn positions_that_are_other_messages_now_were_not_read() {
    let mut desk = Desk::live(durable());
    let mut saved = desk.client.snapshot();
    desk.close(1006, "");
    for (peer, seq) in [("bob", 20), ("carol", 21), ("dave", 40)] {
        desk.handle(|client, now| client.mark_read(now, &StreamName::Inbox, peer, seq));
    }
    desk.handle(|client, now| client.mark_read(now, &StreamName::group("a"), "", 40));
    save(&mut desk, &mut saved);
    assert_eq!(saved.marks.len(), 4);
    desk.pass(60_000);
    desk.open();
    // The store went back to 20 and begins anew from there.
    desk.text(&connected(&inbox("e2", 21, 45)));
    save(&mut desk, &mut saved);
    let sent = desk.sent();
    assert!(
        sent.len() == 2 && sent[0].contains(r#""peer":"bob""#) && sent[1].contains("group:a"),
        "{sent:?}"
    );
    assert_eq!(saved.marks.iter().map(|mark| mark.seq).collect::<Vec<_>>(), [20, 40]);
}
