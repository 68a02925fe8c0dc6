//! The loop: one input or command, then everything the machine says, then its next deadline.

use alloc::rc::Rc;
use alloc::string::String;
use core::cell::{Cell, RefCell};

use wsc_core::client::bridge::Flat;
use wsc_core::client::{Action, Client, Link, Sync};
use wsc_core::{CloseCode, Timestamp};

use crate::lifecycle::Lifecycle;
use crate::sink::Sink;
use crate::socket::{Heard, Socket};
use crate::timer::{Timer, now};

pub(crate) struct Driver {
    url: String,
    pub(crate) client: RefCell<Client>,
    sink: Sink,
    /// As it was told last.
    sync: Cell<Sync>,
    socket: Socket,
    timer: Timer,
    _lifecycle: Lifecycle,
}

impl Driver {
    pub(crate) fn new(url: String, client: Client, sink: Sink) -> Rc<Self> {
        Rc::new_cyclic(|this| {
            let [of_socket, of_timer, of_lifecycle] = core::array::from_fn(|_| this.clone());
            let on = move |link, heard| Self::with(&of_socket, |this: &Self| this.hear(link, heard));
            let on_time = move || Self::with(&of_timer, Self::tick);
            let on_life = move |online| {
                Self::with(&of_lifecycle, |this| this.act(|client, now| client.handle_network(now, online)));
            };
            Self {
                url,
                sync: Cell::new(client.sync()),
                sink,
                client: RefCell::new(client),
                socket: Socket::new(on),
                timer: Timer::new(on_time),
                _lifecycle: Lifecycle::new(on_life),
            }
        })
    }

    fn with(this: &alloc::rc::Weak<Self>, act: impl FnOnce(&Self)) {
        if let Some(this) = this.upgrade() {
            act(&this);
        }
    }

    fn hear(&self, link: Link, heard: Heard) {
        self.act(|client, now| match heard {
            Heard::Open => client.handle_open(now, link),
            Heard::Text(text) => client.handle_text(now, link, &text),
            Heard::Binary(bytes) => client.handle_binary(now, link, &bytes),
            Heard::Closed(code, reason) => {
                client.handle_close(now, link, code.map(CloseCode::from_number), &reason);
            }
        });
    }

    fn tick(&self) {
        self.timer.ran();
        self.act(|client, now| client.handle_timeout(now));
    }

    /// One input or command and all that follows from it.
    pub(crate) fn act<T>(&self, act: impl FnOnce(&mut Client, Timestamp) -> T) -> T {
        let result = act(&mut self.client.borrow_mut(), now());
        self.drain();
        self.sink.flush();
        result
    }

    fn drain(&self) {
        let next_event = || self.client.borrow_mut().poll_event();
        let next_action = || self.client.borrow_mut().poll_action();
        loop {
            while let Some(event) = next_event() {
                self.sink.put(event.flat(&self.client.borrow()));
            }
            let Some(action) = next_action() else { break };
            match action {
                Action::Open { link } => {
                    if !self.socket.open(&self.url, link) {
                        self.client.borrow_mut().handle_close(now(), link, None, "");
                    }
                }
                Action::Send { link, frame } => self.socket.send(link, &frame),
                Action::Close { link, code, reason } => self.socket.close(link, code.number(), reason),
                Action::FetchToken => self.sink.fetch_token(),
                Action::Persist(change) => self.sink.persist(&change),
            }
        }
        let sync = self.client.borrow().sync();
        if self.sync.replace(sync) != sync {
            self.sink.put(Flat::sync(sync));
        }
        self.timer.set(self.client.borrow().poll_timeout());
    }

    /// Nothing comes from here any more.
    pub(crate) fn stop(&self) {
        self.timer.set(None);
    }
}
