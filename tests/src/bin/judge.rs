//! Judges a history that another program wrote: the tests of the other SDKs.

#![allow(clippy::print_stdout, reason = "a command line speaks to people")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use wsc_tests::history;

/// Checks a history (one fact a line, as JSON) and says what kept it from being true to the promise.
#[derive(Parser)]
struct Arguments {
    /// The file.
    file: PathBuf,
}

fn main() -> Result<ExitCode> {
    let file = Arguments::parse().file;
    let events = history::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let report = history::check(&events);
    for violation in &report.violations {
        println!("{violation}");
    }
    let history::Report { sent, accepted, handed, repeated, gaps, .. } = &report;
    println!(
        "{sent} sent, {accepted} accepted, {handed} handed over, {repeated} again after a kill, {gaps} gaps"
    );
    if !report.unfinished.is_empty() {
        anyhow::bail!("not quiet at the end: {:?}", report.unfinished);
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
