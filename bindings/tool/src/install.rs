//! What the tests need and a machine may lack: installed through apt when root, otherwise named.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::steps::{minutes, program, run};

/// A program that comes from a Debian package.
pub(crate) struct Needed {
    /// Names of the program, any of which will do.
    pub(crate) programs: &'static [&'static str],
    /// The package.
    pub(crate) package: &'static str,
}

/// The browser.
pub(crate) const CHROMIUM: Needed =
    Needed { programs: &["chromium", "chromium-browser", "google-chrome"], package: "chromium" };

/// The server of the store on Redis.
pub(crate) const REDIS: Needed =
    Needed { programs: &["redis-server", "valkey-server"], package: "redis-server" };

/// A second program that builds for the JVM: its users take the same artifact.
pub(crate) const GRADLE: Needed = Needed { programs: &["gradle"], package: "gradle" };

/// The path of a needed program, which is installed if it can be.
pub(crate) fn ensure(needed: &Needed) -> Result<String> {
    if let Some(path) = find(needed) {
        return Ok(path);
    }
    if is_root() && exists("apt-get") {
        println!("installing {} with apt", needed.package);
        run(program("apt-get").args(["update", "-qq"]), minutes(5))?;
        let mut install = program("apt-get");
        install.args(["install", "-y", "-qq", "--no-install-recommends", needed.package]);
        run(install.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()), minutes(15))?;
    }
    match find(needed) {
        Some(path) => Ok(path),
        None => bail!("{} is missing: install the package `{0}` and run this again", needed.package),
    }
}

/// The standard library for WebAssembly, which rustup installs where it manages the toolchain.
pub(crate) fn wasm_target() -> Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    if !exists("rustup") {
        return Ok(());
    }
    run(program("rustup").args(["target", "add", TARGET]), minutes(5))
}

/// Only a nightly compiler counts the branches taken, for fuzzing, and knows sanitizers. One day's, so that a run can be
/// repeated.
pub(crate) const NIGHTLY: &str = "nightly-2026-05-01";

/// Installs the nightly compiler.
pub(crate) fn nightly() -> Result<()> {
    require("rustup", "this needs a nightly compiler, which rustup installs: https://rustup.rs")?;
    let version = ["run", NIGHTLY, "rustc", "--version"];
    let present = program("rustup").args(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if present.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    run(program("rustup").args(["toolchain", "install", NIGHTLY, "--profile", "minimal"]), minutes(10))
}

/// Fails with a hint when a program that no package manager should choose for you is missing.
pub(crate) fn require(name: &str, hint: &str) -> Result<()> {
    if exists(name) { Ok(()) } else { bail!("{name} is missing: {hint}") }
}

fn find(needed: &Needed) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let candidates =
        needed.programs.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|file| file.is_file()).map(|file| file.to_string_lossy().into_owned())
}

pub(crate) fn exists(name: &str) -> bool {
    Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
