//! Executes the commands of a session on the machine.

use wsc_core::client::{Client, RequestId, SendError, SendId};
use wsc_core::{StreamName, Timestamp};

use super::Command;
use crate::owner;

/// What became of a command.
pub(crate) enum Executed {
    /// It is done.
    Done,
    /// A message was taken, or not.
    Send { message_id: String, taken: Result<SendId, SendError> },
    /// The hub is asked.
    Asked { ticket: u64, request: RequestId },
    /// The application has these.
    Handed { stream: String, generation: u32, position: u64 },
    /// The application reads these from now on.
    Reads(Vec<String>),
    /// The client is to be closed.
    Close,
}

/// Executes a command. One that names no stream does nothing.
pub(crate) fn execute(machine: &mut Client, now: Timestamp, command: Command) -> Executed {
    match command {
        Command::Connect => machine.connect(now),
        Command::Network { online } => machine.handle_network(now, online),
        Command::Send { message_id, object, payload } => {
            let taken = machine.send_object(now, object, payload.as_deref()).map(|(send, _)| send);
            return Executed::Send { message_id, taken };
        }
        Command::Cancel { message_id } => {
            let send = machine.unsettled().find(|(_, id)| *id == message_id).map(|(send, _)| send);
            if let Some(send) = send {
                machine.cancel(now, send);
            }
        }
        Command::Request { ticket, object } => {
            return Executed::Asked { ticket, request: machine.request_object(now, &object) };
        }
        Command::MarkRead { stream, peer, position } => {
            if let Some(stream) = StreamName::parse(stream) {
                machine.mark_read(now, &stream, &peer, position);
            }
        }
        Command::Acknowledge { stream, generation, position } => {
            if let Some(name) = StreamName::parse(stream.as_str()) {
                machine.acknowledge(now, &name, generation, position);
            }
            return Executed::Handed { stream, generation, position };
        }
        Command::Read { streams } => return Executed::Reads(streams),
        Command::Token { token } => {
            let token = owner::checked(machine, token);
            machine.supply_token(now, token);
        }
        Command::Close => return Executed::Close,
    }
    Executed::Done
}
