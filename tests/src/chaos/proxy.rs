//! A wire between clients and hub that delays, cuts, tears and goes silent, and reads along. Never makes up a byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use wsc_core::backoff::Random;

use crate::history::{Tap, Writer};
use crate::traffic::any;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It lives.
    None,
    /// Both sides see the end.
    Cut,
    /// Both sides see a reset.
    Reset,
    /// A part of what the hub said last arrives, then the end.
    Torn,
    /// Drops everything for the hub, without closing a socket.
    SilentUp,
    /// Drops everything for the client, without closing a socket.
    SilentDown,
    /// Drops everything in both directions, without closing a socket.
    Silent,
    /// The client sees the end, the hub does not.
    Orphan,
}

const FATES: [Fate; 10] = [
    Fate::Cut,
    Fate::Cut,
    Fate::Cut,
    Fate::Reset,
    Fate::Reset,
    Fate::Torn,
    Fate::SilentUp,
    Fate::SilentDown,
    Fate::Silent,
    Fate::Orphan,
];

/// What the wire did.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicU64,
    pub(super) cuts: AtomicU64,
    pub(super) silences: AtomicU64,
}

/// The wire.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) counts: Arc<Counts>,
    calm: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

struct Line {
    tap: Arc<Mutex<Tap>>,
    random: Random,
    fate: Fate,
    after: Duration,
    /// Now and then delays chunks by up to this many milliseconds.
    delay: u64,
    counts: Arc<Counts>,
    calm: watch::Receiver<bool>,
}

impl Proxy {
    pub(super) async fn start(hub: SocketAddr, writer: Arc<Writer>, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let (calm, calms) = watch::channel(false);
        let shared = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            let mut random = Random::new(seed);
            while let Ok((near, _)) = listener.accept().await {
                let number = shared.connections.fetch_add(1, Ordering::Relaxed);
                let mut random = Random::new(random.next());
                let mut calm = calms.clone();
                let is_calm = *calm.borrow_and_update();
                let fate = any(&FATES, &mut random);
                let line = Line {
                    tap: Arc::new(Mutex::new(Tap::new(number, Arc::clone(&writer)))),
                    fate: if is_calm { Fate::None } else { fate },
                    after: Duration::from_millis(50 + random.up_to(12_000)),
                    delay: if is_calm { 0 } else { any(&[0, 0, 30, 300], &mut random) },
                    random,
                    counts: Arc::clone(&shared),
                    calm,
                };
                tokio::spawn(line.carry(near, hub));
            }
        });
        Ok(Self { address, counts, calm, task })
    }

    /// From now on nothing is done to connections; those before are cut.
    pub(super) fn calm(&self) {
        self.calm.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    async fn carry(mut self, near: TcpStream, hub: SocketAddr) {
        let Ok(far) = TcpStream::connect(hub).await else { return };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        if self.fate == Fate::Reset {
            let _ = (near.set_zero_linger(), far.set_zero_linger());
        }
        let (mut near_in, mut near_out) = near.into_split();
        let (mut far_in, mut far_out) = far.into_split();
        let (silence_up, silent_up) = watch::channel(false);
        let (silence_down, silent_down) = watch::channel(false);
        let (tear, torn) = watch::channel(false);
        let pause = |random: &mut Random| Random::new(random.next());
        let up = Pump {
            silent: silent_up,
            torn: torn.clone(),
            delay: self.delay,
            random: pause(&mut self.random),
        };
        let down = Pump { silent: silent_down, torn, delay: self.delay, random: pause(&mut self.random) };
        let (tap_up, tap_down) = (Arc::clone(&self.tap), Arc::clone(&self.tap));
        let up = up.run(&mut near_in, &mut far_out, move |bytes| lock(&tap_up).up(bytes), false);
        let down = down.run(&mut far_in, &mut near_out, move |bytes| lock(&tap_down).down(bytes), true);
        let fate = async {
            if self.fate == Fate::None {
                return std::future::pending().await;
            }
            sleep(self.after).await;
            match self.fate {
                Fate::SilentUp | Fate::Silent => drop(silence_up.send(true)),
                Fate::SilentDown => drop(silence_down.send(true)),
                Fate::Torn => drop(tear.send(true)),
                _ => {}
            }
            if self.fate == Fate::Silent {
                let _ = silence_down.send(true);
            }
            match self.fate {
                Fate::SilentUp | Fate::SilentDown | Fate::Silent => {
                    self.counts.silences.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_secs(40)).await;
                }
                Fate::Torn => sleep(Duration::from_secs(5)).await,
                _ => {}
            }
            self.counts.cuts.fetch_add(1, Ordering::Relaxed);
        };
        tokio::select! {
            _ = up => {}
            _ = down => {}
            () = fate => {}
            _ = self.calm.changed() => {}
        }
        if self.fate == Fate::Reset {
            // Dropped without a goodbye, the sockets end with a reset.
            near_out.forget();
            far_out.forget();
            return;
        }
        drop((near_in, near_out));
        if self.fate == Fate::Orphan && !*self.calm.borrow() {
            tokio::select! {
                () = sleep(Duration::from_secs(8)) => {}
                _ = self.calm.changed() => {}
            }
        }
    }
}

fn lock(tap: &Mutex<Tap>) -> std::sync::MutexGuard<'_, Tap> {
    tap.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One direction.
struct Pump {
    silent: watch::Receiver<bool>,
    torn: watch::Receiver<bool>,
    delay: u64,
    random: Random,
}

impl Pump {
    async fn run(
        mut self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        tap: impl Fn(&[u8]),
        from_hub: bool,
    ) -> std::io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            tap(&buffer[..count]);
            if *self.silent.borrow() {
                continue;
            }
            if self.delay > 0 && self.random.up_to(9) == 0 {
                sleep(Duration::from_millis(self.random.up_to(self.delay))).await;
            }
            if from_hub && *self.torn.borrow() {
                to.write_all(&buffer[..count / 2]).await?;
                return Ok(());
            }
            to.write_all(&buffer[..count]).await?;
        }
    }
}
