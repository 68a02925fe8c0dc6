//! Turns without a thread: a letter in, and what it leaves: writes for the log, frames for sockets, stages.

mod attach;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message as Packet;
use wsc_core::{CloseCode, StreamName};

use super::io::Readiness;
use super::node::Node;
use super::{Context, Handle, Shard, Subject, Turn};
use crate::Settings;
use crate::admission::identity::{Capabilities, Identity};
use crate::clock::Tick;
use crate::failure::Failures;
use crate::log::key::{Scope, UserKey};
use crate::log::memory::MemoryStore;
use crate::log::store::{Cursor, Store, Target, Write, Written};
use crate::mailbox::Mailbox;
use crate::net::id::ConnectionId;
use crate::net::wire::{Socket, Wire};
use crate::registry::hooks::Hooks;
use crate::shard::connection::{HangUp, Intake, Stage};
use crate::shard::letter::{Arrival, Asked, Letter, ReplyTo, SentTo, Ticket};
use crate::shard::state::State;

/// A shard of which only turns are run.
struct TestShard {
    state: State,
    cx: Context,
}

/// The other end of a connection.
struct Remote {
    id: ConnectionId,
    socket: DuplexStream,
}

fn node(settings: Settings, store: Arc<dyn Store>) -> Node {
    let (failures, _) = Failures::new(Vec::new());
    Node::new("hub".into(), settings, store, None, None, Hooks::default(), failures).unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

impl TestShard {
    fn new(settings: Settings) -> Self {
        let store = Arc::new(MemoryStore::new(settings.retention));
        Self::with_store(settings, store)
    }

    fn with_store(settings: Settings, store: Arc<dyn Store>) -> Self {
        let node = Arc::new(node(Settings { shards: 1, ..settings }, store));
        let mut cx = Context::new(Handle { id: 0, node, steps: Mailbox::default(), signals: Arc::default() });
        cx.now = Tick::from_ms(1000);
        Self { state: State::new(false), cx }
    }

    /// The same as it runs on a thread.
    fn into_shard(self, runtime: &Runtime) -> Shard {
        let seconds = runtime.block_on(async { tokio::time::interval(Duration::from_secs(1)) });
        Shard { state: self.state, context: self.cx, seconds }
    }

    fn turn(&mut self) -> Turn<'_> {
        Turn { state: &mut self.state, cx: &mut self.cx }
    }

    /// Has the store make what turns left, and the shard read the answers.
    fn settle(&mut self) -> Vec<Write> {
        let (writes, replies): (Vec<Write>, Vec<ReplyTo>) =
            std::mem::take(&mut self.cx.writes).into_iter().unzip();
        let node = Arc::clone(&self.cx.shard.node);
        let answers = node.log.store.write(0, &writes).now_or_never().expect("memory does not wait");
        for (reply, answer) in replies.into_iter().zip(answers) {
            if let ReplyTo::Shard(_, asked) = reply {
                self.turn().read(Letter::Outcomes(vec![(asked, answer)]));
            }
        }
        writes
    }

    /// Runs the tasks that turns left, as far as they do not wait, and the steps that those leave.
    fn run_tasks(&mut self) {
        for task in std::mem::take(&mut self.cx.tasks) {
            // A runtime catches what a task does not.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| task.now_or_never()));
        }
        let handle = Rc::clone(&self.cx.shard);
        let mut context = std::task::Context::from_waker(Waker::noop());
        if let Poll::Ready(Some(steps)) = handle.steps.poll_take(&mut context) {
            steps.into_iter().for_each(|step| (step.act)(&mut self.turn()));
        }
    }

    /// A connection of the user's device arrives.
    fn arrive(&mut self, user: &str, cursors: HashMap<StreamName<'static>, Cursor>) -> DuplexStream {
        let (near, socket) = tokio::io::duplex(1 << 20);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let user = UserKey::new(&Scope::default(), user);
        let arrival = Arrival {
            wire: Some(Wire::new(Socket::Other(Box::new(near)), &[]).depart().unwrap()),
            identity: Identity {
                user,
                user_type: "customer".into(),
                device: "".into(),
                capabilities: Capabilities::all(),
                groups: Vec::new(),
                issued_at: 0,
                expires_at: 0,
            },
            name: "c".into(),
            device: "d".into(),
            cursors,
            groups: None,
            at_head: false,
            sent_ms: 0,
            bare: None,
            permit: self.cx.node().admission.addresses.enter(Some(address)).ok().unwrap(),
        };
        self.turn().read(Letter::Arrive(Box::new(arrival)));
        socket
    }

    fn connect(&mut self, user: &str) -> Remote {
        let socket = self.arrive(user, HashMap::new());
        let user = UserKey::new(&Scope::default(), user);
        assert!(self.state.of_user(&user).next().is_none(), "it is let in by the log's answer");
        self.settle();
        let id = self.state.connections_of(&user)[0];
        Remote { id, socket }
    }

    /// What was written for a connection.
    fn written(&mut self, remote: &mut Remote) -> String {
        if let Some(connection) = self.state.connections.get_mut(remote.id) {
            let mut context = std::task::Context::from_waker(Waker::noop());
            let _ = connection.wire.poll_drain(&mut context);
        }
        let mut bytes = vec![0; 1 << 16];
        let count = remote.socket.read(&mut bytes).now_or_never().map_or(0, Result::unwrap);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    fn say(&mut self, remote: &Remote, text: &str) {
        self.turn().inbound(remote.id, Packet::text(text));
    }

    fn stage(&self, remote: &Remote) -> &Stage {
        &self.state.connections.get(remote.id).unwrap().stage
    }
}

fn text(id: &str, receiver: &str) -> String {
    format!(r#"{{"message_type":"text","message_id":"{id}","receiver":"{receiver}","content":"x"}}"#)
}

#[test]
fn what_one_turn_sends_goes_to_the_log_in_order_and_is_acknowledged_by_its_answer() {
    let mut shard = TestShard::new(Settings::default());
    let mut alice = shard.connect("alice");
    assert!(shard.written(&mut alice).contains(r#""message_type":"connected""#));
    for id in ["1", "2", "3"] {
        shard.say(&alice, &text(id, "bob"));
    }
    assert_eq!(shard.written(&mut alice), "", "nothing is acknowledged before it is stored");
    let appended = shard.settle().into_iter().map(|write| match write {
        Write::Append(append) => {
            assert_eq!(append.target, Target::User(UserKey::new(&Scope::default(), "bob")));
            append.message_id.to_string()
        }
        other => panic!("{other:?}"),
    });
    let appended: Vec<String> = appended.collect();
    assert_eq!(appended, ["1", "2", "3"]);
    let acks = shard.written(&mut alice);
    assert_eq!(acks.matches(r#""message_type":"ack""#).count(), 3, "{acks}");
}

#[test]
fn a_frame_that_must_wait_is_tried_again_and_who_waits_too_long_is_closed() {
    let mut settings = Settings::default();
    settings.limits.sends = 1;
    let mut shard = TestShard::new(settings);
    let alice = shard.connect("alice");
    shard.say(&alice, &text("1", "bob"));
    shard.say(&alice, &text("2", "bob"));
    let until = match &shard.state.connections.get(alice.id).unwrap().intake {
        Intake::Paused(pause) => pause.until,
        other => panic!("{other:?}"),
    };
    assert_eq!(shard.turn().ready(alice.id), Readiness::Paused);
    assert_eq!(shard.settle().len(), 1);
    shard.cx.now = until;
    assert_eq!(shard.turn().ready(alice.id), Readiness::Read);
    assert_eq!(shard.settle().len(), 1);
    for id in ["3", "4"] {
        shard.say(&alice, &text(id, "bob"));
    }
    shard.cx.now = until.after(1_000_000);
    shard.turn().look_at(alice.id);
    assert!(matches!(shard.stage(&alice), Stage::Closing));
}

#[test]
fn a_connection_that_hung_up_ends_when_what_it_sent_is_answered() {
    let mut shard = TestShard::new(Settings::default());
    let alice = shard.connect("alice");
    shard.say(&alice, &text("1", "bob"));
    shard.turn().hang_up(alice.id, HangUp::Client);
    shard.turn().hang_up(alice.id, HangUp::Fault(CloseCode::Violation, "too late: the first reason counts"));
    assert!(!shard.turn().is_heard_out(alice.id));
    shard.settle();
    assert!(matches!(shard.stage(&alice), Stage::HungUp(why) if matches!(**why, HangUp::Client)));
    assert!(shard.turn().is_heard_out(alice.id));
}

#[test]
fn whatever_ends_a_connection_it_counts_no_more_and_is_detached_once() {
    for end in [
        |turn: &mut Turn<'_>, id| turn.close(id, CloseCode::Kicked, ""),
        |turn: &mut Turn<'_>, id| turn.cut(id),
        |turn: &mut Turn<'_>, id| drop(turn.end(id)),
    ] {
        let mut shard = TestShard::new(Settings::default());
        let alice = shard.connect("alice");
        end(&mut shard.turn(), alice.id);
        let devices =
            |writes: &[Write]| writes.iter().filter(|write| matches!(write, Write::Device(_))).count();
        assert_eq!(devices(&shard.settle()), 1);
        assert!(shard.state.users.is_empty());
        shard.turn().close(alice.id, CloseCode::Kicked, "again");
        shard.turn().cut(alice.id);
        drop(shard.turn().end(alice.id));
        assert_eq!(devices(&shard.settle()), 0);
        assert!(shard.state.connections.is_empty());
    }
}

#[tokio::test]
async fn a_panic_over_one_letter_does_not_end_the_shard() {
    let settings = Settings { shards: 1, ..Settings::default() };
    let store = Arc::new(MemoryStore::new(settings.retention));
    let node = Arc::new(node(settings, store));
    let shards = Arc::clone(&node);
    let local = tokio::task::LocalSet::new();
    local.spawn_local(async move { Shard::live(0, node).await });
    let shards = &shards.router.shards;
    shards.send(0, Letter::Panic);
    let (done, wait) = oneshot::channel();
    shards.send(0, Letter::Find(Arc::new(|_: &_| true), done));
    let found = local.run_until(tokio::time::timeout(Duration::from_secs(5), wait)).await;
    assert!(found.unwrap().unwrap().is_empty());
}

#[test]
fn a_panic_in_a_step_costs_the_connection_or_arrival_it_was_for() {
    let mut shard = TestShard::new(Settings::default());
    let (alice, bob) = (shard.connect("alice"), shard.connect("bob"));
    let _carol = shard.arrive("carol", HashMap::new());
    let number = shard.state.attaching.numbers()[0];
    let handle = Rc::clone(&shard.cx.shard);
    handle.step(alice.id, |_| panic!("as it was told"));
    handle.step(Subject::Arrival(number), |_| panic!("as it was told"));
    let runtime = runtime();
    let mut shard = shard.into_shard(&runtime);
    let local = tokio::task::LocalSet::new();
    let poll = async { assert!(shard.poll(Waker::noop()).is_pending()) };
    local.block_on(&runtime, poll);
    let stage = |id| shard.state.connections.get(id).map(|found| found.stage.clone());
    assert!(matches!(stage(alice.id), Some(Stage::Closing)));
    assert!(matches!(stage(bob.id), Some(Stage::Attached)));
    assert!(shard.state.attaching.is_empty());
}

#[test]
fn a_panic_over_one_answer_of_the_log_costs_its_connection_and_none_of_the_batch() {
    let mut shard = TestShard::new(Settings::default());
    let alice = shard.connect("alice");
    let _bob = shard.arrive("bob", HashMap::new());
    let writes: Vec<(Write, ReplyTo)> = std::mem::take(&mut shard.cx.writes);
    let (writes, mut replies): (Vec<Write>, Vec<ReplyTo>) = writes.into_iter().unzip();
    let answers = shard.cx.node().log.store.write(0, &writes).now_or_never().unwrap();
    let Some(ReplyTo::Shard(_, bobs)) = replies.pop() else { panic!("bob's attach waits for an answer") };
    // Nothing of alice's is under way: an answer all the same is one too many.
    let (message_id, stream) = ("1".into(), SentTo::Inbox);
    let none = Asked::Send(Ticket { connection: alice.id, message_id, stream, create_at: 0, sender: None });
    let outcomes = [(none, Ok(Written::Done))].into_iter().chain(std::iter::once(bobs).zip(answers));
    let mut shard = shard.into_shard(&runtime());
    shard.read(Letter::Outcomes(outcomes.collect()));
    assert!(matches!(shard.state.connections.get(alice.id).unwrap().stage, Stage::Closing));
    assert_eq!(shard.state.connections_of(&UserKey::new(&Scope::default(), "bob")).len(), 1);
}
