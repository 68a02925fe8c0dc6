//! The scripts of `tests/vectors/client_*.json` against the client machine.
#![allow(missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use wsc_tests::vectors::{run, write};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the vectors")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("client_")))
        .collect();
    files.sort();
    files
}

#[test]
fn the_client_does_what_the_scripts_say() {
    let bless = std::env::var_os("WSC_BLESS").is_some();
    let mut count = 0;
    for file in files() {
        let text = std::fs::read_to_string(&file).expect("readable");
        let scripts: Vec<Value> = serde_json::from_str(&text).expect("a list of scripts");
        let mut happened = Vec::new();
        for script in &scripts {
            let name = format!("{}: {}", file.display(), script["name"]);
            let found = run(script).unwrap_or_else(|error| panic!("{name}: {error}"));
            let steps = script["steps"]
                .as_array()
                .expect("steps")
                .iter()
                .zip(found["steps"].as_array().expect("steps"));
            for (place, (wanted, found)) in steps.enumerate() {
                if !bless {
                    assert_eq!(wanted["expect"], found["expect"], "{name}, step {place}: {}", wanted["do"]);
                }
            }
            happened.push(found);
            count += 1;
        }
        if bless {
            std::fs::write(&file, write(&happened)).expect("written");
        } else {
            assert_eq!(text, write(&happened), "{}: not written as WSC_BLESS=1 writes it", file.display());
        }
    }
    assert!(count >= 20, "{count} scripts");
}
