//! `cargo tool wasm`: the core for browsers, as the files that `@wsc/client` is made with. They are never committed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wasm_bindgen_cli_support::{Bindgen, EncodeInto};
use wsc_packing::{PACKED, UNPACKED, Unpacking};

use crate::install;
use crate::steps::{cargo, minutes, program, root, run, target};
use crate::test::npm_packages;

/// Where they go.
const FOLDER: &str = "sdk-ts/packages/client/wasm";

/// Lines of the glue.
const FINALIZATION: [&str; 4] = [
    "        SessionFinalization.register(this, this.__wbg_ptr, this);\n",
    "        SessionFinalization.unregister(this);\n",
    "if (Symbol.dispose) Session.prototype[Symbol.dispose] = Session.prototype.free;\n",
    "const SessionFinalization = (typeof FinalizationRegistry === 'undefined')\n    ? { register: () => {}, unregister: () => {} }\n    : new FinalizationRegistry(ptr => wasm.__wbg_session_free(ptr, 1));\n",
];

/// Builds a crate as WebAssembly.
pub(crate) fn compile(package: &str) -> Result<std::path::PathBuf> {
    const TARGET: &str = "wasm32-unknown-unknown";
    install::wasm_target()?;
    let build = ["build", "--locked", "--profile", "wasm", "--target", TARGET, "--package", package];
    run(&mut cargo(&build), minutes(10))?;
    Ok(target().join(TARGET).join("wasm").join(package.replace('-', "_")).with_extension("wasm"))
}

/// What becomes of the names of functions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Kept,
    Dropped,
}

/// Makes a module smaller; it does the same.
pub(crate) fn shrink(built: &Path, shrunk: &Path, names: Names) -> Result<()> {
    npm_packages()?;
    let mut optimise = program("node");
    optimise.arg("tests/node_modules/binaryen/bin/wasm-opt").arg(built).arg("-o").arg(shrunk);
    // Functions of a few instructions, put where they are called, are longer and compress better.
    optimise.arg("--always-inline-max-function-size=6");
    // The stack lies at the bottom of memory, so that nothing is ever put into the first kilobyte of it.
    optimise.args(["--low-memory-unused", "--flatten", "--rereloop", "-Oz", "--converge"]);
    optimise.args(["--gufa-optimizing", "-Oz", "--converge", "--dealign", "--reorder-functions-by-name"]);
    optimise.args(["--strip-producers", "--strip-target-features"]);
    optimise.arg(if names == Names::Kept { "--debuginfo" } else { "--strip-debug" });
    optimise.args(["--enable-bulk-memory", "--enable-nontrapping-float-to-int", "--enable-sign-ext"]);
    optimise.args(["--enable-mutable-globals", "--enable-reference-types", "--enable-multivalue"]);
    run(&mut optimise, minutes(5))
}

/// Takes out of a module and its glue what nothing uses or what only names longer than they need be.
///
/// Functions that stand in the table because bindings without a caller put them there (closures for JavaScript, and tasks)
/// could be reached by a number alone, so that nothing else takes them out. Names of imports end in a hash: they become numbers.
fn tidy(module: &Path, glue: &Path) -> Result<()> {
    let mut script = std::fs::read_to_string(glue)?;
    ensure!(!script.contains("Closure("), "the glue makes closures: they must stay in the table");
    let failed = |error| anyhow!("{}: {error:#}", module.display());
    let mut parsed = walrus::Module::from_file(module).map_err(failed)?;
    let is_unused =
        |name: &str| name.contains("wasm_bindgen::convert::closures") || name.contains("js_sys::futures");
    let (unused, used): (Vec<_>, Vec<_>) =
        parsed.funcs.iter().partition(|function| function.name.as_deref().is_some_and(is_unused));
    let unused: Vec<_> = unused.iter().map(|function| function.id()).collect();
    let other = used.first().context("a module without functions")?.id();
    for element in parsed.elements.iter_mut() {
        if let walrus::ElementItems::Functions(functions) = &mut element.items {
            functions
                .iter_mut()
                .filter(|function| unused.contains(function))
                .for_each(|function| *function = other);
        }
    }
    let mut imports = Vec::new();
    for (at, import) in parsed.imports.iter_mut().enumerate() {
        script =
            script.replace(&format!("export function {}(", import.name), &format!("function import{at}("));
        imports.push(format!("import{at}"));
        (import.module, import.name) = ("w".into(), at.to_string());
    }
    // Sessions are freed by those who made them.
    for line in FINALIZATION {
        let before = script.len();
        script = script.replace(line, "");
        ensure!(script.len() < before, "the glue has changed: it has no `{line}`");
    }
    // A list has its numbers for names.
    let _ = writeln!(script, "export const imports = [{}];", imports.join(", "));
    // The SDK itself calls the last of these.
    let is_named = |name: &str| name == "__wbindgen_start" || script.contains(&format!("wasm.{name}"));
    keep_exports(&mut parsed, is_named);
    std::fs::write(glue, script)?;
    parsed.emit_wasm_file(module).map_err(failed)
}

fn keep_exports(module: &mut walrus::Module, is_used: impl Fn(&str) -> bool) {
    let unused: Vec<_> =
        module.exports.iter().filter(|export| !is_used(&export.name)).map(walrus::Export::id).collect();
    unused.into_iter().for_each(|export| module.exports.delete(export));
}

/// Puts the browser's module and its glue into a folder, as `wsc_bg.*`.
pub(crate) fn bind(folder: &Path) -> Result<()> {
    let built = compile("wsc-wasm")?;
    Bindgen::new()
        .input_path(&built)
        .out_name("wsc")
        .encode_into(EncodeInto::Always)
        .bundler(true)
        .and_then(|bindgen| bindgen.typescript(true).generate(folder))
        .map_err(|error| anyhow!("wasm-bindgen: {error:#}"))?;
    tidy(&folder.join("wsc_bg.wasm"), &folder.join("wsc_bg.js"))
}

/// Builds the browser's module, its glue, and the module once more, packed, as text for those who do not want to serve a file.
pub(crate) fn build() -> Result<()> {
    let folder = root().join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    bind(&folder)?;
    let file = |name: &str| folder.join(name);
    let module = file("wsc.wasm");
    shrink(&file("wsc_bg.wasm"), &module, Names::Dropped)?;
    // Of what it makes for bundlers only the glue is used: the SDK loads the module itself, so that no bundler needs to know how.
    std::fs::rename(file("wsc_bg.js"), file("wsc.js"))?;
    for unused in ["wsc_bg.wasm", "wsc_bg.wasm.d.ts"] {
        std::fs::remove_file(file(unused))?;
    }
    let mut declarations = std::fs::OpenOptions::new().append(true).open(file("wsc.d.ts"))?;
    declarations.write_all(b"\n/** What the instance is made with. */\nexport const imports: WebAssembly.ModuleImports;\n/** Gives the glue the instance that it is for. */\nexport function __wbg_set_wasm(exports: WebAssembly.Exports): void;\n")?;
    let bytes = std::fs::read(&module).with_context(|| format!("{} is missing", module.display()))?;
    inline(&bytes)?;
    println!("{FOLDER}: module {} bytes", bytes.len());
    Ok(())
}

/// Writes the module as text, with the module that unpacks it.
fn inline(module: &[u8]) -> Result<()> {
    let unpacker = root().join(FOLDER).join("unpack.wasm");
    let built = compile("wsc-packing")?;
    let mut parsed =
        walrus::Module::from_file(&built).map_err(|error| anyhow!("{}: {error:#}", built.display()))?;
    keep_exports(&mut parsed, |name| matches!(name, "memory" | "unpack"));
    parsed.emit_wasm_file(&unpacker).map_err(|error| anyhow!("{}: {error:#}", unpacker.display()))?;
    shrink(&unpacker, &unpacker, Names::Dropped)?;
    let packed = wsc_packing::pack(module);
    ensure!(
        packed.len() <= PACKED && module.len() <= UNPACKED,
        "the module is larger than its unpacker expects"
    );
    let text = format!(
        "export const unpacker = \"{}\";\nexport const packed = \"{}\";\nexport const [length, memory] = [{}, {}];\n",
        STANDARD.encode(std::fs::read(&unpacker)?),
        STANDARD.encode(packed),
        module.len(),
        size_of::<Unpacking>(),
    );
    std::fs::remove_file(unpacker)?;
    std::fs::write(root().join(FOLDER).join("inline.js"), text)?;
    let types = "export const unpacker: string, packed: string, length: number, memory: number;\n";
    std::fs::write(root().join(FOLDER).join("inline.d.ts"), types)?;
    Ok(())
}
