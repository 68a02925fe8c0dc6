//! Connecting, waiting, closing, heartbeat.

use wsc_core::CloseCode;
use wsc_core::client::{Closed, Config, Event, Identity, Link, State};

use crate::desk::{Desk, START, connected, entry, inbox};

fn waits(desk: &Desk) -> u64 {
    match desk.client.state() {
        State::Waiting { until } => until - desk.now,
        state => panic!("{state:?}"),
    }
}

#[test]
fn the_first_frame_says_who_and_what() {
    let identity =
        Identity { user_id: "alice".into(), groups: vec!["a".into(), "b".into()], ..Identity::default() };
    let mut desk = Desk::new(Config {
        device_id: "d1".into(),
        token: Some("t".into()),
        client: "test/1".into(),
        groups: Some(vec!["team".into()]),
        start_at_head: true,
        identity,
        ..Config::default()
    });
    let connect = desk.open();
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
    let mut desk = Desk::new(Config { device_id: "d1".into(), ..Config::default() });
    desk.come_live(&inbox("e1", 42, 43));
    desk.text(&entry("inbox", 42));
    desk.text(&entry("inbox", 43));
    assert_eq!(desk.positions(), [42, 43]);
    desk.close(None, "");
    desk.pass(500);
    assert!(desk.open().contains(r#""cursors":{"inbox":{"epoch":"e1","seq":43}}"#));
}

#[test]
fn states_are_told_in_order() {
    let mut desk = Desk::new(Config::default());
    desk.client.connect(desk.now);
    desk.drain();
    desk.handle(|client, now| client.handle_open(now, Link(1)));
    desk.text(&connected(&inbox("e1", 1, 0)));
    desk.handle(|client, now| client.close(now));
    let states: Vec<_> = desk
        .events
        .iter()
        .filter_map(|event| match event {
            Event::StateChanged(state) => Some(state.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(states, [State::Connecting, State::Connected, State::Closed(Closed::Application)]);
    assert_eq!(desk.closed_with(), Some(1000));
}

#[test]
fn events_of_an_older_link_are_ignored() {
    let mut desk = Desk::live(Config::default());
    desk.close(1001, "retry_after_ms=100");
    desk.pass(100);
    assert_eq!(desk.opened(), Some(Link(2)));
    desk.handle(|client, now| client.handle_open(now, Link(1)));
    desk.handle(|client, now| client.handle_text(now, Link(1), &connected("")));
    desk.handle(|client, now| client.handle_close(now, Link(1), Some(CloseCode::Kicked), ""));
    assert_eq!(desk.client.state(), State::Connecting);
    assert!(desk.sent().is_empty());
}

#[test]
fn closes_end_or_wait_as_the_table_says() {
    for code in [1000, 4003, 4009, 4010, 4011, 4001, 4002] {
        let mut desk = Desk::live(Config::default());
        desk.close(code, "why");
        let why = Closed::Hub { code: CloseCode::from_number(code), reason: "why".into() };
        assert_eq!(desk.client.state(), State::Closed(why));
        assert_eq!(desk.client.poll_timeout(), None);
    }
    for code in [1001, 1002, 1007, 1009, 1013, 4008, 4012, 4013, 4014, 4029, 4999, 1006] {
        let mut desk = Desk::live(Config::default());
        desk.close(code, "");
        assert!(waits(&desk) <= 500, "{code}");
    }
}

#[test]
fn a_hint_overrides_the_backoff_and_a_network_that_comes_back_does_not_shorten_it() {
    let mut desk = Desk::live(Config::default());
    desk.close(4029, "too fast retry_after_ms=90000");
    assert_eq!(waits(&desk), 90_000);
    desk.handle(|client, now| client.handle_network(now, true));
    assert_eq!(waits(&desk), 90_000);
    desk.pass(90_000);
    assert_eq!(desk.opened(), Some(Link(2)));
}

#[test]
fn waits_grow_until_a_connection_lasts() {
    let mut desk = Desk::new(Config::default());
    desk.client.connect(desk.now);
    desk.drain();
    let mut longest = 0;
    for _ in 0..12 {
        desk.close(None, "");
        longest = longest.max(waits(&desk));
        assert!(waits(&desk) <= 30_000);
        desk.pass(waits(&desk));
        assert!(desk.opened().is_some());
    }
    assert!(longest > 8_000, "{longest}");
    let link = desk.client.link();
    desk.handle(|client, now| client.handle_open(now, link));
    desk.text(&connected(&inbox("e1", 1, 0)));
    desk.pass(30_000);
    assert_eq!(desk.client.state(), State::Connected);
    desk.close(None, "");
    assert!(waits(&desk) <= 500);
}

#[test]
fn a_network_that_comes_back_ends_the_wait() {
    let mut desk = Desk::live(Config::default());
    desk.close(None, "");
    desk.handle(|client, now| client.handle_network(now, false));
    assert!(matches!(desk.client.state(), State::Waiting { .. }));
    desk.handle(|client, now| client.handle_network(now, true));
    assert_eq!(desk.opened(), Some(Link(2)));
}

#[test]
fn the_third_malformed_close_within_a_minute_is_the_last() {
    let mut desk = Desk::live(Config::default());
    for code in [1002, 1009] {
        desk.close(code, "retry_after_ms=1000");
        desk.pass(1000);
        desk.come_live(&inbox("e1", 1, 0));
    }
    let mut later = Desk::live(Config::default());
    for _ in 0..5 {
        later.close(1007, "retry_after_ms=30000");
        later.pass(30_000);
        later.come_live(&inbox("e1", 1, 0));
    }
    desk.close(1007, "");
    assert!(matches!(desk.client.state(), State::Closed(Closed::Hub { code: CloseCode::InvalidData, .. })));
}

#[test]
fn silence_is_answered_by_a_ping_and_then_by_another_link() {
    let mut desk = Desk::live(Config::default());
    desk.pass(25_000);
    assert_eq!(desk.sent(), [r#"{"message_type":"ping"}"#]);
    desk.text(r#"{"message_type":"pong","server_time_ms":5}"#);
    desk.pass(24_999);
    assert!(desk.sent().is_empty());
    desk.pass(1);
    assert_eq!(desk.sent().len(), 1);
    desk.pass(9_999);
    assert_eq!(desk.client.state(), State::Connected);
    desk.pass(1);
    assert_eq!(desk.closed_with(), Some(4012));
    assert!(matches!(desk.client.state(), State::Waiting { .. } | State::Connecting));
}

#[test]
fn a_client_that_only_listens_pings_too() {
    let mut desk = Desk::live(Config { auto_acknowledge: false, ..Config::default() });
    for seq in 1..=5 {
        desk.pass(5_000);
        desk.text(&entry("inbox", seq));
    }
    assert_eq!(desk.sent().len(), 1, "nothing sent for 25 s");
}

#[test]
fn pings_of_the_socket_are_life() {
    let mut desk = Desk::live(Config::default());
    desk.pass(25_000);
    desk.sent();
    desk.handle(|client, now| client.handle_life(now, client.link()));
    desk.pass(10_000);
    assert_eq!(desk.client.state(), State::Connected);
}

#[test]
fn a_live_connection_is_tested_when_the_network_is_back() {
    let mut desk = Desk::live(Config::default());
    desk.pass(1000);
    desk.handle(|client, now| client.handle_network(now, true));
    assert_eq!(desk.sent(), [r#"{"message_type":"ping"}"#]);
    desk.pass(10_000);
    assert_eq!(desk.closed_with(), Some(4012));
}

#[test]
fn a_socket_that_does_not_open_and_a_hub_that_does_not_greet_are_given_up() {
    let mut desk = Desk::new(Config::default());
    desk.client.connect(START);
    desk.drain();
    desk.pass(15_000);
    assert_eq!(desk.closed_with(), Some(4012));
    desk.pass(500);
    desk.clear();
    let link = desk.client.link();
    desk.handle(|client, now| client.handle_open(now, link));
    desk.clear();
    desk.pass(10_000);
    assert_eq!(desk.closed_with(), Some(4012));
}

#[test]
fn a_draining_hub_is_left_at_the_time_it_names() {
    let mut desk = Desk::live(Config::default());
    desk.text(r#"{"message_type":"server_status","data":{"draining":true,"reconnect_after_ms":2000,"jitter_ms":100}}"#);
    assert!(desk.events.iter().any(|event| matches!(event, Event::Notice { .. })));
    desk.pass(1_999);
    assert_eq!(desk.client.state(), State::Connected);
    desk.pass(101);
    assert_eq!((desk.closed_with(), desk.opened()), (Some(1000), Some(Link(2))));
}

#[test]
fn a_draining_hub_that_goes_first_is_not_asked_again_before_its_time() {
    let mut desk = Desk::live(Config::default());
    desk.text(r#"{"message_type":"server_status","data":{"draining":true,"reconnect_after_ms":9000}}"#);
    desk.pass(1000);
    desk.close(1001, "");
    assert_eq!(waits(&desk), 8000);
}

#[test]
fn what_the_hub_should_not_send_changes_nothing() {
    let mut desk = Desk::live(Config::default());
    let long = "[".repeat(100_000);
    for frame in
        ["", "{", "[]", "null", &long, "{}", r#"{"message_type":7}"#, &connected(""), &entry("group:x", 1)]
    {
        desk.text(frame);
    }
    let faults = desk.events.iter().filter(|event| matches!(event, Event::Fault(_))).count();
    assert_eq!((faults, desk.client.state()), (9, State::Connected));
}

#[test]
fn a_closed_client_connects_again_when_asked() {
    let mut desk = Desk::live(Config::default());
    desk.close(4010, "kicked");
    desk.handle(|client, now| client.connect(now));
    assert_eq!(desk.opened(), Some(Link(2)));
}
