//! The checker itself: good histories pass, and each way to break the promise is found under its name. A file for each of
//! its rules.
#![allow(missing_docs, reason = "tests")]

mod delivery;
mod devices;
mod marks;
mod membership;
mod receipts;
mod sends;
mod story;
mod streams;
mod wire;
mod writer;
