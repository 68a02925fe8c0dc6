//! `cargo tool example`: builds the browser's SDK and starts one of the examples that use it. The hub is started by hand.

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::steps::{minutes, program, root, run};
use crate::test::sdk;

/// An example of the browser's SDK.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Example {
    /// One HTML file without a build step.
    Browser,
    /// A support-desk chat in React.
    ReactChat,
    /// The same in Vue.
    VueChat,
    /// The same in Angular.
    AngularChat,
}

impl Example {
    const fn folder(self) -> &'static str {
        match self {
            Self::Browser => "examples/browser",
            Self::ReactChat => "examples/react-chat",
            Self::VueChat => "examples/vue-chat",
            Self::AngularChat => "examples/angular-chat",
        }
    }
}

/// Builds what it needs and serves it until it is stopped.
pub(crate) fn start(example: Example) -> Result<()> {
    let folder = example.folder();
    sdk()?;
    if root().join(folder).join("package-lock.json").exists() {
        run(program("npm").args(["ci", "--prefix", folder, "--loglevel=error"]), minutes(10))?;
    }
    println!("\nThe hub runs in another terminal: cargo run --release");
    println!("Open the page twice: with ?user=alice and with ?user=bob\n");
    // With the terminal's input: development servers take keys. No limit: it runs until somebody ends it.
    let status = program("npm").args(["start", "--prefix", folder, "--silent"]).status()?;
    ensure!(status.success(), "{folder} ended with {status}");
    Ok(())
}
