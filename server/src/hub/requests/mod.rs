//! Requests: questions of a client, answered one after the other, each with its `request_id`.

mod groups;
mod history;
pub(crate) mod lists;
mod people;
mod progress;

use std::borrow::Cow;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use wsc_core::codes::ErrorCode;
use wsc_core::frame::{Answer, ErrorFrame, HubFrame, ObjectWriter, Query, Request};
use wsc_core::{StreamKind, StreamName};

use super::clock;
use super::shard::{Address, Shard};
use super::state::Connection;
use crate::admission::identity::{Identity, Missing};
use crate::log::key::{GroupKey, Scope, StreamKey, UserKey};
use crate::log::store::StoreError;

/// Items on a page when the request does not say.
const PAGE: u64 = 100;
/// Items on a page at most.
const LARGEST_PAGE: u64 = 1000;

/// A request that cannot be met.
pub(crate) struct Refused {
    code: ErrorCode,
    reason: Cow<'static, str>,
}

impl Refused {
    fn new(code: ErrorCode) -> Self {
        Self { code, reason: code.text().into() }
    }

    fn because(code: ErrorCode, reason: &'static str) -> Self {
        Self { code, reason: reason.into() }
    }
}

impl From<Missing> for Refused {
    fn from(missing: Missing) -> Self {
        Self { code: ErrorCode::PermissionDenied, reason: missing.to_string().into() }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a request could not be answered");
        Self::new(super::send::store_code(&error))
    }
}

/// What a request is answered with.
pub(crate) enum Reply {
    /// `ack`.
    Done,
    /// A frame of this type with this `data`.
    Data(&'static str, String),
    /// The same in several frames: a list that goes on from one to the next.
    Parts(&'static str, Vec<String>),
    /// The answer was written already.
    Written,
}

type Outcome = Result<Reply, Refused>;

/// Who asks.
pub(crate) struct Asker {
    shard: Rc<Shard>,
    place: u32,
    generation: u32,
    identity: Rc<Identity>,
    device: Arc<str>,
}

impl Shard {
    /// Begins to answer a connection's requests, unless that is under way or it has not taken the last answers yet.
    pub(crate) fn answer(self: &Rc<Self>, connection: &mut Connection, place: u32) {
        let waits = connection.rare.as_ref().is_some_and(|rare| !rare.requests.is_empty());
        if waits && !connection.answering && self.may_answer(connection) {
            connection.answering = true;
            let generation = connection.generation;
            self.spawn(place, generation, answer(Rc::clone(self), place, generation));
        }
    }
}

impl Shard {
    /// Whether a connection's next request may be answered. Who hung up gets no more than its socket takes, but what
    /// it asked for is done.
    fn may_answer(&self, connection: &Connection) -> bool {
        let full = self.is_full(connection);
        if full && connection.hung_up.is_some() {
            connection.wire.0.borrow_mut().mute();
        }
        !full || connection.hung_up.is_some()
    }
}

/// Answers the waiting requests of a connection, in order.
async fn answer(shard: Rc<Shard>, place: u32, generation: u32) {
    loop {
        let (request, asker) = {
            let mut state = shard.state.borrow_mut();
            let Some(connection) = state.connection(place, generation) else { return };
            let stop = connection.closing || !shard.may_answer(connection);
            let waiting = connection.rare.as_mut().filter(|_| !stop);
            let request = waiting.and_then(|rare| rare.requests.pop_front());
            let Some(request) = request else {
                connection.answering = false;
                if connection.hung_up.is_some() {
                    connection.wake();
                }
                return;
            };
            let identity = Rc::clone(&connection.identity);
            let device = Arc::clone(&connection.device);
            (request, Asker { shard: Rc::clone(&shard), place, generation, identity, device })
        };
        match request {
            Ok(request) => {
                let outcome = asker.answer(&request).await;
                asker.finish(&request.id, outcome);
            }
            Err(error) => {
                let reason = error.fault.to_string().into();
                let refused = Refused { code: ErrorCode::InvalidFormat, reason };
                asker.finish(error.message_id.as_deref().unwrap_or_default(), Err(refused));
            }
        }
    }
}

impl Asker {
    async fn answer(&self, request: &Request<'static>) -> Outcome {
        self.identity.capabilities.allow(&request.query)?;
        match &request.query {
            Query::Ping => Ok(Reply::Written),
            Query::Read { stream, peer, seq } => self.read(stream, peer, *seq).await,
            Query::GroupJoin { group } => self.join(&request.id, group).await,
            Query::GroupLeave { group } => self.leave(&request.id, group).await,
            Query::GroupRemove { group, user } => self.remove(group, user).await,
            Query::GroupDisband { group } => self.disband(group).await,
            Query::GroupMembers { group, limit, after } => self.members(group, *limit, after).await,
            Query::Kick { user, device, reason } => {
                let user = self.user(user);
                super::kick::kick(&self.shard.node, &user, device, reason);
                Ok(Reply::Done)
            }
            Query::Fetch { stream, from, limit, reverse } => {
                self.fetch(&request.id, stream, *from, *limit, *reverse).await
            }
            Query::Receipts { message_ids } => self.receipts(message_ids).await,
            Query::Conversations { limit, after } => self.conversations(*limit, after).await,
            Query::CheckUserStatus { users } => self.statuses(users).await,
            Query::GetOnlineUsers { group, limit, after } => self.online_users(group, *limit, after).await,
            Query::Watch { users, group } => self.watch(users, group).await,
            Query::Unwatch { users, group } => self.unwatch(users, group).await,
            Query::SetStatus { status } => self.set_status(status),
            Query::Observe { group } => self.observe(group),
            Query::Unobserve { group } => Ok(self.unobserve(group)),
            Query::Refresh { token } => self.refresh(token),
            Query::GetUserInfo { user } => self.user_info(user).await,
            Query::HealthCheck => Ok(self.health()),
        }
    }

    fn finish(&self, id: &str, outcome: Outcome) {
        let frame = match outcome {
            Ok(Reply::Written) => return,
            Ok(Reply::Done) => answer_frame(id, "ack", String::new()),
            Ok(Reply::Data(message_type, data)) => answer_frame(id, message_type, data),
            Ok(Reply::Parts(message_type, mut parts)) => {
                let last = parts.pop().unwrap_or_default();
                for part in parts {
                    self.say(&HubFrame::Answer(Answer {
                        partial: true,
                        ..answer_of(id, message_type, part)
                    }));
                }
                answer_frame(id, message_type, last)
            }
            Err(refused) => HubFrame::Error(ErrorFrame {
                message_id: "".into(),
                request_id: id.to_owned().into(),
                retry_after_ms: refused.code.is_retryable().then_some(1000),
                code: refused.code,
                reason: refused.reason,
            }),
        };
        self.say(&frame);
    }

    fn say(&self, frame: &HubFrame<'_>) {
        self.with(|connection| connection.say(frame));
    }

    /// Does something with the connection, if it is still there.
    fn with<T>(&self, act: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let mut state = self.shard.state.borrow_mut();
        let connection = state.connection(self.place, self.generation)?;
        let result = act(connection);
        self.shard.touch(connection, self.place);
        Some(result)
    }

    fn scope(&self) -> &Scope {
        &self.identity.user.scope
    }

    fn user(&self, user: &str) -> UserKey {
        UserKey::new(self.scope(), user)
    }

    fn group(&self, group: &str) -> GroupKey {
        GroupKey::new(self.scope(), group)
    }

    fn address(&self) -> Address {
        self.shard.address(self.place, self.generation)
    }

    fn stream(&self, name: &StreamName<'_>) -> StreamKey {
        match name.kind() {
            StreamKind::Inbox => StreamKey::Inbox(self.identity.user.clone()),
            StreamKind::Broadcast => StreamKey::Broadcast(self.scope().clone()),
            StreamKind::Group(group) => StreamKey::Group(self.group(group)),
        }
    }

    /// Whether the user is in a group, as the log last told.
    fn is_member(&self, group: &str) -> bool {
        let state = self.shard.state.borrow();
        state.users.get(&self.identity.user).is_some_and(|user| user.groups.contains(group))
    }

    /// Refuses who is neither a member nor an administrator.
    fn must_see(&self, group: &str) -> Result<(), Refused> {
        if self.is_member(group) || self.identity.capabilities.admin {
            Ok(())
        } else {
            Err(Refused::new(ErrorCode::GroupNotFound))
        }
    }

    fn refresh(&self, token: &str) -> Outcome {
        let admission = &self.shard.node.admission;
        let verified = admission.verify(token).map_err(|error| error.to_string()).and_then(|fresh| {
            let same_device = fresh.device.is_empty() || fresh.device == self.device;
            let same = fresh.user == self.identity.user && same_device;
            if same { Ok(fresh) } else { Err("the token is for another user, scope or device".to_owned()) }
        });
        let fresh = match verified {
            Ok(fresh) => fresh,
            Err(reason) => {
                // The token that the connection has is good until it ends, whatever its provider does by then.
                tracing::info!(user = %self.identity.user.user, %reason, "a fresh token was refused");
                let code = ErrorCode::AuthenticationFailed;
                return Err(Refused { code, reason: reason.into() });
            }
        };
        let (observe, presence) = (fresh.capabilities.observe, fresh.capabilities.presence);
        // What a right had begun ends with the right.
        let ended = self.with(|connection| {
            connection.identity = Rc::new(fresh);
            let rare = connection.rare();
            let observing = if observe { Vec::new() } else { std::mem::take(&mut rare.observing) };
            let watching = if presence { HashSet::new() } else { std::mem::take(&mut rare.watching) };
            (observing, watching)
        });
        // It may end earlier than the one before.
        self.shard.replan(self.place, self.generation);
        let (observing, watching) = ended.unwrap_or_default();
        let node = &self.shard.node;
        node.observers.remove(self.scope(), self.address(), &observing);
        node.presence.unwatch_all(self.scope(), self.address(), &watching);
        Ok(Reply::Done)
    }

    fn health(&self) -> Reply {
        let node = &self.shard.node;
        let mut data = String::new();
        let connections = node.connections.load(std::sync::atomic::Ordering::Relaxed);
        ObjectWriter::new(&mut data)
            .text("status", if node.log.is_broken() { "read-only" } else { "ok" })
            .text("node_id", &node.id)
            .count("connections", connections as u64)
            .end();
        Reply::Data("health_response", data)
    }
}

fn answer_frame(id: &str, message_type: &'static str, data: String) -> HubFrame<'static> {
    HubFrame::Answer(answer_of(id, message_type, data))
}

fn answer_of(id: &str, message_type: &'static str, data: String) -> Answer<'static> {
    Answer {
        partial: false,
        request_id: id.to_owned().into(),
        message_type: message_type.into(),
        data: data.into(),
        server_time_ms: 0,
    }
}

/// Answers a ping.
pub(crate) fn pong(connection: &Connection, id: &str) {
    connection.say(&HubFrame::Answer(Answer {
        partial: false,
        request_id: id.into(),
        message_type: "pong".into(),
        data: "".into(),
        server_time_ms: clock::wall(),
    }));
}

/// How many items go on a page.
fn page_size(asked: u64, most: u64) -> usize {
    let size = if asked == 0 { PAGE } else { asked.min(most) };
    usize::try_from(size).unwrap_or(usize::MAX)
}
