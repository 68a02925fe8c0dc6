//! `cargo tool bench`: measures the hub beside what the machine can do at all.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use wsc_tests::bench;

/// Measures the hub beside a raw TCP server of the same shape, or the bare storage engine, and prints the ratio.
#[derive(Parser)]
#[command(name = "cargo tool bench", version)]
struct Arguments {
    /// What to measure; without it, everything.
    #[command(subcommand)]
    what: Option<What>,
    /// Seconds for each figure.
    #[arg(long, default_value_t = 3, global = true)]
    seconds: u64,
    /// Where the stores are put.
    #[arg(long, global = true)]
    place: Option<PathBuf>,
}

#[derive(Subcommand, Clone)]
enum What {
    /// One sender, many readers.
    FanOut {
        /// How many readers.
        #[arg(long, default_value_t = 1000)]
        subscribers: u32,
        /// Messages under way at once.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 128])]
        window: Vec<usize>,
    },
    /// Clients in pairs, each with messages under way to the other.
    P2p {
        /// How many clients.
        #[arg(long, default_value_t = 100)]
        clients: u32,
        /// Messages under way of each.
        #[arg(long, default_value_t = 1)]
        flight: usize,
    },
    /// Messages accepted with fsync, beside the bare engine.
    Accepted {
        /// How many senders.
        #[arg(long, default_value_t = 16)]
        senders: u32,
        /// Messages under way of each.
        #[arg(long, default_value_t = 128)]
        flight: usize,
    },
    /// Connections that do nothing.
    Idle {
        /// How many.
        #[arg(long, default_value_t = 9900)]
        connections: u32,
    },
    /// The embedded store alone, beside the bare engine.
    Store,
    #[command(hide = true)]
    ServeHub {
        #[arg(long)]
        data: Option<PathBuf>,
    },
    #[command(hide = true)]
    ServeRaw { shape: bench::Shape, input: usize, output: usize },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match &arguments.what {
        Some(What::ServeHub { data }) => bench::serve_hub(data.as_deref())?,
        Some(What::ServeRaw { shape, input, output }) => bench::serve_raw(*shape, *input, *output)?,
        _ => {
            if let Some(status) = bench::on_the_load_s_core()? {
                return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            measure(&arguments)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(arguments: &Arguments) -> Result<()> {
    let time = Duration::from_secs(arguments.seconds.max(1));
    let place = arguments.place.clone().unwrap_or_else(std::env::temp_dir);
    let all = [
        What::FanOut { subscribers: 1000, window: vec![1, 16, 128] },
        What::P2p { clients: 100, flight: 1 },
        What::P2p { clients: 100, flight: 16 },
        What::Accepted { senders: 16, flight: 128 },
        What::Idle { connections: 9900 },
    ];
    for what in arguments.what.iter().chain(all.iter().filter(|_| arguments.what.is_none())) {
        match what {
            What::FanOut { subscribers, window } => bench::fan_out(*subscribers, window, time)?,
            What::P2p { clients, flight } => bench::round_trips(*clients, *flight, time)?,
            What::Accepted { senders, flight } => bench::accepted(*senders, *flight, time, &place)?,
            What::Idle { connections } => bench::idle(*connections, &place)?,
            What::Store => bench::store::compare(time, &place)?,
            What::ServeHub { .. } | What::ServeRaw { .. } => {}
        }
    }
    Ok(())
}
