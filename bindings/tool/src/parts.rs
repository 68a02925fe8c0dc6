//! `cargo tool sizes --parts`: what each part of the browser's module takes, as a table. What the compiler puts into its caller
//! counts there.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

use crate::steps::target;
use crate::wasm::{Names, bind, shrink};

/// Prints the table.
pub(crate) fn print() -> Result<()> {
    let folder = target().join("parts");
    std::fs::create_dir_all(&folder)?;
    bind(&folder)?;
    let named = folder.join("named.wasm");
    shrink(&folder.join("wsc_bg.wasm"), &named, Names::Kept)?;
    let parts = parts(&std::fs::read(&named).with_context(|| named.display().to_string())?)?;
    let all: usize = parts.values().sum();
    let mut rows: Vec<_> = parts.into_iter().collect();
    rows.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    println!("| part | bytes | |\n| --- | ---: | ---: |");
    for (part, bytes) in rows {
        println!("| {part} | {bytes} | {:.1} % |", percent(bytes, all));
    }
    println!("| all | {all} | |");
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "sizes of files")]
fn percent(part: usize, all: usize) -> f64 {
    part as f64 * 100.0 / all as f64
}

/// Bytes by part: the functions of a source file, the data, and the rest.
fn parts(module: &[u8]) -> Result<BTreeMap<String, usize>> {
    let mut parts = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut bodies = Vec::new();
    let mut imported = 0;
    let mut others = module.len();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => {
                others -= body.range().len();
                bodies.push(body.range().len());
            }
            Payload::DataSection(data) => {
                others -= data.range().len();
                parts.insert("data: names of the protocol, texts".to_owned(), data.range().len());
            }
            Payload::CustomSection(section) => {
                others -= section.range().len();
                let KnownCustom::Name(subsections) = section.as_known() else { continue };
                for name in subsections {
                    let Name::Function(functions) = name? else { continue };
                    for function in functions {
                        let function = function?;
                        names.insert(function.index, part_of(function.name));
                    }
                }
            }
            _ => {}
        }
    }
    for (index, bytes) in (imported..).zip(bodies) {
        let part = names.get(&index).cloned().unwrap_or_else(|| "others".to_owned());
        *parts.entry(part).or_default() += bytes;
    }
    parts.insert("types, imports, exports".to_owned(), others);
    Ok(parts)
}

/// The source file of a function, by its name.
fn part_of(name: &str) -> String {
    if name.starts_with("session_") {
        return "wsc_wasm, and what is called from there alone".to_owned();
    }
    let Some(from) = ["wsc_core::", "wsc_wasm::", "talc::", "alloc::", "wasm_bindgen::", "core::"]
        .into_iter()
        .find_map(|of| name.find(of))
    else {
        return "others".to_owned();
    };
    let path = &name[from..];
    let depth = if path.starts_with("wsc_core::") { 3 } else { 1 };
    let path: Vec<_> = path.split("::").take(depth).collect();
    path.join("::")
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || matches!(letter, '_' | ':'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_count_for_their_source() {
        for (name, part) in [
            (
                "wsc_core::client::streams::<impl wsc_core::client::Client>::open_stream::h2c01",
                "wsc_core::client::streams",
            ),
            ("core::ptr::drop_in_place<wsc_core::client::event::Event>::h17", "wsc_core::client::event"),
            ("<talc::cell::TalcCell<S,B> as core::alloc::global::GlobalAlloc>::alloc", "talc"),
            ("__externref_table_alloc", "others"),
        ] {
            assert_eq!(part_of(name), part);
        }
    }
}
