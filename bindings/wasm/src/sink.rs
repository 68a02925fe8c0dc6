//! How things get to JavaScript: one call each, with numbers and texts whose meaning the kind tells.

use alloc::vec::Vec;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wsc_core::client::Change;
use wsc_core::client::bridge::{Flat, Kind};

#[wasm_bindgen]
extern "C" {
    /// Where everything goes.
    pub type Sink;

    /// One thing that happened.
    #[wasm_bindgen(method)]
    fn tell(this: &Sink, kind: u32, numbers: &[f64], a: &str, b: &str, c: &str, bytes: Option<Uint8Array>);

    /// The machine has said everything.
    #[wasm_bindgen(method)]
    pub(crate) fn flush(this: &Sink);
}

/// The whole number as JavaScript has it; those of the protocol stay below 2^53.
#[allow(clippy::cast_precision_loss, reason = "positions and times stay below 2^53")]
pub(crate) fn number(value: u64) -> f64 {
    value as f64
}

impl Sink {
    /// A token is wanted.
    pub(crate) fn fetch_token(&self) {
        self.tell(Kind::FetchToken as u32, &[0.0; 4], "", "", "", None);
    }

    /// A change is to be stored.
    pub(crate) fn persist(&self, change: &Change) {
        let mut bytes = Vec::new();
        change.encode(&mut bytes);
        let confirm = change.confirm().map_or(0, |send| send.0);
        let numbers = [number(confirm), 0.0, 0.0, 0.0];
        self.tell(Kind::Persist as u32, &numbers, "", "", "", Some(Uint8Array::from(&bytes[..])));
    }

    /// Something happened.
    pub(crate) fn put(&self, flat: Flat<'_>) {
        let Flat { kind, numbers, texts: [a, b, c], bytes } = flat;
        self.tell(kind as u32, &numbers.map(number), a, b, c, bytes.map(Uint8Array::from));
    }
}
