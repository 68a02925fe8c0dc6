//! What a connection is called on its shard.

/// A connection of one shard: its slot, and a generation, so that a slot used again is not mistaken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}
