//! A message on its way in: may it be sent, whose is it, where does it go.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use wsc_core::frame::{Accepted, EntryBody, HubFrame, data_object};
use wsc_core::message::{Destination, FieldError};
use wsc_core::{CloseCode, ErrorCode, Message, StreamName, time};
use xxhash_rust::xxh3::Xxh3;

use super::reply::{Refusal, TooLarge, Wait, is_too_large};
use super::volatile::Source;
use super::{Context, Turn, receipts, volatile};
use crate::admission::identity::Identity;
use crate::clock::Wall;
use crate::failure::FailureKind;
use crate::log::Outcome;
use crate::log::key::{GroupKey, Scope, UserKey};
use crate::log::store::{Append, Appended, Flags, StoreError, Target, Write, Written};
use crate::net::bare::Key;
use crate::net::id::ConnectionId;
use crate::registry::hooks::{Sender, Verdict};
use crate::settings::ms;
use crate::shard::connection::Connection;
use crate::shard::letter::{Asked, ReplyTo, SentTo, Ticket};
use crate::shard::stages::Stages;
use crate::shard::state::{State, User};

/// Messages of one connection that may be on their way to the log; beyond, it is not read.
const WRITING: u32 = 1024;

impl Turn<'_> {
    /// Takes a message from a connection.
    pub(crate) fn send(&mut self, id: ConnectionId, mut message: Message<'_>) -> Result<(), Refusal> {
        let State { connections, users, stages, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return Ok(()) };
        let Some(user) = users.get_mut(&connection.identity.user) else { return Ok(()) };
        let cx = &mut *self.cx;
        match check(cx, connection, user, &message) {
            Ok(()) => {}
            Err(Checked::Refused(code, reason)) => {
                connection.forget_sent(|| Key::of_message(&message));
                connection.refuse(&message.message_id, code, reason);
                return Ok(());
            }
            Err(Checked::Field(FieldError { field, reason })) => {
                connection.forget_sent(|| Key::of_message(&message));
                let code = if matches!(field, "receiver" | "group_ids") {
                    ErrorCode::TargetMissing
                } else {
                    ErrorCode::InvalidFormat
                };
                connection.refuse(&message.message_id, code, &format!("{field}: {reason}"));
                return Ok(());
            }
            Err(Checked::Wait(_)) if message.is_volatile() => {
                connection.report(cx, FailureKind::QueueFull, "volatile message over the rate");
                return Ok(());
            }
            Err(Checked::Wait(wait)) => return Err(Refusal::Wait(wait)),
        }
        stamp(&mut message, &connection.identity, &connection.device, cx.wall);
        if cx.node().hooks.on_message.is_some() {
            self.ask_application(id, message.into_owned());
        } else {
            connection.route(cx, stages, &message);
        }
        Ok(())
    }

    /// Lets the application decide. The connection waits meanwhile, so that nothing overtakes.
    fn ask_application(&mut self, id: ConnectionId, message: Message<'static>) {
        let State { connections, wheel, .. } = &mut *self.state;
        let Some(connection) = connections.get_mut(id) else { return };
        let cx = &mut *self.cx;
        let sender = Sender {
            identity: (*connection.identity).clone(),
            device: Arc::clone(&connection.device),
            connection_id: Arc::clone(&connection.name),
        };
        connection.begin_deciding(cx.now);
        connection.schedule(wheel, cx);
        let shard = Rc::clone(&cx.shard);
        cx.spawn(id, async move {
            let (message_id, key) = (message.message_id.clone().into_owned(), Key::of_message(&message));
            // A decision that does not come is given up, or what waits for it would stay for ever; the connection is
            // closed within a second of it and sends the message again.
            let patience = shard.node.settings.peer.stall;
            let decision = tokio::time::timeout(patience, shard.node.hooks.message(&sender, message));
            if let Ok(verdict) = decision.await {
                shard.step(id, move |turn| turn.decided(id, &message_id, key, verdict));
            }
        });
    }

    /// The application has decided about a message.
    fn decided(&mut self, id: ConnectionId, message_id: &str, key: Key, verdict: Verdict) {
        let State { connections, stages, .. } = &mut *self.state;
        let (Some(connection), cx) = (connections.get_mut(id), &mut *self.cx) else { return };
        connection.end_deciding(cx.now);
        connection.wake();
        match verdict {
            Verdict::Route(mut message) => match data_object(&message.data).map(Cow::into_owned) {
                Ok(data) => {
                    message.data = data.into();
                    connection.route(cx, stages, &message);
                }
                Err(error) => connection.refuse(message_id, ErrorCode::InvalidFormat, &error.to_string()),
            },
            Verdict::Handled if connection.bare.is_none() => {
                connection.write(&HubFrame::Accepted(Accepted {
                    message_id: message_id.into(),
                    stream: None,
                    seq_no: 0,
                    duplicate: false,
                    create_at: time::format(cx.wall.ms()).into(),
                }));
            }
            Verdict::Handled => {}
            Verdict::Refuse(code, reason) => {
                connection.forget_sent(|| key);
                connection.refuse(message_id, code, &reason);
            }
        }
        cx.touch(connection);
    }

    /// Tells a connection what became of its message.
    pub(super) fn sent(&mut self, ticket: &Ticket, outcome: Outcome) {
        let waited = ticket.sender.as_ref().map(|sender| self.state.stages.end(sender, &ticket.message_id));
        let outcome = self.tell_sender(ticket, outcome);
        // After the answer: no stage comes before the first.
        for receipt in waited.into_iter().flatten() {
            receipts::tell(self, &receipt);
        }
        if let Some(error) = outcome {
            // Not answered: the client sends it again, and it is accepted or not then.
            tracing::debug!(%error, "a message could not be stored");
            self.close(ticket.connection, CloseCode::TryAgainLater, "retry_after_ms=5000");
        }
    }

    /// Writes the answer to a message; gives back why there is none.
    fn tell_sender(&mut self, ticket: &Ticket, outcome: Outcome) -> Option<StoreError> {
        let (connection, cx) = self.with(ticket.connection)?;
        connection.writing -= 1;
        if connection.writing == WRITING / 2 || connection.has_hung_up() {
            connection.wake();
        }
        match outcome {
            Ok(written) => connection.written(ticket, &written),
            // Only the application can have made it so.
            Err(StoreError::Invalid(reason)) => {
                connection.refuse(&ticket.message_id, ErrorCode::InvalidFormat, &reason);
            }
            Err(error) => {
                connection.report(cx, FailureKind::SendFailure, "the store refused");
                return Some(error);
            }
        }
        cx.touch(connection);
        None
    }
}

/// Whether a message may be sent now.
fn check(
    cx: &Context,
    connection: &Connection,
    user: &mut User,
    message: &Message<'_>,
) -> Result<(), Checked> {
    message.validate().map_err(Checked::Field)?;
    let (may, node) = (&connection.identity.capabilities, cx.node());
    let destination = message.destination().map_err(Checked::Field)?;
    let allowed = match destination {
        Destination::Broadcast => may.broadcast,
        _ => may.send,
    };
    if !allowed {
        return Err(Checked::Refused(ErrorCode::PermissionDenied, "the token does not allow this"));
    }
    match destination {
        Destination::Application if node.hooks.on_message.is_none() => {
            let reason = "names no receiver, group or broadcast, and no application takes it";
            return Err(Checked::Refused(ErrorCode::TargetMissing, reason));
        }
        Destination::Group(group) if !user.groups.contains(group) && message.is_volatile() => {
            return Err(Checked::Refused(ErrorCode::GroupNotFound, ErrorCode::GroupNotFound.text()));
        }
        _ => {}
    }
    if !message.is_volatile() {
        if node.log.is_broken() {
            return Err(Checked::Wait(Wait { ms: 1000, for_store: true }));
        }
        if node.log.is_busy() || connection.writing >= WRITING {
            return Err(Checked::Wait(Wait { ms: 10, for_store: true }));
        }
    }
    if may.unlimited {
        return Ok(());
    }
    let receiver = match destination {
        Destination::User(receiver) => Some(receiver),
        _ => None,
    };
    let (bytes, first_contacts) = (message.size_hint() as u64, node.settings.limits.first_contacts);
    let slow = |ms| Checked::Wait(Wait { ms, for_store: false });
    user.allowance.spend(bytes, receiver, first_contacts, cx.now).map_err(slow)
}

impl Connection {
    /// Sends a message that was checked and stamped to its target.
    fn route(&mut self, cx: &mut Context, stages: &mut Stages, message: &Message<'_>) {
        let Some(target) = target_of(&self.identity.user.scope, message) else {
            self.forget_sent(|| Key::of_message(message));
            return self.refuse(&message.message_id, ErrorCode::TargetMissing, "names no target");
        };
        let sent = self.bare.as_mut().map(|bare| {
            let key = Key::of(&target, &message.message_id);
            // The application may have given it another target or id.
            let keep_ms = ms(cx.node().settings.retention.dedupe);
            bare.own.remember(key, digest(message), cx.wall.ms(), keep_ms);
            key
        });
        let accepted = if message.is_volatile() {
            self.route_volatile(cx, target, message)
        } else {
            self.append(cx, stages, target, message)
        };
        if accepted.is_err() {
            self.forget_sent(|| sent.unwrap_or_else(|| Key::of_message(message)));
            let code = ErrorCode::MessageTooLarge;
            self.refuse(&message.message_id, code, code.text());
        }
    }

    fn route_volatile(
        &mut self,
        cx: &Context,
        target: Target,
        message: &Message<'_>,
    ) -> Result<(), TooLarge> {
        let is_exclusive = *self.claim() == self.device;
        let source = Source { address: cx.address(self.id), is_exclusive };
        volatile::send(cx.node(), target, message, Some(source))?;
        if message.require_ack && self.bare.is_none() {
            self.write(&HubFrame::Accepted(Accepted {
                message_id: message.message_id.as_ref().into(),
                stream: None,
                seq_no: 0,
                duplicate: false,
                create_at: "".into(),
            }));
        }
        Ok(())
    }

    fn append(
        &mut self,
        cx: &mut Context,
        stages: &mut Stages,
        target: Target,
        message: &Message<'_>,
    ) -> Result<(), TooLarge> {
        let stream = match &target {
            Target::User(_) => SentTo::Inbox,
            Target::Group(group) => SentTo::Group(Arc::clone(&group.group)),
            Target::Broadcast(_) => SentTo::Broadcast,
        };
        let (user, device) = (Arc::clone(&self.identity.user.user), Arc::clone(&self.device));
        let append = append_of(target, user, device, message, self.bare.is_none(), cx.wall);
        if is_too_large(append.body.len(), &cx.node().settings) {
            return Err(TooLarge);
        }
        let message_id = Arc::clone(&append.message_id);
        let sender = cx.node().router.cluster.is_some().then(|| self.identity.user.clone());
        if let Some(sender) = &sender {
            stages.begin(sender, &message_id);
        }
        let ticket = Ticket { connection: self.id, message_id, stream, create_at: append.now, sender };
        self.writing += 1;
        let shard = cx.shard.id;
        cx.write(Write::Append(append), ReplyTo::Shard(shard, Asked::Send(ticket)));
        Ok(())
    }

    /// Tells what became of a message.
    fn written(&mut self, ticket: &Ticket, written: &Written) {
        let (id, Written::Append(appended)) = (&*ticket.message_id, written) else { return };
        match appended {
            Appended::Stored { seq, own_seq } => {
                self.accept(ticket, own_seq.unwrap_or(*seq), false, ticket.create_at);
            }
            Appended::Duplicate { seq, own_seq, create_at } => {
                self.accept(ticket, own_seq.unwrap_or(*seq), true, *create_at);
            }
            Appended::Conflict => {
                self.refuse(id, ErrorCode::MessageIdReused, ErrorCode::MessageIdReused.text());
            }
            Appended::NotMember => {
                if let SentTo::Group(group) = &ticket.stream {
                    let group = GroupKey::new(&self.identity.user.scope, group);
                    self.forget_sent(|| Key::of(&Target::Group(group), id));
                }
                self.refuse(id, ErrorCode::GroupNotFound, ErrorCode::GroupNotFound.text());
            }
            // Of a read mark, which is no connection's message.
            Appended::Obsolete => {}
        }
    }

    /// A message was refused: on a bare connection its id may be used again.
    fn forget_sent(&mut self, key: impl FnOnce() -> Key) {
        if let Some(bare) = &mut self.bare {
            bare.own.forget(&key());
        }
    }

    fn accept(&mut self, ticket: &Ticket, seq_no: u64, duplicate: bool, create_at: u64) {
        if self.bare.is_some() {
            return;
        }
        let stream = match &ticket.stream {
            SentTo::Inbox => StreamName::Inbox,
            SentTo::Group(group) => StreamName::group(group),
            SentTo::Broadcast => StreamName::Broadcast,
        };
        self.write(&HubFrame::Accepted(Accepted {
            message_id: (&*ticket.message_id).into(),
            stream: Some(stream),
            seq_no,
            duplicate,
            create_at: time::format(create_at).into(),
        }));
    }
}

enum Checked {
    Refused(ErrorCode, &'static str),
    Field(FieldError),
    Wait(Wait),
}

/// Overwrites what is the hub's to say, whatever the client wrote.
pub(crate) fn stamp(message: &mut Message<'_>, identity: &Identity, device: &Arc<str>, wall: Wall) {
    message.sender = identity.user.user.to_string().into();
    message.sender_type = identity.user_type.to_string().into();
    message.sender_client = device.to_string().into();
    message.create_at = time::format(wall.ms()).into();
    (message.seq_no, message.stream) = (0, None);
    (message.source, message.request_id) = ("".into(), "".into());
    message.observed = false;
}

/// Where a message goes; `None`: to the application only.
pub(crate) fn target_of(scope: &Scope, message: &Message<'_>) -> Option<Target> {
    match message.destination().ok()? {
        Destination::User(user) => Some(Target::User(UserKey::new(scope, user))),
        Destination::Group(group) => Some(Target::Group(GroupKey::new(scope, group))),
        Destination::Broadcast => Some(Target::Broadcast(scope.clone())),
        Destination::Application => None,
    }
}

/// What the log gets of a message.
pub(crate) fn append_of(
    target: Target,
    sender: Arc<str>,
    device: Arc<str>,
    message: &Message<'_>,
    dedupe: bool,
    wall: Wall,
) -> Append {
    let body = EntryBody::of(message);
    let now = wall.ms();
    Append {
        copy_to_sender: matches!(target, Target::User(_)),
        require_member: matches!(target, Target::Group(_)),
        target,
        sender,
        device,
        message_id: message.message_id.as_ref().into(),
        dedupe,
        digest: digest(message),
        flags: Flags::default()
            .with(Flags::REQUIRE_ACK, message.require_ack)
            .with(Flags::STORE_ONLY, message.skip_send_to_client)
            .with(Flags::BINARY, body.binary),
        body: Bytes::from(body.bytes),
        only_device: message.receiver_client.as_ref().into(),
        expires_at: message.expires_in_ms.map_or(0, |left| now.saturating_add(left)),
        passes_on: None,
        now,
    }
}

/// What must be the same when a message is sent again: type, content, data, payload.
pub(crate) fn digest(message: &Message<'_>) -> [u8; 16] {
    let mut hash = Xxh3::new();
    let payload = message.payload.as_deref().unwrap_or_default();
    for part in
        [message.message_type.as_bytes(), message.content.as_bytes(), message.data.as_bytes(), payload]
    {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.digest128().to_le_bytes()
}
