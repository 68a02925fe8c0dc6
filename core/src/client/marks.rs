//! Read marks: how far the user has read conversations, kept until the hub has said yes or no. One request for a
//! conversation at a time, only forward.
//!
//! The rest of the machine reaches all this through a pointer that the first mark sets: where no mark is ever said, as in
//! the smallest module, nothing of it is linked.

use alloc::borrow::ToOwned as _;

use super::event::{Event, RequestId};
use super::list::List;
use super::requests::Purpose;
use super::saved::{Change, SavedMark};
use super::{Client, Timer};
use crate::codes::ErrorCode;
use crate::frame::encode_read;
use crate::names::StreamName;
use crate::time::Timestamp;

/// A read mark that could not be stored is tried again after this, in milliseconds, when the hub does not say.
const AGAIN_MS: u64 = 5_000;
/// Read marks kept at most; of more the longest unmoved is refused.
const MARKS: usize = 1024;
/// Maximum of requests for marks at a time, so that sends get their turn.
const ASKED: usize = 32;

/// What happens to marks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// The hub may be asked.
    Send(Timestamp),
    /// A request has ended without the hub's word.
    Unanswered(RequestId),
    /// The hub has taken a mark.
    Taken(Timestamp, RequestId),
    /// The hub has not, and says when to ask again.
    Refused(Timestamp, RequestId, ErrorCode, Option<u64>),
    /// Positions of the stream from here on are other messages now: nobody has read them.
    Renewed(&'a StreamName<'a>, u64),
}

#[derive(Debug)]
struct Mark {
    of: SavedMark,
    /// The request under way for it, 0: none; and up to where that goes.
    asked: RequestId,
    asked_seq: u64,
}

#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The longest unmoved first.
    rows: List<Mark>,
    step: Option<fn(&mut Client, Step<'_>)>,
}

impl Marks {
    fn add(&mut self, of: SavedMark) {
        self.rows.push(Mark { of, asked: RequestId(0), asked_seq: 0 });
        self.step = Some(Client::step_mark);
    }

    /// The marks the hub does not know yet.
    pub(super) fn saved(&self) -> impl Iterator<Item = &SavedMark> {
        self.rows.iter().map(|mark| &mark.of)
    }
}

impl Client {
    /// Everything of a conversation up to here was read. Kept until the hub has it, also for a later process; only
    /// forward. `peer` names whose messages in the inbox and is empty for a group's stream. What cannot be is refused
    /// with [`Event::MarkRefused`], and so is the longest unmoved of more than 1,024 conversations.
    pub fn mark_read(&mut self, now: Timestamp, stream: &StreamName<'_>, peer: &str, seq: u64) {
        let of = SavedMark { stream: stream.clone().into_owned(), peer: peer.to_owned(), seq };
        if !of.can_be() {
            return self.refuse_mark(of, ErrorCode::InvalidFormat);
        }
        let rows = &mut self.marks.rows;
        match rows.iter().position(|mark| mark.of.is_of(&of)) {
            Some(index) if rows.get(index).is_some_and(|mark| mark.of.seq >= seq) => return,
            Some(index) => {
                let Some(mut mark) = rows.remove(index) else { return };
                mark.of.seq = seq;
                rows.put(mark);
            }
            None => self.marks.add(of.clone()),
        }
        self.persist(Change::Mark(of));
        if self.marks.rows.len() > MARKS
            && let Some(oldest) = self.end_mark(0)
        {
            self.refuse_mark(oldest, ErrorCode::QueueFull);
        }
        self.send_marks(now);
    }

    fn refuse_mark(&mut self, SavedMark { stream, peer, .. }: SavedMark, code: ErrorCode) {
        self.event(Event::MarkRefused { stream, peer, code });
    }

    /// Takes up a mark that an earlier process had no answer to.
    pub(super) fn restore_mark(&mut self, of: SavedMark) {
        self.marks.add(of);
    }

    pub(super) fn marks(&mut self, step: Step<'_>) {
        if let Some(act) = self.marks.step {
            act(self, step);
        }
    }

    fn step_mark(&mut self, step: Step<'_>) {
        match step {
            Step::Send(now) => self.send_marks(now),
            // Who ends requests knows when the hub may be asked again.
            Step::Unanswered(id) => drop(self.free_mark(id)),
            Step::Taken(now, id) => {
                self.settle_mark(id);
                self.send_marks(now);
            }
            Step::Refused(now, id, code, again_ms) if code.is_retryable() => {
                self.free_mark(id);
                self.timers.set(Timer::Marks, now + again_ms.unwrap_or(AGAIN_MS));
            }
            Step::Refused(now, id, code, _) => {
                if let Some(mark) = self.settle_mark(id) {
                    self.refuse_mark(mark, code);
                }
                self.send_marks(now);
            }
            Step::Renewed(stream, from) => {
                let is_lost = |mark: &SavedMark| mark.stream == *stream && mark.seq >= from;
                for index in (0..self.marks.rows.len()).rev() {
                    if self.marks.rows.get(index).is_some_and(|mark| is_lost(&mark.of)) {
                        self.end_mark(index);
                    }
                }
            }
        }
    }

    /// Sends the marks that no request is under way for, unless the hub wants to be left alone for a while.
    fn send_marks(&mut self, now: Timestamp) {
        if !self.is_live() || self.timers.get(Timer::Marks).is_some() {
            return;
        }
        let mut asked = self.marks.rows.iter().filter(|mark| mark.asked.0 > 0).count();
        while asked < ASKED {
            let id = self.next_request();
            let Some(mark) = self.marks.rows.iter_mut().find(|mark| mark.asked.0 == 0) else { return };
            (mark.asked, mark.asked_seq) = (id, mark.of.seq);
            let of = mark.of.clone();
            self.ask(now, Purpose::Mark, &mut |id, out| encode_read(id, &of.stream, &of.peer, of.seq, out));
            asked += 1;
        }
    }

    /// The request for a mark has ended. Returns its index unless the mark has moved on since.
    fn free_mark(&mut self, id: RequestId) -> Option<usize> {
        let index = self.marks.rows.iter().position(|mark| mark.asked == id)?;
        let mark = self.marks.rows.get_mut(index)?;
        mark.asked = RequestId(0);
        (mark.of.seq == mark.asked_seq).then_some(index)
    }

    /// The hub has said yes or no to a mark; it is over unless it has moved on since.
    fn settle_mark(&mut self, id: RequestId) -> Option<SavedMark> {
        let index = self.free_mark(id)?;
        self.end_mark(index)
    }

    fn end_mark(&mut self, index: usize) -> Option<SavedMark> {
        let mark = self.marks.rows.remove(index)?.of;
        self.persist(Change::Marked(mark.clone()));
        Some(mark)
    }
}
