//! The modules of the hub import one way: each only what stands before it in [`LAYERS`]. And what the documents say of
//! the tree is there.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of `server/src`, from bottom to top. `docs/architecture.md` draws them.
const LAYERS: [&str; 17] = [
    "sync",
    "mailbox",
    "log",
    "clock",
    "settings",
    "net",
    "admission",
    "shard",
    "cluster",
    "registry",
    "failure",
    "flow",
    "hub",
    "http",
    "config",
    "command",
    "main",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The layer a file belongs to: its first folder, or its own name.
fn layer_of(path: &Path) -> String {
    let first = path.iter().next().unwrap().to_str().unwrap();
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

fn height(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|known| *known == layer)
}

/// The code of a file, without comments and without its tests: those may look from above.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines = text[..end].lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// What follows each path's beginning, such as `crate::`: single names, and the names in braces.
fn names_after(beginning: &str, code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, found) in code.match_indices(beginning) {
        // Macros say `$crate::`, other crates end in `_crate`, and `super::super` is another folder.
        if code[..at].ends_with(|before: char| ['$', '_', ':'].contains(&before) || before.is_alphanumeric())
        {
            continue;
        }
        let rest = &code[at + found.len()..];
        let word = |text: &str| -> String {
            text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        if let Some(list) = rest.strip_prefix('{') {
            let (mut depth, mut begin) = (0, 0);
            for (index, character) in list.char_indices() {
                match character {
                    '{' => depth += 1,
                    '}' if depth > 0 => depth -= 1,
                    ',' | '}' if depth == 0 => {
                        names.push(word(&list[begin..index]));
                        begin = index + 1;
                        if character == '}' {
                            break;
                        }
                    }
                    _ => {}
                }
            }
        } else {
            names.push(word(rest));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// What `lib.rs` exports at the top, and the layer it comes from.
fn exports(root: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in root.replace(['\n', ' '], "").split(';').filter_map(|line| line.split("pubuse").nth(1)) {
        let Some((layer, _)) = line.split_once("::") else { continue };
        let last = line.rsplit("::").next().unwrap();
        for name in last.trim_matches(['{', '}']).split(',') {
            let name = name.rsplit("as").next().unwrap_or(name);
            found.insert(name.to_owned(), layer.to_owned());
        }
    }
    found
}

#[test]
fn imports_go_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let exports = exports(&fs::read_to_string(root.join("lib.rs")).unwrap());
    let (mut upward, mut seen) = (Vec::new(), 0);
    for path in sources(&root) {
        let file = path.strip_prefix(&root).unwrap();
        let layer = layer_of(file);
        if layer == "lib" {
            continue;
        }
        let own = height(&layer).unwrap_or_else(|| panic!("{layer} is not in LAYERS: where does it stand?"));
        let code = code(&fs::read_to_string(&path).unwrap());
        let mut names = names_after("crate::", &code);
        // Beside the root, `super` is the root.
        let depth = file.iter().count();
        if depth == 1 || depth == 2 && file.ends_with("mod.rs") {
            names.extend(names_after("super::", &code));
        }
        for name in names {
            let imported = exports.get(&name).map_or(&*name, |layer| layer);
            let Some(other) = height(imported) else { continue };
            seen += 1;
            if other > own {
                upward.push(format!("{} ({layer}) imports {imported}", file.display()));
            }
        }
    }
    assert!(seen > 200, "only {seen} imports were found: does this test still read them?");
    assert!(upward.is_empty(), "imports that go up:\n{}", upward.join("\n"));
}

/// A way from a file back to itself.
fn circle<'g>(graph: &'g BTreeMap<String, Vec<String>>, way: &mut Vec<&'g str>) -> bool {
    let from = *way.last().unwrap();
    for to in graph.get(from).into_iter().flatten() {
        if *to == way[0] {
            return true;
        }
        if !way.contains(&&**to) {
            way.push(to);
            if circle(graph, way) {
                return true;
            }
            way.pop();
        }
    }
    false
}

#[test]
fn files_of_a_layer_do_not_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut graph: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in sources(&root) {
        let folder = path.parent().unwrap();
        // What a folder's `mod.rs` has is for all of its files.
        if folder == root || path.ends_with("mod.rs") || path.ends_with("tests.rs") {
            continue;
        }
        let code = code(&fs::read_to_string(&path).unwrap());
        let siblings = names_after("super::", &code).into_iter();
        let siblings = siblings.map(|name| folder.join(format!("{name}.rs"))).filter(|file| file.is_file());
        let name = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
        graph.insert(name(&path), siblings.map(|file| name(&file)).collect());
    }
    assert!(graph.values().map(Vec::len).sum::<usize>() > 40, "are imports still read?");
    for file in graph.keys() {
        let mut way = vec![&**file];
        assert!(!circle(&graph, &mut way), "files that import each other: {}", way.join(" -> "));
    }
}

#[test]
fn the_test_sees_an_import_that_goes_up() {
    let names = names_after("crate::", "use crate::{Settings, log::{key, store}};\nlet x = crate::hub::Hub;");
    assert_eq!(names, ["Settings", "log", "hub"]);
    assert_eq!(exports("pub use settings::{Settings, SettingsError};")["SettingsError"], "settings");
    assert!(height("hub") > height("log"));
}

#[test]
fn files_that_the_architecture_names_exist_and_layers_are_drawn() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(tree.join("docs/architecture.md")).unwrap();
    let roots = ["", "server/src", "core/src", "sdk-ts/packages/client/src", "bindings/tokio/src"];
    let mut files = 0;
    for name in text.split('`').skip(1).step_by(2) {
        let name = name.split(':').next().unwrap();
        let is_file = [".rs", ".ts", ".mjs"].iter().any(|end| name.ends_with(end)) && !name.contains('*');
        if is_file {
            files += 1;
            let exists = roots.iter().any(|root| tree.join(root).join(name).is_file());
            assert!(exists, "docs/architecture.md names {name}, which is not there");
        }
    }
    assert!(files > 20, "only {files} files are named");
    for layer in LAYERS.iter().filter(|layer| !["main", "sync"].contains(layer)) {
        assert!(text.contains(&format!("`{layer}")), "docs/architecture.md does not say what {layer} is");
    }
}
