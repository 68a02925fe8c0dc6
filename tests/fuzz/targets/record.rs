//! Damaged bytes as records of the embedded store: an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| wsc_server::log::embedded::fuzzing::decode(bytes));
