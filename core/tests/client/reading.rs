//! Streams: covered once, in order, acknowledged as the application goes on.

use wsc_core::StreamName;
use wsc_core::client::{Config, Event, Gap, State};

use crate::harness::{Harness, connected, entry, inbox, manual};

fn ack(seq: u64) -> String {
    format!(r#"{{"message_type":"ack","stream":"inbox","seq_no":{seq}}}"#)
}

fn generation(harness: &mut Harness) -> u32 {
    let found = harness.events.iter().rev().find_map(|event| match event {
        Event::Message(entry) => Some(entry.generation),
        _ => None,
    });
    found.expect("an entry")
}

#[test]
fn acknowledgements_are_collected_for_a_while() {
    let mut harness = Harness::live(Config::default());
    for seq in 1..=3 {
        harness.text(&entry("inbox", seq));
        harness.pass(50);
    }
    assert!(harness.sent().is_empty());
    harness.pass(50);
    assert_eq!(harness.sent(), [ack(3)]);
    harness.pass(1000);
    assert!(harness.sent().is_empty());
}

#[test]
fn half_a_window_is_acknowledged_at_once() {
    let mut harness = Harness::live(Config::default());
    for seq in 1..=4 {
        harness.text(&entry("inbox", seq));
    }
    assert_eq!(harness.sent(), [ack(4)]);
    harness.text(&entry("inbox", 5));
    assert!(harness.sent().is_empty());
}

#[test]
fn an_entry_that_requires_it_is_acknowledged_at_once() {
    let mut harness = Harness::live(Config::default());
    harness.text(&entry("inbox", 1));
    harness.text(&entry("inbox", 2).replace(r#""content""#, r#""require_ack":true,"content""#));
    assert_eq!(harness.sent(), [ack(2)]);
}

#[test]
fn a_skip_is_covered_and_acknowledged_with_the_next_entry() {
    let mut harness = Harness::live(Config::default());
    harness.text(r#"{"message_type":"skip","stream":"inbox","from":1,"to":3}"#);
    harness.pass(1000);
    assert!(harness.sent().is_empty());
    harness.text(&entry("inbox", 4));
    harness.pass(200);
    assert_eq!((harness.sent(), harness.positions()), (vec![ack(4)], vec![4]));
}

#[test]
fn a_lonely_skip_is_acknowledged_with_the_ping_and_at_the_end() {
    let mut harness = Harness::live(Config::default());
    harness.text(r#"{"message_type":"skip","stream":"inbox","from":1,"to":3}"#);
    harness.pass(25_000);
    assert_eq!(harness.sent(), [ack(3), r#"{"message_type":"ping"}"#.to_owned()]);
    harness.text(r#"{"message_type":"skip","stream":"inbox","from":4,"to":4}"#);
    harness.handle(|client, now| client.close(now));
    assert_eq!(harness.sent(), [ack(4)]);
}

#[test]
fn a_gap_is_told_in_its_place_and_acknowledged() {
    let mut harness = Harness::live(Config::default());
    harness.text(&entry("inbox", 1));
    harness.text(r#"{"message_type":"gap","stream":"inbox","from":2,"to":9,"reason":"trimmed"}"#);
    harness.text(&entry("inbox", 10));
    assert_eq!(harness.positions(), [1, -9, 10]);
    harness.pass(200);
    assert_eq!(harness.sent(), [ack(10)]);
}

#[test]
fn a_hole_ends_the_connection_and_the_next_one_goes_on_before_it() {
    let mut harness = Harness::live(Config::default());
    harness.text(&entry("inbox", 1));
    harness.text(&entry("inbox", 3));
    assert_eq!((harness.closed_with(), harness.positions()), (Some(4014), vec![1]));
    harness.pass(500);
    assert!(harness.open().contains(r#""inbox":{"epoch":"e1","seq":1}"#));
}

#[test]
fn what_was_covered_is_dropped() {
    let mut harness = Harness::live(Config::default());
    for seq in [1, 1, 2, 1, 2] {
        harness.text(&entry("inbox", seq));
    }
    assert_eq!(harness.positions(), [1, 2]);
}

#[test]
fn nothing_is_acknowledged_before_the_application_did() {
    let mut harness = Harness::live(manual());
    harness.text(&entry("inbox", 1));
    harness.text(&entry("inbox", 2));
    harness.text(r#"{"message_type":"skip","stream":"inbox","from":3,"to":4}"#);
    harness.pass(10_000);
    assert!(harness.sent().is_empty());
    let generation = generation(&mut harness);
    harness.handle(|client, now| client.acknowledge(now, &StreamName::Inbox, generation, 2));
    harness.pass(200);
    assert_eq!(harness.sent(), [ack(4)]);
}

#[test]
fn what_the_application_holds_comes_again_but_is_not_given_out_again() {
    let mut harness = Harness::live(manual());
    for seq in 1..=3 {
        harness.text(&entry("inbox", seq));
    }
    assert_eq!(generation(&mut harness), 1);
    harness.handle(|client, now| client.acknowledge(now, &StreamName::Inbox, 1, 1));
    harness.close(None, "");
    harness.clear();
    harness.pass(500);
    assert!(harness.open().contains(r#""inbox":{"epoch":"e1","seq":1}"#));
    harness.text(&connected(&inbox("e1", 2, 4)));
    // Acknowledged while the hub has not sent it again yet: waits until it did.
    harness.handle(|client, now| client.acknowledge(now, &StreamName::Inbox, 1, 3));
    harness.pass(200);
    assert!(harness.sent().is_empty());
    for seq in 2..=4 {
        harness.text(&entry("inbox", seq));
    }
    assert_eq!(harness.positions(), [4]);
    harness.pass(200);
    assert_eq!(harness.sent(), [ack(3)]);
}

#[test]
fn a_new_epoch_is_told_once_and_old_acknowledgements_do_nothing() {
    let mut harness = Harness::live(manual());
    for seq in 1..=9 {
        harness.text(&entry("inbox", seq));
    }
    let old = generation(&mut harness);
    harness.close(4014, "");
    harness.clear();
    harness.pass(500);
    harness.open();
    harness.text(&connected(&inbox("e2", 5, 6)));
    harness.text(r#"{"message_type":"gap","stream":"inbox","from":5,"to":4,"reason":"epoch"}"#);
    let gaps: Vec<_> = harness.events.iter().filter(|event| matches!(event, Event::Gap(_))).collect();
    assert!(matches!(gaps[..], [Event::Gap(Gap { from: 5, to: 4, reason, .. })] if reason == "epoch"));
    harness.text(&entry("inbox", 5));
    harness.handle(|client, now| client.acknowledge(now, &StreamName::Inbox, old, 9));
    harness.pass(1000);
    assert!(harness.sent().is_empty());
    let new = generation(&mut harness);
    harness.handle(|client, now| client.acknowledge(now, &StreamName::Inbox, new, 5));
    harness.pass(1000);
    assert_eq!(harness.sent(), [ack(5)]);
}

#[test]
fn a_stream_that_can_no_longer_be_read_is_told_and_forgotten() {
    let mut harness = Harness::new(Config::default());
    harness.come_live(&format!(r#"{},"group:a":{{"epoch":"e1","from":5,"head":4}}"#, inbox("e1", 1, 0)));
    harness.close(None, "");
    harness.pass(500);
    assert!(harness.open().contains(r#""group:a":{"epoch":"e1","seq":4}"#));
    harness.text(&connected(&inbox("e1", 1, 0)));
    assert!(
        harness
            .events
            .iter()
            .any(|event| matches!(event, Event::StreamClosed { reason, .. } if reason == "unreadable"))
    );
    harness.close(None, "");
    harness.pass(500);
    assert!(!harness.open().contains("group:a"));
}

#[test]
fn caught_up_is_told_when_all_streams_reached_their_heads() {
    let mut harness = Harness::new(Config::default());
    harness.open();
    harness.text(&connected(&format!(
        r#"{},"broadcast":{{"epoch":"e1","from":1,"head":1}}"#,
        inbox("e1", 1, 2)
    )));
    harness.text(&entry("inbox", 1));
    harness.text(&entry("inbox", 2));
    assert!(!harness.client.sync().caught_up);
    harness.text(r#"{"message_type":"skip","stream":"broadcast","from":1,"to":1}"#);
    assert!(harness.client.sync().caught_up);
    assert_eq!(harness.events.iter().filter(|event| **event == Event::CaughtUp).count(), 1);
}

#[test]
fn joining_opens_a_stream_and_leaving_closes_it() {
    let mut harness = Harness::new(Config { groups: Some(vec![]), ..Config::default() });
    harness.come_live(&inbox("e1", 1, 0));
    let joined = |from| {
        format!(
            r#"{{"message_type":"group_changed","data":{{"group_id":"a","action":"joined","user_id":"alice"}},
            "stream":"group:a","epoch":"e1","from":{from},"head":{}}}"#,
            from - 1
        )
    };
    harness.text(&joined(8));
    harness.text(&entry("group:a", 8));
    assert_eq!(harness.positions(), [8]);
    let left = |user, stream| {
        format!(
            r#"{{"message_type":"group_changed","data":{{"group_id":"a","action":"left","user_id":"{user}"}}{stream}}}"#
        )
    };
    harness.text(&left("bob", ""));
    harness.text(&entry("group:a", 9));
    assert_eq!(harness.positions(), [9]);
    harness.text(&left("alice", r#","stream":"group:a""#));
    assert!(
        harness
            .events
            .iter()
            .any(|event| matches!(event, Event::StreamClosed { reason, .. } if reason == "left"))
    );
    harness.text(&joined(20));
    harness.text(&entry("group:a", 20));
    assert_eq!(harness.positions(), [20]);
    harness.close(None, "");
    harness.pass(500);
    let connect = harness.open();
    assert!(
        connect.contains(r#""groups":["a"]"#) && connect.contains(r#""group:a":{"epoch":"e1","seq":20}"#)
    );
}

#[test]
fn volatile_messages_have_no_place() {
    let mut harness = Harness::live(Config::default());
    harness.text(r#"{"message_type":"typing","message_id":"t","sender":"bob","receiver":"alice"}"#);
    assert!(
        matches!(harness.events.pop_back(), Some(Event::Volatile(frame)) if frame.message().is_ok_and(|message| message.message_type == "typing"))
    );
    harness.pass(1000);
    assert!(harness.sent().is_empty());
}

#[test]
fn nobody_forges_a_frame_of_the_hub() {
    let mut harness = Harness::live(Config::default());
    let send = harness.say("m1");
    harness.clear();
    for kind in ["ack", "error", "skip", "gap", "kick_out", "connected", "read"] {
        harness.text(&format!(
            r#"{{"message_type":"{kind}","sender":"mallory","message_id":"m1","stream":"inbox","seq_no":0,"from":1,"to":9,"code":80303}}"#
        ));
    }
    assert_eq!(harness.events.iter().filter(|event| matches!(event, Event::Volatile(_))).count(), 7);
    assert_eq!((harness.client.state(), harness.client.message_id(send)), (State::Connected, Some("m1")));
}

#[test]
fn what_is_acknowledged_while_a_connection_is_made_does_not_come_twice() {
    let mut harness = Harness::live(manual());
    harness.text(&entry("inbox", 1));
    harness.text(&entry("inbox", 2));
    let generation = generation(&mut harness);
    harness.close(None, "");
    harness.pass(60_000);
    assert!(harness.open().contains(r#""seq":0"#));
    harness.handle(|client, now| client.acknowledge(now, &StreamName::Inbox, generation, 1));
    harness.text(&connected(&inbox("e1", 1, 2)));
    harness.text(&entry("inbox", 1));
    harness.text(&entry("inbox", 2));
    assert!(!harness.events.iter().any(|event| matches!(event, Event::Message { .. } | Event::Gap(_))));
    harness.pass(200);
    assert_eq!(harness.sent(), [ack(1)]);
}

#[test]
fn a_new_epoch_is_told_again_to_a_process_that_follows_one_which_did_not_acknowledge_it() {
    let mut harness = Harness::live(manual());
    harness.text(&entry("inbox", 1));
    let old = generation(&mut harness);
    harness.handle(|client, now| client.acknowledge(now, &StreamName::Inbox, old, 1));
    let renew = |harness: &mut Harness| {
        harness.close(4014, "");
        harness.pass(60_000);
        assert!(harness.open().contains(r#""cursors":{"inbox":{"epoch":"e1","seq":1}}"#));
        harness.text(&connected(&inbox("e2", 2, 3)));
        harness.text(r#"{"message_type":"gap","stream":"inbox","from":2,"to":1,"reason":"epoch"}"#);
        harness.text(r#"{"message_type":"skip","stream":"inbox","from":2,"to":3}"#);
    };
    renew(&mut harness);
    let gap = harness.events.iter().find_map(|event| match event {
        Event::Gap(gap) => Some(gap.clone()),
        _ => None,
    });
    let gap = gap.expect("told");
    assert_eq!(harness.client.snapshot().cursors[0].epoch, "e1");
    // The same process is not told twice.
    renew(&mut harness);
    assert!(!harness.events.iter().any(|event| matches!(event, Event::Gap(_))));
    harness.handle(|client, now| client.acknowledge(now, &gap.stream, gap.generation, gap.to));
    let cursor = harness.client.snapshot().cursors.remove(0);
    assert_eq!((cursor.epoch.as_str(), cursor.seq), ("e2", 3));
    harness.pass(200);
    assert_eq!(harness.sent(), [ack(3)]);
}

#[test]
fn the_place_kept_of_an_old_numbering_is_the_one_that_was_named() {
    let mut harness = Harness::live(manual());
    harness.text(&entry("inbox", 1));
    let old = generation(&mut harness);
    harness.close(4014, "");
    harness.pass(60_000);
    harness.open();
    harness.handle(|client, now| client.acknowledge(now, &StreamName::Inbox, old, 1));
    harness.text(&connected(&inbox("e2", 1, 1)));
    assert_eq!(harness.client.snapshot().cursors[0].seq, 0);
}
