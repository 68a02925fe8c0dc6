//! The command as a process of its own: what it prints, how it ends, what it refuses, and messages through it.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use support::process::wsc;

const PATIENCE: Duration = Duration::from_secs(20);

fn run(arguments: &[&str]) -> Output {
    wsc(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A process and the lines it prints.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the process should print a line")
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Its exit code, and what it complained of.
    fn ended(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut complaint = String::new();
                if let Some(mut stderr) = self.child.stderr.take() {
                    stderr.read_to_string(&mut complaint).unwrap();
                }
                return (status.code(), complaint);
            }
            assert!(Instant::now() < until, "the process should end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A hub as a process.
struct Hub {
    running: Running,
    address: String,
    url: String,
}

impl Hub {
    fn start(arguments: &[&str]) -> Self {
        let running = Running::start(wsc(&[&["serve"], arguments].concat()));
        let line = running.line();
        let address =
            line.strip_prefix("listening on http://").expect("the first line says where").to_owned();
        let url = format!("ws://{address}/ws");
        Self { running, address, url }
    }

    fn in_memory(more: &[&str]) -> Self {
        Self::start(&[&["--store", "memory", "--listen", "127.0.0.1:0"], more].concat())
    }

    fn listen(&self, user: &str, more: &[&str]) -> Running {
        Running::start(wsc(&[&["listen", "--url", &self.url, "--user", user], more].concat()))
    }

    fn send(&self, more: &[&str]) -> Output {
        run(&[&["send", "--url", &self.url], more].concat())
    }
}

fn data(directory: &Path) -> String {
    directory.join("data").to_str().unwrap().to_owned()
}

#[test]
fn the_hub_says_where_it_listens_and_answers_there() {
    let hub = Hub::in_memory(&[]);
    assert!(!hub.address.ends_with(":0"), "the real port: {}", hub.address);
    let mut socket = std::net::TcpStream::connect(&hub.address).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("content-security-policy: default-src 'none'")
    );
}

#[test]
fn without_a_secret_only_this_machine_may_connect() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = run(&["serve", "--store", "memory", "--listen", address]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(complaint(&refused).contains("--secret-file"), "{}", complaint(&refused));
    }
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "a secret of enough bytes").unwrap();
    Hub::start(&["--store", "memory", "--listen", "0.0.0.0:0", "--secret-file", secret.to_str().unwrap()]);
    std::fs::write(&secret, " \n").unwrap();
    let refused = run(&["serve", "--store", "memory", "--secret-file", secret.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint(&refused).contains("is empty"));
}

#[test]
fn a_second_hub_is_refused_the_address_and_the_data_of_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let data = data(directory.path());
    let first = Hub::start(&["--data", &data, "--listen", "127.0.0.1:0"]);
    let same_data = run(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
    assert_eq!(same_data.status.code(), Some(1));
    assert!(complaint(&same_data).contains("is in use by another process; stop that one"));
    let same_address = run(&["serve", "--store", "memory", "--listen", &first.address]);
    assert_eq!(same_address.status.code(), Some(1));
    assert!(complaint(&same_address).contains("choose another port with --listen"));
    let foreign = run(&["serve", "--data", "/proc", "--listen", "127.0.0.1:0"]);
    assert_eq!(foreign.status.code(), Some(1));
    assert!(complaint(&foreign).contains("error: /proc is not empty"));
}

#[test]
fn an_unknown_key_names_the_nearest_wherever_it_stands() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wsc.toml");
    std::fs::write(&file, "[peer]\nwindwo = 7\n").unwrap();
    let in_file = run(&["serve", "--config", file.to_str().unwrap()]);
    let in_line = run(&["config", "--check", "--set", "peer.windwo=7"]);
    for refused in [in_file, in_line] {
        assert_eq!(refused.status.code(), Some(1));
        assert!(complaint(&refused).contains("did you mean peer.window?"), "{}", complaint(&refused));
    }
    let mut in_environment = wsc(&["config", "--check"]);
    in_environment.env("WSC_PEER_WINDWO", "7").env("WSC_VERSION", "1.2.3");
    let warned = in_environment.output().unwrap();
    assert_eq!(warned.status.code(), Some(0), "what runs hubs sets variables of its own");
    assert!(complaint(&warned).contains("did you mean WSC_PEER_WINDOW?"), "{}", complaint(&warned));
    assert_eq!(run(&["serve", "--colour"]).status.code(), Some(2), "usage");
}

#[test]
fn the_configuration_that_is_printed_can_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wsc.toml");
    std::fs::write(&file, out(&run(&["config", "--set", "peer.window=7"]))).unwrap();
    let file = file.to_str().unwrap();
    assert!(run(&["config", "--config", file, "--check"]).status.success());
    let again = wsc(&["config", "--config", file]).env("WSC_PEER_HEARTBEAT", "5s").output().unwrap();
    assert!(out(&again).contains("window = 7") && out(&again).contains("heartbeat = \"5s\""));
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_hub_soon_with_a_client_connected() {
    for signal in ["-TERM", "-INT"] {
        let hub = Hub::in_memory(&[]);
        let bob = hub.listen("bob", &[]);
        assert!(hub.send(&["--user", "alice", "--to", "bob", "hello"]).status.success());
        assert_eq!(bob.line(), "[inbox 1] alice: hello");
        let since = Instant::now();
        hub.running.signal(signal);
        let (code, _) = hub.running.ended();
        assert_eq!(code, Some(0));
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
        bob.signal("-INT");
        assert_eq!(bob.ended().0, Some(0));
    }
}

/// A connected device that does nothing.
#[cfg(unix)]
fn device(hub: &Hub, user: &str) -> std::net::TcpStream {
    let mut socket = std::net::TcpStream::connect(&hub.address).unwrap();
    let request = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Protocol: wsc.v1\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let frame = format!(r#"{{"message_type":"connect","protocol":1,"user_id":"{user}"}}"#);
    // A text frame below 126 bytes, with a mask that changes nothing.
    socket.write_all(&[0x81, 0x80 | u8::try_from(frame.len()).unwrap(), 0, 0, 0, 0]).unwrap();
    socket.write_all(frame.as_bytes()).unwrap();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("connection_id") {
        let mut buffer = [0; 1024];
        let count = socket.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&buffer[..count]);
    }
    socket
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_the_hub_at_once_and_the_echo_of_the_first_does_not() {
    // Closes are spread over half the time of the drain.
    let hub = Hub::in_memory(&["--set", "drain=20s", "--set", "shards=1"]);
    let devices: Vec<_> = ["a", "b", "c", "d"].iter().map(|user| device(&hub, user)).collect();
    hub.running.signal("-TERM");
    hub.running.signal("-TERM");
    std::thread::sleep(Duration::from_millis(900));
    let mut hub = hub;
    assert!(hub.running.child.try_wait().unwrap().is_none(), "still closing connections");
    hub.running.signal("-INT");
    let since = Instant::now();
    assert_eq!(hub.running.ended().0, Some(1));
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    drop(devices);
}

#[test]
fn a_token_opens_the_hub_of_its_secret_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        directory.path().join(name).to_str().unwrap().to_owned()
    };
    let (secret, other) =
        (write("one", "a secret of enough bytes\n"), write("two", "another secret, as long"));
    let token = |file: &str| {
        let made = run(&["token", "--user", "alice", "--groups", "team", "--secret-file", file]);
        out(&made).trim().to_owned()
    };
    let hub = Hub::in_memory(&["--secret-file", &secret]);
    let sent = hub.send(&["--token", &token(&secret), "--to", "bob", "hello"]);
    assert_eq!((sent.status.code(), out(&sent).as_str()), (Some(0), "accepted inbox 1\n"));
    // The token's groups are joined when it connects.
    let sent = hub.send(&["--token", &token(&secret), "--group", "team", "hello"]);
    assert_eq!((sent.status.code(), out(&sent).as_str()), (Some(0), "accepted group:team 1\n"));
    let refused = hub.send(&["--token", &token(&other), "--to", "bob", "hello"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint(&refused).contains("did not accept the token"), "{}", complaint(&refused));
    let refused = hub.send(&["--user", "alice", "--to", "bob", "hello"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint(&refused).contains("wants a token"), "{}", complaint(&refused));
    let open = Hub::in_memory(&[]);
    let refused = open.send(&["--token", &token(&secret), "--to", "bob", "hello"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = complaint(&refused);
    assert!(told.contains("without authentication") && told.contains("--user"), "{told}");
    let nobody = run(&["send", "--to", "bob", "hello"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(complaint(&nobody).contains("<--user <USER>|--token <TOKEN>>"), "{}", complaint(&nobody));
    assert_eq!(
        run(&["token", "--user", "a", "--cap", "fly", "--secret-file", &secret]).status.code(),
        Some(1)
    );
}

#[test]
fn a_message_is_followed_as_far_as_asked() {
    let hub = Hub::in_memory(&[]);
    let bob = hub.listen("bob", &["--json"]);
    let sent = hub.send(&["--user", "alice", "--to", "bob", "--wait", "delivered", "hello"]);
    assert_eq!(out(&sent), "accepted inbox 1\ndelivered\n", "{}", complaint(&sent));
    let message: serde_json::Value = serde_json::from_str(&bob.line()).unwrap();
    assert_eq!((&message["sender"], &message["content"]), (&"alice".into(), &"hello".into()));
    let late =
        hub.send(&["--user", "alice", "--to", "carl", "--wait", "delivered", "--timeout", "300ms", "x"]);
    assert_eq!(late.status.code(), Some(1));
    assert!(complaint(&late).contains("not delivered within 300ms"), "{}", complaint(&late));
    let usage = hub.send(&["--user", "alice", "--broadcast", "--wait", "read", "x"]);
    assert_eq!(usage.status.code(), Some(2));
    let no_group = hub.send(&["--user", "alice", "--group", "none", "x"]);
    assert_eq!(no_group.status.code(), Some(1));
    assert!(complaint(&no_group).contains("81401"), "{}", complaint(&no_group));
}

#[test]
fn lines_are_messages_and_who_was_away_gets_them_in_order_and_once() {
    let hub = Hub::in_memory(&[]);
    let bob = hub.listen("bob", &["--group", "team"]);
    assert!(hub.send(&["--user", "alice", "--to", "bob", "first"]).status.success());
    assert_eq!(bob.line(), "[inbox 1] alice: first");
    #[cfg(unix)]
    bob.signal("-INT");
    assert_eq!(bob.ended().0, Some(0));
    let mut lines = Running::start({
        let mut command = wsc(&["send", "--url", &hub.url, "--user", "alice", "--to", "bob", "-"]);
        command.stdin(Stdio::piped());
        command
    });
    let text: String = (0..500).map(|number| format!("line {number}\n")).collect();
    lines.child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert_eq!(lines.ended().0, Some(0));
    let bob = hub.listen("bob", &["--group", "team"]);
    for number in 0..500 {
        assert_eq!(bob.line(), format!("[inbox {}] alice: line {number}", number + 2));
    }
    assert!(hub.send(&["--user", "bob", "--group", "team", "bell \x07"]).status.success());
    let carl = hub.listen("carl", &["--group", "team"]);
    std::thread::sleep(Duration::from_millis(300));
    assert!(hub.send(&["--user", "bob", "--group", "team", "bell \x07"]).status.success());
    assert_eq!(carl.line(), "[group:team 2] bob: bell \\u{7}");
}

#[cfg(unix)]
#[test]
fn a_killed_hub_keeps_what_it_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let data = data(directory.path());
    let hub = Hub::start(&["--data", &data, "--listen", "127.0.0.1:0"]);
    for text in ["one", "two"] {
        assert!(hub.send(&["--user", "alice", "--to", "bob", text]).status.success());
    }
    hub.running.signal("-KILL");
    let address = hub.address.clone();
    hub.running.ended();
    let hub = Hub::start(&["--data", &data, "--listen", &address]);
    let bob = hub.listen("bob", &[]);
    assert_eq!([bob.line(), bob.line()], ["[inbox 1] alice: one", "[inbox 2] alice: two"]);
}

#[test]
fn a_hub_that_is_not_there_is_said_with_what_to_do() {
    let url = "ws://127.0.0.1:9/ws";
    let refused = run(&["send", "--url", url, "--user", "alice", "--to", "bob", "--timeout", "300ms", "x"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint(&refused).contains("start it with `wsc serve`"), "{}", complaint(&refused));
}

#[test]
fn every_command_has_help_with_examples() {
    for word in [&[][..], &["serve"], &["send"], &["listen"], &["token"], &["config"]] {
        let help = run(&[word, &["--help"]].concat());
        assert!(help.status.success() && out(&help).contains("Examples:"), "{word:?}");
    }
}

#[test]
fn a_secret_is_the_same_whatever_an_editor_puts_around_it() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let plain = b"a secret of enough bytes";
    let token = out(&run(&["token", "--user", "alice", "--secret-file", &write("plain", plain)]));
    let marked = write("marked", &[b"\xef\xbb\xbf", plain.as_slice(), b"\r\n"].concat());
    let hub = Hub::in_memory(&["--secret-file", &marked]);
    // With its line break, as a shell may hand it over.
    let sent = hub.send(&["--token", &format!(" {token}"), "--to", "bob", "hello"]);
    assert_eq!(sent.status.code(), Some(0), "{}", complaint(&sent));
    let text = String::from_utf8(plain.to_vec()).unwrap();
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (name, bytes, what) in [
        ("little", [b"\xff\xfe", little.as_slice()].concat(), "UTF-16"),
        ("big", [b"\xfe\xff", big.as_slice()].concat(), "UTF-16"),
        ("unmarked", little, "UTF-16"),
        ("mark alone", b"\xef\xbb\xbf\r\n".to_vec(), "is empty"),
        ("nothing", Vec::new(), "is empty"),
    ] {
        let file = write(name, &bytes);
        for command in [&["serve", "--store", "memory"][..], &["token", "--user", "alice"]] {
            let refused = run(&[command, &["--secret-file", &file]].concat());
            assert_eq!(refused.status.code(), Some(1), "{name}");
            assert!(complaint(&refused).contains(what), "{name}: {}", complaint(&refused));
        }
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_hub_within_the_ten_seconds_of_docker_though_a_reader_takes_nothing() {
    let hub = Hub::in_memory(&["--set", "limits.send_bytes=0", "--set", "shards=1"]);
    // Closes are spread over half the time: the last one is that of who takes nothing.
    let mut devices: Vec<_> = (0..20).map(|number| device(&hub, &format!("u{number}"))).collect();
    devices.push(device(&hub, "bob"));
    let mut lines = Running::start({
        let mut command = wsc(&["send", "--url", &hub.url, "--user", "alice", "--to", "bob", "-"]);
        command.stdin(Stdio::piped());
        command
    });
    let text = format!("{}\n", "x".repeat(60_000)).repeat(400);
    lines.child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert_eq!(lines.ended().0, Some(0));
    let since = Instant::now();
    hub.running.signal("-TERM");
    assert_eq!(hub.running.ended().0, Some(0));
    assert!(since.elapsed() < Duration::from_secs(9), "{:?}", since.elapsed());
    drop(devices);
}
