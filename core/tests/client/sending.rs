//! Sends: in order, again after each connect, settled once.

use wsc_core::client::{Action, Config, Event, Outcome, RequestError, SendError, SendId, Stage, State};
use wsc_core::frame::Frame;
use wsc_core::{ErrorCode, Message};

use crate::harness::{Harness, ids, inbox};

fn to_bob(id: &str) -> Message<'static> {
    Message { message_id: id.to_owned().into(), ..Message::to_user("bob", "x") }
}

#[test]
fn a_message_is_sent_at_once_and_settled_by_its_ack() {
    let mut harness = Harness::live(Config::default());
    let send = harness.send(Message::to_user("bob", "hello"));
    let frame = harness.sent().remove(0);
    let id = ids(&[frame]).remove(0);
    assert_eq!((id.len(), &id[14..15]), (36, "7"));
    harness.accept(&id, 58);
    let accepted = Outcome::Accepted {
        stream: Some(wsc_core::StreamName::Inbox),
        position: 58,
        duplicate: false,
        create_at: "t".into(),
    };
    assert_eq!(harness.outcomes(), [(send.0, accepted)]);
    assert_eq!(harness.client.sync().saved, 0);
}

#[test]
fn unsettled_messages_go_out_again_in_order_before_new_ones() {
    let mut harness = Harness::live(Config::default());
    for id in ["a", "b", "c"] {
        harness.say(id);
    }
    assert_eq!(ids(&harness.sent()), ["a", "b", "c"]);
    harness.accept("b", 1);
    harness.close(None, "");
    harness.say("d");
    assert!(harness.sent().is_empty());
    harness.pass(500);
    harness.open();
    harness.say("e");
    assert!(harness.sent().is_empty());
    harness.text(&crate::harness::connected(&inbox("e1", 1, 0)));
    assert_eq!(ids(&harness.sent()), ["a", "c", "d", "e"]);
}

#[test]
fn an_error_is_final_and_holds_nothing_up() {
    let mut harness = Harness::live(Config::default());
    let (a, b) = (harness.say("a"), harness.say("b"));
    harness.text(r#"{"message_type":"error","message_id":"a","code":81401,"reason":"no such group"}"#);
    harness.accept("b", 1);
    let outcomes = harness.outcomes();
    assert!(
        matches!(&outcomes[0], (id, Outcome::Refused { code: ErrorCode::GroupNotFound, .. }) if *id == a.0)
    );
    assert!(matches!(&outcomes[1], (id, Outcome::Accepted { .. }) if *id == b.0));
}

#[test]
fn a_late_or_second_answer_settles_nothing() {
    let mut harness = Harness::live(Config::default());
    harness.say("a");
    harness.accept("a", 1);
    harness.accept("a", 1);
    harness.accept("never", 2);
    assert_eq!(harness.outcomes().len(), 1);
}

#[test]
fn sends_without_any_answer_for_20_s_make_another_link() {
    let mut harness = Harness::live(Config::default());
    harness.say("a");
    harness.say("b");
    harness.pass(19_000);
    harness.accept("a", 1);
    harness.pass(10_000);
    harness.text(r#"{"message_type":"pong"}"#);
    harness.pass(9_999);
    assert_eq!(harness.client.state(), State::Connected);
    harness.pass(1);
    assert_eq!(harness.closed_with(), Some(4012));
}

#[test]
fn too_old_to_be_sent_again_is_unknown() {
    // dedupe_ms is 100 000: 90 s.
    let mut harness = Harness::live(Config::default());
    let a = harness.say("a");
    harness.pass(1000);
    harness.close(4029, "retry_after_ms=80000");
    let b = harness.say("b");
    harness.pass(80_000);
    harness.come_live(&inbox("e1", 1, 0));
    assert_eq!(harness.client.sync().under_way, 2);
    harness.close(4029, "retry_after_ms=600000");
    harness.clear();
    harness.pass(9_000);
    assert_eq!(harness.outcomes(), [(a.0, Outcome::Unknown)]);
    harness.pass(81_000);
    assert_eq!(harness.outcomes(), [(b.0, Outcome::Unknown)]);
}

#[test]
fn a_life_is_counted_from_the_send_and_ends_a_message_that_waits() {
    let mut harness = Harness::live(Config::default());
    harness.send(Message { expires_in_ms: Some(60_000), ..to_bob("a") });
    assert!(harness.sent()[0].ends_with(r#","expires_in_ms":60000}"#));
    harness.close(4029, "retry_after_ms=10000");
    let b = harness.send(Message { expires_in_ms: Some(5_000), ..to_bob("b") });
    harness.pass(10_000);
    assert_eq!(harness.outcomes(), [(b.0, Outcome::Expired)]);
    harness.open();
    harness.text(&crate::harness::connected(&inbox("e1", 1, 0)));
    assert!(harness.sent()[0].ends_with(r#","expires_in_ms":50000}"#));
}

#[test]
fn a_message_that_may_have_arrived_does_not_expire_but_is_unknown() {
    let mut harness = Harness::live(Config::default());
    let a = harness.send(Message { expires_in_ms: Some(5_000), ..to_bob("a") });
    harness.close(4029, "retry_after_ms=10000");
    harness.pass(10_000);
    assert_eq!(harness.outcomes(), [(a.0, Outcome::Unknown)]);
}

#[test]
fn only_so_many_are_under_way_at_once() {
    let mut harness = Harness::new(Config { flight_count: 2, ..Config::default() });
    for id in ["a", "b", "c"] {
        harness.say(id);
    }
    harness.open();
    harness.text(&crate::harness::connected(&inbox("e1", 1, 0)));
    assert_eq!(ids(&harness.sent()), ["a", "b"]);
    harness.accept("a", 1);
    assert_eq!(ids(&harness.sent()), ["c"]);
    let mut small = Harness::live(Config { flight_bytes: 1, ..Config::default() });
    small.say("a");
    small.say("b");
    assert_eq!(ids(&small.sent()), ["a"]);
}

#[test]
fn the_outbox_is_bounded_by_count_and_by_bytes() {
    let mut harness = Harness::new(Config { outbox_count: 1, ..Config::default() });
    harness.say("a");
    assert_eq!(harness.handle(|client, now| client.send(now, &to_bob("b"))), Err(SendError::OutboxFull));
    let mut harness = Harness::new(Config { outbox_bytes: 1000, ..Config::default() });
    let long = Message::to_user("bob", "x".repeat(1000));
    assert_eq!(harness.handle(|client, now| client.send(now, &long)), Err(SendError::OutboxFull));
}

#[test]
fn what_the_caller_can_mend_is_said_at_once() {
    let mut harness = Harness::live(Config::default());
    let mut refused =
        |message: &Message<'_>| harness.handle(|client, now| client.send(now, message)).expect_err("refused");
    let long = Message::to_user("bob", "x".repeat(65_536));
    assert!(matches!(refused(&long), SendError::TooLarge { limit: 65_536, .. }));
    let two = Message { broadcast_type: "global".into(), ..to_bob("a") };
    assert!(matches!(refused(&two), SendError::Invalid(_)));
    let broken = Message { data: "{".into(), ..to_bob("a") };
    assert!(matches!(refused(&broken), SendError::Unreadable(_)));
    let reserved = Message { message_type: "ack".into(), ..to_bob("a") };
    assert!(matches!(refused(&reserved), SendError::Invalid(_)));
    let gone = Message { expires_in_ms: Some(0), ..to_bob("a") };
    assert!(matches!(refused(&gone), SendError::Invalid(_)));
    harness.say("a");
    assert_eq!(harness.handle(|client, now| client.send(now, &to_bob("a"))), Err(SendError::Repeated));
    harness.handle(|client, now| client.close(now));
    assert_eq!(harness.handle(|client, now| client.send(now, &to_bob("b"))), Err(SendError::Closed));
}

#[test]
fn a_message_that_is_written_already_goes_out_as_it_is_under_the_same_rules() {
    let mut harness = Harness::live(Config::default());
    let mut send =
        |object: &str| harness.handle(|client, now| client.send_object(now, object.to_owned(), None));
    let (_, named) =
        send(r#"{ "x":[1e9], "receiver":"b\u006fb","message_id":"a","message_type":"text"}"#).expect("taken");
    let (_, unnamed) =
        send(r#" {"message_type":"text","receiver":"bob","expires_in_ms":5000}"#).expect("taken");
    assert_eq!((named.as_str(), unnamed.len()), ("a", 36));
    for wrong in [
        "",
        "[]",
        r#"{"message_type":"text","receiver":7}"#,
        r#"{"message_type":"text","receiver":"bob","group_ids":["team"]}"#,
        r#"{"message_type":"text","group_ids":["a","b"]}"#,
        r#"{"message_type":"text","message_id":""}"#,
        r#"{"message_type":"gap"}"#,
        r#"{"receiver":"bob"}"#,
        r#"{"message_type":"text","receiver":"bob","receiver":"eve"}"#,
    ] {
        assert!(matches!(send(wrong), Err(SendError::Invalid(_) | SendError::Unreadable(_))), "{wrong}");
    }
    assert_eq!(
        send(r#"{"message_type":"text","message_id":"a","receiver":"bob"}"#),
        Err(SendError::Repeated)
    );
    let second = |life: u64| {
        format!(
            r#"{{"message_id":"{unnamed}","message_type":"text","receiver":"bob","expires_in_ms":{life}}}"#
        )
    };
    let first = r#"{ "x":[1e9], "receiver":"b\u006fb","message_id":"a","message_type":"text"}"#;
    assert_eq!(harness.sent(), [first.to_owned(), second(5000)]);
    harness.close(None, "");
    harness.pass(1000);
    harness.come_live_keeping(&inbox("e1", 1, 0));
    assert_eq!(harness.sent(), [first.to_owned(), second(4000)]);
}

#[test]
fn only_what_never_went_out_can_be_taken_back() {
    let mut harness = Harness::live(Config::default());
    let a = harness.say("a");
    assert!(!harness.handle(|client, now| client.cancel(now, a)));
    harness.close(None, "");
    let b = harness.say("b");
    assert!(harness.handle(|client, now| client.cancel(now, b)));
    assert_eq!(harness.outcomes(), [(b.0, Outcome::Cancelled)]);
}

#[test]
fn volatile_messages_are_sent_now_or_never() {
    let mut harness = Harness::new(Config::default());
    let typing = || Message { message_type: "typing".into(), ..Message::to_user("bob", "") };
    let a = harness.send(typing());
    assert_eq!(harness.outcomes(), [(a.0, Outcome::Dropped)]);
    harness.come_live(&inbox("e1", 1, 0));
    assert!(harness.sent().is_empty());
    let b = harness.send(typing());
    assert_eq!((harness.outcomes(), harness.sent().len()), (vec![(b.0, Outcome::Sent)], 1));
    let c = harness.send(Message { require_ack: true, message_id: "c".into(), ..typing() });
    let d = harness.send(Message { require_ack: true, message_id: "d".into(), ..typing() });
    assert!(harness.outcomes().is_empty());
    harness.text(r#"{"message_type":"ack","message_id":"c","status":"accepted"}"#);
    assert!(
        matches!(harness.outcomes()[..], [(id, Outcome::Accepted { stream: None, position: 0, .. })] if id == c.0)
    );
    harness.clear();
    harness.close(None, "");
    assert_eq!(harness.outcomes(), [(d.0, Outcome::Unknown)]);
    harness.pass(500);
    harness.open();
    harness.text(&crate::harness::connected(&inbox("e1", 1, 0)));
    assert!(harness.sent().is_empty());
}

#[test]
fn binary_messages_go_out_as_binary_frames() {
    let mut harness = Harness::live(Config::default());
    let payload = Some(vec![1, 2, 3].into());
    harness.send(Message { payload, message_type: "binary".into(), expires_in_ms: Some(9), ..to_bob("a") });
    let Some(Action::Send { frame: Frame::Binary(bytes), .. }) = harness.actions.pop_front() else {
        panic!("no binary frame")
    };
    let frame = wsc_core::frame::decode_client_binary(&bytes).expect("a frame");
    let wsc_core::frame::ClientFrame::Message(message) = frame else { panic!("no message") };
    assert_eq!((message.payload.as_deref(), message.expires_in_ms), (Some(&[1, 2, 3][..]), Some(9)));
}

#[test]
fn receipts_come_as_hints_and_a_stage_never_goes_back() {
    let mut harness = Harness::live(Config::default());
    let send = harness.send(Message { require_ack: true, ..to_bob("a") });
    harness.accept("a", 1);
    harness.clear();
    let delivered =
        r#"{"message_type":"delivered","receiver":"bob","receiver_client":"d7","message_ids":["a"]}"#;
    let read = r#"{"message_type":"read","receiver":"bob","message_ids":["a"]}"#;
    for frame in [delivered, delivered, read, delivered] {
        harness.text(frame);
    }
    assert_eq!(stages(&harness), [(Some(send), Stage::Delivered), (Some(send), Stage::Read)]);
    harness.clear();
    // Of a message that another device sent, too.
    for frame in [read, delivered, read] {
        harness.text(&frame.replace(r#"["a"]"#, r#"["b"]"#));
    }
    assert_eq!(stages(&harness), [(None, Stage::Read)]);
}

fn stages(harness: &Harness) -> Vec<(Option<SendId>, Stage)> {
    let stage = |event: &Event| match event {
        Event::Receipt { send, stage, .. } => Some((*send, *stage)),
        _ => None,
    };
    harness.events.iter().filter_map(stage).collect()
}

#[test]
fn a_hint_before_the_acknowledgement_counts_for_the_send_too() {
    let mut harness = Harness::live(Config::default());
    let send = harness.send(Message { require_ack: true, ..to_bob("a") });
    harness.clear();
    harness
        .text(r#"{"message_type":"delivered","receiver":"bob","receiver_client":"d7","message_ids":["a"]}"#);
    harness.accept("a", 1);
    assert_eq!(stages(&harness), [(None, Stage::Delivered), (Some(send), Stage::Delivered)]);
}

#[test]
fn receipts_of_others_push_out_none_that_is_waited_for() {
    let mut harness = Harness::live(Config { receipts: 2, ..Config::default() });
    let send = harness.send(Message { require_ack: true, ..to_bob("a") });
    harness.accept("a", 1);
    for number in 0..5 {
        harness.text(&format!(
            r#"{{"message_type":"delivered","receiver":"bob","message_ids":["other{number}"]}}"#
        ));
    }
    harness.clear();
    harness.text(r#"{"message_type":"read","receiver":"bob","message_ids":["a"]}"#);
    assert_eq!(stages(&harness), [(Some(send), Stage::Read)]);
}

#[test]
fn receipts_still_waited_for_are_asked_for_after_each_connect() {
    let mut harness = Harness::live(Config::default());
    for (id, seq) in [("a", 1), ("b", 2), ("c", 3)] {
        harness.send(Message { require_ack: true, ..to_bob(id) });
        harness.accept(id, seq);
    }
    harness.text(r#"{"message_type":"read","receiver":"bob","message_ids":["b"]}"#);
    harness.close(None, "");
    harness.pass(500);
    harness.open();
    harness.text(&crate::harness::connected(&inbox("e1", 1, 0)));
    let asked = harness.sent().remove(0);
    assert!(
        asked.contains(r#""message_type":"receipts""#) && asked.contains(r#"{"message_ids":["a","c"]}"#),
        "{asked}"
    );
    harness.clear();
    let id = ids(&[asked]).remove(0);
    harness.text(&format!(
        r#"{{"message_type":"receipts","request_id":"{id}","data":{{"receipts":[{{"message_id":"a","stage":"read"}},{{"message_id":"c","stage":"unknown"}}]}}}}"#
    ));
    assert!(
        matches!(&harness.events[0], Event::Receipt { message_id, stage: Stage::Read, .. } if message_id == "a")
    );
    assert!(matches!(&harness.events[1], Event::ReceiptEnded { message_id, .. } if message_id == "c"));
}

#[test]
fn followed_receipts_are_bounded() {
    let mut harness = Harness::live(Config { receipts: 1, ..Config::default() });
    for (id, seq) in [("a", 1), ("b", 2)] {
        harness.send(Message { require_ack: true, ..to_bob(id) });
        harness.accept(id, seq);
    }
    assert!(
        harness
            .events
            .iter()
            .any(|event| matches!(event, Event::ReceiptEnded { message_id, .. } if message_id == "a"))
    );
    let failed =
        |event: &Event| matches!(event, Event::RequestFailed { error: RequestError::Disconnected, .. });
    assert!(!harness.events.iter().any(failed));
}

#[test]
fn a_refusal_keeps_its_cause() {
    let mut harness = Harness::live(Config::default());
    let field = Message { message_id: "\n".into(), ..to_bob("1") };
    let refused = harness.handle(|client, now| client.send(now, &field)).unwrap_err();
    let unreadable = harness.handle(|client, now| client.send_object(now, "{".to_owned(), None)).unwrap_err();
    for error in [refused, unreadable] {
        let cause = std::error::Error::source(&error).expect("a cause");
        assert_eq!(error.to_string(), format!("invalid message: {cause}"));
    }
}
