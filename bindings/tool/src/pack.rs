//! `cargo tool pack`: the packages for this machine's platform, as they are published, in `target/packages`. Publishes
//! nothing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::steps::{cargo, minutes, program, root, run, target};
use crate::{java, node};

/// What Rust programs need: the client, and what it depends on.
const CRATES: [&str; 2] = ["wsc-core", "wsc-client"];
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A kind of package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Tarballs of @wsc/client, react, vue, angular, node and its native part.
    Npm,
    /// A Maven repository with io.github.wsc:wsc-client, for Maven and Gradle.
    Maven,
    /// wsc-client and wsc-core, as `.crate` files and as folders to depend on.
    Crate,
}

/// Where the packages go: always there, so that the guides can name it.
pub(crate) fn folder() -> PathBuf {
    root().join("target/packages")
}

/// Packs one kind, or all, and prints the lines that install them.
pub(crate) fn pack(kind: Option<Kind>) -> Result<()> {
    let kinds = kind.map_or_else(|| Kind::value_variants().to_vec(), |kind| vec![kind]);
    fs::create_dir_all(folder())?;
    for kind in &kinds {
        match kind {
            Kind::Npm => npm()?,
            Kind::Maven => maven()?,
            Kind::Crate => crates()?,
        }
    }
    println!("\nIn a project of yours (docs/guides says what comes next):");
    for kind in kinds {
        println!("\n{}", lines(kind)?);
    }
    Ok(())
}

fn npm() -> Result<()> {
    node::build()?;
    for file in tarballs()? {
        fs::remove_file(file)?;
    }
    run(program("node").arg("sdk-ts/scripts/pack.mjs").arg(folder()), minutes(2))
}

fn maven() -> Result<()> {
    let repository = emptied("maven")?;
    let deploy = format!("-DaltDeploymentRepository=packages::file:{}", repository.display());
    run(java::maven("sdk-java")?.args(["--quiet", "deploy", "-Dmaven.test.skip=true", &deploy]), minutes(15))
}

/// Packages the crates and unpacks them. The client depends on the folder beside it: its own manifest names a registry.
fn crates() -> Result<()> {
    let into = emptied("crates")?;
    // Without a lock file, for which cargo would look for the one crate in the registry to lock the other.
    let mut package =
        cargo(&["package", "--quiet", "--locked", "--no-verify", "--allow-dirty", "--exclude-lockfile"]);
    run(package.args(CRATES.map(|name| format!("--package={name}"))), minutes(5))?;
    for name in CRATES {
        let file = format!("{name}-{VERSION}.crate");
        fs::copy(target().join("package").join(&file), into.join(&file))?;
        // With the time of now: cargo would take files of another packing, which carry a fixed time, for unchanged.
        run(program("tar").arg("-xzmf").arg(into.join(&file)).arg("-C").arg(&into), minutes(1))?;
        // Its name in guides has no version.
        let unpacked = into.join(name);
        fs::rename(into.join(format!("{name}-{VERSION}")), &unpacked)?;
        depend_on_folders(&unpacked.join("Cargo.toml"))?;
    }
    Ok(())
}

fn depend_on_folders(manifest: &Path) -> Result<()> {
    let mut table: toml::Table = fs::read_to_string(manifest)?.parse()?;
    // A workspace of its own: that of this project is above it.
    table.insert("workspace".to_owned(), toml::Table::new().into());
    let dependencies = table.get_mut("dependencies").and_then(toml::Value::as_table_mut);
    let dependencies = dependencies.with_context(|| format!("{} has no dependencies", manifest.display()))?;
    for name in CRATES {
        if let Some(dependency) = dependencies.get_mut(name).and_then(toml::Value::as_table_mut) {
            dependency.insert("path".to_owned(), format!("../{name}").into());
        }
    }
    fs::write(manifest, toml::to_string(&table)?)?;
    Ok(())
}

/// A folder below that of the packages, without what was there.
fn emptied(name: &str) -> Result<PathBuf> {
    let folder = folder().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The packages of npm that are there.
fn tarballs() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tgz") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What a user types or writes.
fn lines(kind: Kind) -> Result<String> {
    let folder = folder().display().to_string();
    Ok(match kind {
        Kind::Npm => {
            let tarball = |name: &str| format!("{folder}/wsc-{name}-{VERSION}.tgz");
            let client = tarball("client");
            let mut out = format!("npm install {client}");
            for name in ["react", "vue", "angular"] {
                out += &format!("\nnpm install {client} {}", tarball(name));
            }
            let node = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                name.starts_with("wsc-node-").then(|| path.display().to_string())
            };
            let node: Vec<_> = tarballs()?.iter().filter_map(node).collect();
            out + &format!("\nnpm install {client} {}", node.join(" "))
        }
        Kind::Maven => format!(
            "<repository><id>wsc</id><url>file://{folder}/maven</url></repository>      (pom.xml, in <repositories>)\n\
             maven {{ url = 'file://{folder}/maven' }}      (build.gradle, in repositories)\n\
             io.github.wsc:wsc-client:{VERSION}"
        ),
        Kind::Crate => format!("cargo add wsc-client --path {folder}/crates/wsc-client"),
    })
}
