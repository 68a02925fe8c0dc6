//! Has the store forget what is too old, again and again. Whatever goes wrong, it is tried again: without it the disk
//! fills.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::log::store::StoreFuture;

/// How often.
pub(crate) const PERIOD: Duration = Duration::from_secs(30);
/// So many failures in a row mean that it will not come right by itself.
pub(crate) const FAILURES: u32 = 3;
/// Between two steps: others use the store too.
const REST: Duration = Duration::from_millis(50);

/// Takes steps until the store has nothing more to forget, every `period`; counts failures in a row.
pub(crate) async fn run<'s>(
    failures: &AtomicU32,
    period: Duration,
    step: impl Fn() -> StoreFuture<'s, bool>,
) {
    loop {
        tokio::time::sleep(period).await;
        loop {
            match AssertUnwindSafe(async { step().await }).catch_unwind().await {
                Ok(Ok(more)) => {
                    failures.store(0, Ordering::Relaxed);
                    if !more {
                        break;
                    }
                    tokio::time::sleep(REST).await;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the store could not be maintained");
                    failures.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Err(_) => {
                    tracing::error!("a panic while the store was maintained; it is tried again");
                    failures.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::store::StoreError;

    #[tokio::test]
    async fn maintenance_goes_on_after_a_panic_and_an_error_and_counts_failures() {
        let failures = AtomicU32::new(0);
        let seen = std::sync::Mutex::new(Vec::new());
        let (done, mut all) = tokio::sync::watch::channel(false);
        let step = || -> StoreFuture<'_, bool> {
            let mut seen = seen.lock().unwrap();
            seen.push(failures.load(Ordering::Relaxed));
            let number = seen.len();
            drop(seen);
            done.send_replace(number == 5);
            assert!(number != 1, "a panic before there is a future");
            Box::pin(async move {
                match number {
                    2 => Err(StoreError::Closed),
                    3 => panic!("a panic in the future"),
                    _ => Ok(false),
                }
            })
        };
        tokio::select! {
            () = run(&failures, Duration::from_millis(1), step) => {}
            _ = all.wait_for(|all| *all) => {}
        }
        assert_eq!(*seen.lock().unwrap(), [0, 1, 2, FAILURES, 0]);
    }
}
