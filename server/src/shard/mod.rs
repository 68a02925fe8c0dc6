//! What one shard knows, and the letters it gets: data that belongs to one thread, so it needs no locks. Each part
//! keeps its own order; what a frame or an entry means is decided above, in [`flow`](crate::flow).

pub(crate) mod allowance;
pub(crate) mod attaching;
pub(crate) mod connection;
pub(crate) mod hint;
pub(crate) mod letter;
pub(crate) mod marks;
pub(crate) mod notes;
pub(crate) mod reading;
pub(crate) mod stages;
pub(crate) mod standing;
pub(crate) mod state;
pub(crate) mod subscription;
pub(crate) mod wheel;
