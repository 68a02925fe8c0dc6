//! Time as the machines see it: whole milliseconds on the caller's clock. Never reads a clock.

use alloc::string::String;

/// Milliseconds. A machine only compares and adds them; a driver may count from any moment, but in frames and for
/// expiry they mean milliseconds since the Unix epoch.
pub type Timestamp = u64;

/// The text of a moment as the wire has it: RFC 3339, UTC, milliseconds.
///
/// ```
/// assert_eq!(wsc_core::time::format(0), "1970-01-01T00:00:00.000Z");
/// assert_eq!(wsc_core::time::format(1_795_528_800_123), "2026-11-24T14:00:00.123Z");
/// ```
#[must_use]
pub fn format(at: Timestamp) -> String {
    let mut text = String::with_capacity(24);
    write(&mut text, at);
    text
}

/// Appends the text of a moment, see [`format`](fn@format). Years beyond 9999 are written as the last moment of 9999.
pub fn write(out: &mut String, at: Timestamp) {
    const LAST: u64 = 253_402_300_799_999;
    let at = at.min(LAST);
    let (days, in_day) = (at / 86_400_000, at % 86_400_000);
    let (year, month, day) = civil(days);
    digits(out, year, 4);
    out.push('-');
    digits(out, month, 2);
    out.push('-');
    digits(out, day, 2);
    out.push('T');
    digits(out, in_day / 3_600_000, 2);
    out.push(':');
    digits(out, in_day / 60_000 % 60, 2);
    out.push(':');
    digits(out, in_day / 1000 % 60, 2);
    out.push('.');
    digits(out, in_day % 1000, 3);
    out.push('Z');
}

fn digits(out: &mut String, value: u64, width: u32) {
    for power in (0..width).rev() {
        let digit = value / 10_u64.pow(power) % 10;
        out.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

/// Year, month and day of a day counted from 1970-01-01 (the proleptic Gregorian calendar; counting in eras of 400
/// years that begin in March puts the leap day last).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leap_days_and_year_ends_are_right() {
        assert_eq!(format(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(format(951_868_800_000 - 1), "2000-02-29T23:59:59.999Z");
        assert_eq!(format(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(format(u64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
