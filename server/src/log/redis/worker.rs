//! A thread for what waits on the network, whatever thread asks; and how long anybody waits for an answer.

use std::time::Duration;

use redis::RedisResult;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How long an answer may take before the connection counts as dead.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// A thread for all that waits on the network.
pub(crate) struct Worker {
    pub(crate) handle: Handle,
    /// Dropped, it ends the thread.
    _end: oneshot::Sender<()>,
}

impl Worker {
    pub(crate) fn start(name: &str) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { handle, _end: end })
    }
}

/// An answer within the time that a living server takes.
pub(crate) async fn timed<T>(asked: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    within(ANSWER, asked).await
}

/// An answer within a time.
pub(super) async fn within<T>(time: Duration, asked: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match tokio::time::timeout(time, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}
