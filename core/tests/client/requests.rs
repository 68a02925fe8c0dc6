//! Requests and read marks.

use wsc_core::client::{Body, Config, Event, RequestError, RequestId};
use wsc_core::frame::Query;
use wsc_core::{ErrorCode, StreamName};

use crate::desk::{Desk, entry, ids, inbox};

fn ask(desk: &mut Desk) -> RequestId {
    desk.handle(|client, now| client.request(now, Query::HealthCheck))
}

fn failed(desk: &mut Desk) -> Vec<(RequestId, RequestError)> {
    let failed = desk.events.drain(..).filter_map(|event| match event {
        Event::RequestFailed { request, error } => Some((request, error)),
        _ => None,
    });
    failed.collect()
}

#[test]
fn a_request_without_a_connection_fails() {
    let mut desk = Desk::new(Config::default());
    let request = ask(&mut desk);
    assert_eq!(failed(&mut desk), [(request, RequestError::Disconnected)]);
}

#[test]
fn a_request_that_the_hub_takes_for_a_message_fails_with_what_is_wrong() {
    let mut desk = Desk::live(Config::default());
    let request = desk.handle(|client, now| client.request_object(now, r#"{"message_type":"frobnicate"}"#));
    let id = ids(&desk.sent()).remove(0);
    desk.text(&format!(
        r#"{{"message_type":"error","message_id":"{id}","code":80401,"reason":"no target"}}"#
    ));
    let code = ErrorCode::from_number(80401);
    let refused = RequestError::Refused { code, reason: "no target".into(), retry_after_ms: None };
    assert_eq!(failed(&mut desk), [(request, refused)]);
}

#[test]
fn a_request_ends_with_its_connection() {
    let mut desk = Desk::live(Config::default());
    let request = ask(&mut desk);
    desk.close(None, "");
    assert_eq!(failed(&mut desk), [(request, RequestError::Disconnected)]);
    desk.pass(500);
    desk.open();
    desk.text(&crate::desk::connected(&inbox("e1", 1, 0)));
    assert!(desk.sent().is_empty());
}

#[test]
fn a_page_of_history_moves_no_cursor() {
    let mut desk = Desk::live(Config::default());
    let query = Query::Fetch { stream: StreamName::Inbox, from: None, limit: 2, reverse: true };
    let request = desk.handle(|client, now| client.request(now, query));
    let id = ids(&desk.sent()).remove(0);
    for seq in [9, 8] {
        desk.text(&entry("inbox", seq).replacen(
            '{',
            &format!(r#"{{"request_id":"{id}","source":"history","#),
            1,
        ));
    }
    desk.text(&format!(
        r#"{{"message_type":"fetched","request_id":"{id}","data":{{"from":8,"to":9,"floor":1,"head":9,"more":true}}}}"#
    ));
    let fetched: Vec<_> = desk
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
    let Some(Event::Answer { answer, .. }) = desk.events.back() else { panic!("no answer") };
    assert!(matches!(answer.body(), Ok(Body::Fetched(page)) if page.more && page.head == 9));
    desk.text(&entry("inbox", 1));
    assert_eq!(desk.positions().last(), Some(&1));
}

#[test]
fn a_refusal_names_its_request() {
    let mut desk = Desk::live(Config::default());
    let (first, second) = (ask(&mut desk), ask(&mut desk));
    let sent = ids(&desk.sent());
    desk.text(&format!(
        r#"{{"message_type":"error","request_id":"{}","code":80801,"reason":"slow","retry_after_ms":70}}"#,
        sent[0]
    ));
    let error = RequestError::Refused {
        code: ErrorCode::RateLimited,
        reason: "slow".into(),
        retry_after_ms: Some(70),
    };
    assert_eq!(failed(&mut desk), [(first, error)]);
    desk.text(&format!(r#"{{"message_type":"health_response","request_id":"{}"}}"#, sent[1]));
    assert!(matches!(desk.events.pop_back(), Some(Event::Answer { request, .. }) if request == second));
}

#[test]
fn an_answer_that_does_not_come_fails_the_oldest() {
    let mut desk = Desk::live(Config::default());
    let first = ask(&mut desk);
    desk.pass(5_000);
    ask(&mut desk);
    desk.pass(15_000);
    assert_eq!(failed(&mut desk), [(first, RequestError::Timeout)]);
}

#[test]
fn requests_under_way_are_bounded() {
    let mut desk = Desk::live(Config { requests: 1, ..Config::default() });
    ask(&mut desk);
    let second = ask(&mut desk);
    assert_eq!(failed(&mut desk), [(second, RequestError::TooMany)]);
}

#[test]
fn presence_is_told_with_the_status_its_type_means() {
    let mut desk = Desk::live(Config::default());
    desk.text(r#"{"message_type":"user_left","data":{"user_id":"bob"}}"#);
    let Some(Event::Presence(presence)) = desk.events.pop_back() else { panic!("no presence") };
    let users = presence.users().expect("users");
    assert_eq!((users[0].user.as_str(), users[0].is_online()), ("bob", false));
}

#[test]
fn an_answer_in_several_frames_is_told_as_one() {
    let mut desk = Desk::live(Config::default());
    let query = Query::Watch { users: Vec::new(), group: "team".into() };
    let request = desk.handle(|client, now| client.request(now, query));
    let next = ask(&mut desk);
    let sent = ids(&desk.sent());
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
    desk.text(&part(&sent[0], partial, &["a", "]b["]));
    desk.text(&part(&sent[0], partial, &["c"]));
    desk.text(&part("999", partial, &["somebody else's"]));
    assert!(
        desk.events.iter().all(|event| !matches!(event, Event::Answer { .. } | Event::RequestFailed { .. }))
    );
    desk.text(&part(&sent[0], "", &["d", "e"]));
    let Some(Event::Answer { request: answered, answer }) = desk.events.pop_back() else {
        panic!("no answer")
    };
    assert_eq!(answered, request);
    let Ok(Body::Statuses(users)) = answer.body() else { panic!("{answer:?}") };
    let names: Vec<_> = users.iter().map(|user| user.user.as_str()).collect();
    assert_eq!(names, ["a", "]b[", "c", "d", "e"]);
    desk.text(&part(&sent[1], "", &["f"]));
    let Some(Event::Answer { request: answered, answer }) = desk.events.pop_back() else {
        panic!("no answer")
    };
    assert_eq!(answered, next);
    assert!(matches!(answer.body(), Ok(Body::Statuses(users)) if users.len() == 1));
}

#[test]
fn half_an_answer_ends_with_its_connection() {
    let mut desk = Desk::live(Config::default());
    let query = || Query::Watch { users: Vec::new(), group: "team".into() };
    let request = desk.handle(|client, now| client.request(now, query()));
    let id = ids(&desk.sent()).remove(0);
    let frame = |id: &str, status: &str| {
        format!(
            r#"{{"message_type":"user_status_response","request_id":"{id}",{status}"data":{{"users":[{{"user_id":"a"}}]}}}}"#
        )
    };
    desk.text(&frame(&id, r#""status":"partial","#));
    desk.close(None, "");
    assert_eq!(failed(&mut desk), [(request, RequestError::Disconnected)]);
    desk.pass(500);
    desk.open();
    desk.text(&crate::desk::connected(&inbox("e1", 1, 0)));
    desk.handle(|client, now| client.request(now, query()));
    let id = ids(&desk.sent()).remove(0);
    desk.text(&frame(&id, ""));
    let Some(Event::Answer { answer, .. }) = desk.events.pop_back() else { panic!("no answer") };
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
        let mut desk = Desk::live(Config::default());
        let first = desk.handle(|client, now| client.request(now, query()));
        let id = ids(&desk.sent()).remove(0);
        desk.text(&part(&id, r#""status":"partial","#, "a"));
        if is_refused {
            desk.text(&format!(
                r#"{{"message_type":"error","request_id":"{id}","code":80902,"reason":"the rest is not to be had"}}"#
            ));
        } else {
            desk.pass(20_000);
        }
        assert!(matches!(failed(&mut desk).as_slice(), [(request, _)] if *request == first));
        desk.handle(|client, now| client.request(now, query()));
        let id = ids(&desk.sent()).pop().expect("a request");
        desk.text(&part(&id, "", "b"));
        let Some(Event::Answer { answer, .. }) = desk.events.pop_back() else { panic!("no answer") };
        let Ok(Body::Statuses(users)) = answer.body() else { panic!("{answer:?}") };
        let names: Vec<_> = users.iter().map(|user| user.user.as_str()).collect();
        assert_eq!(names, ["b"], "refused: {is_refused}");
    }
}
