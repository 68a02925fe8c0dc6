//! Failed and delayed deliveries as typed events of five kinds. Handlers of the application run on a thread of their
//! own, never on a shard or on the log's writer: between them lies a bounded queue, and what does not fit is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::log::key::UserKey;

/// Maximum of failures that wait for their handlers.
const WAITING: usize = 8 * 1024;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// A reader or sender was too slow or too fast: something was dropped or must wait.
    QueueFull,
    /// The receiver has no connection; the message waits in the log.
    UserOffline,
    /// A connection broke without a Close frame.
    ConnectionError,
    /// Entries were not acknowledged in time; they stay in the log.
    Timeout,
    /// A message could not be stored.
    SendFailure,
}

/// A failed or delayed delivery.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// Whose delivery.
    pub user: UserKey,
    /// On which device; empty: any.
    pub device: Arc<str>,
    /// Which message; empty: no particular one.
    pub message_id: Arc<str>,
    /// Failed attempts of the device in a row.
    pub attempts: u32,
    /// What happened.
    pub reason: &'static str,
}

/// A handler of the application.
pub(crate) type Handler = dyn Fn(&Failure) + Send + Sync;

/// The handlers of a hub, each with the kind it is for; several of a kind are called in order.
pub(crate) type Handlers = Vec<(FailureKind, Box<Handler>)>;

/// Where failures are reported.
pub(crate) struct Failures {
    /// The kinds that somebody handles, one bit each.
    handled: u8,
    queue: mpsc::Sender<Failure>,
    dropped: AtomicU64,
    warned: AtomicBool,
}

/// The other end: calls the handlers.
pub(crate) struct Dispatcher {
    handlers: Handlers,
    queue: mpsc::Receiver<Failure>,
}

impl Failures {
    /// Failures for these handlers; the dispatcher must run somewhere, unless there are none.
    pub(crate) fn new(handlers: Handlers) -> (Self, Dispatcher) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let handled = handlers.iter().fold(0, |bits, (kind, _)| bits | bit(*kind));
        let failures =
            Self { handled, queue: sender, dropped: AtomicU64::new(0), warned: AtomicBool::new(false) };
        (failures, Dispatcher { handlers, queue: receiver })
    }

    /// Whether anybody handles failures of a kind.
    pub(crate) fn are_handled(&self, kind: FailureKind) -> bool {
        self.handled & bit(kind) != 0
    }

    /// Reports a failure, without waiting. It is described only where somebody handles its kind, or debug logs are on.
    pub(crate) fn report(&self, kind: FailureKind, describe: impl FnOnce() -> Failure) {
        let handled = self.are_handled(kind);
        if !handled && !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let failure = describe();
        let user = &*failure.user.user;
        tracing::debug!(?kind, user, reason = failure.reason, "delivery failure");
        if handled && self.queue.try_send(failure).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            if !self.warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "handlers of failures are too slow: some are dropped; see Hub::dropped_failures"
                );
            }
        }
    }

    /// How many failures no handler heard of, because too many waited.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Dispatcher {
    pub(crate) fn has_work(&self) -> bool {
        !self.handlers.is_empty()
    }

    /// Calls handlers, on a thread of its own, until the hub is gone.
    pub(crate) fn run_blocking(mut self) {
        while let Some(failure) = self.queue.blocking_recv() {
            self.call(&failure);
        }
    }

    /// The same as a task, for simulations.
    #[cfg(feature = "testing")]
    pub(crate) async fn run(mut self) {
        while let Some(failure) = self.queue.recv().await {
            self.call(&failure);
        }
    }

    fn call(&self, failure: &Failure) {
        let handlers = self.handlers.iter().filter(|(kind, _)| *kind == failure.kind);
        handlers.for_each(|(_, handler)| handler(failure));
    }
}

fn bit(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::QueueFull => 1,
        FailureKind::UserOffline => 2,
        FailureKind::ConnectionError => 4,
        FailureKind::Timeout => 8,
        FailureKind::SendFailure => 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::Scope;

    fn failure(number: u32) -> Failure {
        Failure {
            kind: FailureKind::Timeout,
            user: UserKey::new(&Scope::default(), "bob"),
            device: "".into(),
            message_id: "".into(),
            attempts: number,
            reason: "a test",
        }
    }

    #[test]
    fn a_handler_that_hangs_holds_nobody_up_and_what_does_not_fit_is_counted() {
        let heard = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&heard);
        let (hang, hung) = std::sync::mpsc::channel::<()>();
        let hung = std::sync::Mutex::new(hung);
        let handler: Box<Handler> = Box::new(move |_| {
            let _ = hung.lock().unwrap().recv();
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let (failures, dispatcher) = Failures::new(vec![(FailureKind::Timeout, handler)]);
        let thread = std::thread::spawn(|| dispatcher.run_blocking());
        let reported = u64::try_from(WAITING).unwrap() + 1000;
        for number in 0..u32::try_from(reported).unwrap() {
            failures.report(FailureKind::Timeout, || failure(number));
        }
        let dropped = failures.dropped();
        assert!((999..=1000).contains(&dropped), "{dropped}");
        drop((hang, failures));
        thread.join().unwrap();
        assert_eq!(heard.load(Ordering::Relaxed) + dropped, reported);
    }

    #[test]
    fn what_nobody_handles_is_not_even_described() {
        let (failures, dispatcher) = Failures::new(Vec::new());
        assert!(!dispatcher.has_work());
        failures.report(FailureKind::UserOffline, || panic!("nobody asked for it"));
    }
}
