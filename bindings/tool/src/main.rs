//! `cargo tool`.
fn main() {}
