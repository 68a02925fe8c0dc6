//! Packs a WebAssembly module a fifth smaller than deflate does, and unpacks it with a module of less than a kilobyte.
//!
//! `@wsc/client` carries its module as a text, which no server can compress any further. Instructions have little in them that
//! repeats as it is, which deflate looks for, and much that follows from what stands one to four bytes before: each bit is
//! predicted from several such contexts at once, and what is left of it is coded. Unpacking takes some 70 ms the first time (docs/performance.md).
//!
//! Both sides run the same [`Model`], so all of its arithmetic must be the same everywhere: additions, multiplications and
//! divisions, which IEEE 754 defines to the last bit, and nothing of a mathematical library. Never used for what comes from
//! outside: [`unpack`] believes its input.

#![cfg_attr(target_arch = "wasm32", no_std)]

mod coder;
mod model;

pub use model::Model;

use coder::Coder;

/// Bytes that a packed module may have.
pub const PACKED: usize = 1 << 16;
/// Bytes that a module may have.
pub const UNPACKED: usize = 1 << 17;

/// The memory of [`unpack`], all zero but for what is packed, which comes first.
#[repr(C)]
pub struct Unpacking {
    packed: [u8; PACKED],
    unpacked: [u8; UNPACKED],
    model: Model,
}

/// Unpacks as many bytes, to behind what is packed.
#[unsafe(no_mangle)]
pub extern "C" fn unpack(memory: &mut Unpacking, length: usize) {
    let Unpacking { packed, unpacked, model } = memory;
    model.begin();
    let mut coder = Coder::default();
    let mut packed = packed.iter().copied();
    let mut code = 0_u32;
    for _ in 0..4 {
        code = code << 8 | u32::from(packed.next().unwrap_or_default());
    }
    for byte in unpacked.iter_mut().take(length) {
        for _ in 0..8 {
            let split = coder.split(model.predict());
            let bit = code <= split;
            coder.narrow(split, bit, |_| code = code << 8 | u32::from(packed.next().unwrap_or_default()));
            *byte = *byte << 1 | u8::from(bit);
            model.learn(bit);
        }
    }
}

/// Packs bytes; the other side must be told how many they were.
#[cfg(not(target_arch = "wasm32"))]
#[must_use]
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    large(|| packed(bytes))
}

/// Runs something that has a model on its stack, in debug builds more than once.
#[cfg(not(target_arch = "wasm32"))]
#[allow(clippy::expect_used, reason = "a machine that builds can start a thread")]
fn large<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, run);
        thread.expect("a thread").join().expect("packing does not panic")
    })
}

#[cfg(not(target_arch = "wasm32"))]
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut model = Model::new();
    model.begin();
    let mut coder = Coder::default();
    for byte in bytes {
        for place in (0..8).rev() {
            let bit = byte >> place & 1 == 1;
            let split = coder.split(model.predict());
            coder.narrow(split, bit, |byte| packed.push(byte));
            model.learn(bit);
        }
    }
    packed.extend(coder.end());
    packed
}

/// In WebAssembly a panic is a trap; nothing here panics.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn trap(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(packed: &[u8], length: usize) -> Vec<u8> {
        large(|| {
            let mut memory = Unpacking { packed: [0; PACKED], unpacked: [0; UNPACKED], model: Model::new() };
            memory.packed[..packed.len()].copy_from_slice(packed);
            unpack(&mut memory, length);
            memory.unpacked[..length].to_vec()
        })
    }

    #[test]
    fn what_is_packed_unpacks() {
        let text = include_bytes!("model.rs");
        let noise: Vec<u8> = (0..5000_u32).map(|at| at.wrapping_mul(0x9e37_79b1).to_be_bytes()[1]).collect();
        for bytes in [&text[..], &noise, b"", b"a", &[0; 10_000], &[255; 3]] {
            assert_eq!(unpacked(&pack(bytes), bytes.len()), bytes);
        }
        assert!(pack(text).len() * 5 / 2 < text.len());
    }
}
