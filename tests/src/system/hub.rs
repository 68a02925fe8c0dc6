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
use wsc_server::token::Keys;
use wsc_server::{Hub, Settings};

use super::disk::Disk;
use super::link::End;
use super::net::SECRET;

/// A hub that runs.
pub(super) struct Running {
    hub: Hub,
    /// The epoch it lives in.
    pub(super) epoch: Rc<str>,
    process: AbortHandle,
    pause: Rc<Pause>,
}

#[derive(Default)]
struct Pause {
    on: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Running {
    /// Starts a hub on a disk.
    pub(super) fn start(disk: &Disk, settings: Settings, tokens: bool) -> Self {
        let store = disk.open();
        let epoch = Rc::from(&*disk.epoch());
        let mut builder = Hub::builder(store).settings(settings);
        if tokens {
            builder = builder.keys(Keys::new(SECRET, ["shop".to_owned()]));
        }
        let (tasks, pause) = (LocalSet::new(), Rc::new(Pause::default()));
        let hub = {
            let _inside = tasks.enter();
            builder.start_local()
        };
        let gate = Rc::clone(&pause);
        let process = spawn_local(async move {
            let mut run = pin!(tasks.run_until(pending::<()>()));
            poll_fn(|context| {
                gate.waker.set(Some(context.waker().clone()));
                if gate.on.get() { Poll::Pending } else { run.as_mut().poll(context) }
            })
            .await;
        });
        Self { hub, epoch, process: process.abort_handle(), pause }
    }

    /// A socket was accepted.
    pub(super) fn serve(&self, end: End, remote: SocketAddr) {
        tokio::spawn(serve_connection(end, remote, self.hub.clone()));
    }

    /// Whether it still accepts messages.
    pub(super) fn is_ready(&self) -> bool {
        self.hub.not_ready().is_none()
    }

    /// It does nothing until it goes on.
    pub(super) fn set_paused(&self, on: bool) {
        self.pause.on.set(on);
        self.pause.waker.take().into_iter().for_each(Waker::wake);
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
