//! One log line for whoever the door refuses: why, and from where. A flood of them becomes a count. Never writes a token.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of refusals within [`PERIOD`].
const LINES: u32 = 60;
const PERIOD: Duration = Duration::from_secs(60);
/// What a client wrote is cut to this many bytes in a line.
const LONGEST: usize = 200;

/// The refusals of a hub.
pub(crate) struct RefusalLog {
    lines: Throttle,
}

impl RefusalLog {
    pub(crate) fn new() -> Self {
        Self { lines: Throttle::new(LINES, PERIOD) }
    }

    /// Logs a refusal.
    pub(crate) fn log(&self, address: Option<IpAddr>, reason: impl Display) {
        let Some(suppressed) = self.lines.pass() else { return };
        let address = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        tracing::info!(%address, %reason, suppressed, "refused");
    }
}

/// Lets a maximum of lines through in a period, and counts the others.
pub(crate) struct Throttle {
    lines: u32,
    period: Duration,
    state: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    began: Option<Instant>,
    passed: u32,
    suppressed: u64,
}

impl Throttle {
    pub(crate) fn new(lines: u32, period: Duration) -> Self {
        Self { lines, period, state: Mutex::default() }
    }

    /// Whether a line may be written: how many were not since the last one that was.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut window = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.is_none_or(|began| now.duration_since(began) >= self.period) {
            (window.began, window.passed) = (Some(now), 0);
        }
        if window.passed >= self.lines {
            window.suppressed += 1;
            return None;
        }
        window.passed += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

/// What a client wrote, as much of it as a log line has room for.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_over_the_limit_are_counted_and_the_count_comes_with_the_next_line() {
        let (throttle, began) = (Throttle::new(2, Duration::from_secs(60)), Instant::now());
        let pass = |seconds| throttle.pass_at(began + Duration::from_secs(seconds));
        assert_eq!([pass(0), pass(1), pass(2), pass(3), pass(59)], [Some(0), Some(0), None, None, None]);
        assert_eq!([pass(60), pass(60), pass(60)], [Some(3), Some(0), None]);
    }

    #[test]
    fn long_text_of_a_client_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"é".repeat(200)).len(), 200);
        assert!(cut(&format!("x{}", "é".repeat(200))).len() < 201);
    }
}
