//! What JavaScript calls. One input or command, then everything the machine says, then its next deadline.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::mem::swap;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::WebSocket;
use wsc_core::client::bridge::{FaultCode, Flag, Flat, Input, Kind, Rejection};
use wsc_core::client::{Action, Client, Link, Owner, Saved, SavedSend, SendError, SendId, Sync, TokenError};
use wsc_core::frame::{Fault, Frame};
use wsc_core::{CloseCode, StreamName};

use crate::environment::{Environment, now, number, whole};
use crate::settings::{config, has};

/// One device's connection.
#[wasm_bindgen]
pub struct Session {
    client: RefCell<Client>,
    environment: Environment,
    socket: RefCell<Option<WebSocket>>,
    /// As it was told last.
    sync: Cell<Sync>,
}

#[wasm_bindgen]
impl Session {
    /// A session that is idle. `lines` and the numbers: see `settings.rs`. `saved` is what an earlier session stored: its bytes
    /// in the order they came. The environment is told at once, without a flush: the device; how far each stream was read and
    /// what is not settled; a fault for a record that could not be read whole, and one that names the owner where it is somebody else's.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::too_many_arguments, reason = "a call without an object is the cheapest")]
    pub fn new(
        lines: &str,
        flags: u32,
        storage: u32,
        outbox_count: u32,
        outbox_bytes: u32,
        flight_count: u32,
        receipts: u32,
        addresses: u32,
        seed: u64,
        saved: &[u8],
        environment: Environment,
    ) -> Self {
        let limits = [outbox_count, outbox_bytes, flight_count, receipts];
        let (owner, mut config) = config(lines, flags, storage, limits, addresses);
        let (mut saved, whole) = Saved::salvage(saved);
        if !saved.device_id.is_empty() && has(flags, Flag::KeptDevice) {
            swap(&mut config.device_id, &mut saved.device_id);
        }
        let mut client = Client::new(config, seed);
        let device = [client.device_id(), "", ""];
        environment.put(Flat { texts: device, ..Flat::sync(client.sync()) });
        for cursor in &saved.cursors {
            let texts = [cursor.stream.as_str(), "", ""];
            environment.put(Flat::new(Kind::StreamOpened, &[0, cursor.seq + 1], texts));
        }
        for SavedSend { id, message_id, frame, .. } in &saved.sends {
            let (object, bytes) = frame.parts().unwrap_or_default();
            let flat = Flat::new(Kind::Saved, &[id.0], [message_id, "", object]);
            environment.put(Flat { bytes, ..flat });
        }
        if !whole {
            environment.put(Flat::new(Kind::Fault, &[FaultCode::Saved as u64], [""; 3]));
        }
        client.restore(saved);
        if !client.set_owner(owner) {
            let owner = client.owner().as_str();
            environment.put(Flat::new(Kind::Fault, &[FaultCode::Saved as u64], [owner, "", ""]));
        }
        Self { client: RefCell::new(client), environment, socket: RefCell::default(), sync: Cell::default() }
    }

    /// One input or command: an [`Input`] with its numbers, texts and bytes. Gives the number of a send or a request, else 0.
    #[allow(clippy::needless_pass_by_value, reason = "what crosses is this side's")]
    pub fn input(&self, kind: u8, x: f64, y: f64, text: String, detail: &str, bytes: Option<Vec<u8>>) -> f64 {
        let given = self.give(kind, whole(x), whole(y), text, detail, bytes.as_deref());
        self.settle();
        number(given)
    }

    /// Everything a later session needs, in place of all that was stored.
    pub fn snapshot(&self) -> Uint8Array {
        Uint8Array::from(&self.client.borrow().encode()[..])
    }
}

const CONNECT: u8 = Input::Connect as u8;
const CLOSE: u8 = Input::Close as u8;
const SEND: u8 = Input::Send as u8;
const CANCEL: u8 = Input::Cancel as u8;
const ACKNOWLEDGE: u8 = Input::Acknowledge as u8;
const REQUEST: u8 = Input::Request as u8;
const MARK_READ: u8 = Input::MarkRead as u8;
const TOKEN: u8 = Input::Token as u8;
const TOKEN_FAILED: u8 = Input::TokenFailed as u8;
const NO_TOKEN: u8 = Input::NoToken as u8;
const STORED: u8 = Input::Stored as u8;
const NETWORK: u8 = Input::Network as u8;
const TIMEOUT: u8 = Input::Timeout as u8;
const OPENED: u8 = Input::Opened as u8;
const TEXT: u8 = Input::Text as u8;
const BINARY: u8 = Input::Binary as u8;

const OTHER_TENANT: &str = "the token is of another application or namespace";

/// What a browser says where no Close frame came.
const NO_CLOSE_FRAME: u64 = 1006;

impl Session {
    #[allow(clippy::cast_possible_truncation, reason = "links, generations and close codes are small")]
    fn give(&self, kind: u8, x: u64, y: u64, text: String, detail: &str, bytes: Option<&[u8]>) -> u64 {
        let (client, now) = (&mut *self.client.borrow_mut(), now());
        let link = Link(x as u32);
        match kind {
            CONNECT => client.connect(now),
            CLOSE => client.close(now),
            SEND => match client.send_object(now, text, bytes) {
                Ok((send, _)) => return send.0,
                Err(error) => self.rejected(&error),
            },
            CANCEL => {
                client.cancel(now, SendId(x));
            }
            ACKNOWLEDGE => {
                if let Some(stream) = StreamName::parse(text) {
                    client.acknowledge(now, &stream, x as u32, y);
                }
            }
            REQUEST => return client.request_object(now, &text).0,
            MARK_READ => {
                if let Some(stream) = StreamName::parse(text) {
                    client.mark_read(now, &stream, detail, x);
                }
            }
            TOKEN => {
                let is_ours = client.set_owner(Owner::from_text(detail.into()));
                let token = if is_ours { Ok(text) } else { Err(TokenError::Temporary(OTHER_TENANT.into())) };
                client.supply_token(now, token);
            }
            TOKEN_FAILED => client.supply_token(now, Err(TokenError::Temporary(text))),
            NO_TOKEN => client.supply_token(now, Err(TokenError::Denied)),
            STORED => client.handle_stored(now, SendId(x)),
            NETWORK => client.handle_network(now, x > 0),
            TIMEOUT => client.handle_timeout(now),
            OPENED => client.handle_open(now, link),
            TEXT => client.handle_text(now, link, &text),
            BINARY => client.handle_binary(now, link, bytes.unwrap_or_default()),
            _ => {
                let code = (y != NO_CLOSE_FRAME).then(|| CloseCode::from_number(y as u16));
                client.handle_close(now, link, code, &text);
            }
        }
        0
    }

    fn rejected(&self, error: &SendError) {
        let wrong = match error {
            SendError::Invalid(error) | SendError::Unreadable(Fault::Field(error)) => {
                [error.field, error.reason, ""]
            }
            SendError::Unreadable(Fault::Twice { field }) => [field, "given twice", ""],
            _ => [""; 3],
        };
        self.environment.put(Flat::new(Kind::Rejected, &[Rejection::of(error) as u64], wrong));
    }

    /// Everything that follows from an input or a command.
    #[inline(never)]
    fn settle(&self) {
        let next_event = || self.client.borrow_mut().poll_event();
        let next_action = || self.client.borrow_mut().poll_action();
        loop {
            while let Some(event) = next_event() {
                self.environment.put(event.flat(&self.client.borrow()));
            }
            let Some(action) = next_action() else { break };
            self.perform(action);
        }
        let client = self.client.borrow();
        let (sync, deadline) = (client.sync(), client.poll_timeout().unwrap_or(0));
        drop(client);
        if self.sync.replace(sync) != sync {
            self.environment.put(Flat::sync(sync));
        }
        // May call back into this session.
        self.environment.flush(number(deadline));
    }

    fn perform(&self, action: Action) {
        match action {
            Action::Open { link } => {
                let address = self.client.borrow().address();
                let socket = self.environment.open(link.0, address);
                if socket.is_none() {
                    self.client.borrow_mut().handle_close(now(), link, None, "");
                }
                self.socket.replace(socket);
            }
            Action::Send { frame, .. } => {
                let socket = self.socket.borrow();
                let Some(socket) = socket.as_ref() else { return };
                // Fails only while it opens, when nothing is sent; a socket that has closed says so itself.
                let _ = match &frame {
                    Frame::Text(text) => socket.send_with_str(text),
                    Frame::Binary(bytes) => socket.send_with_u8_array(bytes),
                };
            }
            Action::Close { code, reason, .. } => {
                let Some(socket) = self.socket.take() else { return };
                // Browsers let pages send 1000 and 4000 to 4999.
                let code = code.number();
                let code = if code == 1000 || code >= 4000 { code } else { 1000 };
                let _ = socket.close_with_code_and_reason(code, reason);
            }
            Action::FetchToken => self.environment.put(Flat::new(Kind::FetchToken, &[], [""; 3])),
            Action::Persist(change) => self.environment.persist(&change),
        }
    }
}
