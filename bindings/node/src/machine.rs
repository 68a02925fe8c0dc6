//! The machine alone, for tests: how the bridge shows that it speaks as the common scripts say.

use napi::Result;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use wsc_core::client::{Config, Identity, Storage};

use crate::batch::Batch;
use crate::command::{Command, whole};

/// The settings that scripts know.
#[napi(object, object_to_js = false)]
pub struct MachineSettings {
    /// The client's name.
    pub client: Option<String>,
    /// This installation's id.
    pub device: Option<String>,
    /// A token.
    pub token: Option<String>,
    /// Whether tokens are asked for.
    pub asks: Option<bool>,
    /// Who to be.
    pub user: Option<String>,
    /// The groups to read.
    pub groups: Option<Vec<String>>,
    /// A new device begins at the heads.
    pub start_at_head: Option<bool>,
    /// Whether an entry counts as handed over when it was told.
    pub automatic: Option<bool>,
    /// `none`, `behind`, `durable`.
    pub storage: Option<String>,
    /// Sends kept at most.
    pub outbox_count: Option<u32>,
    /// Sends under way at most.
    pub flight_count: Option<u32>,
    /// Receipts waited for at most.
    pub receipts: Option<u32>,
}

impl MachineSettings {
    fn config(self) -> Config {
        let mut config = Config {
            client: self.client.unwrap_or_default(),
            device_id: self.device.unwrap_or_default(),
            token: self.token,
            token_provider: self.asks.unwrap_or_default(),
            identity: Identity { user_id: self.user.unwrap_or_default(), ..Identity::default() },
            groups: self.groups,
            start_at_head: self.start_at_head.unwrap_or_default(),
            auto_acknowledge: self.automatic.unwrap_or(true),
            storage: match self.storage.as_deref() {
                Some("behind") => Storage::Behind,
                Some("durable") => Storage::Durable,
                _ => Storage::None,
            },
            ..Config::default()
        };
        let limits = [
            (&mut config.outbox_count, self.outbox_count),
            (&mut config.flight_count, self.flight_count),
            (&mut config.receipts, self.receipts),
        ];
        for (limit, wanted) in limits {
            if let Some(wanted) = wanted {
                *limit = wanted as usize;
            }
        }
        config
    }
}

/// A client machine without a driver, on a clock that a test sets, in milliseconds.
#[napi]
pub struct Machine {
    inner: wsc_client::session::Machine,
}

#[napi]
impl Machine {
    /// One that goes on from what was saved; with nothing, from the start.
    #[napi(constructor)]
    pub fn new(settings: MachineSettings, seed: i64, saved: Uint8Array) -> Result<Self> {
        Ok(Self { inner: wsc_client::session::Machine::new(settings.config(), whole(seed, "seed")?, &saved) })
    }

    /// Executes a command: the number of a send or request; 0: none; below 0: why a message was not taken.
    #[napi]
    pub fn execute(&mut self, now: i64, command: Command) -> Result<i64> {
        Ok(self.inner.execute(whole(now, "now")?, command.checked()?))
    }

    /// A socket opened.
    #[napi]
    pub fn open(&mut self, now: i64, link: u32) -> Result<()> {
        self.inner.open(whole(now, "now")?, link);
        Ok(())
    }

    /// A text frame came.
    #[napi]
    pub fn text(&mut self, now: i64, link: u32, text: String) -> Result<()> {
        self.inner.text(whole(now, "now")?, link, &text);
        Ok(())
    }

    /// A ping or pong of the WebSocket came.
    #[napi]
    pub fn life(&mut self, now: i64, link: u32) -> Result<()> {
        self.inner.life(whole(now, "now")?, link);
        Ok(())
    }

    /// A socket closed.
    #[napi]
    pub fn closed(&mut self, now: i64, link: u32, code: Option<u16>, reason: String) -> Result<()> {
        self.inner.closed(whole(now, "now")?, link, code, &reason);
        Ok(())
    }

    /// All sends up to this one are stored.
    #[napi]
    pub fn stored(&mut self, now: i64, send: i64) -> Result<()> {
        self.inner.stored(whole(now, "now")?, whole(send, "send")?);
        Ok(())
    }

    /// The time of the deadline has come.
    #[napi]
    pub fn timeout(&mut self, now: i64) -> Result<()> {
        self.inner.timeout(whole(now, "now")?);
        Ok(())
    }

    /// When something is due.
    #[napi(getter)]
    pub fn deadline(&self) -> Option<i64> {
        self.inner.deadline().map(u64::cast_signed)
    }

    /// The newest socket's number.
    #[napi(getter)]
    pub fn link(&self) -> u32 {
        self.inner.link()
    }

    /// Everything it has to say.
    #[napi]
    pub fn drain(&mut self) -> Batch {
        Batch::of(self.inner.drain(), false)
    }

    /// Everything a later one needs.
    #[napi]
    pub fn snapshot(&self) -> Uint8Array {
        self.inner.snapshot().into()
    }

    /// What the last message that was not taken had wrong.
    #[napi(getter)]
    pub fn wrong(&self) -> String {
        self.inner.wrong().to_owned()
    }
}
