//! The golden frames of `tests/vectors/frames_*.json`: what is read, what is written, what is refused.
#![allow(clippy::unwrap_used, missing_docs, reason = "a failed unwrap is a failed test")]

use serde_json::{Value, json};
use wsc_core::frame::{ClientFrame, HubFrame};
use wsc_core::frame::{
    DecodeError, decode_client, decode_client_binary, decode_hub, decode_hub_binary, encode_client,
    encode_client_binary, encode_hub, encode_hub_binary,
};

/// What a frame is after reading and writing it: text, hexadecimal bytes, or an error.
fn again(direction: &str, frame: &Value) -> Value {
    let refused =
        |error: DecodeError| json!({"error": error.fault.to_string(), "message_id": error.message_id});
    let text = frame["text"].as_str();
    let bytes = frame["binary"].as_str().map(bytes).unwrap_or_default();
    if direction == "client" {
        match text.map_or_else(|| decode_client_binary(&bytes), decode_client) {
            Err(error) => refused(error),
            Ok(ClientFrame::Message(message)) if message.payload.is_some() => {
                let mut out = Vec::new();
                encode_client_binary(&message, &mut out);
                json!({"binary": hexadecimal(&out)})
            }
            Ok(frame) => {
                let mut out = String::new();
                encode_client(&frame, &mut out);
                json!({"text": out})
            }
        }
    } else {
        match text.map_or_else(|| decode_hub_binary(&bytes), decode_hub) {
            Err(error) => refused(error),
            Ok(HubFrame::Message(message)) if message.payload.is_some() => {
                let mut out = Vec::new();
                encode_hub_binary(&message, &mut out);
                json!({"binary": hexadecimal(&out)})
            }
            Ok(frame) => {
                let mut out = String::new();
                encode_hub(&frame, &mut out);
                json!({"text": out})
            }
        }
    }
}

fn bytes(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn frames_are_read_and_written_as_the_vectors_say() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for direction in ["client", "hub"] {
        let file = folder.join(format!("frames_{direction}.json"));
        let mut frames: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert!(frames.len() >= 20, "{}", file.display());
        for frame in &mut frames {
            let found = again(direction, &frame["given"]);
            if std::env::var_os("WSC_BLESS").is_some() {
                frame["again"] = found;
            } else {
                assert_eq!(frame["again"], found, "{}", frame["name"]);
            }
        }
        if std::env::var_os("WSC_BLESS").is_some() {
            std::fs::write(&file, serde_json::to_string_pretty(&frames).unwrap() + "\n").unwrap();
        }
    }
}
