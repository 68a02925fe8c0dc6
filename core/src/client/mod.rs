//! The client machine: one device's connection to a hub. No sockets, no clock, no entropy, no async.
//!
//! Three families of methods:
//! - *commands* of the application: [`Client::connect`], [`Client::send`], [`Client::acknowledge`],
//!   [`Client::request`], [`Client::mark_read`], [`Client::supply_token`], [`Client::cancel`], [`Client::close`];
//! - *inputs* of the driver: [`Client::handle_open`], [`Client::handle_text`], [`Client::handle_binary`],
//!   [`Client::handle_close`], [`Client::handle_life`], [`Client::handle_stored`], [`Client::handle_network`],
//!   [`Client::handle_timeout`];
//! - *outputs*: [`Client::poll_event`], [`Client::poll_action`], [`Client::poll_timeout`].
//!
//! The one rule: **after every command or input drain the outputs, events before actions, before the next.** No
//! method fails on what the hub sends: that becomes an [`Event`]; commands fail only for what the caller can mend.
//!
//! The enums of this module are complete: a driver says what becomes of each action, event and error, and does not compile
//! until it knows a new one.
//!
//! # Handing over
//!
//! Every entry comes once as [`Event::Message`], in order. The *cursor* of a stream moves when the application has the
//! entry: at once with [`Config::auto_acknowledge`], else with [`Client::acknowledge`]. A new connection continues after
//! the cursor, so that what the application did not acknowledge is never lost, whatever happens to the process. What
//! the hub therefore sends a second time to the same process is covered but makes no second event: the application
//! has it already. A process that starts again gets it again.
//!
//! # Requests
//!
//! A request goes out only on a live connection. Without one, or when it ends before the answer, it ends with
//! [`Event::RequestFailed`] and [`RequestError::Disconnected`]. Only read marks wait for the next connection, also for one of
//! a later process.
#![doc = include_str!("loop.md")]

use alloc::string::String;

mod action;
pub mod bridge;
mod config;
mod connection;
mod event;
mod inbox;
mod list;
mod marks;
mod outbox;
mod receipts;
mod receive;
mod record;
mod requests;
mod saved;
mod send;
mod state;
mod streams;
mod timers;
mod token;
mod written;

pub use action::Action;
pub use config::{Config, Identity, Storage};
pub use event::{
    Answer, Body, Entry, Event, Fault, Gap, Generation, Outcome, Presence, RequestError, RequestId, SendId,
    Stage,
};
pub use saved::{Change, Owner, Saved, SavedCursor, SavedMark, SavedSend};
pub use send::SendError;
pub use state::{Closed, Link, State, Sync};
pub use token::{TokenError, token_claims};

use crate::backoff::{Backoff, Random};
use crate::limits;
use crate::time::Timestamp;
use inbox::{Inbox, Inboxes};
use list::List;
use marks::{Marks, Step};
use outbox::Outbox;
use receipts::Receipts;
use requests::Requests;
use timers::{Timer, Timers};

/// Where the connection stands; more exact than [`State`].
#[derive(Clone, Debug)]
enum Phase {
    Idle,
    /// A token is fetched.
    Token,
    /// The socket opens.
    Opening,
    /// `connect` is out.
    Greeting,
    Live,
    /// `hinted`: the hub named the time, so that a network that comes back does not shorten it.
    Waiting {
        until: Timestamp,
        hinted: bool,
    },
    Closed(Closed),
}

impl Phase {
    fn is_connecting(&self) -> bool {
        matches!(self, Self::Token | Self::Opening | Self::Greeting)
    }
}

/// What the hub announced, and when things were last heard of.
#[derive(Debug)]
struct Session {
    user_id: String,
    heartbeat_ms: u64,
    window: u64,
    ack_ms: u64,
    /// Known after the first `connected`.
    dedupe_ms: Option<u64>,
    frame_limit: usize,
    connected_at: Option<Timestamp>,
    last_in: Timestamp,
    last_out: Timestamp,
    caught_up: bool,
}

/// One device's connection to a hub.
#[derive(Debug)]
pub struct Client {
    config: Config,
    random: Random,
    backoff: Backoff,
    phase: Phase,
    link: Link,
    /// The address less the link.
    offset: u32,
    /// Whose messages and cursors these are.
    owner: Owner,
    session: Session,
    timers: Timers,
    outbox: Outbox,
    volatile: List<send::Volatile>,
    inboxes: Inboxes,
    receipts: Receipts,
    requests: Requests,
    marks: Marks,
    token: token::Token,
    /// When the last two of the closes 1002, 1007, 1009 came.
    malformed: [Option<Timestamp>; 2],
    actions: List<Action>,
    events: List<Event>,
}

impl Client {
    /// A client that is idle. The seed must differ between devices and processes: message ids and jitter come from it.
    #[must_use]
    pub fn new(mut config: Config, seed: u64) -> Self {
        let session = Session {
            user_id: String::new(),
            heartbeat_ms: limits::HEARTBEAT_MS,
            window: u64::from(limits::WINDOW),
            ack_ms: limits::ACK_MS,
            dedupe_ms: None,
            frame_limit: limits::FRAME,
            connected_at: None,
            last_in: 0,
            last_out: 0,
            caught_up: false,
        };
        Self {
            random: Random::new(seed),
            backoff: Backoff::new(config.growth),
            phase: Phase::Idle,
            link: Link(0),
            offset: 0,
            owner: Owner::default(),
            session,
            timers: Timers::default(),
            outbox: Outbox::default(),
            volatile: List::default(),
            inboxes: Inboxes::default(),
            receipts: Receipts::new(config.receipts),
            requests: Requests::default(),
            marks: Marks::default(),
            token: token::Token::new(config.token.take()),
            malformed: [None; 2],
            actions: List::default(),
            events: List::default(),
            config,
        }
    }

    /// Takes up what an earlier process saved; before the first [`Client::connect`]. The device id of the settings
    /// counts, not the saved one.
    pub fn restore(&mut self, saved: Saved) {
        self.owner = saved.owner;
        self.outbox.begin_after(saved.last_send);
        for send in saved.sends {
            let id = send.id;
            self.outbox.push(send, None);
            self.outbox.stored(id);
        }
        for cursor in saved.cursors {
            let generation = self.inboxes.next_generation();
            self.inboxes.insert(Inbox::new(cursor.stream, cursor.epoch, cursor.seq, generation).restored());
        }
        for mark in saved.marks {
            self.restore_mark(mark);
        }
        self.watch_expiry();
    }

    /// Everything that another process needs to continue from here.
    #[must_use]
    pub fn snapshot(&self) -> Saved {
        Saved {
            device_id: self.config.device_id.clone(),
            owner: self.owner.clone(),
            last_send: self.outbox.last(),
            sends: self
                .outbox
                .saved()
                .map(|(send, first_sent)| SavedSend { first_sent, ..send.clone() })
                .collect(),
            cursors: self.inboxes.iter().map(Inbox::saved).collect(),
            marks: self.marks.saved().cloned().collect(),
        }
    }

    /// Whose messages and cursors these are; nobody: it is not known.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Says whose client this is, after [`Client::restore`]: a connection that the hub knows as another user's is not used.
    /// False where it is somebody else's, see [`Client::owner`]; such a client must not be connected. Nobody says nothing, and
    /// a tenant that was not known is taken up.
    pub fn set_owner(&mut self, owner: Owner) -> bool {
        let agrees = self.owner.0.is_empty() || self.owner.agrees(&owner);
        // Also of a tenant that was not known: users of two tenants may have one name.
        if agrees && owner.0.len() > self.owner.0.len() {
            self.owner = owner.clone();
            self.persist(Change::Owner(owner));
            return true;
        }
        agrees || owner.0.is_empty()
    }

    /// The next thing to do. Drain the events first.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.remove(0).map(|action| *action)
    }

    /// The next thing that happened.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.remove(0).map(|event| *event)
    }

    /// When [`Client::handle_timeout`] is to be called; earlier does no harm.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// The connection's state.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Idle => State::Idle,
            Phase::Token | Phase::Opening | Phase::Greeting => State::Connecting,
            Phase::Live => State::Connected,
            Phase::Waiting { until, .. } => State::Waiting { until: *until },
            Phase::Closed(why) => State::Closed(why.clone()),
        }
    }

    /// How far sends and streams are.
    #[must_use]
    pub fn sync(&self) -> Sync {
        let unsaved = self.outbox.unsaved();
        Sync {
            unsaved,
            saved: self.outbox.len() - unsaved,
            under_way: self.outbox.flying(),
            caught_up: self.session.caught_up,
        }
    }

    /// The user, once the hub named it.
    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.session.user_id
    }

    /// The device of the settings; empty for a passing one.
    #[must_use]
    pub fn device_id(&self) -> &str {
        &self.config.device_id
    }

    /// The present link.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link
    }

    /// Which of the driver's addresses the present link is for: this number, modulo how many there are. See
    /// [`Growth::spread`](crate::backoff::Growth::spread) for the waits between.
    ///
    /// It stays when a connection is lost that worked. The next link is for the next address after an attempt that failed, and
    /// after a hub that closed the connection, drains, or fell silent. A driver shuffles its addresses, so that clients spread
    /// over them from the first one on, and again when a hub is gone.
    #[must_use]
    pub fn address(&self) -> u32 {
        self.link.0.wrapping_add(self.offset)
    }

    /// How many attempts to connect failed in a row.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.backoff.attempts()
    }

    /// The time has come that [`Client::poll_timeout`] named.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for timer in Timer::ALL {
            if self.timers.take(timer, now) {
                self.fire(now, timer);
            }
        }
    }

    fn fire(&mut self, now: Timestamp, timer: Timer) {
        match timer {
            Timer::Token => self.token_failed(now, "no answer in time"),
            Timer::Open => self.fail(now, crate::CloseCode::Silent, "no answer to connect"),
            Timer::Retry => self.begin(now),
            Timer::Heartbeat => self.ping(now),
            Timer::Pong => self.fail(now, crate::CloseCode::Silent, "nothing came"),
            Timer::Acknowledge => self.acknowledge_all(now),
            Timer::Sends => self.fail(now, crate::CloseCode::Silent, "sends were not answered"),
            Timer::Requests => self.request_timed_out(now),
            Timer::Volatile => self.volatile_timed_out(now),
            Timer::Expiry => self.expire(now),
            Timer::Unknown => self.give_up_old(now),
            Timer::Drain => self.leave_draining_hub(now),
            Timer::Refresh => self.fetch_token(now),
            Timer::Marks => self.marks(Step::Send(now)),
        }
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Changes the phase, and makes an event when the state changes.
    fn enter(&mut self, phase: Phase) {
        // No phase but these three is ever entered from one that looks the same from outside.
        let same = self.phase.is_connecting() && phase.is_connecting();
        self.phase = phase;
        if !same {
            let state = self.state();
            self.event(Event::StateChanged(state));
        }
    }

    fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live)
    }

    fn persist(&mut self, change: Change) {
        if self.config.storage != Storage::None {
            self.actions.push(Action::Persist(change));
        }
    }
}
