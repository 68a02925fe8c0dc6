//! The machine alone, on a clock that a test sets: how a bridge shows that it does what the common scripts say.

use wsc_core::client::bridge::{Kind, Rejection};
use wsc_core::client::{Action, Client, Config, Link, Saved};
use wsc_core::{CloseCode, Timestamp};

use super::{Command, Executed, Report, execute};

/// A client machine without a driver.
#[derive(Debug)]
pub struct Machine {
    client: Client,
    wrong: String,
}

impl Machine {
    /// One of these settings, going on from what was saved; with nothing, from the start.
    #[must_use]
    pub fn new(config: Config, seed: u64, saved: &[u8]) -> Self {
        let mut client = Client::new(config, seed);
        if let Some(saved) = Saved::decode(saved) {
            client.restore(saved);
        }
        Self { client, wrong: String::new() }
    }

    /// Executes a command. The number of a send or request; 0: none; below 0: why a message was not taken, see
    /// [`Kind::Rejected`]. A read command does nothing: nothing is kept back.
    pub fn execute(&mut self, now: Timestamp, command: Command) -> i64 {
        match execute(&mut self.client, now, command) {
            Executed::Send { taken: Ok(send), .. } => send.0.cast_signed(),
            Executed::Send { taken: Err(error), .. } => {
                self.wrong = error.to_string();
                -i64::from(Rejection::of(&error) as u8)
            }
            Executed::Asked { request, .. } => request.0.cast_signed(),
            Executed::Close => {
                self.client.close(now);
                0
            }
            Executed::Done | Executed::Handed { .. } | Executed::Reads(_) => 0,
        }
    }

    /// A socket opened.
    pub fn open(&mut self, now: Timestamp, link: u32) {
        self.client.handle_open(now, Link(link));
    }

    /// A text frame came.
    pub fn text(&mut self, now: Timestamp, link: u32, text: &str) {
        self.client.handle_text(now, Link(link), text);
    }

    /// A ping or pong of the WebSocket came.
    pub fn life(&mut self, now: Timestamp, link: u32) {
        self.client.handle_life(now, Link(link));
    }

    /// A socket closed.
    pub fn closed(&mut self, now: Timestamp, link: u32, code: Option<u16>, reason: &str) {
        self.client.handle_close(now, Link(link), code.map(CloseCode::from_number), reason);
    }

    /// All sends up to this one are stored.
    pub fn stored(&mut self, now: Timestamp, send: u64) {
        self.client.handle_stored(now, wsc_core::client::SendId(send));
    }

    /// The time that [`Machine::deadline`] told has come.
    pub fn timeout(&mut self, now: Timestamp) {
        self.client.handle_timeout(now);
    }

    /// When something is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.client.poll_timeout()
    }

    /// The newest socket's number.
    #[must_use]
    pub fn link(&self) -> u32 {
        self.client.link().0
    }

    /// Everything the machine has to say: events, then actions, until neither is left.
    pub fn drain(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        loop {
            while let Some(event) = self.client.poll_event() {
                reports.push(Report::of(event, &self.client));
            }
            let Some(action) = self.client.poll_action() else { return reports };
            reports.push(report(action));
        }
    }

    /// Everything a later one needs.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        self.client.encode()
    }

    /// What the last message that was not taken had wrong.
    #[must_use]
    pub fn wrong(&self) -> &str {
        &self.wrong
    }
}

fn report(action: Action) -> Report {
    match action {
        Action::Open { link } => Report::new(Kind::Open, [link.0.into()], "", ""),
        Action::Send { link, frame } => {
            let (object, bytes) = frame.parts().unwrap_or_default();
            let mut report = Report::new(Kind::Write, [link.0.into()], "", "");
            object.clone_into(&mut report.texts[2]);
            report.bytes = bytes.map(<[u8]>::to_vec);
            report
        }
        Action::Close { link, code, reason } => {
            Report::new(Kind::CloseSocket, [link.0.into(), code.number().into()], reason, "")
        }
        Action::FetchToken => Report::new(Kind::FetchToken, [], "", ""),
        Action::Persist(change) => {
            let mut bytes = Vec::new();
            change.encode(&mut bytes);
            let confirm = change.confirm().map_or(0, |send| send.0);
            let mut report = Report::new(Kind::Persist, [confirm], "", "");
            report.bytes = Some(bytes);
            report
        }
    }
}
