//! Facts of the whole hub, each behind a lock of its own: presence, observers, receipts that somebody waits for, and
//! the application's hooks. They change when connections do, not when messages pass.

pub(crate) mod hooks;
pub(crate) mod looking;
pub(crate) mod observers;
pub(crate) mod pending;
pub(crate) mod presence;
