//! Writes the Kotlin side of `wsc-jvm` out of its built library: `wsc-jvm-generator LIBRARY CONFIG FOLDER`. A crate of its own,
//! so that neither the library nor `cargo tool` carries the generator.

use std::process::ExitCode;

use uniffi_bindgen::bindings::{GenerateOptions, TargetLanguage, generate};

#[allow(clippy::print_stderr, reason = "a command line speaks to people")]
fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [library, config, folder] = words.as_slice() else {
        eprintln!("usage: wsc-jvm-generator LIBRARY CONFIG FOLDER");
        return ExitCode::from(2);
    };
    let options = GenerateOptions {
        languages: vec![TargetLanguage::Kotlin],
        source: library.into(),
        config_override: Some(config.into()),
        out_dir: folder.into(),
        format: false,
        crate_filter: None,
        metadata_no_deps: true,
    };
    match generate(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
