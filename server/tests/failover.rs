//! `wsc listen` and `wsc send` with several addresses, and hubs that go.

#![cfg(all(feature = "command", unix))]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use support::process::{Process, wsc};

/// An address that nobody listens on.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// `wsc listen`, and what it says of its connection.
struct Listener {
    child: Child,
    said: Receiver<String>,
}

impl Listener {
    fn start(urls: &str) -> Self {
        let mut child = wsc(&["listen", "--user", "bob", "--url", urls]).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, said) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, said }
    }

    /// Waits until it is connected: where.
    fn connected(&self) -> String {
        loop {
            let line = self.said.recv_timeout(Duration::from_secs(20)).expect("it connects");
            if let Some(address) = line.strip_prefix("connected to ") {
                return address.to_owned();
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn other_of(hubs: Vec<Process>, at: &str, end: fn(Process)) -> Process {
    let (mut there, mut others): (Vec<_>, Vec<_>) =
        hubs.into_iter().partition(|hub| at.ends_with(&hub.address.to_string()));
    end(there.pop().unwrap());
    others.pop().unwrap()
}

#[test]
fn a_listener_goes_on_at_another_hub_when_its_own_is_killed_or_ends_in_order() {
    for end in [Process::kill, Process::end] {
        let hubs = vec![Process::start(&[]), Process::start(&[])];
        let urls = format!("{}, http://{} ,ws://{}/ws", nobody(), hubs[0].address, hubs[1].address);
        let bob = Listener::start(&urls);
        let at = bob.connected();
        let at = at.trim_end_matches("/ws").to_owned();
        let other = other_of(hubs, &at, end);
        assert!(bob.connected().contains(&other.address.to_string()));
        let to_bob =
            ["send", "--user", "alice", "--to", "bob", "--wait", "delivered", "--url", &urls, "hello"];
        let sent = wsc(&to_bob).output().unwrap();
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }
}

#[test]
fn addresses_come_from_the_environment_too() {
    let hub = Process::start(&[]);
    let send = |urls: String| {
        let mut command: Command = wsc(&["send", "--user", "alice", "--to", "bob", "hello"]);
        command.env("WSC_URL", urls).output().unwrap()
    };
    for _ in 0..4 {
        assert!(send(format!("ws://{},ws://{}", nobody(), hub.address)).status.success());
    }
    for (urls, wrong) in [(format!("{},ftp://h", hub.address), "`ftp://h`"), (",".to_owned(), "``")] {
        let refused = send(urls);
        assert_eq!(refused.status.code(), Some(1));
        let complaint = String::from_utf8(refused.stderr).unwrap();
        assert!(complaint.contains(wrong) && complaint.contains("give ws://host:port"), "{complaint}");
    }
}
