//! `wsc config`: prints the configuration of a hub as a file. Never starts a hub.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Outcome;
use super::addresses::Address;
use crate::config::{Config, Given};

/// The arguments.
#[derive(Args)]
#[command(after_help = "\
Examples:
  wsc config > wsc.toml                      a file to begin with
  wsc config --config wsc.toml --check       is it right?
  WSC_PEER_WINDOW=64 wsc config              what a hub with this environment would be told")]
pub(super) struct Print {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "WSC_CONFIG")]
    config: Option<PathBuf>,
    /// One key, over file and environment; may be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Only check the configuration.
    #[arg(long)]
    check: bool,
}

impl Print {
    pub(super) fn run(&self) -> Outcome {
        let given = self.set.iter().map(|text| Given::assignment(text)).collect::<Result<Vec<_>, _>>();
        let config =
            given.and_then(|given| Config::load(self.config.as_deref(), super::environment(), &given));
        let config = config.map_err(|error| error.to_string())?;
        config.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        if self.check {
            super::secret(config.secret_file.as_deref())?;
            super::tls(&config)?;
            config.listen.iter().try_for_each(|address| Address::parse(address).map(drop))?;
            super::say("configuration OK");
        } else {
            super::say(&config.document());
        }
        Ok(ExitCode::SUCCESS)
    }
}
