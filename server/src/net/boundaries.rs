//! Where frames end in what was read. It looks at headers alone, and lets one frame after the other pass: so whoever
//! reads holds nothing back between two messages, and can be stopped within one.

use std::io;

use wsc_core::CloseCode;

/// Frames of one message: as many as there may be bytes in a message, unless its limit was set higher.
const FRAGMENTS: u32 = 64 * 1024;

/// What a reader of one message would go on with for ever, or take for something else than others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Fragments may be empty: no limit of bytes ends a message of them.
    #[error("a message in too many fragments")]
    Fragments,
    /// Lengths have one form: the shortest.
    #[error("a length in too many bytes")]
    Length,
}

impl Fault {
    /// What the connection is closed with.
    pub(crate) fn code(self) -> CloseCode {
        match self {
            Self::Fragments => CloseCode::TooBig,
            Self::Length => CloseCode::Protocol,
        }
    }

    /// The fault in an error of reading.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

/// Lets frames pass one by one.
#[derive(Default)]
pub(super) struct Boundaries {
    /// Bytes of the present frame that were not taken yet.
    left: usize,
    /// Frames of the present message so far; 0: it is not known to have more.
    fragments: u32,
    /// How many frames more may begin; `None`: any number.
    turn: Option<u32>,
    /// Nobody looks at frames any more.
    open: bool,
}

impl Boundaries {
    /// Lets `frames` more begin.
    pub(super) fn begin_turn(&mut self, frames: u32) {
        self.turn = Some(frames);
    }

    /// Whether no frame may begin before the next turn.
    pub(super) fn is_shut(&self) -> bool {
        !self.open && self.left == 0 && self.turn == Some(0)
    }

    /// From now on everything passes.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    /// Whether all that was taken are whole messages.
    pub(super) fn is_between_messages(&self) -> bool {
        self.left == 0 && self.fragments == 0
    }

    /// How many of `bytes` may be taken now. `None`: not enough is there to know where the frame ends.
    pub(super) fn allow(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        if self.open {
            return Ok(Some(bytes.len()));
        }
        if self.left == 0 {
            let Some(length) = frame_length(bytes)? else { return Ok(None) };
            let (is_last, is_control) = (bytes[0] & 0x80 != 0, bytes[0] & 0x08 != 0);
            if !is_control {
                self.fragments = if is_last { 0 } else { self.fragments + 1 };
            }
            if self.fragments > FRAGMENTS {
                return Err(Fault::Fragments);
            }
            self.left = length;
            self.turn = self.turn.map(|turn| turn.saturating_sub(1));
        }
        Ok(Some(self.left.min(bytes.len())))
    }

    /// This many of the allowed bytes were taken.
    pub(super) fn take(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
    }
}

/// The length of the frame at the beginning of `bytes`, header included, if that much can be read.
fn frame_length(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let Some(&[_, second]) = bytes.first_chunk() else { return Ok(None) };
    let rest = &bytes[2..];
    let (extended, least, payload) = match second & 0x7f {
        126 => (2, 126, rest.first_chunk().map(|length| u64::from(u16::from_be_bytes(*length)))),
        127 => (8, 1 << 16, rest.first_chunk().map(|length| u64::from_be_bytes(*length))),
        short => (0, 0, Some(u64::from(short))),
    };
    let Some(payload) = payload else { return Ok(None) };
    if payload < least {
        return Err(Fault::Length);
    }
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    Ok(Some(usize::try_from(payload).unwrap_or(usize::MAX).saturating_add(2 + extended + mask)))
}
