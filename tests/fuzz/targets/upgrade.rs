//! Any bytes as a request, and as the frames after an upgrade: the answer is HTTP or the connection ends, and it ends
//! when the other side does.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use tokio::time::timeout;
use wsc_server::{Hub, MemoryStore, Settings};

/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(5);

struct World {
    runtime: Runtime,
    tasks: LocalSet,
    hub: Hub,
}

impl World {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let tasks = LocalSet::new();
        let mut settings = Settings::default();
        settings.shards = 1;
        settings.limits.pending_per_address = usize::MAX;
        settings.limits.connects_per_address = 0;
        let hub = tasks.block_on(&runtime, async {
            Hub::builder(MemoryStore::new(settings.retention)).settings(settings).start_local()
        });
        Self { runtime, tasks, hub }
    }

    fn talk(&self, bytes: &[u8]) {
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
        let answer = self.tasks.block_on(&self.runtime, async {
            let (mut ours, theirs) = duplex(256 * 1024);
            let serving = tokio::task::spawn_local(wsc_server::http::serve_connection(
                theirs,
                remote,
                self.hub.clone(),
            ));
            let mut answer = Vec::new();
            let _ = ours.write_all(bytes).await;
            // Time to answer before the end comes: hyper takes an early end for a lost connection.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            let _ = ours.shutdown().await;
            let read = timeout(PATIENCE, ours.read_to_end(&mut answer)).await;
            assert!(read.is_ok(), "the connection does not end");
            assert!(timeout(PATIENCE, serving).await.is_ok(), "it is served for ever");
            answer
        });
        if !answer.is_empty() {
            let head =
                answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an end of the head");
            let head = std::str::from_utf8(&answer[..head]).expect("a head of text");
            let status = head.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "));
            let status = status.and_then(|rest| rest.get(..3)).and_then(|status| status.parse::<u16>().ok());
            assert!(status.is_some_and(|status| (100..600).contains(&status)), "{head}");
            assert!(head.lines().skip(1).all(|line| line.contains(": ")), "{head}");
        }
    }
}

thread_local! {
    static WORLD: World = World::new();
}

fuzz_target!(|bytes: &[u8]| WORLD.with(|world| world.talk(bytes)));
