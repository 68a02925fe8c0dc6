//! The command `wsc`: arguments in, exit code out. What the words do is in `command`, what they are told in `config`;
//! here are only the allocator and the runtime.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command's results go to stdout, what went wrong to stderr"
)]

mod command;
mod config;

use std::process::ExitCode;

// Many small, short-lived buffers of many threads: the system's allocator keeps more and is slower at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::run()
}
