//! `cargo tool tables`: the numbers that stand for names between the core and the SDKs, in TypeScript and Java, written from
//! the enums of `wsc_core::client::bridge`. Checks that all packages have one version. Never adds a number of its own.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use wsc_core::client::bridge::{
    ClosedCode, FaultCode, Flag, Input, Kind, OutcomeCode, Rejection, RequestFault, StateCode,
};
use wsc_core::client::{Stage, Storage};
use wsc_core::limits;

use crate::steps::root;

/// The kinds of reports, as constants of a module.
const KINDS_TS: &str = "sdk-ts/packages/client/src/engine/kind.ts";
/// The kinds of inputs, as constants of a module.
const INPUTS_TS: &str = "sdk-ts/packages/client/src/engine/input.ts";
/// All other numbers.
const TABLES_TS: &str = "sdk-ts/packages/client/src/engine/tables.ts";
/// Everything, as a class.
const TABLES_JAVA: &str = "sdk-java/src/main/java/io/github/wsc/internal/Tables.java";
/// The package that the class is in.
const PACKAGE: &str = "io.github.wsc.internal";
/// How many characters a line of TypeScript may have.
const WIDTH: usize = 120;
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where the version stands besides, and the line it stands in.
const VERSIONS: [(&str, &str); 6] = [
    ("sdk-ts/packages/client/package.json", "  \"version\": \"{}\","),
    ("sdk-ts/packages/react/package.json", "  \"version\": \"{}\","),
    ("sdk-ts/packages/vue/package.json", "  \"version\": \"{}\","),
    ("sdk-ts/packages/angular/package.json", "  \"version\": \"{}\","),
    ("sdk-ts/packages/node/package.json", "  \"version\": \"{}\","),
    ("sdk-java/pom.xml", "  <version>{}</version>"),
];

/// Names with their numbers.
struct Table {
    name: &'static str,
    about: &'static str,
    rows: Vec<(&'static str, u8)>,
}

fn table(name: &'static str, about: &'static str, rows: &[(&'static str, u8)]) -> Table {
    Table { name, about, rows: rows.to_vec() }
}

/// Every table but those of kinds and inputs.
fn tables() -> [Table; 9] {
    let stages = [Stage::Accepted, Stage::Delivered, Stage::Read];
    let stages = stages.map(|stage| match stage {
        Stage::Accepted => ("Accepted", stage as u8),
        Stage::Delivered => ("Delivered", stage as u8),
        Stage::Read => ("Read", stage as u8),
    });
    let storages = [Storage::None, Storage::Behind, Storage::Durable];
    let storages = storages.map(|storage| match storage {
        Storage::None => ("None", storage as u8),
        Storage::Behind => ("Behind", storage as u8),
        Storage::Durable => ("Durable", storage as u8),
    });
    [
        table("State", "States of a connection.", StateCode::ALL),
        table("Closed", "Why a client is closed; any other number is the hub's close code.", ClosedCode::ALL),
        table("Outcome", "How a send ended.", OutcomeCode::ALL),
        table("Stage", "How far a message got.", &stages),
        table("RequestFault", "Why a request got no answer.", RequestFault::ALL),
        table("Fault", "What a fault is about.", FaultCode::ALL),
        table("Rejection", "Why a message was not taken.", Rejection::ALL),
        table("Storage", "What is stored.", &storages),
        table("Flag", "Bits of a session's settings.", Flag::ALL),
    ]
}

/// Numbers of the protocol that the SDKs need.
const LIMITS: [(&str, u64, &str); 2] = [
    (
        "UNREAD_MS",
        limits::UNREAD_MS,
        "How long entries of a stream that nobody reads are held, in milliseconds.",
    ),
    ("BACKLOG_BYTES", limits::BACKLOG_BYTES as u64, "Bytes of entries that wait for the application."),
];

/// Writes the files.
pub(crate) fn write() -> Result<()> {
    for (path, text) in files() {
        std::fs::write(root().join(path), text).with_context(|| path.to_owned())?;
        println!("{path}");
    }
    versions()
}

/// Fails when a file is not what would be written, or a package has another version.
pub(crate) fn check() -> Result<()> {
    for (path, text) in files() {
        if read(path)? != text {
            bail!("{path} is stale: run `cargo tool tables`");
        }
    }
    versions()
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(root().join(Path::new(path))).with_context(|| path.to_owned())
}

fn versions() -> Result<()> {
    for (path, line) in VERSIONS {
        let line = line.replace("{}", VERSION);
        if !read(path)?.lines().any(|found| found == line) {
            bail!("{path} has another version than {VERSION}, which Cargo.toml says");
        }
    }
    Ok(())
}

fn files() -> [(&'static str, String); 4] {
    let kinds = constants_ts("What reports are about.", Kind::ALL);
    let inputs = constants_ts("What goes into a session.", Input::ALL);
    [(KINDS_TS, kinds), (INPUTS_TS, inputs), (TABLES_TS, tables_ts()), (TABLES_JAVA, tables_java())]
}

const WRITTEN: &str =
    "Written by `cargo tool tables` from core/src/client/bridge.rs, which says what each means; not by hand.";

fn constants_ts(about: &str, rows: &[(&str, u8)]) -> String {
    let mut out = format!("/** {about} {WRITTEN} */\n\n");
    for (name, number) in rows {
        let _ = writeln!(out, "export const {name} = {number};");
    }
    out
}

fn tables_ts() -> String {
    let mut out = format!("/** Numbers that the SDKs share with the core. {WRITTEN} */\n\n");
    let _ = writeln!(out, "/** The version of all packages. */\nexport const VERSION = '{VERSION}';");
    let protocol = limits::SUBPROTOCOL;
    let _ = writeln!(out, "/** The WebSocket subprotocol. */\nexport const SUBPROTOCOL = '{protocol}';");
    for (name, number, about) in LIMITS {
        let _ = writeln!(out, "/** {about} */\nexport const {name} = {number};");
    }
    for Table { name, about, rows } in tables() {
        let screaming = joined(name, '_', true);
        if matches!(name, "Flag" | "Storage") {
            let _ = writeln!(out, "\n/* {about} */");
            for (row, number) in rows {
                let _ = writeln!(out, "export const {screaming}_{} = {number};", joined(row, '_', true));
            }
            continue;
        }
        let begins = rows.first().map_or(0, |(_, number)| *number);
        let first = if begins == 0 { String::new() } else { format!(" The first is number {begins}.") };
        let words: Vec<_> = rows.iter().map(|(row, _)| format!("'{}'", joined(row, ' ', false))).collect();
        let line = format!("export const {screaming}_WORDS = [{}] as const;", words.join(", "));
        let _ = writeln!(out, "\n/** {about}{first} */");
        if line.len() <= WIDTH {
            let _ = writeln!(out, "{line}");
        } else {
            let _ =
                writeln!(out, "export const {screaming}_WORDS = [\n  {},\n] as const;", words.join(",\n  "));
        }
    }
    out
}

fn tables_java() -> String {
    let mut out = format!("// Numbers that the SDKs share with the core. {WRITTEN}\npackage {PACKAGE};\n\n");
    let _ = write!(
        out,
        "/** Numbers that the SDKs share with the core. */\npublic final class Tables {{\n    private Tables() {{}}\n\n    \
         /** The version of all packages. */\n    public static final String VERSION = \"{VERSION}\";\n"
    );
    out.push_str(
        "\n    /** What reports are about, in the order of their numbers. */\n    public enum Kind {\n",
    );
    let names: Vec<_> =
        Kind::ALL.iter().map(|(name, _)| format!("        {}", joined(name, '_', true))).collect();
    let _ = writeln!(out, "{}\n    }}", names.join(",\n"));
    for Table { name, about, rows } in tables() {
        if matches!(name, "Flag" | "Storage") {
            // A session of the JVM takes its settings by name.
            continue;
        }
        let _ = writeln!(
            out,
            "\n    /** {about} */\n    public static final class {name} {{\n        private {name}() {{}}\n"
        );
        for (row, number) in rows {
            let _ = writeln!(out, "        public static final int {} = {number};", joined(row, '_', true));
        }
        out.push_str("    }\n");
    }
    out.push_str("}\n");
    out
}

/// `TooMany` as `too many` or `TOO_MANY`.
fn joined(name: &str, between: char, upper: bool) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push(between);
        }
        out.push(if upper { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_made_of_names() {
        assert_eq!(joined("TooMany", ' ', false), "too many");
        assert_eq!(joined("RequestFault", '_', true), "REQUEST_FAULT");
    }

    #[test]
    fn numbers_follow_each_other_so_that_they_can_be_places_in_a_list() {
        for all in [Kind::ALL, Input::ALL] {
            assert!(all.iter().enumerate().all(|(at, (_, number))| at == usize::from(*number)));
        }
        for Table { name, rows, .. } in tables().iter().filter(|table| table.name != "Flag") {
            assert!(rows.windows(2).all(|two| two[0].1 + 1 == two[1].1), "{name}");
        }
    }

    #[test]
    fn the_files_of_the_sdks_are_what_would_be_written() {
        check().unwrap();
    }
}
