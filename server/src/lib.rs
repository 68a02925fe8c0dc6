//! The wsc hub as a library.

pub mod log;
