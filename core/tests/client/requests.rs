//! Requests and read marks.

use wsc_core::client::{Body, Config, Event, RequestError, RequestId};
use wsc_core::frame::Query;
use wsc_core::{ErrorCode, StreamName};

use crate::harness::{Harness, entry, ids, inbox};

fn ask(harness: &mut Harness) -> RequestId {
    harness.handle(|client, now| client.request(now, Query::HealthCheck))
}

fn failed(harness: &mut Harness) -> Vec<(RequestId, RequestError)> {
    let failed = harness.events.drain(..).filter_map(|event| match event {
        Event::RequestFailed { request, error } => Some((request, error)),
        _ => None,
    });
    failed.collect()
}

#[test]
fn a_request_without_a_connection_fails() {
    let mut harness = Harness::new(Config::default());
    let request = ask(&mut harness);
    assert_eq!(failed(&mut harness), [(request, RequestError::Disconnected)]);
}

#[test]
fn a_request_that_the_hub_takes_for_a_message_fails_with_what_is_wrong() {
    let mut harness = Harness::live(Config::default());
    let request =
        harness.handle(|client, now| client.request_object(now, r#"{"message_type":"frobnicate"}"#));
    let id = ids(&harness.sent()).remove(0);
    harness.text(&format!(
        r#"{{"message_type":"error","message_id":"{id}","code":80401,"reason":"no target"}}"#
    ));
    let code = ErrorCode::from_number(80401);
    let refused = RequestError::Refused { code, reason: "no target".into(), retry_after_ms: None };
    assert_eq!(failed(&mut harness), [(request, refused)]);
}

#[test]
fn a_request_ends_with_its_connection() {
    let mut harness = Harness::live(Config::default());
    let request = ask(&mut harness);
    harness.close(None, "");
    assert_eq!(failed(&mut harness), [(request, RequestError::Disconnected)]);
    harness.pass(500);
    harness.open();
    harness.text(&crate::harness::connected(&inbox("e1", 1, 0)));
    assert!(harness.sent().is_empty());
}

#[test]
fn a_page_of_history_moves_no_cursor() {
    let mut harness = Harness::live(Config::default());
    let query = Query::Fetch { stream: StreamName::Inbox, from: None, limit: 2, reverse: true };
    let request = harness.handle(|client, now| client.request(now, query));
    let id = ids(&harness.sent()).remove(0);
    for seq in [9, 8] {
        harness.text(&entry("inbox", seq).replacen(
            '{',
            &format!(r#"{{"request_id":"{id}","source":"history","#),
            1,
        ));
    }
    harness.text(&format!(
        r#"{{"message_type":"fetched","request_id":"{id}","data":{{"from":8,"to":9,"floor":1,"head":9,"more":true}}}}"#
    ));
    let fetched: Vec<_> = harness
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Fetched { request: of, frame } if *of == request => {
                frame.message().ok().map(|message| message.seq_no)
            }
            _ => None,
        })
        .collect();
    assert_eq!(fetched, [9, 8]);
    let Some(Event::Answer { answer, .. }) = harness.events.back() else { panic!("no answer") };
    assert!(matches!(answer.body(), Ok(Body::Fetched(page)) if page.more && page.head == 9));
    harness.text(&entry("inbox", 1));
    assert_eq!(harness.positions().last(), Some(&1));
}

#[test]
fn a_refusal_names_its_request() {
    let mut harness = Harness::live(Config::default());
    let (first, second) = (ask(&mut harness), ask(&mut harness));
    let sent = ids(&harness.sent());
    harness.text(&format!(
        r#"{{"message_type":"error","request_id":"{}","code":80801,"reason":"slow","retry_after_ms":70}}"#,
        sent[0]
    ));
    let error = RequestError::Refused {
        code: ErrorCode::RateLimited,
        reason: "slow".into(),
        retry_after_ms: Some(70),
    };
    assert_eq!(failed(&mut harness), [(first, error)]);
    harness.text(&format!(r#"{{"message_type":"health_response","request_id":"{}"}}"#, sent[1]));
    assert!(matches!(harness.events.pop_back(), Some(Event::Answer { request, .. }) if request == second));
}

#[test]
fn an_answer_that_does_not_come_fails_the_oldest() {
    let mut harness = Harness::live(Config::default());
    let first = ask(&mut harness);
    harness.pass(5_000);
    ask(&mut harness);
    harness.pass(15_000);
    assert_eq!(failed(&mut harness), [(first, RequestError::Timeout)]);
}

#[test]
fn requests_under_way_are_bounded() {
    let mut harness = Harness::live(Config { requests: 1, ..Config::default() });
    ask(&mut harness);
    let second = ask(&mut harness);
    assert_eq!(failed(&mut harness), [(second, RequestError::TooMany)]);
}

#[test]
fn presence_is_told_with_the_status_its_type_means() {
    let mut harness = Harness::live(Config::default());
    harness.text(r#"{"message_type":"user_left","data":{"user_id":"bob"}}"#);
    let Some(Event::Presence(presence)) = harness.events.pop_back() else { panic!("no presence") };
    let users = presence.users().expect("users");
    assert_eq!((users[0].user.as_str(), users[0].is_online()), ("bob", false));
}

#[test]
fn an_answer_in_several_frames_is_told_as_one() {
    let mut harness = Harness::live(Config::default());
    let query = Query::Watch { users: Vec::new(), group: "team".into() };
    let request = harness.handle(|client, now| client.request(now, query));
    let next = ask(&mut harness);
    let sent = ids(&harness.sent());
    let part = |id: &str, status: &str, users: &[&str]| {
        let users: Vec<String> = users
            .iter()
            .map(|user| format!(r#"{{"user_id":"{user}","status":"online","devices":1}}"#))
            .collect();
        let users = users.join(",");
        format!(
            r#"{{"message_type":"user_status_response","request_id":"{id}",{status}"data":{{"users":[{users}]}}}}"#
        )
    };
    let partial = r#""status":"partial","#;
    harness.text(&part(&sent[0], partial, &["a", "]b["]));
    harness.text(&part(&sent[0], partial, &["c"]));
    harness.text(&part("999", partial, &["somebody else's"]));
    assert!(
        harness
            .events
            .iter()
            .all(|event| !matches!(event, Event::Answer { .. } | Event::RequestFailed { .. }))
    );
    harness.text(&part(&sent[0], "", &["d", "e"]));
    let Some(Event::Answer { request: answered, answer }) = harness.events.pop_back() else {
        panic!("no answer")
    };
    assert_eq!(answered, request);
    let Ok(Body::Statuses(users)) = answer.body() else { panic!("{answer:?}") };
    let names: Vec<_> = users.iter().map(|user| user.user.as_str()).collect();
    assert_eq!(names, ["a", "]b[", "c", "d", "e"]);
    harness.text(&part(&sent[1], "", &["f"]));
    let Some(Event::Answer { request: answered, answer }) = harness.events.pop_back() else {
        panic!("no answer")
    };
    assert_eq!(answered, next);
    assert!(matches!(answer.body(), Ok(Body::Statuses(users)) if users.len() == 1));
}

#[test]
fn half_an_answer_ends_with_its_connection() {
    let mut harness = Harness::live(Config::default());
    let query = || Query::Watch { users: Vec::new(), group: "team".into() };
    let request = harness.handle(|client, now| client.request(now, query()));
    let id = ids(&harness.sent()).remove(0);
    let frame = |id: &str, status: &str| {
        format!(
            r#"{{"message_type":"user_status_response","request_id":"{id}",{status}"data":{{"users":[{{"user_id":"a"}}]}}}}"#
        )
    };
    harness.text(&frame(&id, r#""status":"partial","#));
    harness.close(None, "");
    assert_eq!(failed(&mut harness), [(request, RequestError::Disconnected)]);
    harness.pass(500);
    harness.open();
    harness.text(&crate::harness::connected(&inbox("e1", 1, 0)));
    harness.handle(|client, now| client.request(now, query()));
    let id = ids(&harness.sent()).remove(0);
    harness.text(&frame(&id, ""));
    let Some(Event::Answer { answer, .. }) = harness.events.pop_back() else { panic!("no answer") };
    assert!(matches!(answer.body(), Ok(Body::Statuses(users)) if users.len() == 1));
}

#[test]
fn half_an_answer_is_no_part_of_the_next_one() {
    let part = |id: &str, status: &str, user: &str| {
        format!(
            r#"{{"message_type":"user_status_response","request_id":"{id}",{status}"data":{{"users":[{{"user_id":"{user}"}}]}}}}"#
        )
    };
    let query = || Query::Watch { users: Vec::new(), group: "team".into() };
    for is_refused in [true, false] {
        let mut harness = Harness::live(Config::default());
        let first = harness.handle(|client, now| client.request(now, query()));
        let id = ids(&harness.sent()).remove(0);
        harness.text(&part(&id, r#""status":"partial","#, "a"));
        if is_refused {
            harness.text(&format!(
                r#"{{"message_type":"error","request_id":"{id}","code":80902,"reason":"the rest is not to be had"}}"#
            ));
        } else {
            harness.pass(20_000);
        }
        assert!(matches!(failed(&mut harness).as_slice(), [(request, _)] if *request == first));
        harness.handle(|client, now| client.request(now, query()));
        let id = ids(&harness.sent()).pop().expect("a request");
        harness.text(&part(&id, "", "b"));
        let Some(Event::Answer { answer, .. }) = harness.events.pop_back() else { panic!("no answer") };
        let Ok(Body::Statuses(users)) = answer.body() else { panic!("{answer:?}") };
        let names: Vec<_> = users.iter().map(|user| user.user.as_str()).collect();
        assert_eq!(names, ["b"], "refused: {is_refused}");
    }
}
