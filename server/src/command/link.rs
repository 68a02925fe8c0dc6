//! The connection of `wsc send` and `wsc listen` to a hub, and the texts for its failures. The protocol is the client's.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use futures_util::{FutureExt as _, StreamExt as _};
use wsc_client::{Builder, Client, CloseCode, Closed, Notice, State};

/// The arguments both have.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("identity").required(true)))]
pub(super) struct Link {
    /// Where the hub is. Several addresses, separated by commas, are those of hubs with one store: when one cannot be
    /// reached, the next is tried.
    #[arg(long, env = "WSC_URL", value_delimiter = ',', default_value = "ws://127.0.0.1:8080/ws")]
    url: Vec<String>,
    /// User id to connect as (only on a hub without authentication).
    #[arg(long, group = "identity")]
    user: Option<String>,
    /// Token, where it runs with (see `wsc token`).
    #[arg(long, env = "WSC_TOKEN", hide_env_values = true, group = "identity")]
    token: Option<String>,
    /// PEM file with the certificates of authorities to trust beside the usual ones, for wss.
    #[arg(long, value_name = "FILE", env = "WSC_CA")]
    ca: Option<PathBuf>,
    /// The reason why there is no connection.
    #[arg(skip)]
    cause: RefCell<String>,
}

impl Link {
    pub(super) fn builder(&self) -> Result<Builder, String> {
        let urls: Vec<String> = self.url.iter().map(|url| complete(url.trim())).collect();
        let mut builder = Client::builder(urls).name(concat!("wsc-command/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &self.ca {
            let pem = std::fs::read_to_string(file);
            let pem = pem.map_err(|error| format!("the file {} cannot be read: {error}", file.display()))?;
            builder = builder.authorities(pem);
        }
        Ok(match (&self.token, &self.user) {
            // A file or a variable often ends with a line break.
            (Some(token), None) => builder.token(token.trim()),
            (_, user) => builder.user(user.as_deref().unwrap_or_default()),
        })
    }

    /// Says on stderr how the connection is; returns why it is over for good.
    pub(super) async fn follow(&self, client: &Client, talkative: bool) -> String {
        let (mut states, mut notices) = (client.states(), client.notices());
        let mut was_connected = false;
        loop {
            let state = states.borrow_and_update().clone();
            // This comes before the state changes.
            while let Some(Some(notice)) = notices.next().now_or_never() {
                if let Notice::Disconnected { connected: false, reason, .. } = notice {
                    *self.cause.borrow_mut() = reason;
                }
            }
            match state {
                State::Connected => {
                    if talkative || was_connected {
                        eprintln!("connected to {}", client.address());
                    }
                    was_connected = true;
                }
                State::Waiting { until } if was_connected => {
                    eprintln!("connection lost; next try in {}", left(until));
                }
                State::Waiting { until } => {
                    eprintln!("{}; next try in {}", self.unreachable(client), left(until));
                }
                State::Closed(why) => return self.ended(&why),
                State::Idle | State::Connecting => {}
            }
            if states.changed().await.is_err() {
                return "the client ended".to_owned();
            }
        }
    }

    pub(super) fn unreachable(&self, client: &Client) -> String {
        let address = client.address();
        let cause = self.cause.borrow();
        let detail = if cause.is_empty() { String::new() } else { format!(" ({})", plain(&cause)) };
        if cause.contains("certificate") {
            return format!(
                "the certificate of {address} is not accepted{detail}; if its authority is your own, give it with --ca FILE"
            );
        }
        format!(
            "no hub at {address}: is it running? start it with `wsc serve`, or name another with --url{detail}"
        )
    }

    fn ended(&self, why: &Closed) -> String {
        let (code, reason) = match why {
            Closed::Application => return "the client ended".to_owned(),
            Closed::NoToken => return "the token has expired; make a new one with `wsc token`".to_owned(),
            Closed::Hub { code, reason } => (code, reason),
        };
        let what = match *code {
            CloseCode::Unauthorized if self.token.is_none() => {
                "the hub wants a token: give --token or WSC_TOKEN, made with `wsc token`"
            }
            CloseCode::Unauthorized if reason.contains("without authentication") => {
                "the hub takes no tokens: give --user in place of --token and WSC_TOKEN"
            }
            CloseCode::Unauthorized => {
                "the hub did not accept the token: make one with its own secret file, `wsc token`"
            }
            CloseCode::TokenExpired => "the token has expired: make a new one with `wsc token`",
            CloseCode::Replaced => {
                "another connection of this user and device took over: give each its own --device"
            }
            CloseCode::Kicked => "the hub ended this connection for good",
            CloseCode::Forbidden => "the hub does not allow this",
            CloseCode::Violation => {
                "this is not a hub that speaks wsc.v1 (is the URL right? its path is /ws)"
            }
            _ => "the hub closed the connection",
        };
        let detail = if reason.is_empty() { String::new() } else { format!(", {}", plain(reason)) };
        format!("{what} ({}{detail})", code.number())
    }
}

/// An address may be a mere `HOST:PORT`, as the hub's `--listen` has it.
fn complete(url: &str) -> String {
    if url.is_empty() || url.contains("://") { url.to_owned() } else { format!("ws://{url}") }
}

/// What is left until a moment.
fn left(until: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(until).saturating_sub(now);
    format!("{:.1} s", left.as_secs_f64())
}

/// Text of others for a terminal, which control characters could command: they are written as escapes, and a line
/// stays one line.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_scheme() {
        assert_eq!(complete("127.0.0.1:8080"), "ws://127.0.0.1:8080");
        for address in ["http://127.0.0.1:8080", "wss://hub.example", ""] {
            assert_eq!(complete(address), address);
        }
    }

    #[test]
    fn text_of_others_cannot_command_the_terminal() {
        assert_eq!(plain("héllo\n\x1b[2J"), "héllo\\n\\u{1b}[2J");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
    }
}
