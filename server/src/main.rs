//! The command `wsc`: arguments in, exit code out. What the words do is in `command`, what they are told in `config`;
//! nothing else is here.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command's results go to stdout, what went wrong to stderr"
)]

mod command;
mod config;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
