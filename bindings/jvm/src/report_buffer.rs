//! Where the reports of all sessions lie until the JVM's one thread takes them, all at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use wsc_client::session::Report;

use crate::report::write;

/// Bytes that lie here before sessions wait with theirs. Arrays much longer are a burden to the JVM's collector.
const FULL: usize = 256 * 1024;

/// After a crossing no longer ago than this, another is not worth a few reports.
const BUSY: Duration = Duration::from_millis(1);
/// What is waited then.
const MOMENT: Duration = Duration::from_micros(300);
/// Bytes that are worth a crossing at once.
const MANY: usize = FULL / 4;

#[derive(Default)]
struct Inner {
    reports: Vec<u8>,
    /// When they were last taken.
    busy: Option<Instant>,
    /// Nobody waits for reports any more.
    stopped: bool,
}

#[derive(Default)]
pub(crate) struct ReportBuffer {
    inner: Mutex<Inner>,
    filled: Condvar,
    emptied: Notify,
}

impl ReportBuffer {
    /// Puts a session's reports down; waits whenever the buffer is full.
    pub(crate) async fn put(&self, session: i32, reports: &[Report]) {
        let mut reports = reports.iter().peekable();
        while reports.peek().is_some() {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.fill(session, &mut reports) {
                emptied.await;
            }
        }
    }

    /// Puts down what there is room for; whether the buffer is full.
    fn fill<'r>(&self, session: i32, reports: &mut impl Iterator<Item = &'r Report>) -> bool {
        let mut inner = self.lock();
        while inner.reports.len() < FULL {
            let Some(report) = reports.next() else { break };
            write(&mut inner.reports, session, report);
        }
        self.filled.notify_one();
        inner.reports.len() >= FULL
    }

    /// Takes everything, once there is something or the time is over. When reports come close upon one another, waits a
    /// moment for more: a crossing costs as much as many of them.
    pub(crate) fn take(&self, wait: Duration) -> Vec<u8> {
        let mut inner = self.wait(self.lock(), wait, 1);
        if inner.busy.is_some_and(|last| last.elapsed() < BUSY) {
            inner = self.wait(inner, MOMENT, MANY);
        }
        inner.busy = Some(Instant::now());
        let taken = std::mem::take(&mut inner.reports);
        drop(inner);
        self.emptied.notify_waiters();
        taken
    }

    /// Wakes whoever waits for reports: from now on what there is is taken at once, also if it is nothing.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.filled.notify_all();
    }

    /// Waits until so many bytes lie here.
    fn wait<'t>(&self, inner: MutexGuard<'t, Inner>, wait: Duration, bytes: usize) -> MutexGuard<'t, Inner> {
        let fewer = |inner: &mut Inner| inner.reports.len() < bytes && !inner.stopped;
        let waited = self.filled.wait_timeout_while(inner, wait, fewer);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wsc_client::session::Kind;

    use super::*;

    fn report(bytes: usize) -> Report {
        let bytes = Some(vec![7; bytes]);
        Report { kind: Kind::Message, numbers: [1, 2, 0, 0], texts: Default::default(), bytes }
    }

    #[test]
    fn who_waits_is_woken_by_the_end_and_waits_no_more() {
        let buffer = Arc::new(ReportBuffer::default());
        let other = Arc::clone(&buffer);
        let began = Instant::now();
        let waiting = std::thread::spawn(move || other.take(Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(20));
        buffer.stop();
        assert!(waiting.join().expect("it ends").is_empty());
        assert!(buffer.take(Duration::from_secs(60)).is_empty());
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_does_not_fit_waits_until_there_is_room_and_nothing_is_lost() {
        let buffer = Arc::new(ReportBuffer::default());
        let other = Arc::clone(&buffer);
        let putting = tokio::spawn(async move {
            for _ in 0..10 {
                other.put(1, &vec![report(FULL / 8); 10]).await;
            }
        });
        let (mut total, mut longest) = (0, 0);
        while total < 100 * (FULL / 8 + 53) {
            let taken = buffer.take(Duration::from_secs(10));
            assert!(!taken.is_empty(), "{total} bytes came");
            longest = longest.max(taken.len());
            total += taken.len();
        }
        assert_eq!(total, 100 * (FULL / 8 + 53));
        assert!(longest < FULL + FULL / 8 + 53);
        putting.await.expect("all was put down");
        assert!(buffer.take(Duration::from_millis(1)).is_empty());
    }
}
