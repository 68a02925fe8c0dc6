//! Any bytes as frames of both directions: no panic, and what is a frame survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsc_core::frame::{
    ClientFrame, HubFrame, decode_client, decode_client_binary, decode_hub, decode_hub_binary, encode_client,
    encode_client_binary, encode_hub, encode_hub_binary, parse_conversations, parse_fetched, parse_members,
    parse_receipts, parse_statuses,
};
use wsc_core::limits;

/// What is written may be longer than what was read: numbers and characters can be written shorter than we do.
fn fits(length: usize) -> bool {
    length <= limits::FRAME
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        of_text(text);
    }
    if let Ok(ClientFrame::Message(message)) = decode_client_binary(bytes) {
        let mut written = Vec::new();
        encode_client_binary(&message, &mut written);
        if fits(written.len()) {
            assert_eq!(decode_client_binary(&written), Ok(ClientFrame::Message(message)));
        }
    }
    if let Ok(HubFrame::Message(message)) = decode_hub_binary(bytes) {
        let mut written = Vec::new();
        encode_hub_binary(&message, &mut written);
        if fits(written.len()) {
            assert_eq!(decode_hub_binary(&written), Ok(HubFrame::Message(message)));
        }
    }
});

fn of_text(text: &str) {
    if let Ok(frame) = decode_client(text) {
        let mut written = String::new();
        encode_client(&frame, &mut written);
        if fits(written.len()) {
            assert_eq!(decode_client(&written), Ok(frame), "{written}");
        }
    }
    if let Ok(frame) = decode_hub(text) {
        let mut written = String::new();
        encode_hub(&frame, &mut written);
        if fits(written.len()) {
            assert_eq!(decode_hub(&written), Ok(frame), "{written}");
        }
    }
    let _ = parse_conversations(text);
    let _ = parse_fetched(text);
    let _ = parse_members(text);
    let _ = parse_receipts(text);
    let _ = parse_statuses(text);
}
