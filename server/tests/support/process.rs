//! A hub as a process of its own, as users run it, so that what an attack costs can be measured: its memory and
//! processor time are nobody else's. And two bystanders who go on talking meanwhile.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{Deref, Door};

/// How often the bystanders exchange a message, and the hub's memory is read.
const PERIOD: Duration = Duration::from_millis(20);
/// What an exchange may take at most: far more than it does, for the machine has other work.
const SLOWEST: Duration = Duration::from_secs(2);

/// The command `wsc`, without what the environment sets, and with its output to be read.
pub fn wsc(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsc"));
    forget_settings(&mut command);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WSC_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
}

/// A hub's process. It is killed when this is dropped.
pub struct Process {
    child: Child,
    door: Door,
    folder: TempDir,
}

impl Deref for Process {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

impl Process {
    /// A hub over memory with one shard, so that who is attacked sits beside who is not; `keys` are set on top.
    pub fn start(keys: &[&str]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_wsc")), &["--store", "memory"], keys)
    }

    /// A hub over the embedded store in a directory, with further arguments.
    pub fn on_disk(data: &Path, arguments: &[&str]) -> Self {
        let arguments = [&["--data", data.to_str().unwrap()], arguments].concat();
        Self::run(Command::new(env!("CARGO_BIN_EXE_wsc")), &arguments, &[])
    }

    /// A hub with these arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_wsc")), arguments, &[])
    }

    /// The same, trusting the certificates in a file.
    pub fn trusting(file: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new("env");
        command.arg(format!("SSL_CERT_FILE={}", file.display())).arg(env!("CARGO_BIN_EXE_wsc"));
        Self::run(command, arguments, &[])
    }

    /// Ends it without warning.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it in order.
    pub fn end(mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success());
    }

    /// The same with at most so many open files.
    pub fn with_files(most: u32, keys: &[&str]) -> Self {
        Self::with_limit("-n", most, keys)
    }

    /// The same with at most so many open files unless the hub asks for more.
    pub fn with_few_files(most: u32, keys: &[&str]) -> Self {
        Self::with_limit("-S -n", most, keys)
    }

    fn with_limit(which: &str, most: u32, keys: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit {which} {most}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_wsc")]);
        Self::run(shell, &["--store", "memory"], keys)
    }

    fn run(mut command: Command, arguments: &[&str], keys: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        forget_settings(&mut command);
        command.args(["serve", "--listen", "127.0.0.1:0", "--set", "shards=1"]).args(arguments);
        command.args(keys.iter().flat_map(|key| ["--set", key]));
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect("the first line says where");
        Self { child, door: Door { address: address.parse().unwrap() }, folder }
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// The processor time it used so far.
    pub fn worked(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The fields after the name, which is in brackets; times are in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(10 * ticks)
    }

    /// Bystanders who exchange messages, and the hub's memory, until they are asked.
    pub async fn watch(&self) -> Watch {
        let statm = PathBuf::from(format!("/proc/{}/statm", self.child.id()));
        let (mut carol, mut dave) =
            (self.connect("carol-beside", "c").await, self.connect("dave-beside", "d").await);
        carol.send_to("dave-beside", "first", "x").await;
        dave.message().await;
        let before = resident(&statm);
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let task = tokio::spawn(async move {
            let mut seen = Seen { slowest: Duration::ZERO, exchanges: 0, grown: 0 };
            while !end.load(Ordering::Relaxed) {
                let began = Instant::now();
                carol.send_to("dave-beside", &format!("m{}", seen.exchanges), "x").await;
                let seq = dave.message().await["seq_no"].as_u64().unwrap();
                seen.slowest = seen.slowest.max(began.elapsed());
                dave.acknowledge("inbox", seq).await;
                seen.exchanges += 1;
                seen.grown = seen.grown.max(resident(&statm).saturating_sub(before));
                tokio::time::sleep(PERIOD).await;
            }
            seen
        });
        Watch { ended, task }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resident(statm: &PathBuf) -> usize {
    let pages = fs::read_to_string(statm).unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The bystanders.
pub struct Watch {
    ended: Arc<AtomicBool>,
    task: JoinHandle<Seen>,
}

/// What the bystanders saw.
#[derive(Debug)]
struct Seen {
    slowest: Duration,
    exchanges: u32,
    /// Bytes by which the hub's memory was larger than before, at most.
    grown: usize,
}

impl Watch {
    /// Ends it: the bystanders talked all the time and never waited long, and the hub's memory grew by less than `most`
    /// bytes.
    pub async fn unharmed(self, most: usize) {
        self.ended.store(true, Ordering::Relaxed);
        let seen = self.task.await.unwrap();
        println!("beside: {seen:?}");
        assert!(seen.exchanges > 0 && seen.slowest < SLOWEST, "{seen:?}");
        assert!(seen.grown < most, "{seen:?}");
    }
}
