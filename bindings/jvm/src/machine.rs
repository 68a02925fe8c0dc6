//! The machine alone, on a clock that a test sets, for the scripts of `tests/vectors`. Applications have no use for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wsc_client::session::Config;

use crate::command::Command;
use crate::report::write;

/// What a script says of the client it begins with. What is empty or 0 is as by default.
#[derive(Debug, uniffi::Record)]
pub struct Script {
    pub device: String,
    pub token: String,
    pub token_provider: bool,
    pub user: String,
    pub groups: Option<Vec<String>>,
    pub start_at_head: bool,
    pub auto_acknowledge: bool,
    /// 0: none, 1: behind, 2: durable.
    pub storage: i32,
    pub outbox_count: i32,
    pub flight_count: i32,
    pub receipts: i32,
    pub name: String,
}

impl From<Script> for Config {
    fn from(script: Script) -> Self {
        use wsc_client::session::Storage;
        let mut config = Self {
            client: script.name,
            device_id: script.device,
            token: Some(script.token).filter(|token| !token.is_empty()),
            token_provider: script.token_provider,
            groups: script.groups,
            start_at_head: script.start_at_head,
            auto_acknowledge: script.auto_acknowledge,
            storage: match script.storage {
                0 => Storage::None,
                1 => Storage::Behind,
                _ => Storage::Durable,
            },
            ..Self::default()
        };
        config.identity.user_id = script.user;
        for (limit, given) in [
            (&mut config.outbox_count, script.outbox_count),
            (&mut config.flight_count, script.flight_count),
            (&mut config.receipts, script.receipts),
        ] {
            if given > 0 {
                *limit = given.unsigned_abs() as usize;
            }
        }
        config
    }
}

/// See [`wsc_client::session::Machine`], whose functions these are.
#[derive(uniffi::Object)]
pub struct Machine {
    inner: Mutex<wsc_client::session::Machine>,
}

#[uniffi::export]
impl Machine {
    #[uniffi::constructor]
    pub fn new(script: Script, seed: i64, saved: &[u8]) -> Arc<Self> {
        let machine = wsc_client::session::Machine::new(script.into(), seed.cast_unsigned(), saved);
        Arc::new(Self { inner: Mutex::new(machine) })
    }

    pub fn execute(&self, now: i64, command: Command) -> i64 {
        self.lock().execute(time(now), command.into())
    }

    pub fn open(&self, now: i64, link: i32) {
        self.lock().open(time(now), link.unsigned_abs());
    }

    pub fn text(&self, now: i64, link: i32, text: &str) {
        self.lock().text(time(now), link.unsigned_abs(), text);
    }

    /// `code` 0: there was no Close frame.
    pub fn closed(&self, now: i64, link: i32, code: i32, reason: &str) {
        let code = u16::try_from(code).ok().filter(|code| *code > 0);
        self.lock().closed(time(now), link.unsigned_abs(), code, reason);
    }

    pub fn stored(&self, now: i64, send: i64) {
        self.lock().stored(time(now), send.unsigned_abs());
    }

    pub fn timeout(&self, now: i64) {
        self.lock().timeout(time(now));
    }

    /// -1: nothing is due.
    pub fn deadline(&self) -> i64 {
        self.lock().deadline().map_or(-1, u64::cast_signed)
    }

    /// The newest socket's number.
    pub fn link(&self) -> i32 {
        self.lock().link().cast_signed()
    }

    pub fn drain(&self) -> Vec<u8> {
        let mut written = Vec::new();
        for report in self.lock().drain() {
            write(&mut written, 0, &report);
        }
        written
    }

    pub fn snapshot(&self) -> Vec<u8> {
        self.lock().snapshot()
    }

    pub fn wrong(&self) -> String {
        self.lock().wrong().to_owned()
    }
}

impl Machine {
    fn lock(&self) -> MutexGuard<'_, wsc_client::session::Machine> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn time(now: i64) -> u64 {
    now.unsigned_abs()
}
