//! Telling the application what happened: events of the machine to receipts, mailroom, answers and feeds.

use tokio::sync::watch;
use wsc_core::Message;
use wsc_core::client::{Answer, Body, Event, Outcome, RequestError, RequestId, SendId, Stage, State};
use wsc_core::frame::Frame;

use super::Driver;
use crate::client::Reply;
use crate::receipt::Progress;
use crate::stream::Notice;

/// A send whose receipt the application may hold.
pub(super) struct Followed {
    pub(super) progress: watch::Sender<Progress>,
    /// Whether more comes after it was accepted.
    pub(super) receipts: bool,
}

/// The machine told of nothing that cannot be read.
fn read(frame: &Frame) -> Option<Message<'static>> {
    frame.message().ok().map(|message| message.into_owned())
}

impl Driver {
    pub(super) fn tell(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::StateChanged(state) => {
                    let connected = state == State::Connected;
                    self.states.send_replace(state);
                    if connected {
                        let targets = self.watches.all();
                        self.watch(&targets);
                    }
                }
                Event::Message(entry) => self.room.put_entry(&entry),
                Event::Gap(gap) => self.room.put_gap(gap),
                Event::Volatile(frame) => {
                    if let Some(message) = read(&frame) {
                        let _ = self.volatile.send(message);
                    }
                }
                Event::Settled { send, outcome, .. } if self.followed.contains_key(&send) => {
                    self.settled(send, outcome);
                }
                Event::Receipt { send: Some(send), stage, .. } => self.reached(send, stage),
                Event::Receipt { send: None, .. } => {}
                Event::ReceiptEnded { send, .. } => self.unfollow(send),
                Event::Fetched { request, frame } => {
                    if let Some((_, messages)) = self.asked.get_mut(&request) {
                        messages.extend(read(&frame));
                    }
                }
                Event::Answer { request, answer } => self.answered(request, answer),
                Event::RequestFailed { request, error } => self.failed(request, error),
                Event::Presence(presence) => {
                    for user in presence.users().unwrap_or_default() {
                        let _ = self.presence.send(user);
                    }
                }
                other => {
                    let _ = self.notices.send(Notice::Event(other));
                }
            }
        }
    }

    fn settled(&mut self, send: SendId, outcome: Outcome) {
        let Some(followed) = self.followed.get(&send) else { return };
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        let goes_on = accepted && followed.receipts;
        followed.progress.send_modify(|progress| {
            progress.outcome = Some(outcome);
            progress.unfollowed = !goes_on;
            if accepted {
                progress.stage = progress.stage.max(Some(Stage::Accepted));
            }
        });
        if !goes_on {
            self.followed.remove(&send);
        }
    }

    fn reached(&mut self, send: SendId, stage: Stage) {
        let Some(followed) = self.followed.get(&send) else { return };
        followed.progress.send_modify(|progress| progress.stage = progress.stage.max(Some(stage)));
        if stage == Stage::Read {
            self.followed.remove(&send);
        }
    }

    fn unfollow(&mut self, send: SendId) {
        if let Some(followed) = self.followed.remove(&send) {
            followed.progress.send_modify(|progress| progress.unfollowed = true);
        }
    }

    fn answered(&mut self, request: RequestId, answer: Answer) {
        if self.watching.remove(&request) {
            if let Ok(Body::Statuses(users)) = answer.body() {
                for user in users {
                    let _ = self.presence.send(user);
                }
            }
        } else if let Some((reply, messages)) = self.asked.remove(&request) {
            let _ = reply.send(Ok(Reply { answer, messages }));
        }
    }

    fn failed(&mut self, request: RequestId, error: RequestError) {
        self.watching.remove(&request);
        if let Some((reply, _)) = self.asked.remove(&request) {
            let _ = reply.send(Err(error));
        }
    }
}
