//! `cargo tool chaos`: hub, clients and wire as real processes and sockets that are killed, cut and paused, and a judge
//! of what came of it. Ends with 0 only when nothing was lost, doubled, altered or out of order.

#![allow(clippy::print_stdout, reason = "a command says what it does")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::{Parser, Subcommand};
use wsc_tests::chaos::{self, Options};

/// Runs hub, clients and the wire between them, makes all of them fail, and checks what was promised.
#[derive(Parser)]
#[command(name = "cargo tool chaos", version)]
struct Arguments {
    /// Seconds of faults.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Decides faults and messages; random by default.
    #[arg(long)]
    seed: Option<u64>,
    /// Minimum number of kills of the hub; by default one every 2.4 seconds.
    #[arg(long)]
    kills: Option<u64>,
    /// An empty folder where everything is kept, also when all is well.
    #[arg(long)]
    keep: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    ServeHub {
        #[arg(long)]
        data: PathBuf,
        #[arg(long)]
        listen: String,
    },
    #[command(hide = true)]
    Crowd { spec: String },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(Part::ServeHub { data, listen }) => chaos::serve_hub(data, listen)?,
        Some(Part::Crowd { spec }) => chaos::run_crowd(spec)?,
        None => return run(&arguments),
    }
    Ok(ExitCode::SUCCESS)
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let random =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::from(time.subsec_nanos()));
    let options = Options {
        seconds: arguments.seconds,
        seed: arguments.seed.unwrap_or(random),
        kills: arguments.kills.unwrap_or(arguments.seconds * 10 / 24),
        keep: arguments.keep.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clean = runtime.block_on(async {
        tokio::select! {
            clean = chaos::run(&options) => clean,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        }
    })?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
