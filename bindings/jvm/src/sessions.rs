//! All sessions of a process, at one place: few threads, and one stream of reports, however many sessions there are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use wsc_client::session::Session;

use crate::command::Addressed;
use crate::report_buffer::ReportBuffer;
use crate::settings::{OpenError, Opened, Settings};

/// Reports that a session gives at once.
const BATCH: usize = 1024;

type ByNumber = HashMap<i32, Session>;

/// The sessions of a process.
#[derive(uniffi::Object)]
pub struct Sessions {
    /// None once stopped.
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    /// Threads of the runtime that have not ended, those for files and name lookups included.
    threads: Arc<AtomicUsize>,
    buffer: Arc<ReportBuffer>,
    sessions: Arc<Mutex<ByNumber>>,
}

#[uniffi::export]
impl Sessions {
    /// One without sessions.
    #[uniffi::constructor]
    pub fn new() -> Result<Arc<Self>, OpenError> {
        let workers = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(1, 4));
        let threads = Arc::<AtomicUsize>::default();
        let (started, ended) = (Arc::clone(&threads), Arc::clone(&threads));
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name("wsc-io")
            .on_thread_start(move || {
                started.fetch_add(1, Ordering::Relaxed);
            })
            .on_thread_stop(move || {
                ended.fetch_sub(1, Ordering::Release);
            })
            .enable_all()
            .build()
            .map_err(|error| OpenError::System(error.to_string()))?;
        let handle = runtime.handle().clone();
        let runtime = Mutex::new(Some(runtime));
        Ok(Arc::new(Self { runtime, handle, threads, buffer: Arc::default(), sessions: Arc::default() }))
    }

    /// Opens a session, which does not connect yet. Its commands and reports carry this number, which no other has.
    pub fn open(&self, number: i32, settings: Settings) -> Result<Opened, OpenError> {
        let (session, snapshot) = self.handle.block_on(settings.builder().session())?;
        lock(&self.sessions).insert(number, session.clone());
        let (buffer, sessions) = (Arc::clone(&self.buffer), Arc::clone(&self.sessions));
        self.handle.spawn(async move {
            loop {
                let reports = session.next(BATCH).await;
                if reports.is_empty() {
                    break;
                }
                buffer.put(number, &reports).await;
            }
            lock(&sessions).remove(&number);
        });
        Ok(Opened { device: snapshot.device, pending: snapshot.pending })
    }

    /// Executes commands, one after the other; never waits. Those for a session that ended are left out.
    pub fn submit(&self, commands: Vec<Addressed>) {
        let mut commands = commands.into_iter().peekable();
        while let Some(Addressed { session: number, command }) = commands.next() {
            let more = std::iter::from_fn(|| commands.next_if(|next| next.session == number));
            let batch: Vec<_> =
                std::iter::once(command).chain(more.map(|next| next.command)).map(Into::into).collect();
            let session = lock(&self.sessions).get(&number).cloned();
            if let Some(session) = session {
                session.submit(batch);
            }
        }
    }

    /// Ends everything, once no session is left: wakes whoever waits in [`Sessions::next`], which waits no more from then on,
    /// and waits for the runtime's threads. Whether all have ended; a name lookup may take longer.
    pub fn stop(&self, wait_ms: i64) -> bool {
        self.buffer.stop();
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(Duration::from_millis(wait_ms.unsigned_abs()));
        }
        self.threads.load(Ordering::Acquire) == 0
    }

    /// All reports there are, once there is one, or nothing after `wait_ms`; see `report.rs` for what the bytes say.
    pub fn next(&self, wait_ms: i64) -> Vec<u8> {
        self.buffer.take(Duration::from_millis(wait_ms.unsigned_abs()))
    }
}

fn lock(sessions: &Mutex<ByNumber>) -> MutexGuard<'_, ByNumber> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_whether_all_threads_have_ended() {
        let sessions = Sessions::new().expect("it starts");
        assert!(sessions.stop(10_000));
        assert!(sessions.stop(0));

        let sessions = Sessions::new().expect("it starts");
        let (begun, began) = std::sync::mpsc::channel();
        drop(sessions.handle.spawn_blocking(move || {
            let _ = begun.send(());
            std::thread::sleep(Duration::from_secs(2));
        }));
        began.recv().expect("it begins");
        assert!(!sessions.stop(10));
        std::thread::sleep(Duration::from_secs(3));
        assert!(sessions.stop(0));
    }
}
