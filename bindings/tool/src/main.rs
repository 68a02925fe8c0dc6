//! `cargo tool`: builds, measures, checks and tests the project. Nothing depends on it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to people")]

mod install;
mod sizes;
mod steps;
mod test;

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
    /// Builds the core with the smallest driver as WebAssembly and prints its size; fails when it has grown.
    Sizes,
    /// Runs the simulation over many seeds and prints what it found.
    Simulate {
        /// How many seeds.
        #[arg(long, default_value_t = 2000)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Runs real hubs and clients under cuts and kills and checks the recorded history.
    Chaos {
        /// For how long, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
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
        Command::Sizes => sizes::check(),
        Command::Simulate { seeds, from } => steps::run_tests_binary(
            "simulate",
            &["--seeds".to_owned(), seeds.to_string(), "--from".to_owned(), from.to_string()],
        ),
        Command::Chaos { seconds } => steps::build_hub()
            .and_then(|()| steps::run_tests_binary("chaos", &["--seconds".to_owned(), seconds.to_string()])),
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
