//! The log: streams, and what is kept about who has read them.

pub mod key;
pub mod store;
