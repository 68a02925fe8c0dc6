//! What a server must be, before it is used: its version, its settings, and whether it can prove after a restart that it
//! kept everything. Pure: texts in, facts out.

use std::collections::HashMap;

use super::super::store::Durability;
use super::RedisOpenError;

/// What `INFO` and `CONFIG GET` said.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    info: HashMap<String, String>,
    /// `None`: not allowed to ask.
    config: Option<HashMap<String, String>>,
}

impl Server {
    pub(super) fn new(info: &str, config: Option<HashMap<String, String>>) -> Self {
        let pairs = info.lines().filter_map(|line| line.trim_end().split_once(':'));
        let info = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { info, config }
    }

    fn info(&self, key: &str) -> &str {
        self.info.get(key).map_or("", String::as_str)
    }

    fn config(&self, key: &str) -> Option<&str> {
        self.config.as_ref().map(|config| config.get(key).map_or("", String::as_str))
    }

    /// Names the process: another one after each restart.
    pub(super) fn run(&self) -> &str {
        self.info("run_id")
    }

    /// Whether what it keeps survives power loss.
    fn flushes_always(&self) -> bool {
        self.info("aof_enabled") == "1"
            && self.config("appendfsync") == Some("always")
            && self.config("no-appendfsync-on-rewrite") == Some("no")
    }

    /// Whether a restart of this process proves to lose nothing: it flushes always, and is not and was not a replica,
    /// nor could one take its place.
    pub(super) fn is_safe(&self) -> bool {
        self.flushes_always()
            && self.info("role") == "master"
            && self.info("connected_slaves") == "0"
            && self.info("master_replid2").bytes().all(|byte| byte == b'0')
    }

    /// Whether the store may use it.
    pub(super) fn check(&self, durability: Durability) -> Result<(), RedisOpenError> {
        let version = self.info("redis_version");
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
        let number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if number < (6, 2) {
            return Err(RedisOpenError::Version(version.to_owned()));
        }
        if self.info("role") != "master" {
            return Err(RedisOpenError::Replica);
        }
        if self.info("cluster_enabled") == "1" {
            return Err(RedisOpenError::Cluster);
        }
        // What evicts keys loses messages.
        let policy = self.info("maxmemory_policy");
        if policy != "noeviction" {
            return Err(RedisOpenError::Evicts(policy.to_owned()));
        }
        match durability {
            Durability::Memory => Ok(()),
            _ if self.info("aof_enabled") != "1" => Err(RedisOpenError::NotDurable(durability)),
            Durability::Os => Ok(()),
            Durability::Fsync if self.config.is_none() => Err(RedisOpenError::Unknown),
            Durability::Fsync if !self.flushes_always() => Err(RedisOpenError::NotDurable(durability)),
            Durability::Fsync => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\naof_enabled:1\r\nrole:master\r\n\
        connected_slaves:0\r\nmaster_replid2:0000\r\nmaxmemory_policy:noeviction\r\ncluster_enabled:0\r\n";

    fn server(change: (&str, &str), config: Option<[(&str, &str); 2]>) -> Server {
        let config = config.map(|config| config.map(|(key, value)| (key.into(), value.into())).into());
        Server::new(&INFO.replace(change.0, change.1), config)
    }

    const ALWAYS: Option<[(&str, &str); 2]> =
        Some([("appendfsync", "always"), ("no-appendfsync-on-rewrite", "no")]);
    const EVERYSEC: Option<[(&str, &str); 2]> =
        Some([("appendfsync", "everysec"), ("no-appendfsync-on-rewrite", "no")]);

    #[test]
    fn each_durability_has_its_price() {
        let table = [
            (("", ""), ALWAYS, [true; 3]),
            (("", ""), EVERYSEC, [false, true, true]),
            (("", ""), None, [false, true, true]),
            (("aof_enabled:1", "aof_enabled:0"), ALWAYS, [false, false, true]),
            (("noeviction", "allkeys-lru"), ALWAYS, [false; 3]),
            (("7.0.15", "6.0.9"), ALWAYS, [false; 3]),
            (("7.0.15", "6.2.0"), ALWAYS, [true; 3]),
            (("role:master", "role:slave"), ALWAYS, [false; 3]),
            (("cluster_enabled:0", "cluster_enabled:1"), ALWAYS, [false; 3]),
        ];
        for (change, config, expected) in table {
            let server = server(change, config);
            let found = [Durability::Fsync, Durability::Os, Durability::Memory]
                .map(|durability| server.check(durability).is_ok());
            assert_eq!(found, expected, "{change:?} {config:?}");
        }
    }

    #[test]
    fn only_a_lone_server_that_flushes_always_proves_anything() {
        assert!(server(("", ""), ALWAYS).is_safe());
        for change in [("slaves:0", "slaves:1"), ("replid2:0000", "replid2:00a0"), ("aof_enabled:1", "")] {
            assert!(!server(change, ALWAYS).is_safe(), "{change:?}");
        }
        assert!(!server(("", ""), EVERYSEC).is_safe() && !server(("", ""), None).is_safe());
        assert_eq!(server(("", ""), None).run(), "abc");
    }
}
