//! Reports as JavaScript gets them: one text for all, and the bytes beside messages. Never looks into a message.

use std::fmt::Write as _;

use napi::bindgen_prelude::{FnArgs, Uint8Array};
use napi_derive::napi;
use wsc_client::{Kind, Report};

/// Reports: an array of objects `{"kind", "n": [4 numbers], "t": [2 texts and a text or an object], "bytes"}`.
#[napi(object, object_from_js = false)]
pub struct Batch {
    /// The array, as JSON.
    pub text: String,
    /// What stands beside messages; `bytes` of a report is its place here.
    pub bytes: Vec<Uint8Array>,
}

impl Batch {
    pub(crate) fn of(reports: Vec<Report>) -> Self {
        let length: usize = reports.iter().map(|report| 96 + report.texts[2].len()).sum();
        let mut text = String::with_capacity(length);
        let mut bytes = Vec::new();
        for report in reports {
            text.push(if text.is_empty() { '[' } else { ',' });
            write(&mut text, &report, report.bytes.is_some().then_some(bytes.len()));
            bytes.extend(report.bytes.map(Uint8Array::from));
        }
        text.push_str(if text.is_empty() { "[]" } else { "]" });
        Self { text, bytes }
    }

    pub(crate) fn arguments(self) -> FnArgs<(String, Vec<Uint8Array>)> {
        (self.text, self.bytes).into()
    }
}

fn write(text: &mut String, report: &Report, bytes: Option<usize>) {
    let Report { kind, numbers: [w, x, y, z], texts: [a, b, c], .. } = report;
    // Writing to a text does not fail.
    let _ = write!(text, "{{\"kind\":{},\"n\":[{w},{x},{y},{z}],\"t\":[", *kind as u8);
    quote(text, a);
    text.push(',');
    quote(text, b);
    text.push(',');
    // The machine gives out nothing that is no JSON.
    if is_json(*kind) && !c.is_empty() {
        text.push_str(c);
    } else {
        quote(text, c);
    }
    text.push(']');
    if let Some(place) = bytes {
        let _ = write!(text, ",\"bytes\":{place}");
    }
    text.push('}');
}

/// Whether the last text is a message or a frame.
const fn is_json(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Message
            | Kind::Volatile
            | Kind::Fetched
            | Kind::Answer
            | Kind::GroupChanged
            | Kind::Presence
            | Kind::Notice
            | Kind::Write
    )
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
