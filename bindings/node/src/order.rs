//! What JavaScript asks a session for.

use napi::bindgen_prelude::Uint8Array;
use napi::{Error, Result, Status};
use napi_derive::napi;
use wsc_client::{Order, TokenError};

/// An order, see [`Order`]. A token that is absent: not now, and `why`; without that never.
#[napi(discriminant = "do", discriminant_case = "camelCase", object_to_js = false)]
#[allow(missing_docs, reason = "each is the order of its name, and so are its fields")]
pub enum Command {
    Connect,
    Network { online: bool },
    Send { id: String, object: String, payload: Option<Uint8Array> },
    Cancel { id: String },
    Request { ticket: i64, object: String },
    MarkRead { stream: String, peer: String, seq: i64 },
    Acknowledge { stream: String, generation: u32, seq: i64 },
    Read { streams: Vec<String> },
    Token { token: Option<String>, why: Option<String> },
    Close,
}

impl Command {
    pub(crate) fn order(self) -> Result<Order> {
        Ok(match self {
            Self::Connect => Order::Connect,
            Self::Network { online } => Order::Network { online },
            Self::Send { id, object, payload } => {
                Order::Send { message_id: id, object, payload: payload.map(|payload| payload.to_vec()) }
            }
            Self::Cancel { id } => Order::Cancel { message_id: id },
            Self::Request { ticket, object } => Order::Request { ticket: whole(ticket, "ticket")?, object },
            Self::MarkRead { stream, peer, seq } => Order::MarkRead { stream, peer, seq: whole(seq, "seq")? },
            Self::Acknowledge { stream, generation, seq } => {
                Order::Acknowledge { stream, generation, seq: whole(seq, "seq")? }
            }
            Self::Read { streams } => Order::Read { streams },
            Self::Token { token, why } => {
                let error = why.map_or(TokenError::Denied, TokenError::Temporary);
                Order::Token { token: token.ok_or(error) }
            }
            Self::Close => Order::Close,
        })
    }
}

/// A number that JavaScript gave.
pub(crate) fn whole(number: i64, name: &str) -> Result<u64> {
    u64::try_from(number)
        .map_err(|_| Error::new(Status::InvalidArg, format!("{name} is {number}: it must not be below 0")))
}
