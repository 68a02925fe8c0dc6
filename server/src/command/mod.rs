//! The words of the command line. Each lives in its own file; here is what they share: arguments, exit codes, signals.

mod addresses;
mod config;
mod link;
mod listen;
mod send;
mod serve;
mod token;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use wsc_server::http::Tls;

use crate::config::Config;

/// A reliable real-time messaging hub. Without a command: `wsc serve`.
#[derive(Parser)]
#[command(name = "wsc", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    word: Option<Word>,
    #[command(flatten)]
    serve: serve::Serve,
}

const EXAMPLES: &str = "\
Examples:
  wsc                                        the hub, for this machine: open http://127.0.0.1:8080
  wsc listen --user bob                      in a second terminal: bob's messages as they come
  wsc send --user alice --to bob hello       in a third one: a message, and what became of it
  wsc serve --listen 0.0.0.0:8080 --secret-file secret.txt

Exit codes: 0 done, or ended in order; 1 failed, with the reason on stderr; 2 the command line cannot be understood.";

#[derive(Subcommand)]
enum Word {
    /// Run the hub.
    Serve(serve::Serve),
    /// Send a message and print what became of it.
    Send(send::Send),
    /// Print a user's messages as they come.
    Listen(listen::Listen),
    /// Print a token for trying out a hub with authentication.
    Token(token::Token),
    /// Print the effective configuration, each key with what it does; or check it.
    Config(config::Print),
}

/// A shorter secret can be guessed. In bytes.
const SECRET: usize = 16;

/// What a command ends with: its own exit code, or a human-readable text.
type Outcome = Result<ExitCode, String>;

/// Runs the command of this process.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.word {
        None => arguments.serve.run(),
        Some(Word::Serve(serve)) => serve.run(),
        Some(Word::Send(send)) => block_on(send.run()),
        Some(Word::Listen(listen)) => block_on(listen.run()),
        Some(Word::Token(token)) => token.run(),
        Some(Word::Config(print)) => print.run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(1)
    })
}

/// Runs a command that talks to a hub.
fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(command);
    // Reading stdin is a thread of its own that nothing ends.
    runtime.shutdown_background();
    outcome
}

/// Writes a line to stdout; `false` when nobody reads it any more.
fn say(line: &str) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// The environment, without what is not Unicode: no key is.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The secret in a file.
fn secret(file: Option<&Path>) -> Result<Option<Vec<u8>>, String> {
    let Some(path) = file else { return Ok(None) };
    match content("secret", path)?.as_slice() {
        [] => Err(format!(
            "the secret file {} is empty; put at least {SECRET} random bytes into it",
            path.display()
        )),
        secret => Ok(Some(secret.to_vec())),
    }
}

/// What a file says, without the mark of UTF-8 that editors put before it, and without the white space around it.
fn content(what: &str, path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let content =
        std::fs::read(path).map_err(|cause| format!("the {what} file {shown} cannot be read: {cause}"))?;
    // Both marks, and NUL in every other byte, which is what ASCII becomes.
    let every_other_is_nul = content.len() >= 2
        && (content.iter().skip(1).step_by(2).all(|byte| *byte == 0)
            || content.iter().step_by(2).all(|byte| *byte == 0));
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") || every_other_is_nul {
        return Err(format!(
            "the {what} file {shown} is UTF-16, as PowerShell writes it; save it as UTF-8 (Set-Content -Encoding utf8)"
        ));
    }
    Ok(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content).trim_ascii().to_vec())
}

/// The hub's TLS, where a certificate is configured.
fn tls(config: &Config) -> Result<Option<Arc<Tls>>, String> {
    let (Some(certificate), Some(key)) = (&config.certificate, &config.key) else { return Ok(None) };
    let tls = Tls::from_files(certificate, key).map_err(|error| error.to_string())?;
    Ok(Some(Arc::new(tls)))
}

/// Waits for Ctrl-C or the system's wish that the process ends.
async fn asked_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
