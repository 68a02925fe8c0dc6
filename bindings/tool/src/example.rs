//! `cargo tool example`: builds an SDK and starts one of the examples that use it. The hub is started by hand.

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::steps::{cargo, minutes, program, root, run};
use crate::test::sdk;
use crate::{java, node};

/// An example.
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
    /// Three hubs over one Redis, which are killed and brought back on a page. Needs no other hub.
    DistributedServer,
    /// A bot in Node that answers what is often asked.
    NodeBot,
    /// A chat in a terminal, in Java.
    JavaChat,
    /// The same in Kotlin.
    KotlinChat,
    /// A robot in Spring Boot that answers.
    SpringBoot,
}

impl Example {
    const fn folder(self) -> &'static str {
        match self {
            Self::Browser => "examples/browser",
            Self::DistributedServer => "examples/distributed-server",
            Self::ReactChat => "examples/react-chat",
            Self::VueChat => "examples/vue-chat",
            Self::AngularChat => "examples/angular-chat",
            Self::JavaChat => "examples/java-chat",
            Self::KotlinChat => "examples/kotlin-chat",
            Self::SpringBoot => "examples/spring-boot",
            Self::NodeBot => "examples/node-bot",
        }
    }

    const fn use_it(self) -> &'static str {
        match self {
            Self::NodeBot => "Write to the user bot, from one of the chats: cargo tool example react-chat",
            _ => "Open the page twice: with ?user=alice and with ?user=bob",
        }
    }
}

/// Builds what it needs and serves it until it is stopped.
pub(crate) fn start(example: Example, user: &str) -> Result<()> {
    let folder = example.folder();
    if matches!(example, Example::JavaChat | Example::KotlinChat | Example::SpringBoot) {
        return start_java(example, user);
    }
    if matches!(example, Example::DistributedServer) {
        return start_distributed();
    }
    if matches!(example, Example::NodeBot) {
        node::build()?;
    } else {
        sdk()?;
    }
    if root().join(folder).join("package-lock.json").exists() {
        run(program("npm").args(["ci", "--prefix", folder, "--loglevel=error"]), minutes(10))?;
    }
    println!("\nThe hub runs in another terminal: cargo run --release");
    println!("{}\n", example.use_it());
    // With the terminal's input: development servers take keys. No limit: it runs until somebody ends it.
    let status = program("npm").args(["start", "--prefix", folder, "--silent"]).status()?;
    ensure!(status.success(), "{folder} ended with {status}");
    Ok(())
}

/// Makes one file of the browser's SDK for the page, and runs the example: it starts its hubs by itself.
fn start_distributed() -> Result<()> {
    sdk()?;
    let words = ["sdk-ts/scripts/bundle.mjs", "examples/distributed-server/page/wsc.js"];
    run(program("node").args(words), minutes(1))?;
    let status = cargo(&["run", "--locked", "--package", "distributed-server"]).status()?;
    ensure!(status.success(), "distributed-server ended with {status}");
    Ok(())
}

/// Builds the artifact and runs an example of Java in the terminal.
fn start_java(example: Example, user: &str) -> Result<()> {
    let folder = example.folder();
    java::install()?;
    let mut run = java::maven(folder)?;
    run.args(["--quiet", "compile"]);
    if matches!(example, Example::SpringBoot) {
        println!(
            "\nThe hub runs in another terminal: cargo run --release. Write to the robot: cargo tool example java-chat\n"
        );
        run.arg("spring-boot:run");
    } else {
        println!(
            "\nThe hub runs in another terminal: cargo run --release. Start it again as another: --user bob\n"
        );
        run.args(["exec:java", &format!("-Dexec.args={user}")]);
    }
    let status = run.status()?;
    ensure!(status.success(), "{folder} ended with {status}");
    Ok(())
}
