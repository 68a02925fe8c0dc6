//! `wsc token`: signs a token for trying out. Applications sign their users' tokens themselves.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use wsc_core::names::is_id;
use wsc_server::token::Claims;

use super::Outcome;

/// The arguments.
#[derive(Args)]
#[command(after_help = "\
Examples:
  head -c 32 /dev/urandom | base64 > secret.txt
  wsc token --user alice --secret-file secret.txt
  wsc token --user alice --groups team,news --expires 7d --secret-file secret.txt
  WSC_TOKEN=$(wsc token --user alice --secret-file secret.txt) wsc send --to bob hello")]
pub(super) struct Token {
    /// The user.
    #[arg(long)]
    user: String,
    /// File with the secret of the hub.
    #[arg(long, value_name = "FILE", env = "WSC_SECRET_FILE")]
    secret_file: PathBuf,
    /// The user's type, such as customer or agent.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// The only device it is for.
    #[arg(long)]
    device: Option<String>,
    /// Groups the user is a member of.
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',')]
    groups: Vec<String>,
    /// What the user may do: send, broadcast, observe, presence, group:NAME, group:PREFIX*, admin.
    /// Absent: send, presence and the groups.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    cap: Vec<String>,
    /// Application; another than the default one must stand in the hub's `auth.apps`.
    #[arg(long)]
    app: Option<String>,
    /// Namespace.
    #[arg(long)]
    namespace: Option<String>,
    /// How long it lasts.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = crate::config::time)]
    expires: u64,
}

impl Token {
    pub(super) fn run(&self) -> Outcome {
        let ids = [Some(&self.user), self.device.as_ref(), self.kind.as_ref()].into_iter().flatten();
        for id in ids.chain(&self.groups) {
            if !is_id(id) {
                return Err(format!(
                    "{id:?} is not a valid id; expected 1 to 128 bytes without control characters"
                ));
            }
        }
        for name in &self.cap {
            let plain =
                ["send", "broadcast", "observe", "presence", "admin", "unlimited"].contains(&name.as_str());
            let group = name.strip_prefix("group:").is_some_and(|group| !group.is_empty());
            if !(plain || group) {
                return Err(format!(
                    "{name:?} is not a valid capability; expected send, broadcast, observe, presence, group:NAME, group:PREFIX*, admin or unlimited"
                ));
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims {
            uid: self.user.clone(),
            utp: self.kind.clone().unwrap_or_default(),
            did: self.device.clone().unwrap_or_default(),
            aid: self.app.clone().unwrap_or_default(),
            tid: self.namespace.clone().unwrap_or_default(),
            gid: self.groups.join(","),
            cap: (!self.cap.is_empty()).then(|| self.cap.clone()),
            exp: now + self.expires.div_ceil(1000),
            iat: now,
        };
        let secret = super::secret(Some(&self.secret_file))?.unwrap_or_default();
        let token = claims.sign(&secret).map_err(|error| error.to_string())?;
        super::say(&token);
        Ok(ExitCode::SUCCESS)
    }
}
