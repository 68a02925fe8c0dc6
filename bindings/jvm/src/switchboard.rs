//! All sessions of a process, at one place: few threads, and one stream of reports, however many sessions there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use wsc_client::Session;

use crate::order::Addressed;
use crate::settings::{OpenError, Opened, Settings};
use crate::tray::Tray;

/// Reports that a session gives at once.
const BATCH: usize = 1024;

type Sessions = HashMap<i32, Session>;

/// The sessions of a process.
#[derive(uniffi::Object)]
pub struct Switchboard {
    runtime: Runtime,
    tray: Arc<Tray>,
    sessions: Arc<Mutex<Sessions>>,
}

#[uniffi::export]
impl Switchboard {
    /// One without sessions.
    #[uniffi::constructor]
    pub fn new() -> Result<Arc<Self>, OpenError> {
        let threads = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(1, 4));
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("wsc-io")
            .enable_all()
            .build()
            .map_err(|error| OpenError::System(error.to_string()))?;
        Ok(Arc::new(Self { runtime, tray: Arc::default(), sessions: Arc::default() }))
    }

    /// Opens a session, which does not connect yet. Its orders and reports are called by this number, which no other has.
    pub fn open(&self, number: i32, settings: Settings) -> Result<Opened, OpenError> {
        let (session, standing) = self.runtime.block_on(settings.builder().session())?;
        lock(&self.sessions).insert(number, session.clone());
        let (tray, sessions) = (Arc::clone(&self.tray), Arc::clone(&self.sessions));
        self.runtime.spawn(async move {
            loop {
                let reports = session.next(BATCH).await;
                if reports.is_empty() {
                    break;
                }
                tray.put(number, &reports).await;
            }
            lock(&sessions).remove(&number);
        });
        Ok(Opened { device: standing.device, pending: standing.pending })
    }

    /// Carries out orders, one after the other; never waits. Those for a session that ended are left out.
    pub fn submit(&self, orders: Vec<Addressed>) {
        let mut orders = orders.into_iter().peekable();
        while let Some(Addressed { session: number, order }) = orders.next() {
            let more = std::iter::from_fn(|| orders.next_if(|next| next.session == number));
            let batch: Vec<_> =
                std::iter::once(order).chain(more.map(|next| next.order)).map(Into::into).collect();
            let session = lock(&self.sessions).get(&number).cloned();
            if let Some(session) = session {
                session.submit(batch);
            }
        }
    }

    /// Wakes whoever waits in [`Switchboard::next`], which waits no more from then on.
    pub fn stop(&self) {
        self.tray.stop();
    }

    /// All reports there are, once there is one, or nothing after `wait_ms`; see `report.rs` for what the bytes say.
    pub fn next(&self, wait_ms: i64) -> Vec<u8> {
        self.tray.take(Duration::from_millis(wait_ms.unsigned_abs()))
    }
}

fn lock(sessions: &Mutex<Sessions>) -> MutexGuard<'_, Sessions> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}
