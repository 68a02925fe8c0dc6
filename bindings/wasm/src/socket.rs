//! The WebSocket: one at a time, with one set of handlers for all of them. A late event of an older one is recognised by
//! its target and dropped.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use js_sys::Uint8Array;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, Event, EventTarget, MessageEvent, WebSocket};
use wsc_core::client::Link;
use wsc_core::frame::Frame;
use wsc_core::limits::SUBPROTOCOL;

/// What a socket says.
pub(crate) enum Heard {
    Open,
    Text(String),
    Binary(Vec<u8>),
    /// The code is absent when no Close frame came.
    Closed(Option<u16>, String),
}

type Current = Rc<RefCell<Option<(Link, WebSocket)>>>;

pub(crate) struct Socket {
    current: Current,
    hear: Closure<dyn FnMut(Event)>,
}

impl Socket {
    pub(crate) fn new(heard: impl Fn(Link, Heard) + 'static) -> Self {
        let current = Current::default();
        let of = Rc::clone(&current);
        let hear = Closure::new(move |event: Event| {
            let link = {
                let current = of.borrow();
                let Some((link, socket)) = current.as_ref() else { return };
                let this: &EventTarget = socket.as_ref();
                if event.target().as_ref() != Some(this) {
                    return;
                }
                *link
            };
            if let Some(what) = read(&event) {
                heard(link, what);
            }
        });
        Self { current, hear }
    }

    /// Opens a socket in place of the one before; false when the platform refuses the address.
    pub(crate) fn open(&self, url: &str, link: Link) -> bool {
        let Ok(socket) = WebSocket::new_with_str(url, SUBPROTOCOL) else { return false };
        socket.set_binary_type(BinaryType::Arraybuffer);
        let hear = Some(self.hear.as_ref().unchecked_ref());
        socket.set_onopen(hear);
        socket.set_onmessage(hear);
        socket.set_onclose(hear);
        // Says nothing that `onclose` after it does not; but in Node an error that nobody hears ends the process.
        socket.set_onerror(hear);
        self.current.replace(Some((link, socket)));
        true
    }

    pub(crate) fn send(&self, link: Link, frame: &Frame) {
        let current = self.current.borrow();
        let Some((_, socket)) = current.as_ref().filter(|current| current.0 == link) else { return };
        // Fails only while it opens, when nothing is sent; a socket that has closed says so itself.
        let _ = match frame {
            Frame::Text(text) => socket.send_with_str(text),
            Frame::Binary(bytes) => socket.send_with_u8_array(bytes),
        };
    }

    pub(crate) fn close(&self, link: Link, code: u16, reason: &str) {
        let Some((_, socket)) = self.current.take().filter(|current| current.0 == link) else { return };
        socket.set_onopen(None);
        socket.set_onmessage(None);
        socket.set_onclose(None);
        // Browsers let pages send 1000 and 4000 to 4999.
        let code = if code == 1000 || code >= 4000 { code } else { 1000 };
        let _ = socket.close_with_code_and_reason(code, reason);
    }
}

fn read(event: &Event) -> Option<Heard> {
    Some(match event.type_().as_str() {
        "open" => Heard::Open,
        "message" => {
            let data = event.unchecked_ref::<MessageEvent>().data();
            match data.as_string() {
                Some(text) => Heard::Text(text),
                None => Heard::Binary(Uint8Array::new(&data).to_vec()),
            }
        }
        "close" => {
            let close = event.unchecked_ref::<CloseEvent>();
            // 1005: a Close frame without a code; 1006: none.
            Heard::Closed((close.code() != 1006).then(|| close.code()), close.reason())
        }
        _ => return None,
    })
}
