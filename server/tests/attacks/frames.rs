//! Frames that no client would send.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::MEGABYTE;
use crate::support::process::Process;
use crate::support::raw::{CLOSE, CONTINUATION, FIN, PING, PONG, Raw, TEXT, frame};

const MASK: [u8; 4] = [0; 4];

/// The code with which a connection ends over some bytes.
async fn code_of(raw: &mut Raw, bytes: &[u8]) -> Option<u16> {
    raw.write(bytes, usize::MAX).await;
    while let Some((opcode, payload)) = raw.frame().await {
        if opcode == CLOSE {
            return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        }
    }
    None
}

/// Connection after connection ends with `code` over some bytes, and nobody else is harmed.
async fn storm(code: u16, table: &[Vec<u8>]) {
    storm_of(&[], code, 300, table).await;
}

async fn storm_of(keys: &[&str], code: u16, least: usize, table: &[Vec<u8>]) {
    let hub = Process::start(&[&["limits.connects_per_address=0"], keys].concat());
    let watch = hub.watch().await;
    let mut attackers = JoinSet::new();
    for number in 0..5 {
        let (door, table) = (*hub, table.to_vec());
        attackers.spawn(async move {
            for (index, bytes) in table.iter().cycle().take(least.max(table.len())).enumerate() {
                let mut raw = Raw::connect(&door, &format!("u{number}")).await;
                assert_eq!(code_of(&mut raw, bytes).await, Some(code), "attack {index}");
            }
        });
    }
    while let Some(ended) = attackers.join_next().await {
        ended.unwrap();
    }
    watch.unharmed(20 * MEGABYTE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_4_a_frame_that_promises_too_much_is_refused_before_it_takes_memory() {
    let header = |length: u64| [&[FIN | TEXT, 0xff][..], &length.to_be_bytes(), &MASK, b"abc"].concat();
    let lengths = [65_537, 1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX];
    storm(1009, &lengths.map(header)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_4_a_length_in_too_many_bytes_is_refused() {
    let ping = |length: &[u8]| [&[FIN | PING][..], length, &MASK, b"abc"].concat();
    storm(1002, &[ping(&[0xfe, 0, 3]), ping(&[0xff, 0, 0, 0, 0, 0, 0, 0, 3])]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_4_frames_that_are_promised_and_never_come_cost_no_more_than_the_limit() {
    let hub = Process::start(&[]);
    let watch = hub.watch().await;
    let mut raws = Vec::new();
    for number in 0..200 {
        let mut raw = Raw::connect(&hub, &format!("u{number}")).await;
        raw.write(&[&[FIN | TEXT, 0xfe, 0xff, 0xff][..], &MASK, b"abc"].concat(), usize::MAX).await;
        raws.push(raw);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    watch.unharmed(200 * 100 * 1024).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_5_a_message_of_fragments_without_end_is_refused() {
    let empty = frame(CONTINUATION, b"");
    let endless = [
        empty.repeat(100_000),
        frame(CONTINUATION, b"x").repeat(100_000),
        [empty, frame(FIN | PONG, b"")].concat().repeat(100_000),
    ];
    storm_of(&["peer.controls=0"], 1009, 1, &endless.map(|rest| [frame(TEXT, b""), rest].concat())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_5_messages_of_many_fragments_hold_nobody_up() {
    let hub = Process::start(&[]);
    let watch = hub.watch().await;
    // As much as the hub reads in one go, if it lets itself be led.
    let message =
        [frame(TEXT, b""), frame(CONTINUATION, b"").repeat(60_000), frame(FIN | CONTINUATION, b"{}")];
    let mut attackers = JoinSet::new();
    for number in 0..3 {
        let (door, message) = (*hub, message.concat());
        attackers.spawn(async move {
            let mut raw = Raw::connect(&door, &format!("u{number}")).await;
            let until = Instant::now() + Duration::from_secs(3);
            while Instant::now() < until && raw.socket.write_all(&message).await.is_ok() {}
        });
    }
    while let Some(ended) = attackers.join_next().await {
        ended.unwrap();
    }
    watch.unharmed(20 * MEGABYTE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_7_text_and_reasons_that_are_no_utf_8_cost_their_sender_alone() {
    let invalid: [&[u8]; 4] = [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf0\x90\x80"];
    let mut table: Vec<_> = invalid.iter().map(|text| frame(FIN | TEXT, text)).collect();
    table.extend(invalid.iter().map(|text| frame(FIN | CLOSE, &[&[3, 232], *text].concat())));
    storm(1007, &table).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_8_frames_against_the_rules_cost_their_sender_alone() {
    storm(
        1002,
        &[
            vec![FIN | TEXT, 2, b'h', b'i'],
            frame(FIN | 3, b"x"),
            frame(FIN | 11, b"x"),
            frame(FIN | 0x40 | TEXT, b"x"),
            frame(FIN | CONTINUATION, b"x"),
            frame(FIN | CLOSE, &[3]),
            frame(FIN | CLOSE, &1005_u16.to_be_bytes()),
            frame(FIN | CLOSE, &65_535_u16.to_be_bytes()),
            frame(FIN | PING, &[0; 126]),
        ],
    )
    .await;
}
