//! The one timer: set to the machine's next deadline, moved when that moves.

use core::cell::Cell;

use wasm_bindgen::prelude::*;
use wsc_core::Timestamp;

/// Longer waits overflow in browsers and end at once.
const LONGEST_MS: u64 = 0x7fff_ffff;

#[wasm_bindgen]
extern "C" {
    // A number in browsers, an object in Node.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(run: &Closure<dyn FnMut()>, ms: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(handle: &JsValue);
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

pub(crate) struct Timer {
    run: Closure<dyn FnMut()>,
    set: Cell<Option<(Timestamp, JsValue)>>,
}

impl Timer {
    pub(crate) fn new(run: impl FnMut() + 'static) -> Self {
        Self { run: Closure::new(run), set: Cell::new(None) }
    }

    /// It ran.
    pub(crate) fn ran(&self) {
        self.set.set(None);
    }

    pub(crate) fn set(&self, deadline: Option<Timestamp>) {
        let before = self.set.take();
        match (before, deadline) {
            (Some((at, handle)), Some(deadline)) if at == deadline => self.set.set(Some((at, handle))),
            (before, deadline) => {
                if let Some((_, handle)) = before {
                    clear_timeout(&handle);
                }
                if let Some(at) = deadline {
                    let ms = at.saturating_sub(now()).min(LONGEST_MS);
                    self.set.set(Some((at, set_timeout(&self.run, crate::sink::number(ms)))));
                }
            }
        }
    }
}
