//! Orders as they cross from the JVM: those of [`wsc_client::Order`], with signed numbers.

use wsc_client::TokenError;

/// An order and whom it is for.
#[derive(Debug, uniffi::Record)]
pub struct Addressed {
    /// The session's number, see [`crate::Switchboard::open`].
    pub session: i32,
    /// What it is to do.
    pub order: Order,
}

/// What the application asks for. Each is explained at its namesake in [`wsc_client::Order`].
#[derive(Debug, uniffi::Enum)]
pub enum Order {
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
        seq: i64,
    },
    Acknowledge {
        stream: String,
        generation: i32,
        seq: i64,
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

impl From<Order> for wsc_client::Order {
    fn from(order: Order) -> Self {
        match order {
            Order::Connect => Self::Connect,
            Order::Network { online } => Self::Network { online },
            Order::Send { message_id, object, payload } => {
                Self::Send { message_id, object: text(object), payload }
            }
            Order::Cancel { message_id } => Self::Cancel { message_id },
            Order::Request { ticket, object } => {
                Self::Request { ticket: ticket.unsigned_abs(), object: text(object) }
            }
            Order::MarkRead { stream, peer, seq } => {
                // None is below the first: that one is refused.
                Self::MarkRead { stream, peer, seq: seq.try_into().unwrap_or(0) }
            }
            Order::Acknowledge { stream, generation, seq } => {
                Self::Acknowledge { stream, generation: generation.unsigned_abs(), seq: seq.unsigned_abs() }
            }
            Order::Read { streams } => Self::Read { streams },
            Order::Token { token } => Self::Token { token: Ok(token) },
            Order::NoToken => Self::Token { token: Err(TokenError::Denied) },
            Order::TokenFailed { why } => Self::Token { token: Err(TokenError::Temporary(why)) },
            Order::Close => Self::Close,
        }
    }
}

/// JSON comes as bytes, as the JVM's writers make it. What is no UTF-8 is no JSON, and the machine says so.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
