//! Why what a client sent is not done now: refused, too large, or to wait; and the frames that say so.

use wsc_core::frame::{ErrorFrame, HubFrame, encode_hub};
use wsc_core::{CloseCode, ErrorCode, limits};

use super::Context;
use crate::Settings;
use crate::log::store::StoreError;
use crate::net::entry::ADDED;
use crate::shard::connection::Connection;

/// Whether a message of this encoded length, without its place, could exceed what a client must be ready to take. What a
/// client sends in a frame within its limit never does: the hub adds less to it than the margin.
pub(crate) fn is_too_large(encoded: usize, settings: &Settings) -> bool {
    encoded + ADDED > settings.peer.frame + limits::FRAME_MARGIN
}

/// A message that some readers could not take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLarge;

/// How long a frame must wait, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) ms: u64,
    /// For the store, rather than for the sender's budget.
    pub(crate) for_store: bool,
}

/// Why a frame was not done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// It can be done later.
    Wait(Wait),
    /// The connection must end.
    Close(CloseCode, &'static str),
}

impl Refusal {
    /// The client is too fast.
    pub(crate) fn too_fast(wait_ms: u64) -> Self {
        Self::Wait(Wait { ms: wait_ms, for_store: false })
    }
}

impl Connection {
    /// A frame that could not be understood came; too many end the connection.
    pub(crate) fn misunderstood(&mut self, cx: &Context) -> Result<(), Refusal> {
        let reason = "too many frames that could not be understood";
        let counted = self.peer.misunderstood(cx.now.ms());
        counted.map_err(|_| Refusal::Close(CloseCode::Violation, reason))
    }

    /// Refuses a message for good.
    pub(crate) fn refuse(&mut self, message_id: &str, code: ErrorCode, reason: &str) {
        if let Some(bare) = &self.bare {
            return bare.problem(&mut self.wire, message_id, code, reason);
        }
        self.write(&HubFrame::Error(ErrorFrame {
            message_id: message_id.into(),
            request_id: "".into(),
            code,
            reason: reason.into(),
            retry_after_ms: None,
        }));
    }

    /// Writes a notice of the hub.
    pub(crate) fn write_notice(&mut self, notice: &HubFrame<'_>) {
        match &self.bare {
            Some(bare) => bare.notice(&mut self.wire, notice),
            None => self.write(notice),
        }
    }

    /// Writes a frame.
    pub(crate) fn write(&mut self, frame: &HubFrame<'_>) {
        let mut text = String::with_capacity(160);
        encode_hub(frame, &mut text);
        self.wire.push_frame(text.as_bytes(), false);
    }
}

/// A store error as the wire says it.
pub(crate) fn store_code(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::Closed => ErrorCode::Busy,
        _ => ErrorCode::Temporary,
    }
}
