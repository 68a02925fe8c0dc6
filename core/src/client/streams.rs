//! Streams opened, read, acknowledged and closed.

use alloc::borrow::ToOwned as _;
use alloc::string::String;

use super::event::{Entry, Event, Gap};
use super::inbox::{Adoption, Covered, Inbox};
use super::marks::Step;
use super::saved::{Change, SavedCursor};
use super::{Client, Storage, Timer};
use crate::codes::CloseCode;
use crate::frame::{Frame, FrameRef, OpenStream, Range, encode_acknowledge};
use crate::names::StreamName;
use crate::time::Timestamp;

impl Client {
    /// The application has everything of a stream up to here; needed without
    /// [`auto_acknowledge`](super::Config::auto_acknowledge). `generation` is that of the event, so that an entry of an
    /// earlier epoch acknowledges nothing.
    pub fn acknowledge(
        &mut self,
        now: Timestamp,
        stream: &StreamName<'_>,
        generation: super::Generation,
        seq: u64,
    ) {
        let Ok(index) = self.inboxes.find(stream) else { return };
        let moved =
            self.inboxes.index(index).filter(|inbox| inbox.generation == generation).is_some_and(|inbox| {
                let confirmed = inbox.confirm();
                inbox.hand_over(seq) || confirmed
            });
        if moved {
            self.moved(now, index);
        }
    }

    /// The cursor moved: acknowledges at once where the sender wants it, else within `ack_ms`.
    fn moved(&mut self, now: Timestamp, index: usize) {
        let half = self.session.window / 2;
        let taken: u64 = self.inboxes.taken();
        if self.inboxes.index(index).is_some_and(|inbox| inbox.is_urgent()) || taken >= half.max(1) {
            self.acknowledge_one(now, index);
        }
        self.timers.start(Timer::Acknowledge, now + self.session.ack_ms);
    }

    fn acknowledge_one(&mut self, now: Timestamp, index: usize) {
        let Some(inbox) = self.inboxes.index(index) else { return };
        let before = inbox.taken();
        let mut text = String::new();
        if let Some(seq) = inbox.acknowledge() {
            encode_acknowledge(&inbox.name, seq, &mut text);
        }
        let answered = before - inbox.taken();
        self.inboxes.sub_taken(answered);
        if !text.is_empty() && self.is_live() {
            self.transmit(now, Frame::Text(text));
        }
        self.store_cursor(index);
    }

    fn store_cursor(&mut self, index: usize) {
        if self.config.storage == Storage::None {
            return;
        }
        let Some(inbox) = self.inboxes.index(index) else { return };
        if let Some(seq) = inbox.unstored() {
            let cursor = SavedCursor { stream: inbox.name.clone(), epoch: inbox.epoch.clone(), seq };
            self.persist(Change::Cursor(cursor));
        }
    }

    /// Writes every acknowledgement and cursor that waited.
    pub(super) fn acknowledge_all(&mut self, now: Timestamp) {
        self.timers.stop(Timer::Acknowledge);
        for index in 0..self.inboxes.len() {
            self.acknowledge_one(now, index);
        }
    }

    /// All streams of `connected` are open: the others cannot be read any more.
    pub(super) fn close_unopened(&mut self) {
        for index in (0..self.inboxes.len()).rev() {
            let gone = self
                .inboxes
                .index(index)
                .filter(|inbox| !inbox.is_open())
                .is_some_and(|inbox| self.config.reads(&inbox.name));
            if gone {
                self.close_stream(index, "unreadable");
            }
        }
        self.check_caught_up();
    }

    pub(super) fn open_stream(&mut self, now: Timestamp, open: &OpenStream<'_>) {
        let generation = self.inboxes.next_generation();
        let (from, head, before) = (open.from, open.head, open.from.saturating_sub(1));
        let (index, known) = match self.inboxes.find(&open.stream) {
            Ok(index) => (index, true),
            Err(_) => {
                let name = open.stream.clone().into_owned();
                let inbox = Inbox::new(name, open.epoch.clone().into_owned(), before, generation);
                (self.inboxes.insert(inbox), false)
            }
        };
        let Some(inbox) = self.inboxes.index(index) else { return };
        let adoption = inbox.open(&open.epoch, from, head, generation);
        let generation = inbox.generation;
        let stream = inbox.name.clone();
        match adoption {
            Adoption::Continues if known => {}
            Adoption::Continues => {
                self.event(Event::StreamOpened { stream, generation, from, head });
                self.store_cursor(index);
            }
            Adoption::Passed(from, to) => {
                self.tell_gap(stream, generation, (from, to), "unexplained");
            }
            Adoption::Renewed => {
                inbox.epoch_reported = true;
                if self.config.auto_acknowledge {
                    inbox.confirm();
                }
                self.marks(Step::Renewed(&stream, from));
                self.event(Event::StreamOpened { stream: stream.clone(), generation, from, head });
                // Told here, not when the hub's `gap` comes: a connection that ends between must not swallow it.
                self.tell_gap(stream, generation, (from, before), "epoch");
                self.timers.start(Timer::Acknowledge, now + self.session.ack_ms);
            }
        }
    }

    pub(super) fn detach_streams(&mut self) {
        for index in 0..self.inboxes.len() {
            self.store_cursor(index);
        }
        self.inboxes.disconnect();
    }

    fn close_stream(&mut self, index: usize, reason: &str) {
        let Some(closed) = self.inboxes.remove(index) else { return };
        self.inboxes.sub_taken(closed.taken());
        let stream = closed.name;
        self.persist(Change::Forget { stream: stream.clone() });
        self.event(Event::StreamClosed { stream, reason: reason.to_owned() });
    }

    /// A join opened a group's stream on this connection.
    pub(super) fn join_stream(&mut self, now: Timestamp, open: &OpenStream<'_>) {
        if let (Some(groups), Some(id)) = (self.config.groups.as_mut(), open.stream.group_id())
            && !groups.iter().any(|group| group == id)
        {
            groups.push(id.to_owned());
        }
        // A membership that begins anew has nothing to do with the cursor of an earlier one.
        if let Ok(index) = self.inboxes.find(&open.stream)
            && let Some(closed) = self.inboxes.remove(index)
        {
            self.inboxes.sub_taken(closed.taken());
        }
        self.open_stream(now, open);
        self.session.caught_up = false;
        self.check_caught_up();
    }

    /// A membership of this user ended.
    pub(super) fn leave_stream(&mut self, group: &str, action: &str) {
        if let Some(groups) = self.config.groups.as_mut()
            && let Some(index) = groups.iter().position(|id| id == group)
        {
            groups.swap_remove(index);
        }
        if let Ok(index) = self.inboxes.find(&StreamName::group(group)) {
            self.close_stream(index, action);
        }
        self.check_caught_up();
    }

    /// Covers positions; the first new one, if any. A hole ends the connection.
    fn cover(
        &mut self,
        now: Timestamp,
        stream: &StreamName<'_>,
        first: u64,
        last: u64,
    ) -> Option<(usize, Covered)> {
        let Ok(index) = self.inboxes.find(stream) else {
            self.unexpected("a position of a stream that is not open");
            return None;
        };
        match self.inboxes.index(index)?.take(first, last) {
            Covered::Hole => {
                self.fail(now, CloseCode::Hole, "positions are missing");
                None
            }
            Covered::Old => None,
            taken => Some((index, taken)),
        }
    }

    pub(super) fn on_entry(
        &mut self,
        now: Timestamp,
        (stream, seq): (&StreamName<'_>, u64),
        require_ack: bool,
        frame: FrameRef<'_>,
    ) {
        let Some((index, taken)) = self.cover(now, stream, seq, seq) else { return };
        let Some(inbox) = self.inboxes.index(index) else { return };
        inbox.count(seq, require_ack);
        if let Covered::New(_) = taken {
            self.events.push(Event::Message(Entry {
                stream: inbox.name.clone(),
                generation: inbox.generation,
                seq_no: seq,
                frame: frame.own(),
            }));
        }
        if self.config.auto_acknowledge {
            inbox.hand_over(seq);
        }
        // Or covered again, and acknowledged by the application meanwhile: the hub does not know yet.
        let moved = inbox.cursor >= seq;
        self.inboxes.add_taken();
        if moved {
            self.moved(now, index);
        }
        self.check_caught_up();
    }

    pub(super) fn on_skip(&mut self, now: Timestamp, range: &Range<'_>) {
        if let Some((index, Covered::New(first))) = self.cover(now, &range.stream, range.from, range.to)
            && first <= range.to
            && let Some(inbox) = self.inboxes.index(index)
        {
            // Acknowledged lazily: with the next entry, the next ping, or at the end.
            inbox.pass(first, range.to);
        }
        self.check_caught_up();
    }

    pub(super) fn on_gap(&mut self, now: Timestamp, range: &Range<'_>, reason: &str) {
        let (from, to) = (range.from, range.to);
        if let Some((index, Covered::New(first))) = self.cover(now, &range.stream, from, to)
            && let Some(inbox) = self.inboxes.index(index)
        {
            let empty = to < from;
            if empty && core::mem::take(&mut inbox.epoch_reported) {
                return;
            }
            let (stream, generation) = (inbox.name.clone(), inbox.generation);
            let handed = self.config.auto_acknowledge && inbox.hand_over(to);
            self.tell_gap(stream, generation, (first, to), reason);
            if handed {
                self.moved(now, index);
            }
        }
        self.check_caught_up();
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    fn tell_gap(
        &mut self,
        stream: StreamName<'static>,
        generation: super::Generation,
        (from, to): (u64, u64),
        reason: &str,
    ) {
        let reason = reason.to_owned();
        self.event(Event::Gap(Gap { stream, generation, from, to, reason }));
    }

    fn check_caught_up(&mut self) {
        if !self.session.caught_up
            && self.is_live()
            && self.inboxes.iter().all(|inbox| !inbox.is_open() || inbox.is_caught_up())
        {
            self.session.caught_up = true;
            self.event(Event::CaughtUp);
        }
    }
}
