//! `cargo tool`: builds, measures, checks and tests the project. Nothing depends on it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to people")]

mod autobahn;
mod example;
mod fuzz;
mod install;
mod java;
mod mutants;
mod node;
mod pack;
mod parity;
mod parts;
mod sanitize;
mod sizes;
mod steps;
mod tables;
mod test;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, measures, checks and tests the project.
#[derive(Parser)]
#[command(name = "cargo tool", bin_name = "cargo tool", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what the tests need and runs them: everything, or one part.
    Test {
        /// Which part; without one, all of them.
        part: Option<test::Part>,
    },
    /// Builds the core for browsers, into the npm package that needs it.
    Wasm,
    /// Builds the native part of @wsc/node for this machine, into a package.
    Node,
    /// Builds the packages for this platform into `target/packages` and prints the lines that install them.
    Pack {
        /// Which kind; without one, all of them.
        kind: Option<pack::Kind>,
    },
    /// Measures @wsc/node beside bare `ws`.
    BenchNode,
    /// Builds an SDK and starts one of its examples; the hub runs beside it (`cargo run --release`).
    Example {
        /// Which one.
        name: example::Example,
        /// Who to be, in a terminal's chat.
        #[arg(long, default_value = "alice")]
        user: String,
    },
    /// Writes docs/parity.md: which test shows which feature in which SDK.
    Parity,
    /// Writes the numbers that the SDKs share with the core, for TypeScript and Java.
    Tables {
        /// Writes nothing; fails when they are not what would be written.
        #[arg(long)]
        check: bool,
    },
    /// Builds the core with the smallest driver as WebAssembly and prints its size; fails when it has grown.
    Sizes {
        /// Prints what each part of the browser's module takes instead.
        #[arg(long)]
        parts: bool,
    },
    /// Simulates many worlds, of the core alone and of whole systems, and prints what it found.
    Simulate {
        /// Arguments for the simulation; `--help` shows them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Builds the simulations with one deliberate defect after the other, and shows that each is found.
    Mutants {
        /// Only defects whose name contains this.
        name: Option<String>,
        /// Seconds in which each kind of simulation must find a defect.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// Runs real hubs and clients under cuts and kills and checks the recorded history.
    Chaos {
        /// For how long, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Fuzzes one part, guided by coverage, and prints what it came to.
    Fuzz {
        /// What is fuzzed.
        target: fuzz::Target,
        /// For how long, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Runs the server's tests with the thread sanitizer (x86-64 Linux, with a nightly compiler, which it installs).
    Sanitize,
    /// Runs Autobahn|Testsuite against the hub and the Rust client, sums up, and fails on any failure.
    ///
    /// Needs Python 2.7 (in PATH or from pyenv); the suite itself is installed below `target/autobahn`.
    Autobahn {
        /// Which cases, separated by commas; 12 and 13 are about compression, which wsc does not offer.
        #[arg(long, default_value = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*")]
        cases: String,
    },
    /// Measures the hub beside a raw TCP server and prints ratios.
    Bench {
        /// Arguments for the benchmark; `--help` shows them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Test { part } => test::test(part),
        Command::Wasm => wasm::build(),
        Command::Node => node::build(),
        Command::Pack { kind } => pack::pack(kind),
        Command::BenchNode => node::bench(),
        Command::Example { name, user } => example::start(name, &user),
        Command::Parity => parity::write(),
        Command::Tables { check: false } => tables::write(),
        Command::Tables { check: true } => tables::check(),
        Command::Sizes { parts: false } => sizes::check(),
        Command::Sizes { parts: true } => parts::print(),
        Command::Simulate { arguments } => steps::run_tests_binary("simulate", &arguments),
        Command::Mutants { name, seconds } => mutants::check(name.as_deref(), seconds),
        Command::Chaos { seconds } => steps::build_hub()
            .and_then(|()| steps::run_tests_binary("chaos", &["--seconds".to_owned(), seconds.to_string()])),
        Command::Fuzz { target, seconds } => fuzz::fuzz(target, seconds),
        Command::Sanitize => sanitize::check(),
        Command::Autobahn { cases } => autobahn::check(&cases),
        Command::Bench { arguments } => steps::run_tests_binary("bench", &arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
