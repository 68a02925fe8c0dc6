//! Where reports wait to be fetched, and how much the application has that it has not acknowledged. Never talks to the
//! machine.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use wsc_core::client::bridge::{Flat, Kind, RequestFault};
use wsc_core::client::{SendError, Sync};
use wsc_core::limits::BACKLOG_COUNT;

use super::{Command, Report};
use crate::backlog::{Backlog, Item, Positions, Unread};

/// Volatile messages that may wait; further ones are dropped.
const VOLATILE: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct ReportQueue {
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
    volatile: usize,
    /// How far sends and streams are, when that was not told yet.
    sync: Option<Sync>,
    /// Entries of streams that nobody reads, and what the application was given and has not acknowledged.
    backlog: Backlog<Report>,
    readers: HashSet<String>,
    finished: bool,
    ended: bool,
}

impl Item for Report {
    fn positions(&self) -> Positions {
        let [generation, first, last, _] = self.numbers;
        // The machine counts generations in 32 bits.
        let generation = u32::try_from(generation).unwrap_or(u32::MAX);
        Positions { generation, first, last: if self.kind == Kind::Gap { last } else { first } }
    }

    fn size(&self) -> usize {
        let texts: usize = self.texts.iter().map(String::len).sum();
        size_of::<Self>() + texts + self.bytes.as_ref().map_or(0, Vec::len)
    }
}

impl Inner {
    fn is_full(&self) -> bool {
        self.backlog.is_full() || self.queue.len() >= BACKLOG_COUNT
    }

    fn reads(&self, stream: &str) -> bool {
        self.readers.contains("*") || self.readers.contains(stream)
    }
}

impl ReportQueue {
    /// A caller that panicked while it held the lock left whole values behind: every change here is one step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, report: Report) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        match report.kind {
            _ if inner.ended => return,
            // Acknowledged it could not be any more.
            Kind::Message | Kind::Gap if inner.finished => return,
            Kind::Message | Kind::Gap => {
                let stream = &report.texts[0];
                if !inner.reads(stream) {
                    let stream = stream.clone();
                    return inner.backlog.put(&stream, report, false);
                }
                inner.backlog.give(stream, &report);
            }
            Kind::StreamClosed => inner.backlog.remove(&report.texts[0]),
            Kind::Volatile if inner.volatile >= VOLATILE => return,
            Kind::Volatile => inner.volatile += 1,
            Kind::Ended => inner.ended = true,
            _ => {}
        }
        inner.queue.push_back(report);
        self.ready.notify_one();
    }

    /// A message that did not reach the machine.
    pub(super) fn refuse(&self, command: Command, error: &SendError) {
        match command {
            Command::Send { message_id, .. } => self.put(Report::not_taken(&message_id, error)),
            Command::Request { ticket, .. } => self.put(Report::new(
                Kind::RequestFailed,
                [ticket, RequestFault::Disconnected as u64],
                "",
                "",
            )),
            _ => {}
        }
    }

    pub(super) fn put_sync(&self, sync: Sync) {
        self.lock().sync = Some(sync);
        self.ready.notify_one();
    }

    /// The application reads these from now on: what waited for them goes out.
    pub(super) fn read(&self, streams: Vec<String>) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.readers = streams.into_iter().collect();
        let found = inner.backlog.waiting().filter(|stream| inner.reads(stream));
        for stream in found.map(str::to_owned).collect::<Vec<_>>() {
            inner.queue.extend(std::iter::from_fn(|| inner.backlog.take(&stream)));
            inner.backlog.set_read(&stream, true);
        }
        self.ready.notify_one();
    }

    pub(super) fn credit(&self, stream: &str, generation: u32, position: u64) {
        self.lock().backlog.credit(stream, generation, position);
    }

    pub(super) fn is_full(&self) -> bool {
        self.lock().is_full()
    }

    /// Lets go of what nobody read for long, says so, and gives what counts as handed over.
    pub(super) fn sweep(&self) -> Vec<Unread> {
        let mut inner = self.lock();
        let swept = inner.backlog.sweep();
        let report = |Unread { stream, positions }: &Unread| {
            Report::new(Kind::Unread, [positions.first, positions.last], stream, "")
        };
        inner.queue.extend(swept.iter().map(report));
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
        inner.backlog.clear();
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
        inner.volatile -= reports.iter().filter(|report| report.kind == Kind::Volatile).count();
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
    use crate::backlog::UNREAD;

    fn entry(seq: u64) -> Report {
        Report::new(Kind::Message, [1, seq], "inbox", "")
    }

    fn read(reports: &ReportQueue, stream: &str) {
        reports.read(vec![stream.to_owned()]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_counts_as_handed_over_after_a_while_and_is_named() {
        let reports = ReportQueue::default();
        for seq in 4..=6 {
            reports.put(entry(seq));
        }
        assert!(reports.sweep().is_empty() && reports.take(9).is_none());
        tokio::time::advance(UNREAD).await;
        let swept = reports.sweep();
        assert_eq!((swept.len(), &*swept[0].stream, swept[0].positions.last), (1, "inbox", 6));
        assert_eq!(reports.take(9), Some(vec![Report::new(Kind::Unread, [4, 6], "inbox", "")]));
        reports.put(entry(7));
        read(&reports, "inbox");
        assert_eq!(reports.take(9), Some(vec![entry(7)]));
    }

    #[tokio::test]
    async fn what_was_fetched_and_not_acknowledged_holds_back_the_hub() {
        let reports = ReportQueue::default();
        read(&reports, "*");
        for seq in 1..=BACKLOG_COUNT as u64 {
            reports.put(entry(seq));
        }
        assert_eq!(reports.take(usize::MAX).map(|taken| taken.len()), Some(BACKLOG_COUNT));
        assert!(reports.is_full());
        reports.credit("inbox", 1, 1);
        assert!(!reports.is_full());
    }

    #[tokio::test]
    async fn a_stream_that_closes_takes_along_what_nobody_read() {
        let reports = ReportQueue::default();
        reports.put(entry(1));
        reports.put(Report::new(Kind::StreamClosed, [], "inbox", "left"));
        read(&reports, "*");
        assert_eq!(reports.take(9).map(|reports| reports.len()), Some(1));
    }

    #[tokio::test]
    async fn what_counts_comes_after_what_it_counts() {
        let reports = ReportQueue::default();
        read(&reports, "*");
        reports.put_sync(Sync { caught_up: true, ..Sync::default() });
        for seq in 1..=3 {
            reports.put(entry(seq));
        }
        assert_eq!(reports.take(2), Some(vec![entry(1), entry(2)]));
        assert_eq!(reports.take(2), Some(vec![entry(3), Report::new(Kind::Sync, [0, 0, 0, 1], "", "")]));
        assert_eq!(reports.take(2), None);
    }

    #[tokio::test]
    async fn volatile_messages_beyond_what_may_wait_are_let_go_and_nothing_else() {
        let reports = ReportQueue::default();
        for seq in 0..2 * VOLATILE as u64 {
            reports.put(Report::new(Kind::Volatile, [seq], "", ""));
            reports.put(Report::new(Kind::Saved, [seq], "", ""));
        }
        let taken = reports.take(usize::MAX).unwrap_or_default();
        let count = |kind| taken.iter().filter(|report| report.kind == kind).count();
        assert_eq!((count(Kind::Volatile), count(Kind::Saved)), (VOLATILE, 2 * VOLATILE));
        reports.put(Report::new(Kind::Volatile, [], "", ""));
        assert_eq!(reports.take(1).map(|reports| reports.len()), Some(1));
    }
}
