//! `cargo tool mutants`: puts each of `tests/defects.toml` into a copy of the tree and lets the simulations find it. The
//! tree itself is never changed.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::steps::{cargo, minutes, program, root, run};

#[derive(Deserialize)]
struct Defects {
    defect: Vec<Defect>,
}

#[derive(Deserialize)]
struct Defect {
    name: String,
    edits: Vec<Edit>,
}

#[derive(Deserialize)]
struct Edit {
    file: PathBuf,
    find: String,
    replace: String,
}

/// What one kind of simulation came to.
struct Found {
    /// The rule that was broken first; `None`: nothing was found.
    what: Option<String>,
    worlds: u64,
    time: Duration,
}

fn read() -> Result<Defects> {
    let text = fs::read_to_string(root().join("tests/defects.toml"))?;
    toml::from_str(&text).context("tests/defects.toml cannot be read")
}

pub(crate) fn check(name: Option<&str>, seconds: u64) -> Result<()> {
    let defects = read()?;
    let copy = copy_tree()?;
    build(&copy)?;
    for kind in ["system", "core"] {
        let found = simulate(&copy, kind, seconds)?;
        ensure!(found.what.is_none(), "without a defect, the {kind} simulation finds {:?}", found.what);
        println!("without a defect: nothing in {} {kind} worlds", found.worlds);
    }
    let (mut missed, mut rows) = (Vec::new(), Vec::new());
    for defect in defects.defect.iter().filter(|defect| name.is_none_or(|name| defect.name.contains(name))) {
        let kept = apply(&copy, defect)?;
        let built = build(&copy);
        let found = built.and_then(|()| {
            ["system", "core"].iter().map(|kind| simulate(&copy, kind, seconds)).collect::<Result<Vec<_>>>()
        });
        for (path, before) in kept {
            fs::write(path, before)?;
        }
        let found = found.with_context(|| defect.name.clone())?;
        if found.iter().all(|found| found.what.is_none()) {
            missed.push(defect.name.as_str());
        }
        rows.push(format!("| {} | {} | {} |", defect.name, cell(&found[0]), cell(&found[1])));
        println!("{}", rows.last().map_or("", String::as_str));
    }
    println!("\n| defect | whole system | core |\n| --- | --- | --- |\n{}", rows.join("\n"));
    println!("{} defects, {} found", rows.len(), rows.len() - missed.len());
    if !missed.is_empty() {
        bail!("not found: {}", missed.join(", "));
    }
    Ok(())
}

fn cell(found: &Found) -> String {
    match &found.what {
        Some(what) => format!("{what}, world {}, {:.1} s", found.worlds, found.time.as_secs_f64()),
        None => format!("not in {} worlds", found.worlds),
    }
}

/// Copies what git knows of into the target folder, and nothing else is there then; files that are the same stay, so that
/// little is built again.
fn copy_tree() -> Result<PathBuf> {
    let copy = root().join("target/mutants/tree");
    let listed =
        program("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output()?;
    ensure!(listed.status.success(), "git cannot list the files of the tree");
    let mut kept = HashSet::new();
    for name in String::from_utf8(listed.stdout)?.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root().join(name), copy.join(name));
        let Ok(bytes) = fs::read(&from) else { continue };
        kept.insert(to.clone());
        if fs::read(&to).ok().as_ref() != Some(&bytes) {
            fs::create_dir_all(to.parent().unwrap_or(&copy))?;
            fs::write(to, bytes)?;
        }
    }
    clear(&copy, &kept)?;
    Ok(copy)
}

/// Removes all files below a folder that are not kept.
fn clear(folder: &Path, kept: &HashSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            clear(&path, kept)?;
        } else if !kept.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Puts a defect in; gives back the files as they were.
fn apply(copy: &Path, defect: &Defect) -> Result<Vec<(PathBuf, String)>> {
    let mut kept: Vec<(PathBuf, String)> = Vec::new();
    for edit in &defect.edits {
        let path = copy.join(&edit.file);
        let text = fs::read_to_string(&path).with_context(|| edit.file.display().to_string())?;
        ensure!(
            text.matches(&edit.find).count() == 1,
            "`{}`: {} does not hold exactly once: {}",
            defect.name,
            edit.file.display(),
            edit.find
        );
        fs::write(&path, text.replace(&edit.find, &edit.replace))?;
        if !kept.iter().any(|(known, _)| *known == path) {
            kept.push((path, text));
        }
    }
    Ok(kept)
}

/// Optimised as little as makes the simulation quick: it is built once for each defect.
fn build(copy: &Path) -> Result<()> {
    let mut command = cargo(&["build", "--quiet", "--locked", "--package", "wsc-tests", "--bin", "simulate"]);
    command.current_dir(copy).env("CARGO_TARGET_DIR", copy.with_file_name("build"));
    command
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("RUSTFLAGS", "-Awarnings");
    run(&mut command, minutes(20))
}

fn simulate(copy: &Path, kind: &str, seconds: u64) -> Result<Found> {
    let began = Instant::now();
    let output = program("timeout")
        .arg((seconds * 4 + 60).to_string())
        .arg(copy.with_file_name("build").join("debug/simulate"))
        .args(["--kind", kind, "--seeds", "1000000", "--first", "--seconds", &seconds.to_string()])
        .stderr(Stdio::null())
        .output()?;
    let time = began.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.lines().find_map(|line| line.strip_prefix("seed ")?.split_once(": "));
    let worlds = text.lines().find_map(|line| {
        let words = line.strip_prefix(kind)?.strip_prefix(": ")?;
        words.split_once(" worlds")?.0.parse().ok()
    });
    // A simulation that does not end or panics has found something too.
    let what = match first {
        Some((_, what)) => Some(what.split(": ").next().unwrap_or(what).chars().take(60).collect()),
        None if output.status.success() => None,
        None => Some("it ended early".to_owned()),
    };
    Ok(Found { what, worlds: worlds.unwrap_or(0), time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_defect_still_has_its_place_in_the_tree() {
        for defect in read().unwrap().defect {
            for Edit { file, find, .. } in &defect.edits {
                let text = fs::read_to_string(root().join(file)).unwrap();
                assert_eq!(text.matches(find).count(), 1, "{}: {find}", defect.name);
            }
        }
    }
}
