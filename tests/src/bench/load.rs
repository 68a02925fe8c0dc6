//! The load: the same rounds against the hub and against a raw server.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::socket::{Socket, masked};

/// How long a round may take before the run fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// Entries a subscriber takes before it acknowledges.
const ACKNOWLEDGE_EVERY: u64 = 1024;
const CONTENT: &str = "0123456789012345678901234567890123456789012345678901234567890123";

/// Against what a load runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Against<'a> {
    /// A hub at this address.
    Hub(&'a str),
    /// A raw server at this address, with frames from it of this size.
    Raw(&'a str, Sizes),
}

/// Bytes of a frame to and from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) input: usize,
    pub(super) output: usize,
}

/// What a run gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Per second.
    pub(super) rate: f64,
    pub(super) sizes: Sizes,
}

/// What subscribers have taken, and who waits for it.
#[derive(Default)]
struct Progress {
    taken: Cell<u64>,
    wanted: Cell<u64>,
    reached: Notify,
    frame: Cell<usize>,
}

impl Progress {
    fn take(&self, count: usize, frame: usize) {
        self.frame.set(frame);
        self.taken.set(self.taken.get() + count as u64);
        if self.taken.get() >= self.wanted.get() {
            self.reached.notify_one();
        }
    }

    async fn reach(&self, wanted: u64) -> Result<()> {
        self.wanted.set(wanted);
        while self.taken.get() < wanted {
            let waited = tokio::time::timeout(PATIENCE, self.reached.notified()).await;
            waited.with_context(|| format!("{} of {wanted} frames arrived", self.taken.get()))?;
        }
        Ok(())
    }
}

/// Runs a load on this thread.
pub(super) fn run<T>(load: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, load)
}

/// One sender, many subscribers: `window` messages at once, the next when all have arrived everywhere.
pub(super) async fn fan_out(
    against: Against<'_>,
    subscribers: u32,
    window: usize,
    time: Duration,
) -> Result<Measured> {
    let progress = Rc::new(Progress::default());
    let mut sender = match against {
        Against::Hub(address) => Socket::device(address, "sender", "g").await?,
        Against::Raw(address, sizes) => Socket::raw(address, 0, sizes.output).await?,
    };
    for number in 1..=subscribers {
        let socket = match against {
            Against::Hub(address) => Socket::device(address, &format!("s{number}"), "g").await?,
            Against::Raw(address, sizes) => Socket::raw(address, number, sizes.output).await?,
        };
        let stream = matches!(against, Against::Hub(_)).then_some("group:g");
        let progress = Rc::clone(&progress);
        tokio::task::spawn_local(async move {
            if let Err(error) = subscribe(socket, progress, stream).await {
                println!("a subscriber ended: {error:#}");
            }
        });
    }
    let mut number = 0_u64;
    let mut size = 0;
    let mut round = |against: Against<'_>| {
        let mut bytes = Vec::new();
        for _ in 0..window {
            number += 1;
            let frame = match against {
                Against::Hub(_) => masked(message(number, r#""group_ids":["g"]"#).as_bytes()),
                Against::Raw(_, sizes) => vec![b'x'; sizes.input],
            };
            size = frame.len();
            bytes.extend_from_slice(&frame);
        }
        bytes
    };
    let mut wanted = 0;
    let (mut began, mut counted) = (Instant::now(), 0);
    for warm in [true, false] {
        (began, counted) = (Instant::now(), progress.taken.get());
        let time = if warm { time / 4 } else { time };
        while began.elapsed() < time {
            let bytes = round(against);
            sender.write(&bytes).await?;
            wanted += u64::from(subscribers) * window as u64;
            let mut answered = 0;
            while matches!(against, Against::Hub(_)) && answered < window {
                answered += sender.read_accepted().await?;
            }
            progress.reach(wanted).await?;
        }
    }
    let rate = (progress.taken.get() - counted) as f64 / began.elapsed().as_secs_f64();
    Ok(Measured { rate, sizes: Sizes { input: size, output: progress.frame.get() } })
}

async fn subscribe(mut socket: Socket, progress: Rc<Progress>, stream: Option<&'static str>) -> Result<()> {
    let (mut taken, mut acknowledged) = (0_u64, 0);
    loop {
        let count = socket.read().await?;
        taken += count as u64;
        progress.take(count, socket.frame);
        if let Some(stream) = stream.filter(|_| taken >= acknowledged + ACKNOWLEDGE_EVERY) {
            acknowledged = taken;
            let ack = format!(r#"{{"message_type":"ack","stream":"{stream}","seq_no":{taken}}}"#);
            socket.write(&masked(ack.as_bytes())).await?;
        }
    }
}

/// Pairs of clients: each sends to its partner, and again when the partner's message has come.
pub(super) async fn round_trips(
    against: Against<'_>,
    clients: u32,
    flight: usize,
    volatile: bool,
    time: Duration,
) -> Result<Measured> {
    let until = Instant::now() + time + time / 4;
    let begin = Instant::now() + time / 4;
    let mut tasks = Vec::new();
    for number in 0..clients {
        let socket = match against {
            Against::Hub(address) => Socket::device(address, &format!("u{number}"), "").await?,
            Against::Raw(address, sizes) => Socket::raw(address, number, sizes.output).await?,
        };
        let hub = matches!(against, Against::Hub(_));
        let input = if let Against::Raw(_, sizes) = against { sizes.input } else { 0 };
        tasks.push((number, socket, hub, input));
    }
    let mut running = Vec::new();
    for (number, mut socket, hub, input) in tasks {
        running.push(tokio::task::spawn_local(async move {
            let target = format!(r#""receiver":"u{}","volatile":{volatile}"#, number ^ 1);
            let (mut sent, mut counted, mut size) = (0_u64, 0_u64, input);
            let mut taken = 0_u64;
            let mut owed = flight;
            loop {
                let mut bytes = Vec::new();
                for _ in 0..owed {
                    sent += 1;
                    let id = u64::from(number) << 40 | sent;
                    let frame = if hub { masked(message(id, &target).as_bytes()) } else { vec![b'x'; input] };
                    size = frame.len();
                    bytes.extend_from_slice(&frame);
                }
                if owed > 0 {
                    socket.write(&bytes).await?;
                }
                // Near the end the partner may have stopped already.
                owed = match tokio::time::timeout_at((until + PATIENCE / 100).into(), socket.read()).await {
                    Ok(count) => count?,
                    Err(_) => 0,
                };
                taken += owed as u64;
                if hub && !volatile && taken % 512 < owed as u64 {
                    // Positions of the inbox hold the own messages too.
                    let seq = socket.last_seq();
                    let ack = format!(r#"{{"message_type":"ack","stream":"inbox","seq_no":{seq}}}"#);
                    socket.write(&masked(ack.as_bytes())).await?;
                }
                let now = Instant::now();
                if now >= begin && now < until {
                    counted += owed as u64;
                }
                if now >= until {
                    return Ok::<_, anyhow::Error>((counted, size, socket.frame));
                }
            }
        }));
    }
    let (mut total, mut sizes) = (0, Sizes { input: 0, output: 0 });
    for task in running {
        let (counted, input, output) = task.await??;
        total += counted;
        sizes = Sizes { input, output };
    }
    if total == 0 {
        bail!("no client heard from its partner");
    }
    Ok(Measured { rate: total as f64 / time.as_secs_f64(), sizes })
}

/// Senders that keep `flight` messages on the way to users who are away; counts what is accepted.
pub(super) async fn accepted(address: &str, senders: u32, flight: usize, time: Duration) -> Result<f64> {
    let total = Rc::new(Cell::new(0_u64));
    let warm = time / 4;
    let begin = Instant::now() + warm;
    let until = begin + time;
    let mut running = Vec::new();
    for number in 0..senders {
        let mut socket = Socket::device(address, &format!("sender{number}"), "").await?;
        let total = Rc::clone(&total);
        running.push(tokio::task::spawn_local(async move {
            let (mut sent, mut owed) = (0_u64, flight);
            loop {
                let mut bytes = Vec::new();
                for _ in 0..owed {
                    sent += 1;
                    let target = format!(
                        r#""receiver":"away{}","session_id":"{CONTENT}""#,
                        (sent * 7 + u64::from(number)) % 1000
                    );
                    bytes.extend_from_slice(&masked(
                        message(u64::from(number) << 40 | sent, &target).as_bytes(),
                    ));
                }
                socket.write(&bytes).await?;
                owed = match tokio::time::timeout(PATIENCE, socket.read_accepted()).await {
                    Ok(count) => count?,
                    Err(_) => bail!("nothing was accepted for {} s", PATIENCE.as_secs()),
                };
                let now = Instant::now();
                if now >= begin && now < until {
                    total.set(total.get() + owed as u64);
                }
                if now >= until {
                    return Ok::<_, anyhow::Error>(());
                }
            }
        }));
    }
    for task in running {
        task.await??;
    }
    Ok(total.get() as f64 / time.as_secs_f64())
}

/// A message of 64 bytes of content.
fn message(number: u64, target: &str) -> String {
    // Ids rise in the order of bytes, as those of the clients do.
    format!(r#"{{"message_type":"text","message_id":"{number:036}",{target},"content":"{CONTENT}"}}"#)
}
