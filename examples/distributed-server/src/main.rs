//! Three hubs over one Redis, each a process of its own, and a page with four users on which hubs are killed and brought
//! back while the users go on.
//!
//! ```sh
//! cargo tool example distributed-server     # builds the browser's SDK, then runs this
//! ```
//!
//! `hub.rs` is what an application embeds: a hub that is one of several. The rest is for the page: `processes.rs` starts and
//! kills `redis-server` and the hubs, `page.rs` serves what the browser shows. Everything listens on this machine only.

mod hub;
mod page;
mod processes;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

use self::processes::{Hubs, Redis};

/// What `cargo tool example` makes of the browser's SDK.
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/page/wsc.js");
const HUBS: [&str; 3] = ["hub-1", "hub-2", "hub-3"];

/// Three hubs over one Redis, and a page that shows them.
#[derive(Parser)]
struct Arguments {
    /// Port of the page.
    #[arg(long, default_value_t = 8090)]
    port: u16,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// One hub; the page starts three of them.
    Hub(hub::Hub),
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "says what is missing, in one line")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.part {
        Some(Part::Hub(hub)) => hub.run().await,
        // All processes end with what holds them, and Redis leaves nothing behind.
        None => tokio::select! {
            ended = run(arguments.port) => ended,
            asked = asked_to_end() => asked,
        },
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "whoever starts it wants to know where the page is")]
async fn run(port: u16) -> Result<()> {
    ensure!(
        Path::new(SDK).exists(),
        "the browser's SDK is not built; `cargo tool example distributed-server` builds it and starts this"
    );
    let redis = Redis::start().await?;
    println!("Redis is on {}", redis.url);
    let hubs = Hubs::new(&redis.url, HUBS);
    for name in HUBS {
        println!("{name} is on {}", hubs.start(name).await?);
    }
    let listener = TcpListener::bind(("127.0.0.1", port));
    let listener = listener.await.with_context(|| format!("port {port}; --port takes another one"))?;
    println!("\nopen http://localhost:{}; Ctrl-C ends it", listener.local_addr()?.port());
    Ok(axum::serve(listener, page::routes(hubs)).await?)
}

/// Ctrl-C, or SIGTERM.
async fn asked_to_end() -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            asked = tokio::signal::ctrl_c() => asked?,
            _ = terminated.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}
