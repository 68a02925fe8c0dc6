//! One thing told to another language.

use wsc_core::client::{Entry, Event, Flat, Kind, SendError};
use wsc_core::frame::Frame;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is about. A `State` has two things more: attempts that failed in a row (number 2), the user (text 1).
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
    pub(crate) fn of(event: Event) -> Self {
        if let Event::Message(Entry { stream, generation, seq_no, frame: Frame::Text(text) }) = event {
            let texts = [stream.as_str().to_owned(), String::new(), text];
            let numbers = [generation.into(), seq_no, 0, 0];
            return Self { kind: Kind::Message, numbers, texts, bytes: None };
        }
        let Flat { kind, numbers, texts, bytes } = event.flat();
        Self { kind, numbers, texts: texts.map(str::to_owned), bytes: bytes.map(<[u8]>::to_vec) }
    }

    pub(crate) fn not_taken(message_id: &str, error: &SendError) -> Self {
        Self::new(Kind::NotTaken, [refusal(error)], message_id, &error.to_string())
    }

    pub(crate) fn size(&self) -> usize {
        let texts: usize = self.texts.iter().map(String::len).sum();
        size_of::<Self>() + texts + self.bytes.as_ref().map_or(0, Vec::len)
    }
}

/// Why a message was not taken, as [`Kind::NotTaken`] counts.
pub(crate) const fn refusal(error: &SendError) -> u64 {
    match error {
        SendError::OutboxFull => 1,
        SendError::TooLarge { .. } => 2,
        SendError::Invalid(_) => 3,
        SendError::Unreadable(_) => 4,
        SendError::Repeated => 5,
        SendError::Closed => 6,
    }
}

/// The same for one that could not be saved.
pub(crate) const UNSAVED: u64 = 7;
