//! `cargo tool sizes`: how large the core is as WebAssembly, with the smallest driver there can be.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::wasm::{Names, compile, shrink};

/// What it may weigh, gzipped.
const CEILING: usize = 20 * 1024;

pub(crate) fn check() -> Result<()> {
    let built = compile("wsc-minimal")?;
    let shrunk = built.with_extension("opt.wasm");
    shrink(&built, &shrunk, Names::Dropped)?;
    let bytes = std::fs::read(&shrunk).with_context(|| format!("{} is missing", shrunk.display()))?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&bytes)?;
    let zipped = gzip.finish()?.len();
    println!("core with the smallest driver: {} bytes, {zipped} bytes gzip (at most {CEILING})", bytes.len());
    if zipped > CEILING {
        bail!("{} bytes above what it may weigh", zipped - CEILING);
    }
    Ok(())
}
