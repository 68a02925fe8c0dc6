//! The production hub as a process of a simulated system: it starts on what the disk has, is killed, paused, drained.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::task::{AbortHandle, LocalSet, spawn_local};
use tokio::time::timeout;
use wsc_server::http::serve_connection;
use wsc_server::log::store::Store;
use wsc_server::token::Keys;
use wsc_server::{Broker, Builder, Hub, Settings};

use super::clock;
use super::disk::Disk;
use super::link::End;
use super::net::SECRET;

/// A hub that runs.
pub(super) struct Running {
    hub: Hub,
    process: AbortHandle,
    gate: Rc<Gate>,
}

/// Between a hub and the time.
#[derive(Default)]
struct Gate {
    is_paused: Cell<bool>,
    waker: Cell<Option<Waker>>,
    /// Its wall clock is wrong by so many milliseconds; `None`: it is the machine's, for all hubs.
    wrong: Cell<Option<i64>>,
}

impl Gate {
    /// What comes next reads this hub's clock.
    fn set_clock(&self) {
        if let Some(wrong) = self.wrong.get() {
            clock::set_hub_wrong(wrong);
        }
    }
}

impl Running {
    /// Starts a hub on a disk.
    pub(super) fn start(disk: &Disk, settings: Settings, tokens: bool) -> Self {
        Self::run(Hub::builder(disk.open()), settings, tokens, None)
    }

    /// Starts one of several hubs, whose clock is wrong by so many milliseconds.
    pub(super) fn join(
        store: impl Store,
        broker: impl Broker,
        settings: Settings,
        tokens: bool,
        wrong: i64,
    ) -> Self {
        Self::run(Hub::builder(store).broker(broker), settings, tokens, Some(wrong))
    }

    fn run(builder: Builder, settings: Settings, tokens: bool, wrong: Option<i64>) -> Self {
        let mut builder = builder.settings(settings);
        if tokens {
            builder = builder.keys(Keys::new(SECRET, ["shop".to_owned()]));
        }
        let (tasks, gate) = (LocalSet::new(), Rc::new(Gate::default()));
        gate.wrong.set(wrong);
        gate.set_clock();
        let hub = {
            let _inside = tasks.enter();
            builder.start_local()
        };
        let passes = Rc::clone(&gate);
        let process = spawn_local(async move {
            let mut run = pin!(tasks.run_until(pending::<()>()));
            poll_fn(|context| {
                passes.waker.set(Some(context.waker().clone()));
                if passes.is_paused.get() {
                    return Poll::Pending;
                }
                passes.set_clock();
                run.as_mut().poll(context)
            })
            .await;
        });
        Self { hub, process: process.abort_handle(), gate }
    }

    /// A socket was accepted.
    pub(super) fn serve(&self, end: End, remote: SocketAddr) {
        let gate = Rc::clone(&self.gate);
        let mut serving = Box::pin(serve_connection(end, remote, self.hub.clone()));
        spawn_local(poll_fn(move |context| {
            gate.set_clock();
            serving.as_mut().poll(context)
        }));
    }

    /// Whether it still accepts messages.
    pub(super) fn is_ready(&self) -> bool {
        self.hub.not_ready().is_none()
    }

    /// It does nothing until it goes on.
    pub(super) fn set_paused(&self, on: bool) {
        self.gate.is_paused.set(on);
        self.gate.waker.take().into_iter().for_each(Waker::wake);
    }

    /// Its wall clock is wrong by so many milliseconds from now on.
    pub(super) fn set_wrong(&self, by: i64) {
        self.gate.wrong.set(Some(by));
    }

    /// What an application asks of it.
    pub(super) fn hub(&self) -> Hub {
        self.hub.clone()
    }

    /// It ends without warning: nothing of it runs any more.
    pub(super) fn kill(self) {
        self.process.abort();
    }

    /// It ends in order. False when that took too long.
    pub(super) async fn drain(self) -> bool {
        let drained = timeout(Duration::from_secs(120), self.hub.drain()).await;
        self.process.abort();
        drained.is_ok()
    }
}
