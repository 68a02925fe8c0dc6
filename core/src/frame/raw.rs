//! Frames as they travel, kept whole: read by those who want to know what is in them.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::message::{join_binary, split_binary};
use super::{DecodeError, Fault, HubFrame, decode_hub, decode_hub_binary};
use crate::message::{FieldError, Message};

/// One frame, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text frame: a JSON object.
    Text(String),
    /// A binary frame: the length of a JSON object, the object, raw bytes.
    Binary(Vec<u8>),
}

/// A frame that is still the socket's.
#[derive(Clone, Copy)]
pub(crate) enum FrameRef<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl FrameRef<'_> {
    pub(crate) fn own(self) -> Frame {
        match self {
            Self::Text(text) => Frame::Text(text.into()),
            Self::Binary(bytes) => Frame::Binary(bytes.into()),
        }
    }
}

impl Frame {
    /// A JSON object as a text frame, or with raw bytes as a binary one.
    #[must_use]
    pub fn new(object: String, payload: Option<&[u8]>) -> Self {
        let Some(payload) = payload else { return Self::Text(object) };
        let mut bytes = Vec::with_capacity(4 + object.len() + payload.len());
        join_binary(&mut bytes, &object, payload);
        Self::Binary(bytes)
    }

    /// Its JSON object, and its raw bytes if it is binary.
    pub fn parts(&self) -> Result<(&str, Option<&[u8]>), Fault> {
        match self {
            Self::Text(text) => Ok((text, None)),
            Self::Binary(bytes) => split_binary(bytes).map(|(object, payload)| (object, Some(payload))),
        }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads it as a frame of the hub.
    pub fn decode(&self) -> Result<HubFrame<'_>, DecodeError> {
        match self {
            Self::Text(text) => decode_hub(text),
            Self::Binary(bytes) => decode_hub_binary(bytes),
        }
    }

    /// Reads it as a message that the hub handed out.
    pub fn message(&self) -> Result<Box<Message<'_>>, DecodeError> {
        match self.decode()? {
            HubFrame::Message(message) => Ok(message),
            _ => Err(FieldError { field: "sender", reason: "is missing: no message" }.into()),
        }
    }
}

/// Bytes as text; or up to where they are UTF-8.
#[cfg(not(target_arch = "wasm32"))]
pub fn text_of(bytes: &[u8]) -> Result<&str, usize> {
    core::str::from_utf8(bytes).map_err(|error| error.valid_up_to())
}

/// Bytes as text; or up to where they are UTF-8. Slower and smaller than what the others use: text from JavaScript is
/// short, or was checked there.
#[cfg(target_arch = "wasm32")]
pub fn text_of(bytes: &[u8]) -> Result<&str, usize> {
    match bytes.utf8_chunks().next() {
        None => Ok(""),
        Some(chunk) if chunk.invalid().is_empty() => Ok(chunk.valid()),
        Some(chunk) => Err(chunk.valid().len()),
    }
}
