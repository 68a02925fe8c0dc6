//! Requests: questions of a client, answered one after the other, each with its `request_id`.

mod groups;
mod history;
mod presence;
mod progress;

use std::borrow::Cow;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use wsc_core::codes::ErrorCode;
use wsc_core::frame::{Answer, ErrorFrame, HubFrame, ObjectWriter, Query, Request};
use wsc_core::{StreamKind, StreamName};

use super::{Context, Handle, Turn, kick};
use crate::Settings;
use crate::admission::identity::{Identity, Missing};
use crate::clock::Wall;
use crate::log::key::{GroupKey, Scope, StreamKey, UserKey};
use crate::log::store::StoreError;
use crate::net::id::ConnectionId;
use crate::shard::connection::Connection;

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
        Self::new(super::reply::store_code(&error))
    }
}

/// What a request is answered with.
enum Reply {
    /// `ack`.
    Done,
    /// A frame of this type with this `data`.
    Data(&'static str, String),
    /// The same in several frames: a list that goes on from one to the next.
    Parts(&'static str, Vec<String>),
    /// What is written when the connection has its turn: as things are then.
    InTurn(Box<dyn FnOnce(&Context) -> Self>),
    /// The answer was written already.
    Written,
}

type Outcome = Result<Reply, Refused>;

/// Who asks.
struct Asker {
    shard: Rc<Handle>,
    id: ConnectionId,
    identity: Rc<Identity>,
    device: Arc<str>,
}

impl Connection {
    /// Begins to answer its requests, unless that is under way or it has not taken the last answers yet.
    pub(super) fn answer(&mut self, cx: &mut Context) {
        if self.is_answering || !self.may_answer(&cx.node().settings) {
            return;
        }
        let request = self.extras.as_mut().and_then(|extras| extras.requests.pop_front());
        let Some(request) = request else { return };
        self.is_answering = true;
        let asker = Asker {
            shard: Rc::clone(&cx.shard),
            id: self.id,
            identity: Rc::clone(&self.identity),
            device: Arc::clone(&self.device),
        };
        cx.spawn(self.id, async move {
            let (id, outcome) = match request {
                Ok(request) => {
                    let outcome = asker.answer(&request).await;
                    (request.id.into_owned(), outcome)
                }
                Err(error) => {
                    let reason = error.fault.to_string().into();
                    let refused = Refused { code: ErrorCode::InvalidFormat, reason };
                    (error.message_id.unwrap_or_default(), Err(refused))
                }
            };
            let Asker { shard, id: connection, .. } = asker;
            shard.step(connection, move |turn| turn.answered(connection, &id, outcome));
        });
    }

    /// Whether its next request may be answered. Who hung up gets no more than its socket takes, but what it asked for
    /// is done.
    fn may_answer(&mut self, settings: &Settings) -> bool {
        if !self.is_attached() || !self.is_full(settings) {
            return self.is_attached();
        }
        if self.has_hung_up() {
            self.wire.mute();
        }
        self.has_hung_up()
    }
}

impl Turn<'_> {
    /// Writes the answer to a request, and goes on with the next.
    fn answered(&mut self, id: ConnectionId, request_id: &str, outcome: Outcome) {
        let Some((connection, cx)) = self.with(id) else { return };
        connection.write_answer(cx, request_id, outcome);
        connection.is_answering = false;
        connection.answer(cx);
        if !connection.is_answering && connection.has_hung_up() {
            connection.wake();
        }
        cx.touch(connection);
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
                kick::kick(&self.shard.node, self.user(user), device, reason).await?;
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
            Query::SetStatus { status } => self.set_status(status).await,
            Query::Observe { group } => self.observe(group).await,
            Query::Unobserve { group } => Ok(self.unobserve(group)),
            Query::Refresh { token } => self.refresh(token).await,
            Query::GetUserInfo { user } => self.user_info(user).await,
            Query::HealthCheck => Ok(self.health()),
        }
    }

    fn write(&self, frame: HubFrame<'static>) {
        self.step(move |connection, _| connection.write(&frame));
    }

    /// Does something with the connection in its next turn, if it is still there.
    fn step(&self, act: impl FnOnce(&mut Connection, &mut Context) + 'static) {
        let id = self.id;
        self.shard.step(id, move |turn| {
            if let Some((connection, cx)) = turn.with(id) {
                act(connection, cx);
                cx.touch(connection);
            }
        });
    }

    /// The same, and waits for what comes of it. `None`: the connection is gone.
    async fn with<T: 'static>(
        &self,
        act: impl FnOnce(&mut Connection, &mut Context) -> T + 'static,
    ) -> Option<T> {
        let id = self.id;
        let act = move |turn: &mut Turn<'_>| {
            let (connection, cx) = turn.with(id)?;
            let result = act(connection, cx);
            cx.touch(connection);
            Some(result)
        };
        self.shard.ask(act).await.flatten()
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

    fn stream(&self, name: &StreamName<'_>) -> StreamKey {
        match name.kind() {
            StreamKind::Inbox => StreamKey::Inbox(self.identity.user.clone()),
            StreamKind::Broadcast => StreamKey::Broadcast(self.scope().clone()),
            StreamKind::Group(group) => StreamKey::Group(self.group(group)),
        }
    }

    /// Whether the user is in a group, as last published.
    async fn is_member(&self, group: &str) -> bool {
        let (user, group): (_, Arc<str>) = (self.identity.user.clone(), group.into());
        let is_member = move |turn: &mut Turn<'_>| {
            turn.state.users.get(&user).is_some_and(|user| user.groups.contains(&group))
        };
        self.shard.ask(is_member).await == Some(true)
    }

    /// Refuses who is neither a member nor an administrator.
    async fn must_see(&self, group: &str) -> Result<(), Refused> {
        if self.identity.capabilities.admin || self.is_member(group).await {
            Ok(())
        } else {
            Err(Refused::new(ErrorCode::GroupNotFound))
        }
    }

    async fn refresh(&self, token: &str) -> Outcome {
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
        let id = self.id;
        let change = move |turn: &mut Turn<'_>| {
            let Some((connection, cx)) = turn.with(id) else { return };
            connection.identity = Rc::new(fresh);
            let extras = connection.extras();
            // What a right had begun ends with the right.
            let observing = if observe { Vec::new() } else { std::mem::take(&mut extras.observing) };
            let watching = if presence { HashSet::new() } else { std::mem::take(&mut extras.watching) };
            let (node, address) = (cx.node(), cx.address(id));
            let scope = &connection.identity.user.scope;
            node.observers.remove(scope, address, &observing, &node.router);
            node.presence.unwatch_all(scope, address, &watching, &node.router);
            // It may end earlier than the one before.
            turn.schedule(id);
        };
        self.shard.ask(change).await;
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

impl Connection {
    fn write_answer(&mut self, cx: &Context, id: &str, outcome: Outcome) {
        let frame = match outcome {
            Ok(Reply::Written) => return,
            Ok(Reply::InTurn(reply)) => {
                let reply = reply(cx);
                return self.write_answer(cx, id, Ok(reply));
            }
            Ok(Reply::Done) => answer_frame(id, "ack", String::new()),
            Ok(Reply::Data(message_type, data)) => answer_frame(id, message_type, data),
            Ok(Reply::Parts(message_type, mut parts)) => {
                let last = parts.pop().unwrap_or_default();
                for part in parts {
                    self.write(&HubFrame::Answer(Answer {
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
        self.write(&frame);
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
pub(super) fn pong(connection: &mut Connection, id: &str, wall: Wall) {
    connection.write(&HubFrame::Answer(Answer {
        partial: false,
        request_id: id.into(),
        message_type: "pong".into(),
        data: "".into(),
        server_time_ms: wall.ms(),
    }));
}

/// How many items go on a page.
fn page_size(asked: u64, most: u64) -> usize {
    let size = if asked == 0 { PAGE } else { asked.min(most) };
    usize::try_from(size).unwrap_or(usize::MAX)
}
