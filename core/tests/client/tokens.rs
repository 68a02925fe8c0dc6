//! Tokens: fetched, renewed, refused. Only an explicit "none" ends a client that can ask.

use wsc_core::client::{Action, Closed, Config, Event, Fault, Owner, State, Storage, TokenError};

use crate::harness::{Harness, START, connected, ids, inbox};

/// A token of no value that ends `ms` after the start.
fn token(ms: u64) -> String {
    let claims = format!(r#"{{"uid":"alice","exp":{}}}"#, (START + ms) / 1000);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::from("e30.");
    for chunk in claims.as_bytes().chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(alphabet[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text + ".c2ln"
}

/// Tokens that say nothing of when they end.
const OLD: &str = "e30.e30.old";
const NEW: &str = "e30.e30.new";

fn provided() -> Config {
    Config { token_provider: true, ..Config::default() }
}

fn fetches(harness: &mut Harness) -> bool {
    let fetches = harness.actions.contains(&Action::FetchToken);
    harness.actions.clear();
    fetches
}

fn supply(harness: &mut Harness, token: Result<&str, TokenError>) {
    harness.handle(|client, now| client.supply_token(now, token.map(str::to_owned)));
}

fn live(token: &str) -> Harness {
    let mut harness = Harness::new(provided());
    harness.handle(|client, now| client.connect(now));
    assert!(fetches(&mut harness));
    supply(&mut harness, Ok(token));
    assert!(harness.open().contains(token));
    harness.text(&connected(&inbox("e1", 1, 0)));
    harness.clear();
    harness
}

/// Passes time until the client asks for a token; it must not take longer than `ms`, with a hub that answers pings.
fn until_asked(harness: &mut Harness, ms: u64) {
    let end = harness.now + ms;
    while !fetches(harness) {
        assert!(harness.now < end, "not asked for within {ms} ms");
        harness.pass(1000);
        if harness.client.state() == State::Connected {
            harness.text(r#"{"message_type":"pong"}"#);
        }
    }
}

/// The faults told since they were last asked for.
fn faults(harness: &mut Harness) -> Vec<String> {
    let faults = harness.events.drain(..).filter_map(|event| match event {
        Event::Fault(fault @ Fault::Token { .. }) => Some(fault.to_string()),
        _ => None,
    });
    faults.collect()
}

/// What a token service answers when it is ill, and its application hands on.
const NO_TOKENS: [&str; 7] = ["", " ", "<html>502</html>", r#"{"error":"x"}"#, "null", "one.two", "a.b.c.d"];

#[test]
fn what_is_no_jwt_is_a_fault_and_the_provider_is_asked_again() {
    for bad in NO_TOKENS {
        let mut harness = Harness::new(provided());
        harness.handle(|client, now| client.connect(now));
        for _ in 0..5 {
            until_asked(&mut harness, 31_000);
            supply(&mut harness, Ok(bad));
            assert!(matches!(harness.client.state(), State::Waiting { .. }), "{bad:?}");
            let told = faults(&mut harness);
            assert_eq!(told, ["no token: the answer is not a JWT"], "{bad:?}");
            assert_eq!(harness.opened(), None, "{bad:?}");
        }
        until_asked(&mut harness, 31_000);
        supply(&mut harness, Ok(NEW));
        assert!(harness.open().contains(NEW));
    }
}

#[test]
fn white_space_around_a_token_is_no_fault() {
    let mut harness = Harness::new(provided());
    harness.handle(|client, now| client.connect(now));
    supply(&mut harness, Ok(" e30.e30.new\n"));
    assert_eq!((faults(&mut harness).len(), harness.opened().is_some()), (0, true));
}

#[test]
fn a_provider_that_does_not_answer_is_a_fault_too() {
    let mut harness = Harness::new(provided());
    harness.handle(|client, now| client.connect(now));
    assert!(fetches(&mut harness));
    harness.pass(60_000);
    assert_eq!(faults(&mut harness), ["no token: no answer in time"]);
    assert!(matches!(harness.client.state(), State::Waiting { .. }));
    until_asked(&mut harness, 1000);
}

#[test]
fn a_token_is_fetched_before_the_socket_opens() {
    let mut harness = Harness::new(provided());
    harness.handle(|client, now| client.connect(now));
    assert_eq!((harness.opened(), fetches(&mut harness)), (None, true));
    supply(&mut harness, Ok(NEW));
    assert!(harness.open().contains(r#""token":"e30.e30.new""#));
}

#[test]
fn a_provider_that_fails_is_asked_again_and_one_that_denies_is_not() {
    let mut harness = Harness::new(provided());
    harness.handle(|client, now| client.connect(now));
    fetches(&mut harness);
    supply(&mut harness, Err(TokenError::temporary("the service is down")));
    assert_eq!(faults(&mut harness), ["no token: the service is down"]);
    assert!(matches!(harness.client.state(), State::Waiting { .. }));
    harness.pass(500);
    assert!(fetches(&mut harness));
    supply(&mut harness, Err(TokenError::Denied));
    assert_eq!(harness.client.state(), State::Closed(Closed::NoToken));
}

#[test]
fn a_token_is_renewed_on_the_live_connection_before_it_ends() {
    let mut harness = live(&token(600_000));
    for _ in 0..60 {
        harness.pass(9_000);
        harness.text(r#"{"message_type":"pong"}"#);
        harness.sent();
    }
    assert_eq!(harness.now - START, 540_000);
    assert!(fetches(&mut harness));
    supply(&mut harness, Ok(&token(1_200_000)));
    let sent = harness.sent();
    assert!(sent[0].contains(r#""message_type":"refresh""#), "{sent:?}");
    harness.text(&format!(r#"{{"message_type":"ack","request_id":"{}"}}"#, ids(&sent)[0]));
    assert_eq!(harness.client.state(), State::Connected);
}

#[test]
fn a_token_that_lasts_is_used_for_the_next_connection() {
    let mut harness = live(&token(3_600_000));
    harness.close(None, "");
    harness.pass(500);
    assert_eq!((harness.opened().is_some(), fetches(&mut harness)), (true, false));
}

#[test]
fn an_expired_token_is_replaced() {
    let mut harness = live(OLD);
    harness.close(4002, "expired");
    assert_eq!(faults(&mut harness), ["token refused: expired"]);
    harness.pass(500);
    assert!(fetches(&mut harness));
    supply(&mut harness, Ok(NEW));
    assert!(harness.open().contains(NEW));
}

#[test]
fn refused_credentials_are_told_and_tried_again_ever_slower_as_long_as_the_provider_gives_some() {
    let mut harness = live(OLD);
    harness.close(4001, "the signature is wrong");
    // The same one again, too: it may be the hub that does not know the key yet.
    let mut waits = Vec::new();
    for given in [OLD, OLD, NEW, OLD, OLD, OLD, OLD, OLD, NEW] {
        let told = faults(&mut harness);
        assert_eq!(told, ["token refused: the signature is wrong"]);
        let State::Waiting { until } = harness.client.state() else { panic!("{:?}", harness.client.state()) };
        waits.push(until - harness.now);
        until_asked(&mut harness, 31_000);
        supply(&mut harness, Ok(given));
        assert!(harness.open().contains(given));
        harness.close(4001, "the signature is wrong");
    }
    assert!(waits.iter().max() > Some(&3000), "{waits:?}");
    until_asked(&mut harness, 31_000);
    supply(&mut harness, Ok(OLD));
    harness.open();
    harness.text(&connected(&inbox("e1", 1, 0)));
    assert_eq!(harness.client.state(), State::Connected);
    // Only this is the end.
    harness.close(4001, "");
    until_asked(&mut harness, 31_000);
    supply(&mut harness, Err(TokenError::Denied));
    assert_eq!(harness.client.state(), State::Closed(Closed::NoToken));
}

#[test]
fn a_connection_of_another_user_is_not_used_and_another_token_is_asked_for() {
    let mut harness = Harness::new(Config { storage: Storage::Durable, ..provided() });
    assert!(harness.client.set_owner(Owner::new("mallory", "", "")));
    assert!(!harness.client.set_owner(Owner::new("alice", "", "")));
    assert!(harness.client.set_owner(Owner::from_text("mallory".to_owned())));
    assert!(!harness.client.set_owner(Owner::new("mallory", "shop", "")));
    harness.say("m1");
    harness.handle(|client, now| client.connect(now));
    supply(&mut harness, Ok(&token(600_000)));
    harness.open();
    harness.clear();
    harness.text(&connected(&inbox("e1", 1, 0)));
    assert_eq!((harness.closed_with(), harness.sent().len()), (Some(1000), 0));
    assert_eq!(faults(&mut harness), ["token refused: another user"]);
    assert!(
        harness.actions.iter().all(|action| !matches!(action, Action::Persist(_))),
        "{:?}",
        harness.actions
    );
    until_asked(&mut harness, 1000);
    assert_eq!(harness.client.snapshot().owner, Owner::new("mallory", "", ""));
}

/// A client whose token is about to end and was asked for.
fn renewing() -> Harness {
    let mut harness = live(&token(600_000));
    until_asked(&mut harness, 541_000);
    harness.clear();
    harness
}

#[test]
fn a_bad_answer_at_renewal_does_not_disturb_the_connection() {
    for bad in NO_TOKENS {
        let mut harness = renewing();
        supply(&mut harness, Ok(bad));
        assert_eq!((faults(&mut harness).len(), harness.sent().len()), (1, 0), "{bad:?}");
        assert_eq!(harness.client.state(), State::Connected);
        until_asked(&mut harness, 15_000);
        supply(&mut harness, Err(TokenError::temporary("down")));
        assert_eq!(faults(&mut harness), ["no token: down"]);
        // "None" ends nothing before the token does.
        until_asked(&mut harness, 15_000);
        supply(&mut harness, Err(TokenError::Denied));
        assert_eq!(harness.client.state(), State::Connected);
    }
}

#[test]
fn a_fresh_token_that_the_hub_refuses_does_not_disturb_the_connection() {
    let mut harness = renewing();
    supply(&mut harness, Ok(NEW));
    let sent = harness.sent();
    assert!(sent[0].contains(r#""message_type":"refresh""#), "{sent:?}");
    let id = &ids(&sent)[0];
    harness.text(&format!(
        r#"{{"message_type":"error","request_id":"{id}","code":80304,"reason":"another user"}}"#
    ));
    assert_eq!(faults(&mut harness), ["token refused: another user"]);
    assert_eq!(harness.client.state(), State::Connected);
    until_asked(&mut harness, 30_000);
}

#[test]
fn a_connection_that_ends_with_a_refused_renewal_is_made_again_with_the_token_that_is_good() {
    let good = token(600_000);
    let mut harness = live(&good);
    supply(&mut harness, Ok(NEW));
    assert!(harness.sent()[0].contains(NEW));
    harness.close(4001, "another user");
    assert_eq!(faults(&mut harness), ["token refused: another user"]);
    harness.pass(500);
    assert_eq!((harness.opened().is_some(), fetches(&mut harness)), (true, false));
    harness.handle(|client, now| client.handle_open(now, client.link()));
    assert!(harness.sent()[0].contains(&good));
}

#[test]
fn a_renewal_counts_once_the_hub_has_taken_it() {
    let fresh = token(1_200_000);
    let mut harness = renewing();
    supply(&mut harness, Ok(&fresh));
    let sent = harness.sent();
    harness.text(&format!(r#"{{"message_type":"ack","request_id":"{}"}}"#, ids(&sent)[0]));
    harness.close(None, "");
    harness.pass(500);
    assert_eq!((harness.opened().is_some(), fetches(&mut harness)), (true, false));
    harness.handle(|client, now| client.handle_open(now, client.link()));
    assert!(harness.sent()[0].contains(&fresh));
}

#[test]
fn without_a_provider_refused_credentials_are_the_end() {
    for code in [4001, 4002] {
        let mut harness = Harness::live(Config { token: Some("t".into()), ..Config::default() });
        harness.close(code, "");
        assert!(matches!(harness.client.state(), State::Closed(_)));
    }
}
