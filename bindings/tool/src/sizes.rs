//! `cargo tool sizes`: how large the core is as WebAssembly, with the smallest driver there can be.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::install;
use crate::steps::{cargo, minutes, program, root, run};
use crate::test::npm_packages;

/// What it may weigh, gzipped.
const CEILING: usize = 20 * 1024;

pub(crate) fn check() -> Result<()> {
    install::wasm_target()?;
    let build = [
        "build",
        "--locked",
        "--profile",
        "wasm",
        "--target",
        "wasm32-unknown-unknown",
        "--package",
        "wsc-minimal",
    ];
    run(&mut cargo(&build), minutes(10))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let built = target.join("wasm32-unknown-unknown/wasm/wsc_minimal.wasm");
    let shrunk = built.with_extension("opt.wasm");
    npm_packages()?;
    let mut optimise = program("node");
    optimise.arg("tests/node_modules/binaryen/bin/wasm-opt").arg(&built).arg("-o").arg(&shrunk);
    // Functions of a few instructions, put where they are called, are longer and compress better.
    optimise.arg("--always-inline-max-function-size=6");
    // The stack lies at the bottom of memory, so that nothing is ever put into the first kilobyte of it.
    optimise.args(["--low-memory-unused", "--flatten", "--rereloop", "-Oz", "--converge"]);
    optimise.args(["--gufa-optimizing", "-Oz", "--converge", "--dealign", "--reorder-functions-by-name"]);
    optimise.args(["--strip-debug", "--strip-producers", "--strip-target-features"]);
    optimise.args(["--enable-bulk-memory", "--enable-nontrapping-float-to-int", "--enable-sign-ext"]);
    optimise.args(["--enable-mutable-globals", "--enable-reference-types", "--enable-multivalue"]);
    run(&mut optimise, minutes(5))?;
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
