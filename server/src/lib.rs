//! The wsc hub as a library: a real-time messaging server that applications embed, or run as the command `wsc`.
//!
//! A message on its way: [`listen`] accepts a socket, `admission` says who it is, `connection` reads its frames, `hub`
//! decides, [`log`] keeps, `broker` tells the readers' shards, and `connection` writes. Start with [`Hub::builder`].

mod admission;
mod broker;
mod connection;
mod hub;
pub mod listen;
pub mod log;
mod mailbox;
mod settings;
mod sync;

pub use admission::identity::{Capabilities, Identity};
pub use admission::token;
#[cfg(feature = "testing")]
pub use hub::clock::simulate_wall;
pub use hub::failure::{Failure, FailureKind};
pub use hub::hooks::{HookFuture, Sender, Verdict};
pub use hub::waiters::Stage;
pub use hub::{Builder, Connection, Hub, Recipient, SendError, Sent, StartError};
pub use log::embedded::EmbeddedStore;
pub use log::key::{GroupKey, Scope, StreamKey, UserKey};
pub use log::memory::MemoryStore;
pub use settings::{Settings, SettingsError};
pub use wsc_core::{ErrorCode, Message};
