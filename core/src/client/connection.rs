//! Connecting, waiting, closing, heartbeat: the life of one link after another. Never looks into streams or sends.

use alloc::borrow::ToOwned as _;
use alloc::string::String;

use super::token::number_after;
use super::{Action, Client, Closed, Link, Phase, Timer};
use crate::codes::{AfterClose, CloseCode, retry_hint};
use crate::frame::{Frame, encode_ping, write_connect, write_cursor};
use crate::limits;
use crate::time::Timestamp;

/// After so long a connection the waits begin small again, in milliseconds.
const STABLE_MS: u64 = 30_000;
/// No hint of a hub holds a client back longer, in milliseconds.
const HINT_MS: u64 = 600_000;
/// Malformed closes are counted over this time, in milliseconds.
const MINUTE_MS: u64 = 60_000;

impl Client {
    /// Connects, and from now on keeps connected. While waiting: tries at once.
    pub fn connect(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Closed(_) => {
                self.backoff.reset();
                self.malformed = [None; 2];
                self.begin(now);
            }
            Phase::Idle | Phase::Waiting { .. } => self.begin(now),
            _ => {}
        }
    }

    /// Closes for good, after what was sent. Unsettled sends stay, for the next [`Client::connect`] or process.
    pub fn close(&mut self, now: Timestamp) {
        if matches!(self.phase, Phase::Closed(Closed::Application)) {
            return;
        }
        self.acknowledge_all(now);
        if self.has_link() {
            self.actions.push(Action::Close { link: self.link, code: CloseCode::Normal, reason: "done" });
        }
        self.detach();
        self.enter(Phase::Closed(Closed::Application));
    }

    /// The socket is open.
    pub fn handle_open(&mut self, now: Timestamp, link: Link) {
        if link != self.link || !matches!(self.phase, Phase::Opening) {
            return;
        }
        self.session.last_in = now;
        self.timers.set(Timer::Open, now + limits::CONNECT_MS);
        self.phase = Phase::Greeting;
        let text = self.greeting(now);
        self.transmit(now, Frame::Text(text));
        // The hub's silence before `connected` has its own clock.
        self.timers.stop(Timer::Heartbeat);
    }

    /// The frame `connect`.
    fn greeting(&mut self, now: Timestamp) -> String {
        let (config, identity) = (&self.config, &self.config.identity);
        let mut group_id = String::new();
        for group in &identity.groups {
            if !group_id.is_empty() {
                group_id.push(',');
            }
            group_id.push_str(group);
        }
        let texts = [
            self.token.used.as_ref().map(|used| &*used.text).unwrap_or_default(),
            &config.device_id,
            &config.client,
            if config.start_at_head { "head" } else { "" },
            &identity.user_id,
            &identity.user_type,
            &identity.app_id,
            &identity.namespace,
            &group_id,
        ];
        let (mut cursors, mut text) = (String::new(), String::new());
        for inbox in self.inboxes.iter_mut().filter(|inbox| config.reads(&inbox.name)) {
            inbox.set_requested();
            let (epoch, seq) = inbox.resume_point();
            write_cursor(&inbox.name, epoch, seq, &mut cursors);
        }
        write_connect([limits::PROTOCOL, now], texts, &cursors, config.groups.as_deref(), &mut text);
        text
    }

    /// The socket is closed, or could not be opened. Without a Close frame there is no code.
    ///
    /// A driver that is refused before the upgrade gives the close that means the same: 401 → 4001, 403 → 4003, 429 →
    /// 4029, 503 → 1013, other 4xx → 4011; `retry_after_ms` in the reason.
    pub fn handle_close(&mut self, now: Timestamp, link: Link, code: Option<CloseCode>, reason: &str) {
        if link != self.link || !self.has_link() {
            return;
        }
        let drain = self.timers.get(Timer::Drain);
        self.detach();
        let Some(code) = code else {
            // The network, more likely than the hub.
            self.offset = self.offset.wrapping_sub(self.is_live().into());
            return self.wait(now, None);
        };
        let hint = retry_hint(reason)
            .or_else(|| drain.filter(|_| code == CloseCode::GoingAway).map(|at| at.saturating_sub(now)));
        let goes_on = match code.after() {
            AfterClose::Reconnect => true,
            AfterClose::Stay => false,
            AfterClose::FreshToken => self.token_refused(reason),
            AfterClose::ReconnectFewTimes => {
                let [before, last] = self.malformed;
                self.malformed = [last, Some(now)];
                before.is_none_or(|at| at + MINUTE_MS <= now)
            }
        };
        if goes_on {
            self.wait(now, hint);
        } else {
            self.enter(Phase::Closed(Closed::Hub { code, reason: reason.to_owned() }));
        }
    }

    /// Something came that is no text and no binary frame: a ping or a pong of the WebSocket itself.
    pub fn handle_life(&mut self, now: Timestamp, link: Link) {
        if link == self.link && self.has_link() {
            self.heard(now);
        }
    }

    /// What the platform says of the network. Back again: a wait ends, a live connection is tested at once. A time
    /// that the hub named is waited for all the same.
    pub fn handle_network(&mut self, now: Timestamp, online: bool) {
        match self.phase {
            Phase::Waiting { hinted: false, .. } if online => self.begin(now),
            Phase::Live if online && self.timers.get(Timer::Pong).is_none() => self.ping(now),
            _ => {}
        }
    }

    pub(super) fn begin(&mut self, now: Timestamp) {
        self.timers.stop(Timer::Retry);
        if self.needs_token(now) {
            self.enter(Phase::Token);
            self.fetch_token(now);
        } else {
            self.open(now);
        }
    }

    pub(super) fn open(&mut self, now: Timestamp) {
        self.timers.stop(Timer::Token);
        self.token.drop_renewal();
        self.link = Link(self.link.0.wrapping_add(1));
        self.timers.set(Timer::Open, now + self.config.open_ms);
        self.actions.push(Action::Open { link: self.link });
        self.enter(Phase::Opening);
    }

    pub(super) fn wait(&mut self, now: Timestamp, hint: Option<u64>) {
        if self.session.connected_at.take().is_some_and(|at| at + STABLE_MS <= now) {
            self.backoff.reset();
        }
        let delay = match hint {
            Some(hint) => hint.min(HINT_MS),
            None => self.backoff.delay(&mut self.random),
        };
        let until = now.saturating_add(delay);
        self.timers.set(Timer::Retry, until);
        self.enter(Phase::Waiting { until, hinted: hint.is_some() });
    }

    /// The link is of no use any more: closes it and tries another.
    pub(super) fn fail(&mut self, now: Timestamp, code: CloseCode, reason: &'static str) {
        if self.has_link() {
            self.actions.push(Action::Close { link: self.link, code, reason });
            self.detach();
            self.wait(now, None);
        }
    }

    pub(super) fn has_link(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Greeting | Phase::Live)
    }

    /// Lets go of the present link and of everything that was only true on it.
    fn detach(&mut self) {
        for timer in [
            Timer::Token,
            Timer::Open,
            Timer::Retry,
            Timer::Heartbeat,
            Timer::Pong,
            Timer::Acknowledge,
            Timer::Drain,
            Timer::Refresh,
        ] {
            self.timers.stop(timer);
        }
        self.session.caught_up = false;
        self.detach_streams();
        self.detach_sends();
        self.detach_requests();
    }

    /// The draining hub asked to be left at a time: goes elsewhere without a wait.
    pub(super) fn leave_draining_hub(&mut self, now: Timestamp) {
        if self.has_link() {
            self.acknowledge_all(now);
            self.actions.push(Action::Close {
                link: self.link,
                code: CloseCode::Normal,
                reason: "leaving a draining hub",
            });
            self.detach();
            self.session.connected_at = None;
            self.begin(now);
        }
    }

    /// Reads the notice of a hub that drains.
    pub(super) fn plan_leaving(&mut self, now: Timestamp, data: &str) {
        if let Some(after) = number_after(data.as_bytes(), b"\"reconnect_after_ms\"") {
            let jitter = number_after(data.as_bytes(), b"\"jitter_ms\"").unwrap_or(0).min(HINT_MS);
            let delay = after.min(HINT_MS) + self.random.up_to(jitter);
            self.timers.set(Timer::Drain, now + delay);
        }
    }

    pub(super) fn transmit(&mut self, now: Timestamp, frame: Frame) {
        self.session.last_out = now;
        self.watch_silence();
        self.actions.push(Action::Send { link: self.link, frame });
    }

    /// Any inbound frame is life.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.session.last_in = now;
        self.timers.stop(Timer::Pong);
        self.watch_silence();
    }

    /// Plans the next ping; not while one is unanswered.
    fn watch_silence(&mut self) {
        if self.is_live() && self.timers.get(Timer::Pong).is_none() {
            let since = self.session.last_in.min(self.session.last_out);
            self.timers.set(Timer::Heartbeat, since + self.session.heartbeat_ms);
        }
    }

    pub(super) fn ping(&mut self, now: Timestamp) {
        // What waited to be acknowledged goes along: skipped positions have no clock of their own.
        self.acknowledge_all(now);
        self.timers.set(Timer::Pong, now + limits::PONG_MS);
        self.timers.stop(Timer::Heartbeat);
        let mut text = String::new();
        encode_ping(&mut text);
        self.transmit(now, Frame::Text(text));
    }
}
