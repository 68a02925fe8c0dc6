//! Bytes and frames of connections: what comes in is cut into messages, what goes out is one queue of shared pieces.
//! Knows no user and decides nothing of what is sent.

pub(crate) mod bare;
mod boundaries;
pub(crate) mod encode;
pub(crate) mod entry;
pub(crate) mod id;
pub(crate) mod linger;
pub(crate) mod lists;
pub(crate) mod reader;
pub(crate) mod signal;
pub(crate) mod wire;
