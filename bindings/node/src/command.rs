//! What JavaScript asks a session for.

use napi::bindgen_prelude::Uint8Array;
use napi::{Error, Result, Status};
use napi_derive::napi;
use wsc_client::TokenError;
use wsc_client::session::Command as SessionCommand;

/// A command, see [`SessionCommand`]. A token that is absent: not now, and `why`; without that never.
#[napi(discriminant = "do", discriminant_case = "camelCase", object_to_js = false)]
#[allow(missing_docs, reason = "each is the command of its name, and so are its fields")]
pub enum Command {
    Connect,
    Network { online: bool },
    Send { id: String, object: String, payload: Option<Uint8Array> },
    Cancel { id: String },
    Request { ticket: i64, object: String },
    MarkRead { stream: String, peer: String, position: i64 },
    Acknowledge { stream: String, generation: u32, position: i64 },
    Read { streams: Vec<String> },
    Token { token: Option<String>, why: Option<String> },
    Close,
}

impl Command {
    pub(crate) fn checked(self) -> Result<SessionCommand> {
        Ok(match self {
            Self::Connect => SessionCommand::Connect,
            Self::Network { online } => SessionCommand::Network { online },
            Self::Send { id, object, payload } => SessionCommand::Send {
                message_id: id,
                object,
                payload: payload.map(|payload| payload.to_vec()),
            },
            Self::Cancel { id } => SessionCommand::Cancel { message_id: id },
            Self::Request { ticket, object } => {
                SessionCommand::Request { ticket: whole(ticket, "ticket")?, object }
            }
            Self::MarkRead { stream, peer, position } => {
                SessionCommand::MarkRead { stream, peer, position: whole(position, "position")? }
            }
            Self::Acknowledge { stream, generation, position } => {
                SessionCommand::Acknowledge { stream, generation, position: whole(position, "position")? }
            }
            Self::Read { streams } => SessionCommand::Read { streams },
            Self::Token { token, why } => {
                let error = why.map_or(TokenError::Denied, TokenError::Temporary);
                SessionCommand::Token { token: token.ok_or(error) }
            }
            Self::Close => SessionCommand::Close,
        })
    }
}

/// A number that JavaScript gave.
pub(crate) fn whole(number: i64, name: &str) -> Result<u64> {
    u64::try_from(number)
        .map_err(|_| Error::new(Status::InvalidArg, format!("{name} is {number}: it must not be below 0")))
}
