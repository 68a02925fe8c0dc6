//! Where the reports of all sessions lie until the JVM's one thread takes them, all at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use wsc_client::Report;

use crate::report::write;

/// Bytes that lie here before sessions wait with theirs.
const FULL: usize = 1 << 20;

#[derive(Default)]
pub(crate) struct Tray {
    reports: Mutex<Vec<u8>>,
    filled: Condvar,
    emptied: Notify,
}

impl Tray {
    /// Puts a session's reports down; waits while the tray is full.
    pub(crate) async fn put(&self, session: i32, reports: &[Report]) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            {
                let mut lying = self.lock();
                if lying.len() < FULL {
                    for report in reports {
                        write(&mut lying, session, report);
                    }
                    self.filled.notify_one();
                    return;
                }
            }
            emptied.await;
        }
    }

    /// Takes everything, once there is something or the time is over.
    pub(crate) fn take(&self, wait: Duration) -> Vec<u8> {
        let waited = self.filled.wait_timeout_while(self.lock(), wait, |lying| lying.is_empty());
        let (mut lying, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut *lying);
        drop(lying);
        self.emptied.notify_waiters();
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
