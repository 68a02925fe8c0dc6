//! The log: streams, and what is kept about who has read them.

#[doc(hidden)]
pub mod conformance;
pub mod embedded;
pub mod key;
pub mod memory;
mod rules;
pub mod store;
