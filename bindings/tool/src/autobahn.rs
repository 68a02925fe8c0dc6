//! `cargo tool autobahn`: Autobahn|Testsuite against the hub and the Rust client. The suite is written for Python 2.7;
//! it is installed below `target/autobahn`, and nowhere else.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::steps::{minutes, program, root, run, run_tests_binary};

const SUITE: &str = "autobahntestsuite==0.8.2";
/// The last line of virtualenv that makes environments of Python 2.7.
const VIRTUALENV: &str = "virtualenv==20.15.1";

/// What to do where there is no Python 2.7.
const HINT: &str = "Autobahn|Testsuite runs on Python 2.7 alone, and there is none: neither `python2.7` in PATH, nor
below the folder of pyenv. With pyenv (https://github.com/pyenv/pyenv): `pyenv install 2.7.18`, then run this again.
What the suite asks is asked by `cargo test -p wsc-server --test conformance` too, which needs no Python.";

pub(crate) fn check(cases: &str) -> Result<()> {
    let wstest = install()?;
    let reports = root().join("target/autobahn/reports");
    let path = |path: &Path| path.display().to_string();
    let words = ["--wstest", &path(&wstest), "--reports", &path(&reports), "--cases", cases];
    run_tests_binary("autobahn", &words.map(str::to_owned))?;
    println!("every case with its frames: target/autobahn/reports/{{hub,client}}/index.html");
    Ok(())
}

/// The suite's program, which is installed when it is not there.
fn install() -> Result<PathBuf> {
    let folder = root().join("target/autobahn");
    let environment = folder.join("python");
    let wstest = environment.join("bin/wstest");
    if answers(&wstest.display().to_string(), "--autobahnversion") {
        return Ok(wstest);
    }
    let Some(python) = python() else { bail!("{HINT}") };
    // pip without virtualenv would install for the whole user.
    let virtualenv = folder.join("virtualenv");
    let mut fetch = program(&python);
    fetch.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"]).arg(&virtualenv);
    run(fetch.arg(VIRTUALENV), minutes(5)).context("pip of Python 2.7 could not install virtualenv")?;
    let mut make = program(&python);
    make.args(["-m", "virtualenv", "--quiet"]).arg(&environment).env("PYTHONPATH", &virtualenv);
    run(&mut make, minutes(5))?;
    let mut install = program(&environment.join("bin/python").display().to_string());
    install.args(["-m", "pip", "install", "--quiet", SUITE]);
    run(&mut install, minutes(15)).context("pip of Python 2.7 could not install Autobahn|Testsuite")?;
    Ok(wstest)
}

/// A Python 2.7 that runs: one in PATH may be pyenv's, and then run only if it was chosen.
fn python() -> Option<String> {
    let in_path = "python2.7".to_owned();
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or(home);
    let versions = pyenv.and_then(|pyenv| std::fs::read_dir(pyenv.join("versions")).ok());
    let installed = versions.into_iter().flatten().flatten().map(|version| version.path());
    let installed = installed.map(|version| version.join("bin/python2.7").display().to_string());
    std::iter::once(in_path).chain(installed).find(|python| answers(python, "--version"))
}

fn answers(name: &str, question: &str) -> bool {
    let asked = program(name).arg(question).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}
