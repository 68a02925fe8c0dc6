//! `cargo tool parity`: docs/parity.md, which `tests/parity.mjs` makes of `tests/parity.json` and the tests it names.

use anyhow::{Context as _, Result};

use crate::install::require;
use crate::steps::{minutes, program, run};

/// Writes the table.
pub(crate) fn write() -> Result<()> {
    script(&[])
}

/// Fails when a test that the table names is gone, or the table is not what would be written.
pub(crate) fn check() -> Result<()> {
    script(&["--check"]).context("docs/parity.md is stale: run `cargo tool parity`")
}

fn script(words: &[&str]) -> Result<()> {
    require("node", "install Node.js 20 or newer")?;
    run(program("node").arg("tests/parity.mjs").args(words), minutes(1))
}
