//! Every key of the configuration: its name, its form, what it does. The one table behind the file, the environment,
//! `--set`, and the documentation that `wsc config` prints.

use super::Config;
use super::value::{Field, Form, MOST_TIME, Value};

/// One key.
pub(crate) struct Key {
    /// `section.name`, or a name alone.
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) doc: &'static str,
    field: fn(&mut Config) -> &mut dyn Field,
}

impl Key {
    pub(crate) fn set(&self, config: &mut Config, value: Value) {
        (self.field)(config).set(value);
    }

    pub(crate) fn value(&self, config: &Config) -> Value {
        (self.field)(&mut config.clone()).value()
    }

    /// The environment variable that carries it.
    pub(crate) fn variable(&self) -> String {
        format!("WSC_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }
}

/// The key of a name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

const fn count(least: u64, most: u64) -> Form {
    Form::Count { least, most }
}

const fn size(least: u64, most: u64) -> Form {
    Form::Size { least, most }
}

const fn time(least: u64) -> Form {
    Form::Time { least, most: MOST_TIME }
}

const ANY: Form = count(0, u32::MAX as u64);
const SOME: Form = count(1, u32::MAX as u64);
/// Positions end at 2^53; a retention of more entries is none.
const ENTRIES: Form = count(1, 1 << 53);
const DAY: u64 = 24 * 3600 * 1000;

macro_rules! keys {
    ($($name:literal, $form:expr, $doc:literal, $($field:ident).+;)+) => {
        &[$(Key { name: $name, form: $form, doc: $doc, field: |config| &mut config.$($field).+ }),+]
    };
}

/// All keys, sections together.
pub(crate) static KEYS: &[Key] = keys! {
    "listen", Form::List, "Addresses to listen on: HOST:PORT, https://HOST:PORT (with tls.certificate), unix:/path (whoever may write to the file may connect; the umask decides). Port 0: any free one.", listen;
    "data", Form::Text, "Directory of the embedded store; made when it does not exist.", data;
    "restored", Form::Flag, "The data directory, or the Redis, was put back from a copy or a snapshot: clients learn that something may be missing. For one start only: --restored.", restored;
    "store", Form::Choice(&["embedded", "memory", "redis"]), "Where messages are kept: on this disk, in memory (gone at the end), or in a Redis (see redis.url).", store;
    "durability", Form::Choice(&["fsync", "os", "memory"]), "What \"accepted\" means: on the disk (survives power loss), with the system (survives kill), or in the process.", settings.durability;
    "secret_file", Form::Text, "File with the secret that tokens are signed with (HS256). Empty: no authentication, and only this machine may connect.", secret_file;
    "log", Form::Choice(&["text", "json"]), "How log lines look.", log;
    "log_level", Form::Text, "What is logged: error, warn, info, debug, trace, or a filter such as wsc_server=debug. RUST_LOG comes first.", log_level;
    "node_id", Form::Text, "The hub's name, which clients see. Empty: made at start.", settings.node_id;
    "shards", count(0, 1024), "Threads that hold connections; 0: one per core.", settings.shards;
    "drain", time(1), "How long an orderly end may take in all. Less than what stops the hub gives it: Docker 10 s, Kubernetes 30 s.", settings.drain;
    "welcome", Form::Text, "Text of a notice to each new connection; empty: none.", settings.welcome;
    "client_registered", Form::Flag, "Whether go-wsc clients get client_registered first.", settings.client_registered;
    "auth.apps", Form::List, "Applications whose tokens the secret signs; empty: the default one only.", apps;
    "auth.origins", Form::List, "Origins that pages of a browser may have, such as https://app.example, https://*.app.example (one label) or http://localhost:* (any port); empty: only the hub's own (without tokens: this machine's); \"*\": any.", settings.auth.origins;
    "http.head", size(8192, 1 << 20), "Largest head of an HTTP request: its address and headers, cookies among them.", settings.http.head;
    "http.trusted_proxies", Form::List, "Proxies whose Forwarded or X-Forwarded-For header is trusted for the address of a client: addresses, networks such as 10.0.0.0/8, or unix. Limits per address then count clients.", settings.http.trusted_proxies;
    "http.proxy_protocol", Form::Flag, "Whether connections of trusted proxies begin with the PROXY protocol, version 1 or 2.", settings.http.proxy_protocol;
    "tls.certificate", Form::Text, "PEM file with the hub's certificate and those that lead to its authority; read again when it changes.", certificate;
    "tls.key", Form::Text, "PEM file with the key of the certificate, not encrypted; read again when it changes.", key;
    "redis.url", Form::Text, "With store redis: redis://HOST:PORT, rediss://HOST:PORT (TLS, by the authorities that the system trusts) or redis+unix:///path.", redis.url;
    "redis.user", Form::Text, "The user of Redis; empty: the default one.", redis.user;
    "redis.password_file", Form::Text, "File with the user's password. Empty: none.", redis.password_file;
    "peer.window", count(1, 1_000_000), "Entries on their way to a connection and not acknowledged.", settings.peer.window;
    "peer.heartbeat", time(1), "Silence after which a client pings; after 2.5 times as much the hub closes.", settings.peer.heartbeat;
    "peer.connect_timeout", time(1), "Time for a client to send the connect frame.", settings.peer.connect_timeout;
    "peer.ack_timeout", time(1), "Entries out and none acknowledged for this long: the connection is closed, the entries stay.", settings.peer.ack_timeout;
    "peer.ack_delay", time(0), "How long a client may hold an acknowledgement back.", settings.peer.ack_delay;
    "peer.requests", ANY, "Requests of a connection per second; 0: no limit.", settings.peer.requests;
    "peer.controls", ANY, "Pings and acknowledgements of a connection per second; 0: no limit.", settings.peer.controls;
    "peer.frame", size(1024, 1 << 20), "Largest frame of a client.", settings.peer.frame;
    "peer.socket", size(1024, 1 << 30), "Bytes waiting in a socket above which it is not fed.", settings.peer.socket;
    "peer.slow", time(1), "A socket with bytes waiting that took nothing for this long is closed.", settings.peer.slow;
    "peer.stall", time(1), "How long a message may wait for a rate limit or a busy store before its connection is closed.", settings.peer.stall;
    "peer.cursor", time(1), "How often a moved cursor is written at the latest.", settings.peer.cursor;
    "presence.offline_after", time(0), "How long a user without connection still counts as online.", settings.presence.offline_after;
    "limits.devices", SOME, "Devices kept per user.", settings.limits.devices;
    "limits.groups", SOME, "Groups per user.", settings.limits.groups;
    "limits.first_contacts", ANY, "Users a user may write to for the first time per hour; 0: no limit.", settings.limits.first_contacts;
    "limits.sends", ANY, "Messages of a user per second; 0: no limit.", settings.limits.sends;
    "limits.send_bytes", size(0, u32::MAX as u64), "Bytes of messages of a user per second; 0: no limit.", settings.limits.send_bytes;
    "limits.connections", ANY, "Connections of this hub; 0: no limit.", settings.limits.connections;
    "limits.pending_per_address", ANY, "Sockets of one address that are not authenticated yet; 0: no limit.", settings.limits.pending_per_address;
    "limits.connects_per_address", ANY, "Connects of one address per second; 0: no limit.", settings.limits.connects_per_address;
    "retention.age", time(1000), "Messages older than this go.", settings.retention.age;
    "retention.inbox", ENTRIES, "Messages kept per inbox.", settings.retention.inbox_entries;
    "retention.group", ENTRIES, "Messages kept per group.", settings.retention.group_entries;
    "retention.broadcast", ENTRIES, "Broadcasts kept per namespace.", settings.retention.broadcast_entries;
    "retention.dedupe", Form::Time { least: 1000, most: 30 * DAY }, "How long the id of a message is remembered, so that a resend is not a second message.", settings.retention.dedupe;
    "retention.device", time(1000), "How long a device is kept after it was last seen.", settings.retention.device;
};
