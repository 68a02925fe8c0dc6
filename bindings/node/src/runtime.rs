//! The threads of all sessions of this process. Not napi's: that one ends with an environment, and sessions may end later.

use std::sync::LazyLock;

use napi::{Error, Result};
use tokio::runtime::{Builder, Runtime};

/// Node runs JavaScript on one thread, which is the bottleneck; a second one here parses and writes beside it.
const THREADS: usize = 2;

static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(THREADS).thread_name("wsc").enable_all().build()
});

/// The runtime, or why the system gives no threads.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    RUNTIME.as_ref().map_err(|error| Error::from_reason(format!("no threads for the client: {error}")))
}
