//! The threads that read. The engine blocks, so no read runs on a thread of the caller's runtime; the store needs no
//! runtime at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::engine::Engine;

type Job = Box<dyn FnOnce(&Engine) + Send>;

/// A few threads and their common queue.
pub(super) struct Readers {
    queue: Mutex<Option<Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    pub(super) fn start(engine: &Arc<Engine>, count: usize) -> std::io::Result<Self> {
        let (queue, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let threads = (0..count.max(1)).map(|index| {
            let (engine, jobs) = (engine.clone(), jobs.clone());
            Builder::new().name(format!("store-read-{index}")).spawn(move || serve(&engine, &jobs))
        });
        let threads = threads.collect::<Result<_, _>>()?;
        Ok(Self { queue: Mutex::new(Some(queue)), threads: Mutex::new(threads) })
    }

    /// Queues a job; `false` after closing.
    pub(super) fn submit(&self, job: Job) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().is_some_and(|queue| queue.send(job).is_ok())
    }

    /// Takes no more jobs; those queued are still done.
    pub(super) fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Waits for the threads to end, after [`Readers::close`].
    pub(super) fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread ends only by the closing of its queue; panics of jobs are caught.
            let _ = thread.join();
        }
    }
}

fn serve(engine: &Engine, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // Damaged files may make the engine panic. The one who asked hears of it by the loss of its answer.
        let _ = catch_unwind(AssertUnwindSafe(|| job(engine)));
    }
}
