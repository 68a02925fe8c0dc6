//! Requests under way and read marks. A request ends with its connection; a read mark waits for the next one.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;

use super::event::{Answer, Event, RequestError, RequestId};
use super::list::List;
use super::send::too_large;
use super::written::with_id;
use super::{Client, Timer};
use crate::codes::{ErrorCode, with_digit};
use crate::frame::{Frame, FrameRef, Query, Request, encode_query, encode_read, write_number};
use crate::names::StreamName;
use crate::time::Timestamp;

/// The oldest request fails when nothing of any answer came for so long, in milliseconds.
const ANSWER_MS: u64 = 20_000;
/// A read mark that could not be stored is tried again after this, in milliseconds, when the hub does not say.
const MARK_MS: u64 = 5_000;
/// Read marks kept at most.
const MARKS: usize = 256;

/// What a request was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Application,
    Receipts,
    Refresh,
    /// Boxed: it is rare, and every request would be as large.
    Mark(Box<MarkOf>),
}

/// A read mark as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MarkOf {
    stream: StreamName<'static>,
    peer: String,
    seq: u64,
}

impl MarkOf {
    fn is_of(&self, other: &Self) -> bool {
        self.stream == other.stream && self.peer == other.peer
    }
}

#[derive(Debug)]
struct Pending {
    id: RequestId,
    purpose: Purpose,
}

#[derive(Debug)]
struct Mark {
    of: MarkOf,
    asked: bool,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    pending: List<Pending>,
    last: u64,
    marks: List<Mark>,
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

    /// Everything of a conversation up to here was read. Kept until the hub has it; only forward. `peer` names whose
    /// messages in the inbox and is empty for a group's stream.
    pub fn mark_read(&mut self, now: Timestamp, stream: &StreamName<'_>, peer: &str, seq: u64) {
        let of = MarkOf { stream: stream.clone().into_owned(), peer: peer.to_owned(), seq };
        let marks = &mut self.requests.marks;
        match marks.iter_mut().find(|mark| mark.of.is_of(&of)) {
            Some(mark) if mark.of.seq >= seq => return,
            Some(mark) => mark.of.seq = seq,
            None => {
                if marks.len() >= MARKS {
                    drop(marks.remove(0));
                }
                marks.push(Mark { of, asked: false });
            }
        }
        if self.timers.get(Timer::Marks).is_none() {
            self.send_marks(now);
        }
    }

    /// Sends the marks that no request is under way for.
    pub(super) fn send_marks(&mut self, now: Timestamp) {
        if !self.is_live() {
            return;
        }
        for index in 0..self.requests.marks.len() {
            let Some(mark) = self.requests.marks.get_mut(index).filter(|mark| !mark.asked) else { continue };
            mark.asked = true;
            let of = mark.of.clone();
            let purpose = Purpose::Mark(Box::new(of.clone()));
            self.ask(now, purpose, &mut |id, out| encode_read(id, &of.stream, &of.peer, of.seq, out));
        }
    }

    /// `write` writes the request under the id given.
    pub(super) fn ask(
        &mut self,
        now: Timestamp,
        purpose: Purpose,
        write: &mut dyn FnMut(&str, &mut String),
    ) -> RequestId {
        self.requests.last += 1;
        let id = RequestId(self.requests.last);
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
            self.end_request(Pending { id, purpose }, error);
        }
        id
    }

    pub(super) fn pending(&self, request_id: &str) -> Option<usize> {
        let mut pending = self.requests.pending.iter();
        let id = RequestId(number(request_id)?);
        pending.position(|pending| pending.id == id)
    }

    fn conclude(&mut self, now: Timestamp, request_id: &str) -> Option<Box<Pending>> {
        let index = self.pending(request_id)?;
        let done = self.requests.pending.remove(index)?;
        self.timers.stop(Timer::Requests);
        if !self.requests.pending.is_empty() {
            self.timers.set(Timer::Requests, now + ANSWER_MS);
        }
        Some(done)
    }

    pub(super) fn on_answer(&mut self, now: Timestamp, request_id: &str, data: &str, frame: FrameRef<'_>) {
        let Some(done) = self.conclude(now, request_id) else { return };
        match done.purpose {
            Purpose::Application => {
                let answer = Answer { frame: frame.own() };
                self.event(Event::Answer { request: done.id, answer });
            }
            Purpose::Receipts => self.receipts_answered(now, data),
            Purpose::Refresh => self.token.accepted(),
            Purpose::Mark(of) => self.end_mark(now, &of),
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
        let Some(done) = self.conclude(now, request_id) else { return };
        match done.purpose {
            Purpose::Application | Purpose::Receipts => {
                self.end_request(*done, RequestError::Refused { code, reason, retry_after_ms });
            }
            // The hub closes with 4001 when it means it; else the provider is asked again.
            Purpose::Refresh => self.timers.set(Timer::Refresh, now + ANSWER_MS),
            Purpose::Mark(of) if code.is_retryable() => {
                self.free_mark(&of);
                self.timers.set(Timer::Marks, now + retry_after_ms.unwrap_or(MARK_MS));
            }
            Purpose::Mark(of) => {
                self.event(Event::MarkRefused { stream: of.stream.clone(), peer: of.peer.clone(), code });
                self.end_mark(now, &of);
            }
        }
    }

    /// The hub has said yes or no to a mark; a later one of the same conversation may go out.
    fn end_mark(&mut self, now: Timestamp, of: &MarkOf) {
        self.free_mark(of);
        let marks = &mut self.requests.marks;
        let done = marks.iter().position(|mark| mark.of.is_of(of) && mark.of.seq <= of.seq);
        if let Some(index) = done {
            drop(marks.remove(index));
        }
        self.send_marks(now);
    }

    fn free_mark(&mut self, of: &MarkOf) {
        if let Some(mark) = self.requests.marks.iter_mut().find(|mark| mark.of.is_of(of)) {
            mark.asked = false;
        }
    }

    pub(super) fn request_timed_out(&mut self, now: Timestamp) {
        if let Some(oldest) = self.requests.pending.remove(0) {
            self.end_request(*oldest, RequestError::Timeout);
        }
        if !self.requests.pending.is_empty() {
            self.timers.set(Timer::Requests, now + ANSWER_MS);
        }
        // Nobody but the machine asks for a mark again.
        self.send_marks(now);
    }

    fn end_request(&mut self, pending: Pending, error: RequestError) {
        match pending.purpose {
            Purpose::Application => self.event(Event::RequestFailed { request: pending.id, error }),
            Purpose::Receipts => self.receipts_refused(),
            Purpose::Refresh => {}
            Purpose::Mark(of) => self.free_mark(&of),
        }
    }

    pub(super) fn detach_requests(&mut self) {
        self.timers.stop(Timer::Requests);
        self.timers.stop(Timer::Marks);
        while let Some(pending) = self.requests.pending.remove(0) {
            self.end_request(*pending, RequestError::Disconnected);
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
