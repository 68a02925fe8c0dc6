//! The token: held, asked for, renewed before it ends. Where tokens are asked for, nothing but an explicit "none" is final:
//! a provider that fails, an answer that is not a token, and a token that the hub refuses are reported, and asked for again with
//! backoff. Never checks a signature; it only reads when a token ends.

use alloc::string::{String, ToString as _};

use super::requests::Purpose;
use super::{Action, Client, Closed, Event, Fault, Phase, Timer};
use crate::frame::encode_refresh;
use crate::time::Timestamp;

/// The provider has this long to answer, in milliseconds.
const FETCH_MS: u64 = 60_000;
/// A token is renewed this long before it ends, in milliseconds.
const MARGIN_MS: u64 = 60_000;
/// What a fault says when the hub closes with, or answers with, a refusal.
pub(super) const REFUSED: &str = "token refused";

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not now, with the reason: the application gets [`Fault::Token`], and the client asks again with backoff.
    #[error("{0}")]
    Temporary(String),
    /// There will be none: the client closes.
    #[error("there is no token")]
    Denied,
}

impl TokenError {
    /// [`TokenError::Temporary`] because of an error.
    ///
    /// ```
    /// use wsc_core::client::TokenError;
    /// let failed: Result<String, _> = Err("the token service is down").map_err(TokenError::temporary);
    /// assert_eq!(failed, Err(TokenError::Temporary("the token service is down".into())));
    /// ```
    pub fn temporary(cause: impl core::fmt::Display) -> Self {
        Self::Temporary(cause.to_string())
    }
}

/// A token, and when it ends, if it says so.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) text: String,
    ends: Option<Timestamp>,
}

impl Held {
    fn new(text: String) -> Self {
        Self { ends: end_of(&text), text }
    }
}

#[derive(Debug, Default)]
pub(super) struct Token {
    pub(super) used: Option<Held>,
    /// A fresh one, which the hub has not answered for yet.
    renewal: Option<Held>,
    fetching: bool,
}

impl Token {
    pub(super) fn new(text: Option<String>) -> Self {
        Self { used: text.map(Held::new), ..Self::default() }
    }

    /// The connection on which a fresh one was sent is over.
    pub(super) fn drop_renewal(&mut self) {
        self.renewal = None;
    }
}

impl Client {
    /// The application's answer to [`Action::FetchToken`]; a fresh token may also be given unasked. What is not a JWT counts
    /// as [`TokenError::Temporary`].
    pub fn supply_token(&mut self, now: Timestamp, token: Result<String, TokenError>) {
        self.token.fetching = false;
        let text = match token {
            Ok(text) if is_jwt(&text) => text,
            // Not which: it may be a secret all the same.
            Ok(_) => return self.token_failed(now, "the answer is not a JWT"),
            Err(TokenError::Temporary(why)) => return self.token_failed(now, &why),
            Err(TokenError::Denied) => {
                self.timers.stop(Timer::Token);
                if matches!(self.phase, Phase::Token) {
                    self.enter(Phase::Closed(Closed::NoToken));
                }
                return;
            }
        };
        let same = self.token.used.as_ref().is_some_and(|used| used.text == text);
        match self.phase {
            Phase::Live if same => self.watch_token(now),
            Phase::Live => {
                self.ask(now, Purpose::Refresh, &mut |id, out| encode_refresh(id, &text, out));
                // Unless the hub answers.
                self.renew_later(now);
                // The one in use counts until the hub has taken this one.
                self.token.renewal = Some(Held::new(text));
            }
            _ => {
                self.token.used = Some(Held::new(text));
                if matches!(self.phase, Phase::Token) {
                    self.open(now);
                }
            }
        }
    }

    pub(super) fn token_failed(&mut self, now: Timestamp, detail: &str) {
        self.token.fetching = false;
        self.timers.stop(Timer::Token);
        self.token_fault("no token", detail);
        match self.phase {
            Phase::Token => self.wait(now, None),
            Phase::Live => self.renew_later(now),
            _ => {}
        }
    }

    /// Asks for a fresh token once more, before the one in use ends.
    pub(super) fn renew_later(&mut self, now: Timestamp) {
        self.token.renewal = None;
        self.timers.set(Timer::Refresh, now + MARGIN_MS / 6);
    }

    /// The hub took the fresh token.
    pub(super) fn token_renewed(&mut self, now: Timestamp) {
        if let Some(renewal) = self.token.renewal.take() {
            self.token.used = Some(renewal);
            self.watch_token(now);
        }
    }

    fn token_ends(&self) -> Option<Timestamp> {
        self.token.used.as_ref()?.ends
    }

    /// Whether a token must be fetched before a socket is opened.
    pub(super) fn needs_token(&self, now: Timestamp) -> bool {
        let lasts = self.token_ends().is_some_and(|at| at > now + MARGIN_MS);
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
        if let (true, Some(ends)) = (self.config.token_provider, self.token_ends()) {
            let left = ends.saturating_sub(now);
            if left > 0 {
                // Short-lived tokens are renewed at half their life, and never more than once a second.
                self.timers.set(Timer::Refresh, now + (left - MARGIN_MS.min(left / 2)).max(1000));
            }
        }
    }

    /// The hub refused the token, or the fresh one that was sent to it, and closed; true when another may be had.
    pub(super) fn token_refused(&mut self, reason: &str) -> bool {
        if self.config.token_provider {
            self.token_fault(REFUSED, reason);
            // With a renewal under way it is that one.
            if self.token.renewal.is_none() {
                self.token.used = None;
            }
        }
        self.config.token_provider
    }

    pub(super) fn token_fault(&mut self, what: &'static str, detail: &str) {
        self.event(Event::Fault(Fault::Token { what, detail: detail.into() }));
    }
}

/// Whether a text has the shape of a JWT: three parts of base64url. The hub allows white space around it.
fn is_jwt(text: &str) -> bool {
    let mut dots = 0;
    let known = text.bytes().all(|byte| {
        dots += u32::from(byte == b'.');
        byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || matches!(byte, b'.' | b'-' | b'_')
    });
    known && dots == 2
}

/// The claims of a JWT, which nobody has checked: a JSON text; `None` when there is none in it.
///
/// ```
/// use wsc_core::client::token_claims;
/// assert_eq!(token_claims("e30.eyJ1aWQiOiJhIn0.c2ln").as_deref(), Some(r#"{"uid":"a"}"#));
/// ```
#[must_use]
pub fn token_claims(token: &str) -> Option<String> {
    let (_, rest) = token.split_once('.')?;
    let bytes =
        decode_base64url(rest.as_bytes())?.chars().filter_map(|letter| u8::try_from(letter).ok()).collect();
    String::from_utf8(bytes).ok()
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
