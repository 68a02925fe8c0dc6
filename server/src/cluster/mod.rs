//! What reaches beyond one shard: the router, and what a hub knows of the others that share its store.

pub(crate) mod broker;
pub(crate) mod interests;
pub(crate) mod members;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod router;
mod tips;
pub(crate) mod topic;
