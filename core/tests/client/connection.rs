//! Connecting, waiting, closing, heartbeat.

use wsc_core::CloseCode;
use wsc_core::client::{Closed, Config, Event, Identity, Link, State};

use crate::harness::{Harness, START, connected, entry, inbox};

fn waits(harness: &Harness) -> u64 {
    match harness.client.state() {
        State::Waiting { until } => until - harness.now,
        state => panic!("{state:?}"),
    }
}

#[test]
fn the_first_frame_says_who_and_what() {
    let identity =
        Identity { user_id: "alice".into(), groups: vec!["a".into(), "b".into()], ..Identity::default() };
    let mut harness = Harness::new(Config {
        device_id: "d1".into(),
        token: Some("t".into()),
        client: "test/1".into(),
        groups: Some(vec!["team".into()]),
        start_at_head: true,
        identity,
        ..Config::default()
    });
    let connect = harness.open();
    for part in [
        r#""protocol":1"#,
        r#""token":"t""#,
        r#""device_id":"d1""#,
        r#""client":"test/1""#,
        r#""groups":["team"]"#,
        r#""start":"head""#,
        r#""user_id":"alice""#,
        r#""group_id":"a,b""#,
    ] {
        assert!(connect.contains(part), "{part} in {connect}");
    }
}

#[test]
fn a_new_connection_goes_on_after_what_was_handed_over() {
    let mut harness = Harness::new(Config { device_id: "d1".into(), ..Config::default() });
    harness.come_live(&inbox("e1", 42, 43));
    harness.text(&entry("inbox", 42));
    harness.text(&entry("inbox", 43));
    assert_eq!(harness.positions(), [42, 43]);
    harness.close(None, "");
    harness.pass(500);
    assert!(harness.open().contains(r#""cursors":{"inbox":{"epoch":"e1","seq":43}}"#));
}

#[test]
fn states_are_told_in_order() {
    let mut harness = Harness::new(Config::default());
    harness.client.connect(harness.now);
    harness.drain();
    harness.handle(|client, now| client.handle_open(now, Link(1)));
    harness.text(&connected(&inbox("e1", 1, 0)));
    harness.handle(|client, now| client.close(now));
    let states: Vec<_> = harness
        .events
        .iter()
        .filter_map(|event| match event {
            Event::StateChanged(state) => Some(state.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(states, [State::Connecting, State::Connected, State::Closed(Closed::Application)]);
    assert_eq!(harness.closed_with(), Some(1000));
}

#[test]
fn events_of_an_older_link_are_ignored() {
    let mut harness = Harness::live(Config::default());
    harness.close(1001, "retry_after_ms=100");
    harness.pass(100);
    assert_eq!(harness.opened(), Some(Link(2)));
    harness.handle(|client, now| client.handle_open(now, Link(1)));
    harness.handle(|client, now| client.handle_text(now, Link(1), &connected("")));
    harness.handle(|client, now| client.handle_close(now, Link(1), Some(CloseCode::Kicked), ""));
    assert_eq!(harness.client.state(), State::Connecting);
    assert!(harness.sent().is_empty());
}

#[test]
fn closes_end_or_wait_as_the_table_says() {
    for code in [1000, 4003, 4009, 4010, 4011, 4001, 4002] {
        let mut harness = Harness::live(Config::default());
        harness.close(code, "why");
        let why = Closed::Hub { code: CloseCode::from_number(code), reason: "why".into() };
        assert_eq!(harness.client.state(), State::Closed(why));
        assert_eq!(harness.client.poll_timeout(), None);
    }
    for code in [1001, 1002, 1007, 1009, 1013, 4008, 4012, 4013, 4014, 4029, 4999, 1006] {
        let mut harness = Harness::live(Config::default());
        harness.close(code, "");
        assert!(waits(&harness) <= 500, "{code}");
    }
}

#[test]
fn a_hint_overrides_the_backoff_and_a_network_that_comes_back_does_not_shorten_it() {
    let mut harness = Harness::live(Config::default());
    harness.close(4029, "too fast retry_after_ms=90000");
    assert_eq!(waits(&harness), 90_000);
    harness.handle(|client, now| client.handle_network(now, true));
    assert_eq!(waits(&harness), 90_000);
    harness.pass(90_000);
    assert_eq!(harness.opened(), Some(Link(2)));
}

#[test]
fn waits_grow_until_a_connection_lasts() {
    let mut harness = Harness::new(Config::default());
    harness.client.connect(harness.now);
    harness.drain();
    let mut longest = 0;
    for _ in 0..12 {
        harness.close(None, "");
        longest = longest.max(waits(&harness));
        assert!(waits(&harness) <= 30_000);
        harness.pass(waits(&harness));
        assert!(harness.opened().is_some());
    }
    assert!(longest > 8_000, "{longest}");
    let link = harness.client.link();
    harness.handle(|client, now| client.handle_open(now, link));
    harness.text(&connected(&inbox("e1", 1, 0)));
    harness.pass(30_000);
    assert_eq!(harness.client.state(), State::Connected);
    harness.close(None, "");
    assert!(waits(&harness) <= 500);
}

#[test]
fn a_network_that_comes_back_ends_the_wait() {
    let mut harness = Harness::live(Config::default());
    harness.close(None, "");
    harness.handle(|client, now| client.handle_network(now, false));
    assert!(matches!(harness.client.state(), State::Waiting { .. }));
    harness.handle(|client, now| client.handle_network(now, true));
    assert_eq!(harness.opened(), Some(Link(2)));
}

#[test]
fn the_third_malformed_close_within_a_minute_is_the_last() {
    let mut harness = Harness::live(Config::default());
    for code in [1002, 1009] {
        harness.close(code, "retry_after_ms=1000");
        harness.pass(1000);
        harness.come_live(&inbox("e1", 1, 0));
    }
    let mut later = Harness::live(Config::default());
    for _ in 0..5 {
        later.close(1007, "retry_after_ms=30000");
        later.pass(30_000);
        later.come_live(&inbox("e1", 1, 0));
    }
    harness.close(1007, "");
    assert!(matches!(
        harness.client.state(),
        State::Closed(Closed::Hub { code: CloseCode::InvalidData, .. })
    ));
}

#[test]
fn silence_is_answered_by_a_ping_and_then_by_another_link() {
    let mut harness = Harness::live(Config::default());
    harness.pass(25_000);
    assert_eq!(harness.sent(), [r#"{"message_type":"ping"}"#]);
    harness.text(r#"{"message_type":"pong","server_time_ms":5}"#);
    harness.pass(24_999);
    assert!(harness.sent().is_empty());
    harness.pass(1);
    assert_eq!(harness.sent().len(), 1);
    harness.pass(9_999);
    assert_eq!(harness.client.state(), State::Connected);
    harness.pass(1);
    assert_eq!(harness.closed_with(), Some(4012));
    assert!(matches!(harness.client.state(), State::Waiting { .. } | State::Connecting));
}

#[test]
fn a_client_that_only_listens_pings_too() {
    let mut harness = Harness::live(Config { auto_acknowledge: false, ..Config::default() });
    for seq in 1..=5 {
        harness.pass(5_000);
        harness.text(&entry("inbox", seq));
    }
    assert_eq!(harness.sent().len(), 1, "nothing sent for 25 s");
}

#[test]
fn pings_of_the_socket_are_life() {
    let mut harness = Harness::live(Config::default());
    harness.pass(25_000);
    harness.sent();
    harness.handle(|client, now| client.handle_life(now, client.link()));
    harness.pass(10_000);
    assert_eq!(harness.client.state(), State::Connected);
}

#[test]
fn a_live_connection_is_tested_when_the_network_is_back() {
    let mut harness = Harness::live(Config::default());
    harness.pass(1000);
    harness.handle(|client, now| client.handle_network(now, true));
    assert_eq!(harness.sent(), [r#"{"message_type":"ping"}"#]);
    harness.pass(10_000);
    assert_eq!(harness.closed_with(), Some(4012));
}

#[test]
fn a_socket_that_does_not_open_and_a_hub_that_does_not_greet_are_given_up() {
    let mut harness = Harness::new(Config::default());
    harness.client.connect(START);
    harness.drain();
    harness.pass(15_000);
    assert_eq!(harness.closed_with(), Some(4012));
    harness.pass(500);
    harness.clear();
    let link = harness.client.link();
    harness.handle(|client, now| client.handle_open(now, link));
    harness.clear();
    harness.pass(10_000);
    assert_eq!(harness.closed_with(), Some(4012));
}

#[test]
fn a_draining_hub_is_left_at_the_time_it_names() {
    let mut harness = Harness::live(Config::default());
    harness.text(r#"{"message_type":"server_status","data":{"draining":true,"reconnect_after_ms":2000,"jitter_ms":100}}"#);
    assert!(harness.events.iter().any(|event| matches!(event, Event::Notice { .. })));
    harness.pass(1_999);
    assert_eq!(harness.client.state(), State::Connected);
    harness.pass(101);
    assert_eq!((harness.closed_with(), harness.opened()), (Some(1000), Some(Link(2))));
}

#[test]
fn a_draining_hub_that_goes_first_is_not_asked_again_before_its_time() {
    let mut harness = Harness::live(Config::default());
    harness.text(r#"{"message_type":"server_status","data":{"draining":true,"reconnect_after_ms":9000}}"#);
    harness.pass(1000);
    harness.close(1001, "");
    assert_eq!(waits(&harness), 8000);
}

#[test]
fn what_the_hub_should_not_send_changes_nothing() {
    let mut harness = Harness::live(Config::default());
    let long = "[".repeat(100_000);
    for frame in
        ["", "{", "[]", "null", &long, "{}", r#"{"message_type":7}"#, &connected(""), &entry("group:x", 1)]
    {
        harness.text(frame);
    }
    let faults = harness.events.iter().filter(|event| matches!(event, Event::Fault(_))).count();
    assert_eq!((faults, harness.client.state()), (9, State::Connected));
}

#[test]
fn a_closed_client_connects_again_when_asked() {
    let mut harness = Harness::live(Config::default());
    harness.close(4010, "kicked");
    harness.handle(|client, now| client.connect(now));
    assert_eq!(harness.opened(), Some(Link(2)));
}
