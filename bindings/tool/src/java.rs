//! The SDK for Java and Kotlin: built, tested and put into a local repository below `target`, with Maven.

use std::process::Command;

use anyhow::Result;

use crate::install::{self, Needed};
use crate::steps::{build_hub, cargo, minutes, program, run, target};

const MAVEN: Needed = Needed { programs: &["mvn"], package: "maven" };
const JAVA: Needed = Needed { programs: &["javac"], package: "openjdk-17-jdk-headless" };

/// Maven in one of the project's folders, with a repository of its own: nothing outside the project is touched.
pub(crate) fn maven(folder: &str) -> Result<Command> {
    install::ensure(&JAVA)?;
    let mut maven = program(&install::ensure(&MAVEN)?);
    // The Kotlin compiler's daemon would outlive Maven by hours.
    maven.args([
        "--batch-mode",
        "--no-transfer-progress",
        "-Dkotlin.compiler.daemon=false",
        "--file",
        folder,
    ]);
    maven.arg(format!("-Dmaven.repo.local={}", target().join("maven").display()));
    maven.arg(format!("-Dcargo.target={}", target().display()));
    Ok(maven)
}

/// Puts the artifact into the local repository.
pub(crate) fn install() -> Result<()> {
    run(maven("sdk-java")?.args(["--quiet", "install", "-DskipTests"]), minutes(15))
}

/// Its tests with the real hub, then the examples with what was installed.
pub(crate) fn test() -> Result<()> {
    install::require("node", "install Node.js 20 or newer")?;
    build_hub()?;
    run(
        &mut cargo(&["build", "--locked", "--release", "--package", "wsc-tests", "--bin", "judge"]),
        minutes(20),
    )?;
    run(maven("sdk-java")?.arg("install"), minutes(20))?;
    let mut tests = program("node");
    // One after the other: each starts several virtual machines.
    tests.args(["--test", "--test-concurrency=1", "--test-reporter=spec", "tests/java/"]);
    run(tests.env("MAVEN_REPOSITORY", target().join("maven")), minutes(10))
}
