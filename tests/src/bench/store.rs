//! Appended messages per second with a flush per batch: the bare engine (body of 250 bytes, second position, dedupe key)
//! and the embedded store, in one run on one disk. Prints the ratio and the worst batch; checks nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use wsc_server::log::embedded::{EmbeddedOptions, EmbeddedStore};
use wsc_server::log::key::{Scope, UserKey};
use wsc_server::log::store::{Append, Flags, Store, Target, Write};

const USERS: u64 = 1_000;
const BODY: usize = 250;

/// How one run went.
struct Run {
    messages: u64,
    took: Duration,
    batches: Vec<Duration>,
}

impl Run {
    fn rate(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }

    fn print(&mut self, name: &str, size: usize) {
        self.batches.sort_unstable();
        let at =
            |part: usize| self.batches.get(self.batches.len() * part / 1000).copied().unwrap_or_default();
        println!(
            "{name:<14} batches of {size:>5}: {:>8.0} messages/s, batch median {:>6.2} ms, 99.9 % {:>7.2} ms, worst {:>7.2} ms",
            self.rate(),
            at(500).as_secs_f64() * 1e3,
            at(999).as_secs_f64() * 1e3,
            self.batches.last().copied().unwrap_or_default().as_secs_f64() * 1e3,
        );
    }
}

/// Makes batches and writes them until the time is over; only the writing counts.
fn repeat<B>(
    time: Duration,
    size: usize,
    mut make: impl FnMut(u64, u64) -> B,
    mut write: impl FnMut(B),
) -> Run {
    let mut run = Run { messages: 0, took: Duration::ZERO, batches: Vec::new() };
    while run.took < time {
        let batch = make(run.messages, size as u64);
        let start = Instant::now();
        write(batch);
        let took = start.elapsed();
        run.batches.push(took);
        run.took += took;
        run.messages += size as u64;
    }
    run
}

fn bare(path: &Path, time: Duration, size: usize) -> Result<Run> {
    let database = Database::builder(path).open().expect("the engine");
    let part = |name| database.keyspace(name, KeyspaceCreateOptions::default).expect("a part");
    let (bodies, positions, ids) = (part("bodies"), part("positions"), part("ids"));
    let body = vec![b'x'; BODY];
    let write = |(first, count): (u64, u64)| {
        let mut batch = database.batch().durability(Some(PersistMode::SyncData));
        for n in first..first + count {
            let key = |user: u64| [user.to_be_bytes(), (n / USERS).to_be_bytes()].concat();
            batch.insert(&bodies, key(n % USERS), body.as_slice());
            batch.insert(&positions, key(n * 7 % USERS), [0_u8; 16]);
            let id = format!("{:08}{:036}{:08}", n * 7 % USERS, n, n % USERS);
            batch.insert(&ids, id.as_bytes(), [0_u8; 24]);
        }
        batch.commit().expect("a batch");
    };
    Ok(repeat(time, size, |first, count| (first, count), write))
}

fn embedded(path: &Path, time: Duration, size: usize) -> Result<Run> {
    let store = EmbeddedStore::open(path, EmbeddedOptions::default()).expect("the store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let scope = Scope::default();
    let users: Vec<UserKey> = (0..USERS).map(|n| UserKey::new(&scope, &format!("user-{n}"))).collect();
    let body = Bytes::from(vec![b'x'; BODY]);
    let make = |first: u64, count: u64| -> Vec<Write> {
        (first..first + count)
            .map(|n| {
                let user = |n: u64| &users[usize::try_from(n % USERS).expect("an index")];
                Write::Append(Append {
                    target: Target::User(user(n).clone()),
                    sender: user(n * 7).user.clone(),
                    device: "device-1".into(),
                    copy_to_sender: true,
                    require_member: false,
                    message_id: format!("{n:036}").into(),
                    dedupe: true,
                    digest: [7; 16],
                    body: body.clone(),
                    flags: Flags::REQUIRE_ACK,
                    only_device: "".into(),
                    expires_at: 0,
                    passes_on: None,
                    now: 1_800_000_000_000 + n / 50,
                })
            })
            .collect()
    };
    let run = repeat(time, size, make, |batch| {
        let answers = runtime.block_on(store.write(0, &batch));
        assert!(answers.iter().all(Result::is_ok), "a batch");
    });
    runtime.block_on(store.close()).expect("closing");
    Ok(run)
}

/// Measures both in batches of 64 and 1,024 and prints them with their ratio.
pub fn compare(time: Duration, place: &Path) -> Result<()> {
    for size in [64, 1_024] {
        let directory = tempfile::tempdir_in(place)?;
        let mut bare = bare(&directory.path().join("bare"), time, size)?;
        bare.print("bare engine", size);
        let mut store = embedded(&directory.path().join("store"), time, size)?;
        store.print("embedded store", size);
        println!("{:<14} batches of {size:>5}: {:>8.2}", "ratio", store.rate() / bare.rate());
    }
    Ok(())
}

/// Messages per second of the bare engine in batches of 1,024.
pub(super) fn bare_rate(time: Duration, place: &Path) -> Result<f64> {
    let directory = tempfile::tempdir_in(place)?;
    Ok(bare(directory.path(), time, 1_024)?.rate())
}
