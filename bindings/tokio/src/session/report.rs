//! One thing told to another language.

use std::path::Path;

use wsc_core::client::bridge::{FaultCode, Flat, Kind, Rejection};
use wsc_core::client::{Client, Entry, Event, SendError};
use wsc_core::frame::Frame;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is about.
    pub kind: Kind,
    /// Its numbers; 0 where there are fewer.
    pub numbers: [u64; 4],
    /// Its texts; empty where there are fewer.
    pub texts: [String; 3],
    /// Bytes beside a message.
    pub bytes: Option<Vec<u8>>,
}

impl Report {
    pub(crate) fn new<const N: usize>(kind: Kind, given: [u64; N], a: &str, b: &str) -> Self {
        let mut numbers = [0; 4];
        numbers[..N].copy_from_slice(&given);
        Self { kind, numbers, texts: [a.to_owned(), b.to_owned(), String::new()], bytes: None }
    }

    /// An event; the text of an entry is not copied.
    pub(crate) fn of(event: Event, client: &Client) -> Self {
        if let Event::Message(Entry { stream, generation, seq_no, frame: Frame::Text(text) }) = event {
            let texts = [stream.as_str().to_owned(), String::new(), text];
            let numbers = [generation.into(), seq_no, 0, 0];
            return Self { kind: Kind::Message, numbers, texts, bytes: None };
        }
        event.flat(client).into()
    }

    pub(crate) fn not_taken(message_id: &str, error: &SendError) -> Self {
        Self::new(Kind::Rejected, [Rejection::of(error) as u64], message_id, &error.to_string())
    }

    /// The outbox was damaged, and is kept there as it was.
    pub(crate) fn damaged(kept: &Path) -> Self {
        let what = "the outbox was damaged: unsent messages may be lost; the file is kept";
        let mut report = Self::new(Kind::Fault, [FaultCode::Saved as u64], what, "");
        report.texts[2] = kept.display().to_string();
        report
    }
}

impl From<Flat<'_>> for Report {
    fn from(Flat { kind, numbers, texts, bytes }: Flat<'_>) -> Self {
        Self { kind, numbers, texts: texts.map(str::to_owned), bytes: bytes.map(<[u8]>::to_vec) }
    }
}
