//! Where reports wait to be fetched, and how much the application has that it has not acknowledged. Never talks to the
//! machine.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use wsc_core::client::bridge::{Flat, Kind, RequestFault};
use wsc_core::client::{SendError, Sync};

use super::{Order, Report};
use crate::mailroom::{BYTES, ENTRIES, UNREAD};

/// Reports without a position that may wait; further ones are let go.
const PASSING: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Desk {
    inner: Mutex<Inner>,
    /// There is something to fetch.
    ready: Notify,
    /// The driver may read on.
    pub(super) wake: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Report>,
    /// Volatile messages in the queue.
    passing: usize,
    /// How far sends and streams are, when that was not told yet.
    sync: Option<Sync>,
    /// Entries of streams that nobody reads.
    held: HashMap<String, Held>,
    readers: HashSet<String>,
    /// What the application was given, or will be, and has not acknowledged.
    owed: HashMap<String, VecDeque<Owed>>,
    entries: usize,
    bytes: usize,
    finished: bool,
    ended: bool,
}

#[derive(Debug)]
struct Held {
    since: Instant,
    reports: Vec<Report>,
}

#[derive(Debug)]
struct Owed {
    generation: u32,
    seq: u64,
    size: usize,
}

/// Entries that nobody read.
pub(super) struct Unread {
    pub(super) stream: String,
    pub(super) generation: u32,
    pub(super) to: u64,
}

/// Where an entry or a gap stands: its generation and last position.
fn place(report: &Report) -> (u32, u64) {
    let [generation, first, last, _] = report.numbers;
    // The machine counts generations in 32 bits.
    let generation = u32::try_from(generation).unwrap_or(u32::MAX);
    (generation, if report.kind == Kind::Gap { last } else { first })
}

impl Inner {
    fn is_full(&self) -> bool {
        self.entries >= ENTRIES || self.bytes >= BYTES || self.queue.len() >= ENTRIES
    }

    fn reads(&self, stream: &str) -> bool {
        self.readers.contains("*") || self.readers.contains(stream)
    }

    /// Nothing of a stream up to here is owed any more.
    fn credit(&mut self, stream: &str, generation: u32, seq: u64) {
        let Some(owed) = self.owed.get_mut(stream) else { return };
        while let Some(first) = owed.pop_front_if(|first| (first.generation, first.seq) <= (generation, seq))
        {
            self.entries -= 1;
            self.bytes -= first.size;
        }
        if owed.is_empty() {
            self.owed.remove(stream);
        }
    }

    fn forget(&mut self) {
        self.held.clear();
        self.owed.clear();
        (self.entries, self.bytes) = (0, 0);
    }
}

impl Desk {
    /// A caller that panicked while it held the lock left whole values behind: every change here is one step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, report: Report) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        match report.kind {
            _ if inner.ended => return,
            Kind::Message | Kind::Gap => {
                // Acknowledged it could not be any more.
                if inner.finished {
                    return;
                }
                let (generation, seq) = place(&report);
                let (size, stream) = (report.size(), &report.texts[0]);
                let owed = Owed { generation, seq, size };
                match inner.owed.get_mut(stream) {
                    Some(all) => all.push_back(owed),
                    None => drop(inner.owed.insert(stream.clone(), VecDeque::from([owed]))),
                }
                inner.entries += 1;
                inner.bytes += size;
                if !inner.reads(stream) {
                    let held = inner.held.entry(stream.clone());
                    let held = held.or_insert_with(|| Held { since: Instant::now(), reports: Vec::new() });
                    held.reports.push(report);
                    return;
                }
            }
            Kind::StreamClosed => {
                inner.held.remove(&report.texts[0]);
                inner.credit(&report.texts[0], u32::MAX, u64::MAX);
            }
            Kind::Volatile if inner.passing >= PASSING => return,
            Kind::Volatile => inner.passing += 1,
            Kind::Ended => inner.ended = true,
            _ => {}
        }
        inner.queue.push_back(report);
        self.ready.notify_one();
    }

    /// A message that did not reach the machine.
    pub(super) fn refuse(&self, order: Order, error: &SendError) {
        match order {
            Order::Send { message_id, .. } => self.put(Report::not_taken(&message_id, error)),
            Order::Request { ticket, .. } => self.put(Report::new(
                Kind::RequestFailed,
                [ticket, RequestFault::Disconnected as u64],
                "",
                "",
            )),
            _ => {}
        }
    }

    pub(super) fn measure(&self, sync: Sync) {
        self.lock().sync = Some(sync);
        self.ready.notify_one();
    }

    /// The application reads these from now on: what waited for them goes out.
    pub(super) fn read(&self, streams: Vec<String>) {
        let mut inner = self.lock();
        inner.readers = streams.into_iter().collect();
        let found: Vec<_> = inner.held.keys().filter(|stream| inner.reads(stream)).cloned().collect();
        for held in found.iter().filter_map(|stream| inner.held.remove(stream)).collect::<Vec<_>>() {
            inner.queue.extend(held.reports);
        }
        self.ready.notify_one();
    }

    pub(super) fn credit(&self, stream: &str, generation: u32, seq: u64) {
        self.lock().credit(stream, generation, seq);
    }

    pub(super) fn is_full(&self) -> bool {
        self.lock().is_full()
    }

    /// Lets go of what nobody read for [`UNREAD`], says so, and gives what counts as handed over.
    pub(super) fn sweep(&self) -> Vec<Unread> {
        let mut inner = self.lock();
        let old: Vec<_> = inner.held.extract_if(|_, held| held.since.elapsed() >= UNREAD).collect();
        let mut swept = Vec::new();
        for (stream, held) in old {
            let (Some(first), Some(last)) = (held.reports.first(), held.reports.last()) else { continue };
            let (generation, to) = place(last);
            inner.credit(&stream, generation, to);
            let report = Report::new(Kind::Unread, [first.numbers[1], to], &stream, "");
            inner.queue.push_back(report);
            swept.push(Unread { stream, generation, to });
        }
        if !swept.is_empty() {
            self.ready.notify_one();
        }
        swept
    }

    /// Entries that were not fetched yet are not handed over any more.
    pub(super) fn finish(&self) {
        let mut inner = self.lock();
        inner.finished = true;
        inner.queue.retain(|report| !matches!(report.kind, Kind::Message | Kind::Gap));
        inner.forget();
    }

    pub(super) async fn next(&self, limit: usize) -> Vec<Report> {
        loop {
            if let Some(reports) = self.take(limit) {
                return reports;
            }
            self.ready.notified().await;
        }
    }

    /// What is there; none: nothing yet.
    fn take(&self, limit: usize) -> Option<Vec<Report>> {
        let mut inner = self.lock();
        let was_full = inner.is_full();
        let count = inner.queue.len().min(limit.max(1));
        let mut reports: Vec<_> = inner.queue.drain(..count).collect();
        inner.passing -= reports.iter().filter(|report| report.kind == Kind::Volatile).count();
        if inner.queue.is_empty() {
            // Not before what it counts.
            if let Some(sync) = inner.sync.take().filter(|_| !inner.ended) {
                reports.push(Report::from(Flat::sync(sync)));
            }
        }
        if was_full {
            self.wake.notify_one();
        }
        if reports.is_empty() && !inner.ended { None } else { Some(reports) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64) -> Report {
        Report::new(Kind::Message, [1, seq], "inbox", "")
    }

    fn read(desk: &Desk, stream: &str) {
        desk.read(vec![stream.to_owned()]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_is_held_for_a_while_and_then_named() {
        let desk = Desk::default();
        for seq in 4..=6 {
            desk.put(entry(seq));
        }
        tokio::time::advance(UNREAD - std::time::Duration::from_millis(1)).await;
        assert!(desk.sweep().is_empty() && desk.take(9).is_none());
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
        let swept = desk.sweep();
        assert_eq!((swept.len(), swept[0].generation, swept[0].to), (1, 1, 6));
        assert_eq!(desk.take(9), Some(vec![Report::new(Kind::Unread, [4, 6], "inbox", "")]));
        assert_eq!(desk.lock().entries, 0);
        assert_eq!(desk.lock().bytes, 0);
        desk.put(entry(7));
        read(&desk, "inbox");
        tokio::time::advance(UNREAD * 2).await;
        assert!(desk.sweep().is_empty());
        assert_eq!(desk.take(9), Some(vec![entry(7)]));
    }

    #[tokio::test]
    async fn a_stream_that_closes_takes_along_what_nobody_read() {
        let desk = Desk::default();
        desk.put(entry(1));
        desk.put(Report::new(Kind::StreamClosed, [], "inbox", "left"));
        read(&desk, "*");
        assert_eq!(desk.take(9).map(|reports| reports.len()), Some(1));
        assert_eq!(desk.lock().entries, 0);
    }

    #[tokio::test]
    async fn what_counts_comes_after_what_it_counts() {
        let desk = Desk::default();
        read(&desk, "*");
        desk.measure(Sync { caught_up: true, ..Sync::default() });
        for seq in 1..=3 {
            desk.put(entry(seq));
        }
        assert_eq!(desk.take(2), Some(vec![entry(1), entry(2)]));
        assert_eq!(desk.take(2), Some(vec![entry(3), Report::new(Kind::Sync, [0, 0, 0, 1], "", "")]));
        assert_eq!(desk.take(2), None);
    }

    #[tokio::test]
    async fn volatile_messages_beyond_what_may_wait_are_let_go_and_nothing_else() {
        let desk = Desk::default();
        for seq in 0..2 * PASSING as u64 {
            desk.put(Report::new(Kind::Volatile, [seq], "", ""));
            desk.put(Report::new(Kind::Saved, [seq], "", ""));
        }
        let taken = desk.take(usize::MAX).unwrap_or_default();
        let count = |kind| taken.iter().filter(|report| report.kind == kind).count();
        assert_eq!((count(Kind::Volatile), count(Kind::Saved)), (PASSING, 2 * PASSING));
        desk.put(Report::new(Kind::Volatile, [], "", ""));
        assert_eq!(desk.take(1).map(|reports| reports.len()), Some(1));
    }
}
