//! What JavaScript calls.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::mem::swap;

use wasm_bindgen::prelude::*;
use wsc_core::StreamName;
use wsc_core::client::bridge::{Flag, Rejection};
use wsc_core::client::{Client, Config, Identity, Owner, Saved, SendError, SendId, Storage, TokenError};
use wsc_core::frame::{Fault, write_number};

use crate::driver::Driver;
use crate::sink::{Sink, number};

/// The settings as text, one in a line: no name or token has a line break in it. Empty: as the machine has it.
///
/// url, owner, client's name, device, token, user, type, application, namespace; the groups to read, if not all.
fn config(lines: &str, numbers: &[u32]) -> (String, String, bool, Config) {
    let mut lines = lines.split('\n').map(String::from);
    let mut next = || lines.next().unwrap_or_default();
    let (url, owner) = (next(), next());
    let (client, device_id, token) = (next(), next(), Some(next()).filter(|token| !token.is_empty()));
    let identity = Identity {
        user_id: next(),
        user_type: next(),
        app_id: next(),
        namespace: next(),
        groups: Vec::new(),
    };
    let mut numbers = numbers.iter().copied();
    let mut next = || numbers.next().unwrap_or_default();
    let flags = next();
    let mut config = Config {
        client,
        device_id,
        token,
        identity,
        token_provider: has(flags, Flag::TokenProvider),
        groups: has(flags, Flag::ChosenGroups).then(|| lines.collect()),
        start_at_head: has(flags, Flag::StartAtHead),
        auto_acknowledge: has(flags, Flag::AutoAcknowledge),
        storage: match next() {
            0 => Storage::None,
            1 => Storage::Behind,
            _ => Storage::Durable,
        },
        ..Config::default()
    };
    for limit in
        [&mut config.outbox_count, &mut config.outbox_bytes, &mut config.flight_count, &mut config.receipts]
    {
        let wanted = next();
        if wanted > 0 {
            *limit = wanted as usize;
        }
    }
    (url, owner, has(flags, Flag::KeptDevice), config)
}

const fn has(flags: u32, flag: Flag) -> bool {
    flags & flag as u32 != 0
}

/// One device's connection.
#[wasm_bindgen]
pub struct Session {
    driver: Rc<Driver>,
    /// Which field the last refused send had wrong, and what it should be.
    wrong: Cell<[&'static str; 2]>,
    restored: bool,
}

#[wasm_bindgen]
impl Session {
    /// A session that is idle. `lines`: url, owner ([`Owner::as_str`]), client's name, device, token, user, user's type, application, namespace,
    /// then the groups to read. `numbers`: flags ([`Flag`]), storage (0 none, 1 behind, 2 durable), and limits (sends
    /// kept, their bytes, sends under way, receipts waited for); 0: the default. `saved` is what an earlier session
    /// stored: its bytes in the order they came.
    #[wasm_bindgen(constructor)]
    pub fn new(lines: &str, numbers: &[u32], seed: u64, saved: &[u8], sink: Sink) -> Self {
        let (url, owner, kept, mut config) = config(lines, numbers);
        let (mut saved, restored) = Saved::salvage(saved);
        if !saved.device_id.is_empty() && kept {
            swap(&mut config.device_id, &mut saved.device_id);
        }
        let mut client = Client::new(config, seed);
        client.restore(saved);
        client.set_owner(Owner::from_text(owner));
        Self { driver: Driver::new(url, client, sink), wrong: Cell::default(), restored }
    }

    /// Connects, and keeps connected.
    pub fn connect(&self) {
        self.driver.act(|client, now| client.connect(now));
    }

    /// Closes for good.
    pub fn close(&self) {
        self.driver.act(|client, now| client.close(now));
        self.driver.stop();
    }

    /// Takes a message: its JSON, and the bytes beside it. Its number, or below 0 why not: a [`Rejection`].
    #[allow(clippy::needless_pass_by_value, reason = "bytes cross by value")]
    pub fn send(&self, object: String, payload: Option<Vec<u8>>) -> f64 {
        let taken = self.driver.act(|client, now| client.send_object(now, object, payload.as_deref()));
        let error = match taken {
            Ok((send, _)) => return number(send.0),
            Err(error) => error,
        };
        match &error {
            SendError::Invalid(error) | SendError::Unreadable(Fault::Field(error)) => {
                self.wrong.set([error.field, error.reason]);
            }
            SendError::Unreadable(Fault::Twice { field }) => self.wrong.set([field, "given twice"]),
            _ => self.wrong.set([""; 2]),
        }
        -f64::from(Rejection::of(&error) as u8)
    }

    /// The field that the last refused send had wrong, and what it should be; empty: no JSON object.
    pub fn wrong(&self) -> String {
        let [field, reason] = self.wrong.get();
        let mut text = String::from(field);
        if !text.is_empty() {
            text.push_str(": ");
            text.push_str(reason);
        }
        text
    }

    /// Takes back a send that never went out.
    pub fn cancel(&self, send: f64) -> bool {
        self.driver.act(|client, now| client.cancel(now, SendId(whole(send))))
    }

    /// The application has everything of a stream up to here.
    pub fn acknowledge(&self, stream: &str, generation: u32, seq: f64) {
        if let Some(stream) = StreamName::parse(stream) {
            self.driver.act(|client, now| client.acknowledge(now, &stream, generation, whole(seq)));
        }
    }

    /// Asks the hub: a frame without `message_id`. The answer comes with this number.
    pub fn request(&self, object: &str) -> f64 {
        number(self.driver.act(|client, now| client.request_object(now, object)).0)
    }

    /// Everything of a conversation up to here was read.
    #[wasm_bindgen(js_name = markRead)]
    pub fn mark_read(&self, stream: &str, peer: &str, seq: f64) {
        if let Some(stream) = StreamName::parse(stream) {
            self.driver.act(|client, now| client.mark_read(now, &stream, peer, whole(seq)));
        }
    }

    /// The token asked for; none: not now, and why, or never.
    #[wasm_bindgen(js_name = supplyToken)]
    pub fn supply_token(&self, token: Option<String>, why: Option<String>) {
        let error = why.map_or(TokenError::Denied, TokenError::Temporary);
        self.driver.act(|client, now| client.supply_token(now, token.ok_or(error)));
    }

    /// All sends up to this one are stored.
    pub fn stored(&self, up_to: f64) {
        self.driver.act(|client, now| client.handle_stored(now, SendId(whole(up_to))));
    }

    /// Somebody looks again: a wait ends, a live connection is tested.
    pub fn wake(&self) {
        self.driver.act(|client, now| client.handle_network(now, true));
    }

    /// Everything a later session needs, in place of all that was stored.
    pub fn snapshot(&self) -> Vec<u8> {
        self.driver.client.borrow().snapshot().encode()
    }

    /// How things stand, in lines: this installation's id (empty: the hub keeps nothing for this device); whose the client
    /// is, which is not the owner given where the record is another's; anything, where not all of the record could be read; per stream how far the application
    /// is, as position and name; the messages of sends not settled yet as JSON, in order, without the bytes beside them.
    pub fn standing(&self) -> String {
        let saved = self.driver.client.borrow().snapshot();
        let mut lines = saved.device_id;
        lines.push('\n');
        lines.push_str(saved.owner.as_str());
        lines.push('\n');
        lines.push_str(if self.restored { "\n" } else { "damaged\n" });
        for cursor in saved.cursors {
            write_number(&mut lines, cursor.seq);
            lines.push(' ');
            lines.push_str(cursor.stream.as_str());
            lines.push('\n');
        }
        for (object, _) in saved.sends.iter().filter_map(|send| send.frame.parts().ok()) {
            lines.push_str(object);
            lines.push('\n');
        }
        lines
    }
}

/// A number of JavaScript; what is none is 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` keeps within bounds")]
fn whole(number: f64) -> u64 {
    number as u64
}
