//! The smallest driver of the client machine there can be: numbers and one buffer in each direction, no bindings.
//!
//! It exists so that the machine's size as WebAssembly has a measure (`cargo tool sizes`); it is a working driver, but
//! the browser's SDK has its own.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::vec::Vec;

use wsc_core::client::{Action, Client, Config, Event, Link, Outcome, State};
use wsc_core::codes::CloseCode;
use wsc_core::frame::{Frame, text_of};

/// In WebAssembly a panic is a trap and says nothing: what would be said, and the machinery to say it, is a quarter of
/// the whole. Nothing the hub sends makes the machine panic; what is left is memory that runs out.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn trap(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// The standard allocator is a tenth of the whole; this one is a third of it and faster.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// A client with the buffers its frames and events pass through. The other side only holds its address.
pub struct Driver {
    client: Client,
    input: Vec<u8>,
    output: Vec<u8>,
    /// The socket the last action or event was about.
    link: u32,
    number: u64,
}

impl Driver {
    fn new(seed: u64) -> Self {
        let client = Client::new(Config::default(), seed);
        Self { client, input: Vec::new(), output: Vec::new(), link: 0, number: 0 }
    }

    /// Gives out a frame: what it is, if it is text, and else the next after that.
    fn give(&mut self, frame: Frame, text: Next, binary: Next) -> Next {
        match frame {
            Frame::Text(object) => {
                self.output = object.into_bytes();
                text
            }
            Frame::Binary(bytes) => {
                self.output = bytes;
                binary
            }
        }
    }

    fn tell(&mut self, event: Event) -> Next {
        match event {
            Event::Message(entry) => {
                self.number = entry.seq_no;
                self.give(entry.frame, Next::Message, Next::BinaryMessage)
            }
            Event::Volatile(frame) => {
                self.number = 0;
                self.give(frame, Next::Message, Next::BinaryMessage)
            }
            Event::Gap(gap) => {
                self.number = gap.to;
                Next::Gap
            }
            Event::Settled { message_id, outcome, .. } => {
                self.output = message_id.into_bytes();
                match outcome {
                    Outcome::Accepted { position, .. } => {
                        self.number = position;
                        Next::Accepted
                    }
                    _ => Next::Lost,
                }
            }
            Event::Receipt { message_id, stage, .. } => {
                self.output = message_id.into_bytes();
                self.number = stage as u64;
                Next::Receipt
            }
            Event::StateChanged(state) => {
                self.number = u64::from(matches!(state, State::Connected));
                Next::State
            }
            _ => Next::Other,
        }
    }

    /// Takes the next thing to tell or to do; what it is about lies in `output`, `link` and `number`.
    fn next(&mut self) -> Next {
        self.output.clear();
        if let Some(event) = self.client.poll_event() {
            return self.tell(event);
        }
        match self.client.poll_action() {
            None => Next::Nothing,
            Some(Action::Open { link }) => {
                self.link = link.0;
                Next::Open
            }
            Some(Action::Send { link, frame }) => {
                self.link = link.0;
                self.give(frame, Next::Send, Next::SendBinary)
            }
            Some(Action::Close { link, code, reason }) => {
                self.link = link.0;
                self.number = u64::from(code.number());
                self.output.extend_from_slice(reason.as_bytes());
                Next::Close
            }
            Some(Action::FetchToken | Action::Persist(_)) => Next::Other,
        }
    }
}

/// What [`wsc_next`] found.
#[derive(Clone, Copy)]
enum Next {
    Nothing,
    Open,
    Send,
    SendBinary,
    Close,
    Message,
    BinaryMessage,
    Gap,
    Accepted,
    Lost,
    Receipt,
    State,
    Other,
}

/// Makes a new client, which lives as long as this instance of the module.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_new(seed: u64) -> Box<Driver> {
    Box::new(Driver::new(seed))
}

/// Where `length` bytes of input are to be put.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_input(driver: &mut Driver, length: usize) -> *mut u8 {
    driver.input.resize(length, 0);
    driver.input.as_mut_ptr()
}

/// Where the output of [`wsc_next`] lies.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_output(driver: &Driver) -> *const u8 {
    driver.output.as_ptr()
}

/// How long the output is.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_output_length(driver: &Driver) -> usize {
    driver.output.len()
}

/// The socket the output is about.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_link(driver: &Driver) -> u32 {
    driver.link
}

/// The number the output is about: a position, a code, a stage.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_number(driver: &Driver) -> u64 {
    driver.number
}

/// The next thing to tell or to do; 0: nothing.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_next(driver: &mut Driver) -> u32 {
    driver.next() as u32
}

/// When [`wsc_timeout`] wants to be called; 0: never.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_deadline(driver: &Driver) -> u64 {
    driver.client.poll_timeout().unwrap_or(0)
}

/// Connects.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_connect(driver: &mut Driver, now: u64) {
    driver.client.connect(now);
}

/// A socket is open.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_opened(driver: &mut Driver, now: u64, link: u32) {
    driver.client.handle_open(now, Link(link));
}

/// A text frame lies in the input.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_text(driver: &mut Driver, now: u64, link: u32) {
    if let Ok(text) = text_of(&driver.input) {
        driver.client.handle_text(now, Link(link), text);
    }
}

/// A binary frame lies in the input.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_binary(driver: &mut Driver, now: u64, link: u32) {
    driver.client.handle_binary(now, Link(link), &driver.input);
}

/// A socket has closed; the reason lies in the input. Code 0: without a Close frame.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_closed(driver: &mut Driver, now: u64, link: u32, code: u16) {
    let reason = text_of(&driver.input).unwrap_or_default();
    let code = (code != 0).then(|| CloseCode::from_number(code));
    driver.client.handle_close(now, Link(link), code, reason);
}

/// A deadline has come.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_timeout(driver: &mut Driver, now: u64) {
    driver.client.handle_timeout(now);
}

/// Sends a message: its JSON object lies in the input, and from `payload` on the bytes beside it; where the input ends,
/// there are none. `false`: refused.
#[unsafe(no_mangle)]
pub extern "C" fn wsc_send(driver: &mut Driver, now: u64, payload: usize) -> bool {
    let Some((object, payload)) = driver.input.split_at_checked(payload) else { return false };
    let Ok(object) = text_of(object) else { return false };
    let payload = (!payload.is_empty()).then_some(payload);
    driver.client.send_object(now, object.to_owned(), payload).is_ok()
}
