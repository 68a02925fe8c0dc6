//! Carrying out orders on the machine.

use wsc_core::client::{Client, RequestId, SendError, SendId};
use wsc_core::{StreamName, Timestamp};

use super::Order;
use crate::owner;

/// What became of an order.
pub(crate) enum Carried {
    /// It is done.
    Done,
    /// A message was taken, or not.
    Send { message_id: String, taken: Result<SendId, SendError> },
    /// The hub is asked.
    Asked { ticket: u64, request: RequestId },
    /// The application has these.
    Handed { stream: String, generation: u32, seq: u64 },
    /// The application reads these from now on.
    Reads(Vec<String>),
    /// The client is to be closed.
    Close,
}

/// Carries out an order. A stream with no proper name is none that could be meant.
pub(crate) fn carry(machine: &mut Client, now: Timestamp, order: Order) -> Carried {
    match order {
        Order::Connect => machine.connect(now),
        Order::Network { online } => machine.handle_network(now, online),
        Order::Send { message_id, object, payload } => {
            let taken = machine.send_object(now, object, payload.as_deref()).map(|(send, _)| send);
            return Carried::Send { message_id, taken };
        }
        Order::Cancel { message_id } => {
            let send = machine.unsettled().find(|(_, id)| *id == message_id).map(|(send, _)| send);
            if let Some(send) = send {
                machine.cancel(now, send);
            }
        }
        Order::Request { ticket, object } => {
            return Carried::Asked { ticket, request: machine.request_object(now, &object) };
        }
        Order::MarkRead { stream, peer, seq } => {
            if let Some(stream) = StreamName::parse(stream) {
                machine.mark_read(now, &stream, &peer, seq);
            }
        }
        Order::Acknowledge { stream, generation, seq } => {
            if let Some(name) = StreamName::parse(stream.as_str()) {
                machine.acknowledge(now, &name, generation, seq);
            }
            return Carried::Handed { stream, generation, seq };
        }
        Order::Read { streams } => return Carried::Reads(streams),
        Order::Token { token } => {
            let token = owner::checked(machine, token);
            machine.supply_token(now, token);
        }
        Order::Close => return Carried::Close,
    }
    Carried::Done
}
