//! The token: held, asked for, renewed before it ends. Never checks a signature; it only reads when a token ends.

use alloc::borrow::ToOwned as _;
use alloc::string::String;

use super::requests::Purpose;
use super::{Client, Closed, Phase, Timer};
use crate::client::Action;
use crate::frame::encode_refresh;
use crate::time::Timestamp;

/// The provider has this long to answer, in milliseconds.
const FETCH_MS: u64 = 60_000;
/// A token is renewed this long before it ends, in milliseconds.
const MARGIN_MS: u64 = 60_000;

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not now: it is asked for again with backoff.
    #[error("no token just now")]
    Temporary,
    /// There will be none: the client closes.
    #[error("there will be no token")]
    Denied,
}

#[derive(Debug, Default)]
pub(super) struct Token {
    pub(super) text: Option<String>,
    /// When it ends, if it says so.
    ends: Option<Timestamp>,
    /// The hub said no to this one.
    refused: Option<String>,
    /// Credentials refused in a row, without a connection between.
    refusals: u32,
    fetching: bool,
}

impl Token {
    pub(super) fn new(text: Option<String>) -> Self {
        let ends = text.as_deref().and_then(end_of);
        Self { text, ends, ..Self::default() }
    }

    /// The hub took it.
    pub(super) fn accepted(&mut self) {
        self.refusals = 0;
        self.refused = None;
    }
}

impl Client {
    /// The application's answer to [`Action::FetchToken`]; a fresh token may also be given unasked.
    pub fn supply_token(&mut self, now: Timestamp, token: Result<String, TokenError>) {
        self.token.fetching = false;
        let text = match token {
            Ok(text) => text,
            Err(error) => return self.token_failed(now, error),
        };
        let same = self.token.text.as_deref() == Some(&text);
        self.token.ends = end_of(&text);
        let refused = self.token.refused.as_deref() == Some(&text);
        self.token.text = Some(text);
        match self.phase {
            Phase::Token if refused && self.token.refusals > 0 => {
                self.timers.stop(Timer::Token);
                self.enter(Phase::Closed(Closed::Hub {
                    code: crate::CloseCode::Unauthorized,
                    reason: "the same token again".to_owned(),
                }));
            }
            Phase::Token => self.open(now),
            Phase::Live => {
                self.watch_token(now);
                if !same {
                    let token = self.token.text.clone().unwrap_or_default();
                    self.ask(now, Purpose::Refresh, &mut |id, out| encode_refresh(id, &token, out));
                }
            }
            _ => {}
        }
    }

    pub(super) fn token_failed(&mut self, now: Timestamp, error: TokenError) {
        self.token.fetching = false;
        self.timers.stop(Timer::Token);
        match self.phase {
            Phase::Token if error == TokenError::Denied => self.enter(Phase::Closed(Closed::NoToken)),
            Phase::Token => self.wait(now, None),
            Phase::Live if error == TokenError::Temporary => {
                self.timers.set(Timer::Refresh, now + MARGIN_MS / 6);
            }
            _ => {}
        }
    }

    /// Whether a token must be fetched before a socket is opened.
    pub(super) fn needs_token(&self, now: Timestamp) -> bool {
        let lasts = self.token.text.is_some() && self.token.ends.is_some_and(|at| at > now + MARGIN_MS);
        self.config.token_provider && !lasts
    }

    pub(super) fn fetch_token(&mut self, now: Timestamp) {
        if matches!(self.phase, Phase::Token) {
            self.timers.set(Timer::Token, now + FETCH_MS);
        }
        if !self.token.fetching {
            self.token.fetching = true;
            self.actions.push(Action::FetchToken);
        }
    }

    /// Plans the renewal of the token in use.
    pub(super) fn watch_token(&mut self, now: Timestamp) {
        self.timers.stop(Timer::Refresh);
        if let (true, Some(ends)) = (self.config.token_provider, self.token.ends) {
            let left = ends.saturating_sub(now);
            if left > 0 {
                // Short-lived tokens are renewed at half their life, and never more than once a second.
                self.timers.set(Timer::Refresh, now + (left - MARGIN_MS.min(left / 2)).max(1000));
            }
        }
    }

    /// The hub refused the token; true when a fresh one may be had.
    pub(super) fn token_refused(&mut self, unauthorized: bool) -> bool {
        if unauthorized {
            self.token.refusals += 1;
            self.token.refused = self.token.text.clone();
        }
        if self.config.token_provider {
            self.token.text = None;
            self.token.ends = None;
        }
        self.config.token_provider && self.token.refusals < 2
    }
}

/// When a JWT ends, in milliseconds; `None` when it does not say so or is none.
fn end_of(token: &str) -> Option<Timestamp> {
    let dot = token.bytes().position(|byte| byte == b'.')?;
    let claims = decode_base64url(token.as_bytes().get(dot + 1..)?)?;
    number_after(claims.as_bytes(), b"\"exp\"").map(|seconds| seconds.min(Timestamp::MAX / 1000) * 1000)
}

/// Up to the next dot. Each byte becomes the character of its number, so that only ASCII is what it was: enough for
/// those who look for it, and a `String` grows by code that is there already.
fn decode_base64url(text: &[u8]) -> Option<String> {
    let mut out = String::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.iter().copied() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            b'.' => break,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(char::from((bits >> held & 0xff) as u8));
        }
    }
    Some(out)
}

/// The whole number behind a quoted name. A quoted name cannot stand inside a JSON text unescaped, so that this finds
/// the field without reading the rest; which level it stands on does not matter to those who ask.
pub(super) fn number_after(json: &[u8], name: &[u8]) -> Option<u64> {
    crate::codes::number_after(json, name, b": \t\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_from_its_claims() {
        // {"uid":"a","exp":1795528800}
        assert_eq!(end_of("e30.eyJ1aWQiOiJhIiwiZXhwIjoxNzk1NTI4ODAwfQ.c2ln"), Some(1_795_528_800_000));
        for none in ["", "opaque", "a.b.c", "a.e30.c", "a.!.c", "..", "a.eyJleHAiOiJ4In0.c"] {
            assert_eq!(end_of(none), None);
        }
    }
}
