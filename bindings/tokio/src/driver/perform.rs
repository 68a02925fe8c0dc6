//! Doing what the machine asks for: opening, writing, closing, storing. One flush for many frames.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use wsc_core::CloseCode;
use wsc_core::client::{Action, Link};
use wsc_core::frame;

use super::{Driver, Frontend};
use crate::upgrade::Socket;

/// A socket that takes nothing for so long is given up.
const WRITE: Duration = Duration::from_secs(10);
/// How long the hub has to answer a Close frame.
const GOODBYE: Duration = Duration::from_secs(2);

impl<A: Frontend> Driver<A> {
    /// Drains the machine: events first, then actions, until neither is left.
    pub(super) async fn perform(&mut self) {
        loop {
            self.tell();
            let Some(action) = self.machine.poll_action() else {
                self.save();
                self.flush().await;
                self.tell();
                self.writer.begin();
                if let Some(action) = self.machine.poll_action() {
                    self.act(action).await;
                    continue;
                }
                break;
            };
            self.act(action).await;
        }
        let sync = self.machine.sync();
        self.frontend.on_sync(sync);
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Open { link } => {
                let transport = self.transports.choose(self.machine.address());
                self.opening = Some((link, Box::pin(transport.open())));
            }
            Action::Send { link, frame: frame::Frame::Text(text) } => {
                self.write(link, Frame::text(text)).await;
            }
            Action::Send { link, frame: frame::Frame::Binary(bytes) } => {
                self.write(link, Frame::binary(bytes)).await;
            }
            Action::Close { link, code, reason } => {
                let opening = self.opening.take_if(|(opening, _)| *opening == link).is_some();
                if opening || self.hang_up(link, Some((code, reason))) {
                    self.frontend.on_socket_lost(!opening, Some(code), reason);
                }
            }
            Action::FetchToken => self.fetching = self.frontend.token(),
            Action::Persist(change) => self.writer.add(&change),
        }
    }

    async fn write(&mut self, link: Link, frame: Frame) {
        // A frame never leaves before what was stored about it.
        self.save();
        let Some((_, socket)) = self.socket.as_mut().filter(|(of, _)| *of == link) else { return };
        self.unflushed = true;
        match timeout(WRITE, socket.feed(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.lost(link, &error.to_string()),
            Err(_) => self.lost(link, "the socket takes nothing"),
        }
    }

    async fn flush(&mut self) {
        if !std::mem::take(&mut self.unflushed) {
            return;
        }
        let Some((link, socket)) = self.socket.as_mut() else { return };
        let link = *link;
        match timeout(WRITE, socket.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.lost(link, &error.to_string()),
            Err(_) => self.lost(link, "the socket takes nothing"),
        }
    }

    /// A socket that cannot be written to may still hold a Close frame of the hub: it is read before it is let go.
    fn lost(&mut self, link: Link, reason: &str) {
        let Some((_, socket)) = self.socket.as_mut() else { return };
        let mut close = None;
        while let Some(Some(Ok(frame))) = futures_util::FutureExt::now_or_never(socket.next()) {
            if let Frame::Close(found) = frame {
                close = found;
            }
        }
        self.socket = None;
        let now = self.clock.now();
        match close {
            Some(close) => {
                let code = CloseCode::from_number(close.code.into());
                self.closed(now, link, Some(code), &close.reason);
            }
            None => self.closed(now, link, None, reason),
        }
    }

    /// Says goodbye to a socket, beside everything else; false: there is none.
    pub(super) fn hang_up(&mut self, link: Link, why: Option<(CloseCode, &'static str)>) -> bool {
        let Some((_, socket)) = self.socket.take_if(|(of, _)| *of == link) else { return false };
        let frame =
            why.map(|(code, reason)| CloseFrame { code: code.number().into(), reason: reason.into() });
        self.goodbyes.spawn(goodbye(socket, frame));
        true
    }
}

/// Closes a socket, or answers its Close, and waits shortly for the other side to hang up.
pub(crate) async fn goodbye(mut socket: Socket, frame: Option<CloseFrame>) {
    let closing = async {
        let _ = socket.close(frame).await;
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _ = timeout(GOODBYE, closing).await;
}
