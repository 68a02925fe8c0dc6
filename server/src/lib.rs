//! The wsc hub as a library: a real-time messaging server that applications embed, or run as the command `wsc`.
//!
//! Start with [`Hub::builder`]. Inside, from bottom to top, and never the other way: [`log`] keeps; `net` reads and
//! writes frames; `admission` says who may come in; `shard` is what one thread knows of its connections; `cluster` tells
//! other shards and hubs; `registry` and `failure` are facts of the whole hub; `flow` decides what a frame means; `hub`
//! is what an application holds; [`http`] accepts sockets.

mod admission;
mod clock;
mod cluster;
mod failure;
mod flow;
pub mod http;
mod hub;
pub mod log;
mod mailbox;
mod net;
mod registry;
pub mod settings;
mod shard;
mod sync;

pub use admission::identity::{Capabilities, Identity};
pub use admission::token;
#[cfg(feature = "testing")]
pub use clock::simulate_wall;
pub use cluster::broker::{Broker, Inbox};
#[cfg(feature = "redis")]
pub use cluster::redis::RedisBroker;
pub use cluster::topic::Topic;
pub use failure::{Failure, FailureKind};
pub use hub::{Builder, Hub, Recipient, SendError, Sent, StartError};
pub use log::embedded::EmbeddedStore;
pub use log::key::{GroupKey, Scope, StreamKey, UserKey};
pub use log::memory::MemoryStore;
#[cfg(feature = "redis")]
pub use log::redis::RedisStore;
pub use registry::hooks::{HookFuture, Sender, Verdict};
pub use registry::pending::Stage;
pub use settings::{Settings, SettingsError};
pub use shard::letter::ConnectionInfo as Connection;
pub use wsc_core::{ErrorCode, Message};
