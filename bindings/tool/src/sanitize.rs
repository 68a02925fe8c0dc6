//! `cargo tool sanitize`: the server's tests with the thread sanitizer, which watches every access to memory, also in the
//! libraries. The standard library is built with it too.

use std::fs;

use anyhow::Result;

use crate::install::{NIGHTLY, nightly};
use crate::steps::{minutes, program, root, run};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Not `command` and `attacks`, whose hubs are other processes, nor `threads`, whose threads are loom's.
const TESTS: [&str; 10] = [
    "bare",
    "conformance",
    "door",
    "limits",
    "messages",
    "races",
    "receipts",
    "requests",
    "rights",
    "streams",
];

/// Tests that count time, or take many minutes when everything is ten times slower.
const SKIPPED: [&str; 3] = ["model", "damage", "many_who_leave_at_once"];

/// What a socket is registered with reaches the thread that polls through the kernel, which the sanitizer cannot see.
const KNOWN: &str = "race:tokio::runtime::io::driver::dispatch_event\n";

pub(crate) fn check() -> Result<()> {
    nightly()?;
    run(program("rustup").args(["component", "add", "rust-src", "--toolchain", NIGHTLY]), minutes(5))?;
    let folder = root().join("target/sanitizer");
    fs::create_dir_all(&folder)?;
    let known = folder.join("known");
    fs::write(&known, KNOWN)?;
    // Through rustup, so that the toolchain this program runs on does not reach it.
    let mut test = program("rustup");
    test.args(["run", NIGHTLY, "cargo", "test", "--locked", "-Zbuild-std", "--target", TARGET]);
    test.arg("--target-dir").arg(&folder).args(["--package", "wsc-server", "--no-fail-fast", "--lib"]);
    test.args(TESTS.iter().flat_map(|name| ["--test", name]));
    test.arg("--").args(SKIPPED.iter().flat_map(|name| ["--skip", name]));
    test.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    test.env("RUSTFLAGS", "-Zsanitizer=thread");
    test.env("TSAN_OPTIONS", format!("suppressions={}", known.display()));
    run(&mut test, minutes(40))
}
