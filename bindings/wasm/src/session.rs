//! What JavaScript calls.

use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cell::Cell;

use wasm_bindgen::prelude::*;
use wsc_core::StreamName;
use wsc_core::client::{Client, Config, Identity, Saved, SendError, SendId, Storage, TokenError};
use wsc_core::frame::Fault;

use crate::driver::Driver;
use crate::sink::{Sink, number};

/// The settings as text, one in a line: no name or token has a line break in it. Empty: as the machine has it.
///
/// url, client's name, device, token, user, type, application, namespace; the groups to read, if not all.
fn config(lines: &str, numbers: &[u32]) -> (String, Config) {
    let mut lines = lines.split('\n').map(String::from);
    let mut next = || lines.next().unwrap_or_default();
    let url = next();
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
        token_provider: flags & TOKEN_PROVIDER != 0,
        groups: (flags & CHOSEN_GROUPS != 0).then(|| lines.collect()),
        start_at_head: flags & START_AT_HEAD != 0,
        auto_acknowledge: flags & ACKNOWLEDGES != 0,
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
    (url, config)
}

/// Tokens are asked for.
const TOKEN_PROVIDER: u32 = 1;
/// Only the groups named are read.
const CHOSEN_GROUPS: u32 = 2;
/// A new device begins at the heads.
const START_AT_HEAD: u32 = 4;
/// Entries count as handed over when they are told.
const ACKNOWLEDGES: u32 = 8;

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
    /// A session that is idle. `lines`: url, client's name, device, token, user, user's type, application, namespace,
    /// then the groups to read. `numbers`: flags (1 tokens are asked for, 2 only the groups named, 4 a new device begins
    /// at the heads, 8 what is told counts as handed over), storage (0 none, 1 behind, 2 durable), and limits (sends
    /// kept, their bytes, sends under way, receipts waited for); 0: the default. `saved` is what an earlier session
    /// stored: its bytes in the order they came; `false` of `restored` says that it could not be read.
    #[wasm_bindgen(constructor)]
    pub fn new(lines: &str, numbers: &[u32], seed: u64, saved: &[u8], sink: Sink) -> Self {
        let (url, config) = config(lines, numbers);
        let mut client = Client::new(config, seed);
        let restored = Saved::decode(saved).map(|saved| client.restore(saved)).is_some();
        Self { driver: Driver::new(url, client, sink), wrong: Cell::default(), restored }
    }

    /// Whether what was saved could be read.
    pub fn restored(&self) -> bool {
        self.restored
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

    /// Takes a message: its JSON, and the bytes beside it. Its number, or below 0 why not: −1 outbox full, −2 too
    /// large, −3 a field is wrong, −4 unreadable, −5 repeated, −6 closed.
    #[allow(clippy::needless_pass_by_value, reason = "bytes cross by value")]
    pub fn send(&self, object: String, payload: Option<Vec<u8>>) -> f64 {
        let taken = self.driver.act(|client, now| client.send_object(now, object, payload.as_deref()));
        match taken {
            Ok((send, _)) => number(send.0),
            Err(SendError::OutboxFull) => -1.0,
            Err(SendError::TooLarge { .. }) => -2.0,
            Err(SendError::Invalid(error)) => {
                self.wrong.set([error.field, error.reason]);
                -3.0
            }
            Err(SendError::Unreadable(fault)) => {
                let twice = if let Fault::Twice { field } = fault { [field, "given twice"] } else { [""; 2] };
                self.wrong.set(twice);
                -4.0
            }
            Err(SendError::Repeated) => -5.0,
            Err(SendError::Closed) => -6.0,
        }
    }

    /// The field that the last refused send had wrong, and what it should be.
    pub fn wrong(&self) -> String {
        self.wrong.get().join(": ")
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

    /// The token asked for; none: not now, or never.
    #[wasm_bindgen(js_name = supplyToken)]
    pub fn supply_token(&self, token: Option<String>, never: bool) {
        let error = if never { TokenError::Denied } else { TokenError::Temporary };
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

    /// How things stand: 0 sends not stored yet, 1 sends kept, 2 sends under way, 3 whether all streams are caught up,
    /// 4 attempts to connect that failed in a row.
    pub fn count(&self, which: u32) -> u32 {
        let client = self.driver.client.borrow();
        let sync = client.sync();
        let count = match which {
            0 => sync.unsaved,
            1 => sync.saved,
            2 => sync.under_way,
            3 => usize::from(sync.caught_up),
            _ => return client.attempts(),
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The sends not settled yet, in order: each one's message as JSON, one in a line, without the bytes beside it.
    pub fn pending(&self) -> String {
        let saved = self.driver.client.borrow().snapshot();
        let mut lines = String::new();
        for (object, _) in saved.sends.iter().filter_map(|send| send.frame.parts().ok()) {
            lines.push_str(object);
            lines.push('\n');
        }
        lines
    }

    /// How far the application is: position and stream, one in a line.
    pub fn cursors(&self) -> String {
        let mut lines = String::new();
        for cursor in self.driver.client.borrow().snapshot().cursors {
            lines.push_str(&cursor.seq.to_string());
            lines.push(' ');
            lines.push_str(cursor.stream.as_str());
            lines.push('\n');
        }
        lines
    }

    /// The user, once the hub named it.
    pub fn user(&self) -> String {
        self.driver.client.borrow().user_id().into()
    }
}

/// A number of JavaScript; what is none is 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` keeps within bounds")]
fn whole(number: f64) -> u64 {
    number as u64
}
