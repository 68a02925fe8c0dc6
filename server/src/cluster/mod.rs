//! What reaches beyond one shard: the router, and the broker that carries hints ([`Hint`](crate::shard::hint::Hint)) to
//! other hubs.

pub(crate) mod broker;
pub(crate) mod local;
pub(crate) mod router;
