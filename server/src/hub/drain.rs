//! Ending a hub without losing anything under way.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use wsc_core::frame::{HubFrame, ObjectWriter};

use super::{Hub, Shared};
use crate::net::encode;
use crate::shard::letter::{Drain, Letter};

/// Closes are spread over this part of the drain time.
const SPREAD: u32 = 2;

impl Hub {
    /// Ends the hub in order: nobody new comes in, everybody is told, connections are closed one after the other over
    /// half of the configured time with what was under way flushed, positions are kept, the store is closed. It takes no
    /// longer than the configured time: a connection that takes nothing is cut, and a store that does not answer is left.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, bob| {
    /// hub.drain().await;
    /// assert!(hub.is_draining() && hub.connections() == 0);
    /// # Ok(()) });
    /// ```
    pub async fn drain(&self) {
        let node = self.node();
        if node.draining.swap(true, Ordering::Relaxed) {
            return;
        }
        self.shared.draining.send_replace(true);
        let (time, began) = (node.settings.drain, Instant::now());
        let spread = time / SPREAD;
        let notice = notice(spread);
        let (done, mut closed) = mpsc::channel::<()>(1);
        node.router
            .shards
            .send_all(|| Letter::Drain(Drain::Begin { notice: notice.clone(), spread, done: done.clone() }));
        drop(done);
        if timeout_at(began + time / 4 * 3, closed.recv()).await.is_err() {
            node.router.shards.send_all(|| Letter::Drain(Drain::Cut));
            let _ = timeout_at(began + time / 8 * 7, closed.recv()).await;
        }
        self.stop(began + time).await;
    }

    /// Ends the hub's threads. What was handed to the log is written first, as long as there is time.
    async fn stop(&self, deadline: Instant) {
        let node = self.node();
        // Connections that ended have left their positions with the shards; a letter after those finds them handed over.
        let (done, mut submitted) = mpsc::channel::<()>(1);
        node.router.shards.send_all(|| Letter::Drain(Drain::Submit { done: done.clone() }));
        drop(done);
        let _ = timeout_at(deadline, submitted.recv()).await;
        // The log ends by itself when all is written; the shards end then.
        node.log.close();
        let ended = async {
            self.shared.log.wait().await;
            node.router.close();
            self.shared.shards.wait().await;
        };
        // The store may never answer.
        if timeout_at(deadline, ended).await.is_err() {
            let writes = node.log.waiting();
            tracing::error!(writes, "the store did not answer; what was not accepted yet is given up");
            node.router.close();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Without a drain: the log ends when all handed over is written, and the shards at once.
        self.node.log.close();
        self.node.router.close();
    }
}

fn notice(spread: Duration) -> bytes::Bytes {
    let mut data = String::new();
    let jitter = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    ObjectWriter::new(&mut data)
        .boolean("draining", true)
        .count("reconnect_after_ms", 500)
        .count("jitter_ms", jitter)
        .end();
    let frame =
        HubFrame::Notice { message_type: "server_status".into(), data: data.into(), content: "".into() };
    encode::text(&frame)
}
