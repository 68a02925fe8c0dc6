//! The same JSON in other forms: damaged, escaped, with halves of surrogate pairs.

use serde_json::{Map, Value};

use crate::random::Random;

/// The same JSON with U+FFFD for each half of a surrogate pair, which serde_json refuses.
pub(crate) fn with_whole_characters(json: &str) -> String {
    if !json.contains("\\ud") && !json.contains("\\uD") {
        return json.to_owned();
    }
    let unit = |rest: &str| {
        let digits = rest.strip_prefix("\\u")?.get(..4)?;
        let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        hexadecimal.then(|| u16::from_str_radix(digits, 16).unwrap())
    };
    let (mut out, mut rest) = (String::new(), json);
    while let Some(first) = rest.chars().next() {
        let run: Vec<u16> = (0..).step_by(6).map_while(|at| unit(rest.get(at..)?)).collect();
        for character in char::decode_utf16(run.iter().copied()) {
            let units = character.as_ref().map_or(1, |character| character.len_utf16());
            out.push_str(if character.is_ok() { &rest[..6 * units] } else { "\\ufffd" });
            rest = &rest[6 * units..];
        }
        if run.is_empty() {
            // The character after a backslash belongs to it.
            let length = rest.chars().take(if first == '\\' { 2 } else { 1 }).map(char::len_utf8).sum();
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    out
}

/// The text with escapes put into its strings, most of them of surrogates.
pub(crate) fn with_surrogates(random: &mut Random, json: &str) -> String {
    const ESCAPES: &[&str] = &[
        "\\ud83d",
        "\\uDE00",
        "\\ud83d\\ude00",
        "\\ud83d\\ud83d\\ude00",
        "\\udfff\\ud800",
        "\\uD800\\u0041",
        "\\ud800\\n",
        "\\ud800\\\\",
        "\\\\ud83d",
        "\\uFFFD",
        "\\ud83",
        "\\ud83d\\u12",
        "\\b\\f",
    ];
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for character in json.chars() {
        if character == '"' && !escaped {
            inside = !inside;
        }
        escaped = character == '\\' && !escaped;
        out.push(character);
        if inside && !escaped && random.below(8) == 0 {
            out.push_str(random.one(ESCAPES));
        }
    }
    out
}

pub(crate) fn damage(random: &mut Random, text: &str, mut object: Map<String, Value>) -> String {
    match random.below(5) {
        0 => {
            object.insert(random.text(), random.value(4));
            serde_json::to_string_pretty(&object).unwrap()
        }
        1 => {
            // Every character as an escape, in the way least like ours.
            let mut escaped = String::new();
            for character in text.chars() {
                if character.is_ascii_graphic() {
                    escaped.push(character);
                } else {
                    let mut units = [0; 2];
                    for unit in character.encode_utf16(&mut units) {
                        escaped.push_str(&format!("\\u{unit:04X}"));
                    }
                }
            }
            escaped
        }
        2 => {
            let name = random.one(&[
                "content",
                "seq_no",
                "require_ack",
                "group_ids",
                "data",
                "volatile",
                "message_id",
            ]);
            object.insert(name.to_owned(), random.value(2));
            Value::Object(object).to_string()
        }
        3 => with_surrogates(random, text),
        _ => {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                match random.below(3) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes.insert(
                        at,
                        *random.one(&[b"\"", b"{", b"}", b",", b"0", b"\\", b"u", b"-"]).first().unwrap(),
                    ),
                    _ => {
                        bytes[at] = *random
                            .one(&[b"\"", b"[", b"]", b":", b"e", b".", b"n", b"\x01"])
                            .first()
                            .unwrap();
                    }
                }
                if bytes.is_empty() {
                    bytes.push(b'{');
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }
}
