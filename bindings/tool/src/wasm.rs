//! `cargo tool wasm`: the core for browsers, as the files that `@wsc/client` is made with. They are never committed.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use wasm_bindgen_cli_support::Bindgen;

use crate::install;
use crate::steps::{cargo, minutes, program, root, run, target};
use crate::test::npm_packages;

/// Where they go.
const FOLDER: &str = "sdk-ts/packages/client/wasm";

/// Builds a crate as WebAssembly.
pub(crate) fn compile(package: &str) -> Result<std::path::PathBuf> {
    const TARGET: &str = "wasm32-unknown-unknown";
    install::wasm_target()?;
    let build = ["build", "--locked", "--profile", "wasm", "--target", TARGET, "--package", package];
    run(&mut cargo(&build), minutes(10))?;
    Ok(target().join(TARGET).join("wasm").join(package.replace('-', "_")).with_extension("wasm"))
}

/// Makes a module smaller; it does the same.
pub(crate) fn shrink(built: &Path, shrunk: &Path) -> Result<()> {
    npm_packages()?;
    let mut optimise = program("node");
    optimise.arg("tests/node_modules/binaryen/bin/wasm-opt").arg(built).arg("-o").arg(shrunk);
    // Functions of a few instructions, put where they are called, are longer and compress better.
    optimise.arg("--always-inline-max-function-size=6");
    // The stack lies at the bottom of memory, so that nothing is ever put into the first kilobyte of it.
    optimise.args(["--low-memory-unused", "--flatten", "--rereloop", "-Oz", "--converge"]);
    optimise.args(["--gufa-optimizing", "-Oz", "--converge", "--dealign", "--reorder-functions-by-name"]);
    optimise.args(["--strip-debug", "--strip-producers", "--strip-target-features"]);
    optimise.args(["--enable-bulk-memory", "--enable-nontrapping-float-to-int", "--enable-sign-ext"]);
    optimise.args(["--enable-mutable-globals", "--enable-reference-types", "--enable-multivalue"]);
    run(&mut optimise, minutes(5))
}

/// Builds the browser's module, its glue, and the module once more, deflated, as text for those who do not want to serve a file.
pub(crate) fn build() -> Result<()> {
    let built = compile("wsc-wasm")?;
    let folder = root().join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    Bindgen::new()
        .input_path(&built)
        .out_name("wsc")
        .web(true)
        .and_then(|bindgen| bindgen.omit_default_module_path(true).typescript(true).generate(&folder))
        .map_err(|error| anyhow!("wasm-bindgen: {error:#}"))?;
    let module = folder.join("wsc.wasm");
    let bound = folder.join("wsc_bg.wasm");
    shrink(&bound, &module)?;
    std::fs::remove_file(&bound)?;
    // Declares what the raw module exports, which nobody calls.
    std::fs::remove_file(folder.join("wsc_bg.wasm.d.ts"))?;
    let bytes = std::fs::read(&module).with_context(|| format!("{} is missing", module.display()))?;
    // Deflated first: what a server would do to the file, and cannot do to base64.
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(&bytes)?;
    let text = STANDARD.encode(deflate.finish()?);
    std::fs::write(folder.join("inline.js"), format!("export default \"{text}\";\n"))?;
    std::fs::write(folder.join("inline.d.ts"), "declare const module: string;\nexport default module;\n")?;
    println!("{FOLDER}: module {} bytes", bytes.len());
    Ok(())
}
