//! A `redis-server` of a test's own: on a free port of this machine, in a directory that goes with it, ended by its
//! process.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server, with the arguments it is started with again.
pub(crate) struct Redis {
    child: Option<Child>,
    directory: TempDir,
    pub(crate) port: u16,
    arguments: Vec<String>,
}

impl Redis {
    /// One that keeps nothing on a disk.
    pub(crate) fn start() -> Self {
        Self::with(&["--appendonly", "no"])
    }

    /// One that flushes every write.
    pub(crate) fn durable() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// One with these arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        // Somebody else may take the port between the look and the start.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut redis = Self { child: None, directory: TempDir::new().unwrap(), port, arguments };
            if redis.launch() {
                return redis;
            }
            arguments = std::mem::take(&mut redis.arguments);
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts the process; `false`: it ended.
    pub(crate) fn launch(&mut self) -> bool {
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let child = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""])
            .args(["--daemonize", "no", "--logfile", "redis.log", "--dir"])
            .arg(self.directory.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let child =
            child.expect("redis-server must be installed for this test (Debian: apt install redis-server)");
        // Another test's server may have taken the port.
        let own = format!("process_id:{}\r", child.id());
        self.child = Some(child);
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if self.run(&["INFO", "server"]).contains(&own) {
                return true;
            }
            if self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some()) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("redis-server does not answer");
    }

    /// Ends the process as a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Runs one command; the beginning of the answer as it comes.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.port)) else { return String::new() };
        let _ = socket.set_read_timeout(Some(Duration::from_secs(5)));
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
        }
        let _ = socket.write_all(&bytes);
        let mut answer = [0; 4096];
        let length = socket.read(&mut answer).unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
