//! Reports as JavaScript gets them: one text for all, and the bytes beside messages. Never looks into a message.

use std::fmt::Write as _;

use napi::bindgen_prelude::{FnArgs, Uint8Array};
use napi_derive::napi;
use wsc_client::session::{Kind, Report};

/// Reports: an array of objects `{"kind", "n": [4 numbers], "t": [2 texts and a text or an object], "bytes"}`. Messages of one
/// stream that come one after the other are one of them, in which the last text is an array: each has its own position.
#[napi(object, object_from_js = false)]
pub struct Batch {
    /// The array, as JSON.
    pub text: String,
    /// What stands beside messages; `bytes` of a report is its place here.
    pub bytes: Vec<Uint8Array>,
}

impl Batch {
    /// `raw`: messages are given as texts, for an application that reads them itself.
    pub(crate) fn of(reports: Vec<Report>, raw: bool) -> Self {
        let length: usize = reports.iter().map(|report| 96 + report.texts[2].len()).sum();
        let mut text = String::with_capacity(length);
        let mut bytes = Vec::new();
        let mut reports = reports.into_iter().peekable();
        while let Some(report) = reports.next() {
            text.push(if text.is_empty() { '[' } else { ',' });
            begin(&mut text, &report);
            if report.kind == Kind::Message && report.bytes.is_none() && !raw {
                text.push('[');
                text.push_str(&report.texts[2]);
                while let Some(next) = reports.next_if(|next| follows(&report, next)) {
                    text.push(',');
                    text.push_str(&next.texts[2]);
                }
                text.push_str("]]}");
            } else {
                end(&mut text, &report, bytes.len(), raw);
                bytes.extend(report.bytes.map(Uint8Array::from));
            }
        }
        text.push_str(if text.is_empty() { "[]" } else { "]" });
        Self { text, bytes }
    }

    pub(crate) fn arguments(self) -> FnArgs<(String, Vec<Uint8Array>)> {
        (self.text, self.bytes).into()
    }
}

/// Whether a message belongs to the same run.
fn follows(first: &Report, next: &Report) -> bool {
    next.kind == Kind::Message
        && next.bytes.is_none()
        && next.numbers[0] == first.numbers[0]
        && next.texts[0] == first.texts[0]
}

/// All up to the last text.
fn begin(text: &mut String, report: &Report) {
    let Report { kind, numbers: [w, x, y, z], texts: [a, b, _], .. } = report;
    // Writing to a text does not fail.
    let _ = write!(text, "{{\"kind\":{},\"n\":[{w},{x},{y},{z}],\"t\":[", *kind as u8);
    quote(text, a);
    text.push(',');
    quote(text, b);
    text.push(',');
}

fn end(text: &mut String, report: &Report, place: usize, raw: bool) {
    let last = &report.texts[2];
    // The machine gives out nothing that is no JSON.
    if is_json(report.kind) && !last.is_empty() && !(raw && is_message(report.kind)) {
        text.push_str(last);
    } else {
        quote(text, last);
    }
    text.push(']');
    if report.bytes.is_some() {
        let _ = write!(text, ",\"bytes\":{place}");
    }
    text.push('}');
}

/// Whether the last text is a message or a frame.
const fn is_json(kind: Kind) -> bool {
    is_message(kind)
        || matches!(kind, Kind::Answer | Kind::GroupChanged | Kind::Presence | Kind::Notice | Kind::Write)
}

const fn is_message(kind: Kind) -> bool {
    matches!(kind, Kind::Message | Kind::Volatile | Kind::Fetched)
}

/// A text as JSON; most are names that need nothing.
pub(crate) fn quote(text: &mut String, plain: &str) {
    if plain.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        text.push('"');
        text.push_str(plain);
        text.push('"');
    } else {
        text.push_str(&serde_json::Value::from(plain).to_string());
    }
}
