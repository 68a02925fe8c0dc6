//! What JavaScript gives the machine: sockets, a timer, a clock, and someone to tell. Never decides when.

use alloc::vec::Vec;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::WebSocket;
use wsc_core::Timestamp;
use wsc_core::client::Change;
use wsc_core::client::bridge::{Flat, Kind};

#[wasm_bindgen]
extern "C" {
    /// The JavaScript side of a session.
    pub type Environment;

    /// One thing that happened: a [`Kind`], its numbers, texts and bytes.
    #[wasm_bindgen(method)]
    #[allow(clippy::too_many_arguments, reason = "a call without an object is the cheapest")]
    fn tell(
        this: &Environment,
        kind: u32,
        w: f64,
        x: f64,
        y: f64,
        z: f64,
        a: &str,
        b: &str,
        c: &str,
        bytes: Option<Uint8Array>,
    );

    /// Opens a socket, whose events come back under the link's number, at an address: this number modulo how many there are.
    /// Absent: the platform refuses the address.
    #[wasm_bindgen(method)]
    pub(crate) fn open(this: &Environment, link: u32, address: u32) -> Option<WebSocket>;

    /// The machine has said everything. The session's `timeout` is to be called at this time, in milliseconds since 1970;
    /// 0: never.
    #[wasm_bindgen(method)]
    pub(crate) fn flush(this: &Environment, deadline: f64);
}

impl Environment {
    /// Something happened.
    pub(crate) fn put(&self, flat: Flat<'_>) {
        let Flat { kind, numbers, texts: [a, b, c], bytes } = flat;
        let [w, x, y, z] = numbers.map(number);
        self.tell(kind as u32, w, x, y, z, a, b, c, bytes.map(Uint8Array::from));
    }

    /// A change is to be stored.
    pub(crate) fn persist(&self, change: &Change) {
        let mut bytes = Vec::new();
        change.encode(&mut bytes);
        let confirm = change.confirm().map_or(0, |send| send.0);
        self.put(Flat { bytes: Some(&bytes), ..Flat::new(Kind::Persist, &[confirm], [""; 3]) });
    }
}

/// The clock of the machine: milliseconds since 1970.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a date of our time is a whole number"
)]
pub(crate) fn now() -> Timestamp {
    js_sys::Date::now() as Timestamp
}

/// The whole number as JavaScript has it; those of the protocol stay below 2^53.
#[allow(clippy::cast_precision_loss, reason = "positions and times stay below 2^53")]
pub(crate) fn number(value: u64) -> f64 {
    value as f64
}

/// A number of JavaScript; what is not one is 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` keeps within bounds")]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}
