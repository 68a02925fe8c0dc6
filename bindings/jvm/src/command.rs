//! Commands as they cross from the JVM: those of [`wsc_client::session::Command`], with signed numbers.

use wsc_client::TokenError;

/// A command of one session.
#[derive(Debug, uniffi::Record)]
pub struct Addressed {
    /// The session's number, see [`crate::Sessions::open`].
    pub session: i32,
    /// What it is to do.
    pub command: Command,
}

/// What the application asks for. Each is explained at its namesake in [`wsc_client::session::Command`].
#[derive(Debug, uniffi::Enum)]
pub enum Command {
    Connect,
    Network {
        online: bool,
    },
    Send {
        message_id: String,
        object: Vec<u8>,
        payload: Option<Vec<u8>>,
    },
    Cancel {
        message_id: String,
    },
    Request {
        ticket: i64,
        object: Vec<u8>,
    },
    MarkRead {
        stream: String,
        peer: String,
        position: i64,
    },
    Acknowledge {
        stream: String,
        generation: i32,
        position: i64,
    },
    Read {
        streams: Vec<String>,
    },
    Token {
        token: String,
    },
    /// There is none, and none will come.
    NoToken,
    /// It could not be had now.
    TokenFailed {
        why: String,
    },
    Close,
}

impl From<Command> for wsc_client::session::Command {
    fn from(command: Command) -> Self {
        match command {
            Command::Connect => Self::Connect,
            Command::Network { online } => Self::Network { online },
            Command::Send { message_id, object, payload } => {
                Self::Send { message_id, object: text(object), payload }
            }
            Command::Cancel { message_id } => Self::Cancel { message_id },
            Command::Request { ticket, object } => {
                Self::Request { ticket: ticket.unsigned_abs(), object: text(object) }
            }
            Command::MarkRead { stream, peer, position } => {
                // None is below the first: that one is refused.
                Self::MarkRead { stream, peer, position: position.try_into().unwrap_or(0) }
            }
            Command::Acknowledge { stream, generation, position } => Self::Acknowledge {
                stream,
                generation: generation.unsigned_abs(),
                position: position.unsigned_abs(),
            },
            Command::Read { streams } => Self::Read { streams },
            Command::Token { token } => Self::Token { token: Ok(token) },
            Command::NoToken => Self::Token { token: Err(TokenError::Denied) },
            Command::TokenFailed { why } => Self::Token { token: Err(TokenError::Temporary(why)) },
            Command::Close => Self::Close,
        }
    }
}

/// JSON comes as bytes, as the JVM's writers make it. What is no UTF-8 is no JSON, and the machine says so.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
