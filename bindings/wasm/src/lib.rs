//! The client machine as a WebAssembly module. The bridge is not API: `@wsc/client` is. Holds no rule of the protocol.
//!
//! JavaScript has the events: those of the sockets, of the one timer and of the network go into a [`Session`]. What the
//! machine says goes to one object, the [`Environment`], in the order it happened, and its `flush` ends each batch. An environment may
//! only put things aside until then: a call back into the session belongs into `flush`.
//!
//! Messages cross as the JSON they came in and errors as numbers: the browser has a better reader of JSON, and the texts.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod environment;
mod session;
mod settings;

pub use environment::Environment;
pub use session::Session;

/// In WebAssembly a panic is a trap; to say why would cost a quarter of the whole. Nothing the hub or the application
/// sends makes the machine panic; what is left is memory that runs out.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn trap(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// A third of the standard allocator's size, and faster.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
