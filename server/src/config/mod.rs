//! Configuration sources, later ones override: file, environment, command line. All three carry the same keys. An unknown
//! key is an error that names the nearest one; an unknown variable is a warning, for others set variables too.

mod keys;
mod nearest;
mod value;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use wsc_server::Settings;

pub(crate) use self::keys::KEYS;
use self::nearest::nearest;
use self::value::Form;
pub(crate) use self::value::time;

/// Variables that begin like keys and are not: of the commands `send` and `listen`, and of the tests.
const OTHER_VARIABLES: [&str; 8] =
    ["WSC_CONFIG", "WSC_URL", "WSC_TOKEN", "WSC_CA", "WSC_SEED", "WSC_SEEDS", "WSC_FRAMES", "WSC_BIN"];

/// Where messages are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StoreKind {
    #[default]
    Embedded,
    Memory,
    Redis,
}

/// Where the Redis of the store is.
#[derive(Clone, Debug)]
pub(crate) struct Redis {
    pub(crate) url: String,
    pub(crate) user: String,
    pub(crate) password_file: Option<PathBuf>,
}

impl Default for Redis {
    fn default() -> Self {
        Self { url: "redis://127.0.0.1:6379".to_owned(), user: String::new(), password_file: None }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogForm {
    #[default]
    Text,
    Json,
}

/// The configuration of `wsc serve`.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: Vec<String>,
    pub(crate) data: PathBuf,
    pub(crate) restored: bool,
    pub(crate) store: StoreKind,
    pub(crate) redis: Redis,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) apps: Vec<String>,
    pub(crate) log: LogForm,
    pub(crate) log_level: String,
    pub(crate) settings: Settings,
    /// What was read and is probably not meant, for the log.
    pub(crate) warnings: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec!["127.0.0.1:8080".to_owned()],
            data: "wsc-data".into(),
            restored: false,
            store: StoreKind::default(),
            redis: Redis::default(),
            secret_file: None,
            certificate: None,
            key: None,
            apps: Vec::new(),
            log: LogForm::default(),
            log_level: "info".to_owned(),
            settings: Settings::default(),
            warnings: Vec::new(),
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("the configuration file {path} cannot be read: {cause}")]
    File { path: PathBuf, cause: String },
    #[error("the configuration file {path} is not TOML: {cause}")]
    Syntax { path: PathBuf, cause: String },
    #[error("{origin}: unknown key {name}{}; `wsc config` prints all keys", hint(.near.as_deref()))]
    Unknown { origin: String, name: String, near: Option<String> },
    #[error("{origin}: {key} cannot be {value:?}; expected {expected}")]
    Value { origin: String, key: String, value: String, expected: String },
    #[error("--set {0}: expected KEY=VALUE, such as --set peer.window=4096")]
    Assignment(String),
    #[error("{0}")]
    Relation(String),
}

fn hint(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

/// A value given on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// As it was written there, for errors: `--listen`, `--set`.
    pub(crate) origin: &'static str,
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Given {
    /// The argument of `--set`.
    pub(crate) fn assignment(text: &str) -> Result<Self, ConfigError> {
        let (key, value) = text.split_once('=').ok_or_else(|| ConfigError::Assignment(text.to_owned()))?;
        Ok(Self { origin: "--set", key: key.trim().to_owned(), value: value.to_owned() })
    }
}

impl Config {
    /// Reads all sources, later ones over earlier ones, and checks the whole.
    pub(crate) fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        given: &[Given],
    ) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|cause| ConfigError::File { path: path.to_path_buf(), cause: cause.to_string() })?;
            config.read_file(path, &text)?;
        }
        config.read_environment(environment)?;
        for Given { origin, key, value } in given {
            config.set(origin, key, value)?;
        }
        config.check()?;
        Ok(config)
    }

    fn read_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let table: toml::Table = text.parse().map_err(|cause: toml::de::Error| ConfigError::Syntax {
            path: path.to_path_buf(),
            cause: cause.to_string(),
        })?;
        self.read_table(&path.display().to_string(), "", &table)
    }

    fn read_table(&mut self, origin: &str, section: &str, table: &toml::Table) -> Result<(), ConfigError> {
        for (name, value) in table {
            let name = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            match value {
                toml::Value::Table(inner) => {
                    self.read_table(origin, &name, inner)?;
                }
                toml::Value::String(text) => self.set(origin, &name, text)?,
                toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
                    let items: Vec<&str> = items.iter().filter_map(toml::Value::as_str).collect();
                    self.set(origin, &name, &items.join(","))?;
                }
                other => self.set(origin, &name, &other.to_string())?,
            }
        }
        Ok(())
    }

    fn read_environment(
        &mut self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        let mut unknown = Vec::new();
        for (name, value) in environment {
            if !name.starts_with("WSC_")
                || OTHER_VARIABLES.contains(&name.as_str())
                || is_of_a_service(&name, &value)
            {
                continue;
            }
            match KEYS.iter().find(|key| key.variable() == name) {
                Some(key) => self.set(&format!("the environment, {name}"), key.name, &value)?,
                None => unknown.push(name),
            }
        }
        if !unknown.is_empty() {
            unknown.sort_unstable();
            let variables: Vec<String> = KEYS.iter().map(keys::Key::variable).collect();
            let with_hint = |name: &String| {
                let near = nearest(name, variables.iter().map(String::as_str));
                near.map_or_else(|| name.clone(), |near| format!("{name} (did you mean {near}?)"))
            };
            let unknown: Vec<String> = unknown.iter().map(with_hint).collect();
            self.warnings.push(format!(
                "the environment has variables that are not keys and change nothing: {}; `wsc config` prints all keys",
                unknown.join(", ")
            ));
        }
        Ok(())
    }

    /// Sets one key.
    fn set(&mut self, origin: &str, name: &str, text: &str) -> Result<(), ConfigError> {
        let Some(key) = keys::find(name) else {
            let near = nearest(name, KEYS.iter().map(|key| key.name)).map(str::to_owned);
            return Err(ConfigError::Unknown { origin: origin.to_owned(), name: name.to_owned(), near });
        };
        let value = key.form.parse(text).map_err(|expected| ConfigError::Value {
            origin: origin.to_owned(),
            key: name.to_owned(),
            value: text.to_owned(),
            expected,
        })?;
        key.set(self, value);
        Ok(())
    }

    /// What single keys cannot tell.
    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |what: String| Err(ConfigError::Relation(what));
        let settings = &self.settings;
        if self.listen.is_empty() || self.data.as_os_str().is_empty() {
            return wrong("listen and data cannot be empty".to_owned());
        }
        let is_tls = |address: &String| address.starts_with("https:") || address.starts_with("wss:");
        match (&self.certificate, &self.key) {
            (Some(_), Some(_)) if !self.listen.iter().any(is_tls) => {
                return wrong("tls.certificate is given, and no address of listen has TLS; write one as https://HOST:PORT".to_owned());
            }
            (Some(_), None) | (None, Some(_)) => {
                return wrong("tls.certificate and tls.key go together; give both".to_owned());
            }
            (None, None) => {
                if let Some(address) = self.listen.iter().find(|address| is_tls(address)) {
                    return wrong(format!("{address} needs tls.certificate and tls.key, two PEM files"));
                }
            }
            (Some(_), Some(_)) => {}
        }
        if !is_filter(&self.log_level) {
            return wrong(format!(
                "log_level cannot be {:?}; expected error, warn, info, debug, trace, or a filter such as wsc_server=debug",
                self.log_level
            ));
        }
        settings.check().map_err(|error| ConfigError::Relation(error.to_string()))?;
        if settings.peer.ack_delay >= settings.peer.ack_timeout {
            return wrong("peer.ack_delay must be shorter than peer.ack_timeout".to_owned());
        }
        if settings.limits.send_bytes != 0 && (settings.limits.send_bytes as usize) < settings.peer.frame {
            return wrong("limits.send_bytes must be 0 or at least peer.frame, or the largest frame could never be sent".to_owned());
        }
        Ok(())
    }

    /// The whole configuration as a TOML file, with the meaning of each key.
    pub(crate) fn document(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for key in KEYS {
            let (of, name) = key.name.split_once('.').unwrap_or(("", key.name));
            if of != section {
                section = of;
                let _ = writeln!(text, "[{section}]\n");
            }
            let expected = match key.form {
                Form::Text | Form::List => String::new(),
                form => format!(" ({})", form.expected()),
            };
            let _ = writeln!(text, "# {}{expected}\n# {}", key.doc, key.variable());
            let _ = writeln!(text, "{name} = {}\n", key.form.write(&key.value(self)));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Kubernetes puts the addresses of services into every container's environment; one named `wsc` looks like a key.
fn is_of_a_service(name: &str, value: &str) -> bool {
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
        || name.contains("_PORT_") && ["_PORT", "_PROTO", "_ADDR"].iter().any(|end| name.ends_with(end))
}

/// Whether a text is a log level or filter. A word that is not a level would be taken for a module of which all is logged, and
/// nothing else would be.
fn is_filter(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |part: &str| LEVELS.iter().any(|level| part.eq_ignore_ascii_case(level));
    let parts = || text.split(',').map(str::trim);
    tracing_subscriber::EnvFilter::try_new(text).is_ok()
        && parts().all(|part| is_level(part) || part.contains(['=', '[', ':', '_']))
}

#[cfg(test)]
mod tests;
