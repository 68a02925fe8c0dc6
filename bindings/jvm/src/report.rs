//! Reports as bytes: one array for many, which the JVM reads where they stand. Records would be made one field at a time.
//!
//! A report is the session's number (4 bytes), its kind (1), four numbers (8 each), three texts (length in 4, UTF-8) and the
//! bytes beside it (length in 4, -1 for none). All numbers are big-endian.

use wsc_client::session::Report;

/// Appends a report of a session.
pub(crate) fn write(to: &mut Vec<u8>, session: i32, report: &Report) {
    to.extend(session.to_be_bytes());
    to.push(report.kind as u8);
    for number in report.numbers {
        to.extend(number.to_be_bytes());
    }
    for text in &report.texts {
        write_bytes(to, text.as_bytes());
    }
    match &report.bytes {
        Some(bytes) => write_bytes(to, bytes),
        None => to.extend((-1_i32).to_be_bytes()),
    }
}

/// The JVM has no longer arrays than this, and the hub no longer frames.
fn write_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    let length = i32::try_from(bytes.len()).unwrap_or_default();
    to.extend(length.to_be_bytes());
    to.extend(bytes.iter().take(length.unsigned_abs() as usize));
}
