//! The one clock of a simulated system: tokio's, which stands still while anything can run. Never the machine's.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;
use wsc_core::Timestamp;

/// When worlds begin, in milliseconds since 1970.
const BEGIN: Timestamp = 1_900_000_000_000;

thread_local! {
    static ORIGIN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// A world begins on this thread.
pub(super) fn begin() {
    ORIGIN.set(Some(Instant::now()));
    wsc_server::simulate_wall(BEGIN);
}

/// How long the world has been there.
pub(super) fn elapsed() -> Duration {
    ORIGIN.get().map_or(Duration::ZERO, |origin| origin.elapsed())
}

/// Milliseconds since 1970, as a right clock shows them.
pub(super) fn now() -> Timestamp {
    BEGIN + u64::try_from(elapsed().as_millis()).unwrap_or(0)
}

/// The same in microseconds.
pub(super) fn micros() -> u64 {
    BEGIN * 1000 + u64::try_from(elapsed().as_micros()).unwrap_or(0)
}

/// When it is this late.
pub(super) fn instant(at: Timestamp) -> Instant {
    let origin = ORIGIN.get().unwrap_or_else(Instant::now);
    origin + Duration::from_millis(at.saturating_sub(BEGIN))
}

/// The hub's wall clock is wrong by this many milliseconds from now on.
pub(super) fn set_hub_wrong(by: i64) {
    wsc_server::simulate_wall(now().saturating_add_signed(by));
}
