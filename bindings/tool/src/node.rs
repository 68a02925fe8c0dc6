//! `cargo tool node`, and what the tests of `@wsc/node` need: the native part for this machine, in a package that can be packed.

use anyhow::{Result, bail};

use crate::steps::{build_hub, cargo, minutes, program, run, target};
use crate::test::{npm, sdk};

/// Builds the native part into a package.
pub(crate) fn build() -> Result<()> {
    sdk()?;
    run(&mut cargo(&["build", "--locked", "--release", "--package", "wsc-node"]), minutes(20))?;
    let name = match std::env::consts::OS {
        "linux" => "libwsc_node.so",
        "macos" => "libwsc_node.dylib",
        "windows" => "wsc_node.dll",
        other => bail!("@wsc/node is not built for {other}"),
    };
    run(program("node").arg("sdk-ts/scripts/native.mjs").arg(target().join("release").join(name)), minutes(1))
}

/// The tests, with real hubs that are killed and histories that are judged.
pub(crate) fn test() -> Result<()> {
    build_hub()?;
    build()?;
    let judge = ["build", "--locked", "--release", "--package", "wsc-tests", "--bin", "judge"];
    run(&mut cargo(&judge), minutes(20))?;
    run(program("npm").args(["ci", "--prefix", "examples/node-bot", "--loglevel=error"]), minutes(2))?;
    run(&mut npm(&["run", "test:node"]), minutes(5))
}

/// The speed beside that of bare `ws`.
pub(crate) fn bench() -> Result<()> {
    build_hub()?;
    build()?;
    run(&mut npm(&["run", "bench:node"]), minutes(10))
}
