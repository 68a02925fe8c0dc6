//! A message on its way in: may it be sent, whose is it, where does it go.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wsc_core::frame::{Accepted, EntryBody, HubFrame, data_object};
use wsc_core::message::{Destination, FieldError};
use wsc_core::{ErrorCode, Message, StreamName, limits, time};
use xxhash_rust::xxh3::Xxh3;

use super::clock;
use super::failure::{Failure, FailureKind};
use super::hooks::{Sender, Verdict};
use super::inbound::Refusal;
use super::shard::{SentTo, Shard, Ticket};
use super::state::{Connection, State, User};
use crate::Settings;
use crate::admission::identity::Identity;
use crate::connection::bare::Key;
use crate::log::key::{GroupKey, Scope, UserKey};
use crate::log::store::{Append, Appended, Flags, StoreError, Target, Write, Written};
use crate::log::{Outcome, ReplyTo};

/// Messages of one connection that may be on their way to the log; beyond, it is not read.
const WRITING: u32 = 1024;

/// What handing a message out may add to what is encoded when it is accepted, in bytes: stream, position, source and
/// request at most 464, `observed` 16, what bare clients always get at most 900.
pub(crate) const ADDED: usize = 1536;

/// Whether a message of this encoded length, without its place, could exceed what a client must be ready to take. What a
/// client sends in a frame within its limit never does: the hub adds less to it than the margin.
pub(crate) fn is_too_large(encoded: usize, settings: &Settings) -> bool {
    encoded + ADDED > settings.frame_limit + limits::FRAME_MARGIN
}

/// How long a frame must wait, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) ms: u64,
    /// For the store, rather than for the sender's budget.
    pub(crate) store: bool,
}

impl Shard {
    /// Takes a message from a connection.
    pub(crate) fn send(
        self: &Rc<Self>,
        place: u32,
        generation: u32,
        message: Message<'_>,
    ) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        let now = state.clock.tick();
        let State { connections, users, .. } = &mut *state;
        let Some(connection) =
            connections.get_mut(place as usize).filter(|found| found.generation == generation)
        else {
            return Ok(());
        };
        let user = users.get_mut(&connection.identity.user);
        let Some(user) = user else { return Ok(()) };
        match self.check(connection, user, &message, now) {
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
                self.node.failed(Failure::of(
                    FailureKind::QueueFull,
                    connection,
                    "volatile message over the rate",
                ));
                return Ok(());
            }
            Err(Checked::Wait(wait)) => return Err(Refusal::Wait(wait)),
        }
        let identity = Rc::clone(&connection.identity);
        let device = Arc::clone(&connection.device);
        let mut message = message;
        stamp(&mut message, &identity, &device, clock::wall());
        if self.node.hooks.on_message.is_some() {
            return self.ask_application(state, place, generation, message.into_owned(), &identity, device);
        }
        self.route(connection, place, message)
    }

    /// Whether a message may be sent now.
    fn check(
        &self,
        connection: &Connection,
        user: &mut User,
        message: &Message<'_>,
        now: u64,
    ) -> Result<(), Checked> {
        message.validate().map_err(Checked::Field)?;
        let may = &connection.identity.capabilities;
        let destination = message.destination().map_err(Checked::Field)?;
        let allowed = match destination {
            Destination::Broadcast => may.broadcast,
            _ => may.send,
        };
        if !allowed {
            return Err(Checked::Refused(ErrorCode::PermissionDenied, "the token does not allow this"));
        }
        match destination {
            Destination::Application if self.node.hooks.on_message.is_none() => {
                let reason = "names no receiver, group or broadcast, and no application takes it";
                return Err(Checked::Refused(ErrorCode::TargetMissing, reason));
            }
            Destination::Group(group) if !user.groups.contains(group) && message.is_volatile() => {
                return Err(Checked::Refused(ErrorCode::GroupNotFound, ErrorCode::GroupNotFound.text()));
            }
            _ => {}
        }
        if !message.is_volatile() {
            if self.node.log.is_broken() {
                return Err(Checked::Wait(Wait { ms: 1000, store: true }));
            }
            if self.node.log.is_busy() || connection.writing >= WRITING {
                return Err(Checked::Wait(Wait { ms: 10, store: true }));
            }
        }
        if may.unlimited {
            return Ok(());
        }
        let receiver = match destination {
            Destination::User(receiver) => Some(receiver),
            _ => None,
        };
        let (bytes, first_contacts) = (message.size_hint() as u64, self.node.settings.first_contacts);
        let slow = |ms| Checked::Wait(Wait { ms, store: false });
        user.allowance.spend(bytes, receiver, first_contacts, now).map_err(slow)
    }

    /// Sends a message that was checked and stamped to its target.
    fn route(
        self: &Rc<Self>,
        connection: &mut Connection,
        place: u32,
        message: Message<'_>,
    ) -> Result<(), Refusal> {
        let scope = &connection.identity.user.scope;
        let Some(target) = target_of(scope, &message) else {
            connection.forget_sent(|| Key::of_message(&message));
            connection.refuse(&message.message_id, ErrorCode::TargetMissing, "names no target");
            return Ok(());
        };
        let sent = connection.bare.as_mut().map(|bare| {
            let key = Key::of(&target, &message.message_id);
            // The application may have given it another target or id.
            let keep_ms = self.node.settings.retention.dedupe;
            bare.own.remember(key, digest(&message), clock::wall(), keep_ms);
            key
        });
        if message.is_volatile() {
            let from = self.address(place, connection.generation);
            if super::volatile::send(&self.node, target, &message, Some(from)).is_err() {
                connection.forget_sent(|| sent.unwrap_or_else(|| Key::of_message(&message)));
                let code = ErrorCode::MessageTooLarge;
                connection.refuse(&message.message_id, code, code.text());
                return Ok(());
            }
            if message.require_ack && connection.bare.is_none() {
                connection.say(&HubFrame::Accepted(Accepted {
                    message_id: message.message_id,
                    stream: None,
                    seq_no: 0,
                    duplicate: false,
                    create_at: "".into(),
                }));
            }
            return Ok(());
        }
        let place_of = match &target {
            Target::User(_) => SentTo::Inbox,
            Target::Group(group) => SentTo::Group(Arc::clone(&group.group)),
            Target::Broadcast(_) => SentTo::Broadcast,
        };
        let user = Arc::clone(&connection.identity.user.user);
        let append =
            append_of(target, user, Arc::clone(&connection.device), &message, connection.bare.is_none());
        if is_too_large(append.body.len(), &self.node.settings) {
            connection.forget_sent(|| sent.unwrap_or_else(|| Key::of_message(&message)));
            let code = ErrorCode::MessageTooLarge;
            connection.refuse(&message.message_id, code, code.text());
            return Ok(());
        }
        let ticket = Ticket {
            connection: place,
            generation: connection.generation,
            message_id: Arc::clone(&append.message_id),
            place: place_of,
            create_at: append.now,
        };
        connection.writing += 1;
        self.write(Write::Append(append), ReplyTo::Shard(self.id, ticket));
        Ok(())
    }

    /// Lets the application decide. The connection waits meanwhile, so that nothing overtakes.
    fn ask_application(
        self: &Rc<Self>,
        mut state: std::cell::RefMut<'_, State>,
        place: u32,
        generation: u32,
        message: Message<'static>,
        identity: &Rc<Identity>,
        device: Arc<str>,
    ) -> Result<(), Refusal> {
        let sender = Sender {
            identity: (**identity).clone(),
            device,
            connection_id: state.connections[place as usize].id.clone(),
        };
        let now = state.clock.tick();
        let State { connections, wheel, .. } = &mut *state;
        let found = connections.get_mut(place as usize).filter(|found| found.generation == generation);
        let Some(connection) = found else { return Ok(()) };
        connection.asking += 1;
        connection.asked_at = now;
        self.plan(wheel, connection, place, now);
        drop(state);
        let shard = Rc::clone(self);
        let sent = Key::of_message(&message);
        self.spawn(place, generation, async move {
            let id = message.message_id.clone();
            // A decision that does not come is given up, or what waits for it would stay for ever; the connection is
            // closed within a second of it and sends the message again.
            let patience = Duration::from_millis(shard.node.settings.stall_ms);
            let decision = tokio::time::timeout(patience, shard.node.hooks.message(&sender, message));
            let Ok(verdict) = decision.await else { return };
            let mut state = shard.state.borrow_mut();
            let now = state.clock.tick();
            let Some(connection) = state.connection(place, generation) else { return };
            connection.asking -= 1;
            connection.asked_at = now;
            connection.wake();
            match verdict {
                Verdict::Route(mut message) => match data_object(&message.data).map(Cow::into_owned) {
                    Ok(data) => {
                        message.data = data.into();
                        let _ = shard.route(connection, place, *message);
                    }
                    Err(error) => connection.refuse(&id, ErrorCode::InvalidFormat, &error.to_string()),
                },
                Verdict::Handled if connection.bare.is_none() => {
                    connection.say(&HubFrame::Accepted(Accepted {
                        message_id: id,
                        stream: None,
                        seq_no: 0,
                        duplicate: false,
                        create_at: time::format(clock::wall()).into(),
                    }));
                }
                Verdict::Handled => {}
                Verdict::Refuse(code, reason) => {
                    connection.forget_sent(|| sent);
                    connection.refuse(&id, code, &reason);
                }
            }
            shard.touch(connection, place);
        });
        Ok(())
    }

    /// Tells connections what became of their messages.
    pub(crate) fn outcomes(self: &Rc<Self>, outcomes: Vec<(Ticket, Outcome)>) {
        for (ticket, outcome) in outcomes {
            let mut state = self.state.borrow_mut();
            let Some(connection) = state.connection(ticket.connection, ticket.generation) else { continue };
            connection.writing -= 1;
            if connection.writing == WRITING / 2 || connection.hung_up.is_some() {
                connection.wake();
            }
            let id = &*ticket.message_id;
            match outcome {
                Ok(Written::Append(Appended::Stored { seq, own_seq })) => {
                    connection.accept(&ticket, own_seq.unwrap_or(seq), false, ticket.create_at);
                }
                Ok(Written::Append(Appended::Duplicate { seq, own_seq, create_at })) => {
                    connection.accept(&ticket, own_seq.unwrap_or(seq), true, create_at);
                }
                Ok(Written::Append(Appended::Conflict)) => {
                    connection.refuse(id, ErrorCode::MessageIdReused, ErrorCode::MessageIdReused.text());
                }
                Ok(Written::Append(Appended::NotMember)) => {
                    if let SentTo::Group(group) = &ticket.place {
                        let group = GroupKey::new(&connection.identity.user.scope, group);
                        connection.forget_sent(|| Key::of(&Target::Group(group), id));
                    }
                    connection.refuse(id, ErrorCode::GroupNotFound, ErrorCode::GroupNotFound.text());
                }
                Ok(_) => {}
                // Only the application can have made it so.
                Err(StoreError::Invalid(reason)) => {
                    connection.refuse(id, ErrorCode::InvalidFormat, &reason);
                }
                Err(error) => {
                    let (place, generation) = (ticket.connection, ticket.generation);
                    self.node.failed(Failure::of(FailureKind::SendFailure, connection, "the store refused"));
                    drop(state);
                    let code = wsc_core::CloseCode::TryAgainLater;
                    // Not answered: the client sends it again, and it is accepted or not then.
                    tracing::debug!(%error, "a message could not be stored");
                    self.close(place, generation, code, "retry_after_ms=5000");
                    continue;
                }
            }
            self.touch(connection, ticket.connection);
        }
    }
}

impl Connection {
    /// A message was refused: on a bare connection its id may be used again.
    fn forget_sent(&mut self, key: impl FnOnce() -> Key) {
        if let Some(bare) = &mut self.bare {
            bare.own.forget(&key());
        }
    }

    fn accept(&self, ticket: &Ticket, seq_no: u64, duplicate: bool, create_at: u64) {
        if self.bare.is_some() {
            return;
        }
        let stream = match &ticket.place {
            SentTo::Inbox => StreamName::Inbox,
            SentTo::Group(group) => StreamName::group(group),
            SentTo::Broadcast => StreamName::Broadcast,
        };
        self.say(&HubFrame::Accepted(Accepted {
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
pub(crate) fn stamp(message: &mut Message<'_>, identity: &Identity, device: &Arc<str>, wall: u64) {
    message.sender = identity.user.user.to_string().into();
    message.sender_type = identity.user_type.to_string().into();
    message.sender_client = device.to_string().into();
    message.create_at = time::format(wall).into();
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
) -> Append {
    let body = EntryBody::of(message);
    let now = clock::wall();
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

/// A store error as the wire says it.
pub(crate) fn store_code(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::Closed => ErrorCode::Busy,
        _ => ErrorCode::Temporary,
    }
}
