//! Requests under way. A request ends with its connection.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;

use super::event::{Answer, Event, RequestError, RequestId};
use super::list::List;
use super::marks::Step;
use super::send::too_large;
use super::token::REFUSED;
use super::written::with_id;
use super::{Client, Timer};
use crate::codes::{ErrorCode, with_digit};
use crate::frame::{Frame, FrameRef, Query, Request, encode_query, write_number};
use crate::time::Timestamp;

/// The oldest request fails when nothing of any answer came for so long, in milliseconds.
const ANSWER_MS: u64 = 20_000;

/// What a request was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Application,
    Receipts,
    Refresh,
    Mark,
}

#[derive(Debug)]
struct Pending {
    id: RequestId,
    purpose: Purpose,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    pending: List<Pending>,
    last: u64,
    /// The list of an answer that comes in several frames, so far: answers come one after the other.
    parts: String,
}

impl Client {
    /// Asks the hub. The answer, or why there is none, comes as an event with this id.
    #[must_use = "the answer comes with this id"]
    pub fn request(&mut self, now: Timestamp, query: Query<'static>) -> RequestId {
        let mut request = Request { id: "".into(), query };
        self.ask(now, Purpose::Application, &mut |id, out| {
            request.id = id.to_owned().into();
            encode_query(&request, out);
        })
    }

    /// As [`Client::request`], for a request that is written already: a JSON object without `message_id`.
    #[must_use = "the answer comes with this id"]
    pub fn request_object(&mut self, now: Timestamp, object: &str) -> RequestId {
        self.ask(now, Purpose::Application, &mut |id, out| *out = with_id(object, id))
    }

    /// `write` writes the request under the id given.
    pub(super) fn ask(
        &mut self,
        now: Timestamp,
        purpose: Purpose,
        write: &mut dyn FnMut(&str, &mut String),
    ) -> RequestId {
        let id = self.next_request();
        self.requests.last = id.0;
        let error = if !self.is_live() {
            RequestError::Disconnected
        } else if purpose == Purpose::Application && self.requests.pending.len() >= self.config.requests {
            RequestError::TooMany
        } else {
            let (mut number, mut text) = (String::new(), String::new());
            write_number(&mut number, id.0);
            write(&number, &mut text);
            if text.len() <= self.session.frame_limit {
                self.requests.pending.push(Pending { id, purpose });
                self.timers.start(Timer::Requests, now + ANSWER_MS);
                self.transmit(now, Frame::Text(text));
                return id;
            }
            let (code, reason) = too_large();
            RequestError::Refused { code, reason, retry_after_ms: None }
        };
        if purpose == Purpose::Application {
            self.end_request(&Pending { id, purpose }, error);
        }
        id
    }

    /// The id of the request that is asked next.
    pub(super) fn next_request(&self) -> RequestId {
        RequestId(self.requests.last + 1)
    }

    pub(super) fn pending(&self, request_id: &str) -> Option<usize> {
        let mut pending = self.requests.pending.iter();
        let id = RequestId(number(request_id)?);
        pending.position(|pending| pending.id == id)
    }

    fn conclude(&mut self, now: Timestamp, index: usize) -> Option<Box<Pending>> {
        let done = self.requests.pending.remove(index)?;
        self.timers.stop(Timer::Requests);
        if !self.requests.pending.is_empty() {
            self.timers.set(Timer::Requests, now + ANSWER_MS);
        }
        Some(done)
    }

    /// An answer came; `partial`: a part of it, which goes on in the next frame.
    pub(super) fn on_answer(
        &mut self,
        now: Timestamp,
        request_id: &str,
        data: &str,
        frame: FrameRef<'_>,
        partial: bool,
    ) {
        let (Some(index), FrameRef::Text(text)) = (self.pending(request_id), frame) else { return };
        // Nothing comes between the frames of an answer. Each but the first goes on where the list of the last ended.
        let parts = &mut self.requests.parts;
        let begin = if parts.is_empty() { None } else { text.bytes().position(|byte| byte == b'[') };
        let text = text.get(begin.map_or(0, |begin| begin + 1)..).unwrap_or_default();
        if partial {
            parts.push_str(text.strip_suffix("]}}").unwrap_or_default());
            parts.push(',');
            return;
        }
        parts.push_str(text);
        let frame = Frame::Text(core::mem::take(parts));
        let Some(done) = self.conclude(now, index) else { return };
        match done.purpose {
            Purpose::Application => {
                self.event(Event::Answer { request: done.id, answer: Answer { frame } });
            }
            Purpose::Receipts => self.receipts_answered(now, data),
            Purpose::Refresh => self.token_renewed(now),
            Purpose::Mark => self.marks(Step::Taken(now, done.id)),
        }
    }

    /// One entry of an answer; the answer is alive.
    pub(super) fn on_fetched(&mut self, now: Timestamp, request_id: &str, frame: FrameRef<'_>) {
        let found = self.pending(request_id).and_then(|index| self.requests.pending.get(index));
        let Some(request) = found.map(|pending| pending.id) else { return };
        self.timers.set(Timer::Requests, now + ANSWER_MS);
        self.event(Event::Fetched { request, frame: frame.own() });
    }

    pub(super) fn on_request_refused(
        &mut self,
        now: Timestamp,
        request_id: &str,
        code: ErrorCode,
        reason: String,
        retry_after_ms: Option<u64>,
    ) {
        let found = self.pending(request_id).and_then(|index| self.conclude(now, index));
        let Some(done) = found else { return };
        self.requests.parts.clear();
        match done.purpose {
            Purpose::Application | Purpose::Receipts => {
                self.end_request(&done, RequestError::Refused { code, reason, retry_after_ms });
            }
            Purpose::Refresh => {
                self.token_fault(REFUSED, &reason);
                self.renew_later(now);
            }
            Purpose::Mark => self.marks(Step::Refused(now, done.id, code, retry_after_ms)),
        }
    }

    pub(super) fn request_timed_out(&mut self, now: Timestamp) {
        self.requests.parts.clear();
        if let Some(oldest) = self.requests.pending.remove(0) {
            self.end_request(&oldest, RequestError::Timeout);
        }
        if !self.requests.pending.is_empty() {
            self.timers.set(Timer::Requests, now + ANSWER_MS);
        }
        // Nobody but the machine asks for a mark again.
        self.marks(Step::Send(now));
    }

    fn end_request(&mut self, pending: &Pending, error: RequestError) {
        self.requests.parts.clear();
        match pending.purpose {
            Purpose::Application => self.event(Event::RequestFailed { request: pending.id, error }),
            Purpose::Receipts => self.receipts_refused(),
            Purpose::Refresh => {}
            Purpose::Mark => self.marks(Step::Unanswered(pending.id)),
        }
    }

    pub(super) fn detach_requests(&mut self) {
        self.timers.stop(Timer::Requests);
        self.timers.stop(Timer::Marks);
        while let Some(pending) = self.requests.pending.remove(0) {
            self.end_request(&pending, RequestError::Disconnected);
        }
        self.receipts.detach();
    }
}

/// The id in an answer; a smaller reader than the one of the standard library.
fn number(text: &str) -> Option<u64> {
    let mut value = 0_u64;
    for byte in text.bytes() {
        value = with_digit(value, byte)?;
    }
    Some(value).filter(|_| !text.is_empty())
}
