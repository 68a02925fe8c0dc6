//! One connection as its shard knows it: who it is, what it reads, and which stage of its life it is in.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Wake as _;

use tokio_tungstenite::tungstenite::Message as Packet;
use wsc_core::CloseCode;
use wsc_core::frame::{DecodeError, Request};
use wsc_core::peer::Peer;

use super::attaching::PendingMembership;
use super::subscription::Subscriptions;
use crate::Settings;
use crate::admission::Permit;
use crate::admission::identity::Identity;
use crate::clock::{Tick, Wall};
use crate::net::bare::Bare;
use crate::net::id::ConnectionId;
use crate::net::reader::FrameReader;
use crate::net::signal::Signal;
use crate::net::wire::Wire;
use crate::settings::ms;

/// One connection.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// Its id on the wire.
    pub(crate) name: Arc<str>,
    pub(crate) identity: Rc<Identity>,
    /// The device; for an ephemeral one the connection's name.
    pub(crate) device: Arc<str>,
    /// When its `connect` was sent, by the device's clock; 0: unknown.
    pub(crate) sent_ms: u64,
    /// Nothing of the device is stored.
    pub(crate) is_ephemeral: bool,
    pub(crate) wire: Wire,
    pub(crate) peer: Peer,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) extras: Option<Box<Extras>>,
    pub(crate) bare: Option<Box<Bare>>,
    /// Has it attended to.
    pub(crate) signal: Arc<Signal>,
    /// While it is in the middle of a message.
    pub(crate) reader: Option<Box<FrameReader>>,
    pub(crate) stage: Stage,
    pub(crate) intake: Intake,
    /// Marked for the end of the turn.
    pub(crate) is_dirty: bool,
    /// The log is being read for it.
    pub(crate) is_feeding: bool,
    /// A request is being answered.
    pub(crate) is_answering: bool,
    stall: Option<Stall>,
    /// The second at which the wheel gives it out.
    pub(crate) wheel_second: u64,
    /// Messages handed to the log and not answered.
    pub(crate) writing: u32,
    /// Writes of what it acknowledged that are not answered; where other hubs write, too.
    pub(crate) keeping: u32,
    /// What it acknowledged is not written any more: a part of it may have been lost on the way, and is found again when the
    /// device attaches, as long as its position does not pass it.
    pub(crate) is_forgetful: bool,
    /// The request that the next change of a membership answers.
    pub(crate) pending_membership: Option<Box<PendingMembership>>,
    /// Since when positions wait to be written.
    pub(crate) cursor_changed: Option<Tick>,
    /// When it was last written that the device is seen.
    pub(crate) seen_at: Tick,
    /// Failed attempts in a row, as stored.
    pub(crate) attempts: u32,
    /// The turn of its claim; 0: it has none.
    pub(crate) turn: u64,
    /// One bit of 64 that stands for (user, device), to rule out quickly that an entry is its own.
    pub(crate) device_bit: u64,
    /// Counts it on the hub while it lives.
    _permit: Permit,
}

/// What a connection begins with.
pub(crate) struct Beginning {
    pub(crate) id: ConnectionId,
    pub(crate) name: Arc<str>,
    pub(crate) identity: Identity,
    pub(crate) device: Arc<str>,
    pub(crate) sent_ms: u64,
    pub(crate) is_ephemeral: bool,
    pub(crate) wire: Wire,
    pub(crate) peer: Peer,
    /// How many streams it will read.
    pub(crate) streams: usize,
    /// Which groups it reads; `None`: all.
    pub(crate) wanted: Option<HashSet<Arc<str>>>,
    pub(crate) bare: Option<Box<Bare>>,
    pub(crate) signal: Signal,
    pub(crate) attempts: u32,
    pub(crate) turn: u64,
    pub(crate) device_bit: u64,
    pub(crate) permit: Permit,
}

/// Which part of its life a connection is in.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// It counts: it is among its user's connections and reads streams.
    Attached,
    /// As attached, but not read any more: it will be closed when what it sent is answered.
    Ending,
    /// As attached, but nothing more comes from it. What arrived before is done first, then it ends.
    HungUp(Box<HangUp>),
    /// Detached, its Close frame written or on its way: nothing it sends counts any more.
    Closing,
    /// Detached, and nothing more comes from it: it ends at once, in order.
    Closed,
    /// Detached, and the socket is of no use: it ends at once.
    Cut,
}

/// Why nothing more is read from a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HangUp {
    /// The client closed, or its socket ended.
    Client,
    /// The client broke a rule: it is closed with this.
    Fault(CloseCode, &'static str),
}

/// What becomes of the next frame of an attached connection. Each wait has one end beside the connection's own, and all but
/// `Choked`, which the socket bounds, last no longer than [`Peer::stall`](crate::settings::Peer::stall).
#[derive(Debug)]
pub(crate) enum Intake {
    /// It is read.
    Open,
    /// It is not read: a frame must wait, for a budget or the store. Until its time is over (`flow/lifecycle.rs`: `pause`).
    Paused(Box<Pause>),
    /// That frame is being tried again; since when it waits.
    Retrying(Tick),
    /// It is not read: the application decides about messages, and since when it has decided none. Until it has
    /// (`flow/send.rs`: `decided`).
    Deciding { messages: u32, since: Tick },
    /// It is not read until it has taken what is written for it (`flow/lifecycle.rs`: `emptied`).
    Choked,
}

/// A frame that waits, and until when.
#[derive(Debug)]
pub(crate) struct Pause {
    pub(crate) since: Tick,
    pub(crate) until: Tick,
    /// When the frame would pass; later than `until` where the connection will be closed before.
    pub(crate) passes: Tick,
    /// For the store, rather than for the sender's budget.
    pub(crate) for_store: bool,
    pub(crate) frame: Packet,
}

/// A socket that takes nothing though bytes wait.
#[derive(Clone, Copy, Debug)]
struct Stall {
    since: Tick,
    /// How many bytes it had taken.
    written: u64,
}

/// What most connections never have.
#[derive(Default)]
pub(crate) struct Extras {
    /// Which groups are read; `None`: all of the user's.
    pub(crate) wanted: Option<HashSet<Arc<str>>>,
    /// Requests waiting for the one being answered, also those that were not understood: their errors have a turn too.
    pub(crate) requests: VecDeque<Result<Request<'static>, DecodeError>>,
    /// Groups observed; the empty name: everything.
    pub(crate) observing: Vec<Arc<str>>,
    /// Users watched.
    pub(crate) watching: HashSet<Arc<str>>,
    /// Those of them whose changes were dropped, because too much waited for the socket.
    pub(crate) missed: HashSet<Arc<str>>,
}

/// How often it is written that a connected device is seen, so that it does not age; in milliseconds.
pub(crate) fn seen_every(settings: &Settings) -> u64 {
    const LONGEST_MS: u64 = 6 * 3_600_000;
    (ms(settings.retention.device) / 4).clamp(1000, LONGEST_MS)
}

impl Connection {
    pub(super) fn new(begin: Beginning, now: Tick) -> Self {
        Self {
            id: begin.id,
            name: begin.name,
            identity: Rc::new(begin.identity),
            device: begin.device,
            sent_ms: begin.sent_ms,
            is_ephemeral: begin.is_ephemeral,
            wire: begin.wire,
            peer: begin.peer,
            subscriptions: Subscriptions::with_capacity(begin.streams),
            extras: begin.wanted.map(|wanted| Box::new(Extras { wanted: Some(wanted), ..Extras::default() })),
            bare: begin.bare,
            signal: Arc::new(begin.signal),
            reader: None,
            stage: Stage::Attached,
            intake: Intake::Open,
            is_dirty: false,
            is_feeding: false,
            is_answering: false,
            stall: None,
            wheel_second: 0,
            writing: 0,
            keeping: 0,
            is_forgetful: false,
            pending_membership: None,
            cursor_changed: None,
            seen_at: now,
            attempts: begin.attempts,
            turn: begin.turn,
            device_bit: begin.device_bit,
            _permit: begin.permit,
        }
    }

    /// The name of its claim: its device, where that has one connection only, or its own.
    pub(crate) fn claim(&self) -> &Arc<str> {
        let is_one_of_many = self.is_ephemeral || self.bare.as_ref().is_some_and(|bare| bare.shared);
        if is_one_of_many { &self.name } else { &self.device }
    }

    /// Whether it counts: it is among its user's connections and reads streams.
    pub(crate) fn is_attached(&self) -> bool {
        matches!(self.stage, Stage::Attached | Stage::Ending | Stage::HungUp(_))
    }

    /// Whether nothing more will be read from it.
    pub(crate) fn has_hung_up(&self) -> bool {
        matches!(self.stage, Stage::HungUp(_) | Stage::Closed)
    }

    /// Nothing more is read from it; the first reason counts.
    pub(crate) fn hang_up(&mut self, why: HangUp) {
        match self.stage {
            Stage::Attached | Stage::Ending => self.stage = Stage::HungUp(Box::new(why)),
            Stage::Closing => self.stage = Stage::Closed,
            Stage::HungUp(_) | Stage::Closed | Stage::Cut => {}
        }
    }

    /// Whether all it sent is done and answered.
    pub(crate) fn is_answered(&self) -> bool {
        let waiting = self.extras.as_ref().is_some_and(|extras| !extras.requests.is_empty());
        !waiting && !self.is_busy()
    }

    /// Whether something it sent is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_answering || self.writing > 0 || matches!(self.intake, Intake::Deciding { .. })
    }

    /// One more message waits for the application's decision.
    pub(crate) fn begin_deciding(&mut self, now: Tick) {
        let messages = if let Intake::Deciding { messages, .. } = self.intake { messages } else { 0 };
        self.intake = Intake::Deciding { messages: messages + 1, since: now };
    }

    /// The application has decided about one message.
    pub(crate) fn end_deciding(&mut self, now: Tick) {
        if let Intake::Deciding { messages, .. } = self.intake {
            self.intake = match messages {
                0 | 1 => Intake::Open,
                messages => Intake::Deciding { messages: messages - 1, since: now },
            };
        }
    }

    /// Whether more waits for its socket than should.
    pub(crate) fn is_full(&self, settings: &Settings) -> bool {
        self.wire.queued() > settings.peer.socket
    }

    /// Whether its socket takes nothing though bytes wait.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stall.is_some()
    }

    /// Since when its socket takes nothing though bytes wait.
    pub(crate) fn stalled_since(&self) -> Option<Tick> {
        self.stall.map(|stall| stall.since)
    }

    /// Bytes wait for the socket: remembers since when it has taken nothing.
    pub(crate) fn note_stall(&mut self, now: Tick) {
        let written = self.wire.written();
        match self.stall {
            Some(stall) if stall.written == written => {}
            _ => self.stall = Some(Stall { since: now, written }),
        }
    }

    /// The socket has taken everything.
    pub(crate) fn end_stall(&mut self) {
        self.stall = None;
    }

    /// Whether a group is read on this connection while the user is in it.
    pub(crate) fn wants(&self, group: &str) -> bool {
        let wanted = self.extras.as_ref().and_then(|extras| extras.wanted.as_ref());
        wanted.is_none_or(|wanted| wanted.contains(group))
    }

    /// What most connections never have; made at the first use.
    pub(crate) fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Has the connection attended to in the next turn.
    pub(crate) fn wake(&self) {
        self.signal.wake_by_ref();
    }

    /// When somebody must look at it next.
    pub(crate) fn deadline(
        &self,
        settings: &Settings,
        peer: &wsc_core::peer::Settings,
        now: Tick,
        wall: Wall,
    ) -> Tick {
        let mut next = Tick::from_ms(self.peer.poll_timeout(peer));
        match &self.intake {
            Intake::Paused(pause) => next = next.min(pause.until),
            Intake::Deciding { since, .. } => next = next.min(since.after(ms(settings.peer.stall))),
            Intake::Open | Intake::Retrying(_) | Intake::Choked => {}
        }
        if let Some(stall) = self.stall {
            next = next.min(stall.since.after(ms(settings.peer.slow)));
        }
        if let Some(since) = self.cursor_changed {
            next = next.min(since.after(ms(settings.peer.cursor)));
        }
        if !self.is_ephemeral {
            next = next.min(self.seen_at.after(seen_every(settings)));
        }
        if self.identity.expires_at != 0 {
            next = next.min(now.after(self.identity.expires_at.saturating_sub(wall.ms())));
        }
        let owes_ping = self.bare.as_ref().is_some_and(|bare| bare.owes_ping());
        if owes_ping || self.subscriptions.open().any(|(_, subscription)| subscription.owes_skip()) {
            next = Tick::default();
        }
        next
    }
}
