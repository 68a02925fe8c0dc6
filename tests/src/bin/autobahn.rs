//! `cargo tool autobahn`, once the suite is there: runs it against the hub and the Rust client, and sums up. Ends with 0
//! only when no case failed.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use wsc_tests::autobahn::{self, Options};

/// Runs Autobahn|Testsuite against the hub (as its fuzzing client) and the Rust client (as its fuzzing server).
#[derive(Parser)]
#[command(name = "cargo tool autobahn", version)]
struct Arguments {
    /// The program `wstest` of Autobahn|Testsuite.
    #[arg(long)]
    wstest: PathBuf,
    /// Where the reports go.
    #[arg(long)]
    reports: PathBuf,
    /// Which cases.
    #[arg(long, value_delimiter = ',')]
    cases: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let Arguments { wstest, reports, cases } = Arguments::parse();
    let options = Options { wstest, reports, cases };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (hub, client) = runtime.block_on(async {
        let hub = autobahn::hub(&options).await?;
        anyhow::Ok((hub, autobahn::client(&options).await?))
    })?;
    Ok(if hub && client { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
