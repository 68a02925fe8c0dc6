//! Tokens: fetched, renewed, refused.

use wsc_core::CloseCode;
use wsc_core::client::{Action, Closed, Config, State, TokenError};

use crate::desk::{Desk, START, connected, ids, inbox};

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

fn provided() -> Config {
    Config { token_provider: true, ..Config::default() }
}

fn fetches(desk: &mut Desk) -> bool {
    let fetches = desk.actions.contains(&Action::FetchToken);
    desk.actions.clear();
    fetches
}

fn supply(desk: &mut Desk, token: Result<String, TokenError>) {
    desk.handle(|client, now| client.supply_token(now, token));
}

fn live(token: &str) -> Desk {
    let mut desk = Desk::new(provided());
    desk.handle(|client, now| client.connect(now));
    assert!(fetches(&mut desk));
    supply(&mut desk, Ok(token.to_owned()));
    assert!(desk.open().contains(token));
    desk.text(&connected(&inbox("e1", 1, 0)));
    desk.clear();
    desk
}

#[test]
fn a_token_is_fetched_before_the_socket_opens() {
    let mut desk = Desk::new(provided());
    desk.handle(|client, now| client.connect(now));
    assert_eq!((desk.opened(), fetches(&mut desk)), (None, true));
    supply(&mut desk, Ok("t".into()));
    assert!(desk.open().contains(r#""token":"t""#));
}

#[test]
fn a_provider_that_fails_is_asked_again_and_one_that_denies_is_not() {
    let mut desk = Desk::new(provided());
    desk.handle(|client, now| client.connect(now));
    fetches(&mut desk);
    supply(&mut desk, Err(TokenError::Temporary));
    assert!(matches!(desk.client.state(), State::Waiting { .. }));
    desk.pass(500);
    assert!(fetches(&mut desk));
    supply(&mut desk, Err(TokenError::Denied));
    assert_eq!(desk.client.state(), State::Closed(Closed::NoToken));
}

#[test]
fn a_token_is_renewed_on_the_live_connection_before_it_ends() {
    let mut desk = live(&token(600_000));
    for _ in 0..60 {
        desk.pass(9_000);
        desk.text(r#"{"message_type":"pong"}"#);
        desk.sent();
    }
    assert_eq!(desk.now - START, 540_000);
    assert!(fetches(&mut desk));
    supply(&mut desk, Ok(token(1_200_000)));
    let sent = desk.sent();
    assert!(sent[0].contains(r#""message_type":"refresh""#), "{sent:?}");
    desk.text(&format!(r#"{{"message_type":"ack","request_id":"{}"}}"#, ids(&sent)[0]));
    assert_eq!(desk.client.state(), State::Connected);
}

#[test]
fn a_token_that_lasts_is_used_for_the_next_connection() {
    let mut desk = live(&token(3_600_000));
    desk.close(None, "");
    desk.pass(500);
    assert_eq!((desk.opened().is_some(), fetches(&mut desk)), (true, false));
}

#[test]
fn an_expired_token_is_replaced() {
    let mut desk = live("old");
    desk.close(4002, "");
    desk.pass(500);
    assert!(fetches(&mut desk));
    supply(&mut desk, Ok("new".into()));
    assert!(desk.open().contains(r#""token":"new""#));
}

#[test]
fn refused_credentials_are_tried_once_more_with_a_fresh_token() {
    let closed = State::Closed(Closed::Hub { code: CloseCode::Unauthorized, reason: String::new() });
    let mut desk = live("old");
    desk.close(4001, "");
    desk.pass(500);
    assert!(fetches(&mut desk));
    supply(&mut desk, Ok("new".into()));
    desk.open();
    desk.close(4001, "");
    assert_eq!(desk.client.state(), closed);
    let mut same = live("old");
    same.close(4001, "");
    same.pass(500);
    supply(&mut same, Ok("old".into()));
    assert!(matches!(same.client.state(), State::Closed(_)));
}

#[test]
fn without_a_provider_refused_credentials_are_the_end() {
    for code in [4001, 4002] {
        let mut desk = Desk::live(Config { token: Some("t".into()), ..Config::default() });
        desk.close(code, "");
        assert!(matches!(desk.client.state(), State::Closed(_)));
    }
}
