//! Read marks on their way to the user's other devices: at most one a second for each conversation, the last always.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use wsc_core::frame::{EntryBody, ObjectWriter};
use wsc_core::{Message, time};

use super::clock;
use super::node::Node;
use super::shard::Shard;
use crate::admission::identity::Identity;
use crate::log::ReplyTo;
use crate::log::key::UserKey;
use crate::log::store::{Append, Conversation, Flags, Target, Write};

/// A mark that may not be passed on yet, or was passed on within the last second.
pub(crate) struct Mark {
    due: u64,
    /// The position to be passed on; `None`: nothing new since the last.
    waiting: Option<(Rc<Identity>, Arc<str>, u64)>,
}

const APART_MS: u64 = 1000;
/// Marks that a hub which begins passes on for the one before: those of its last second.
const LEFT: usize = 100_000;

/// Passes a mark on, now or in a second.
pub(crate) fn pass_on(
    shard: &Rc<Shard>,
    identity: &Rc<Identity>,
    device: &Arc<str>,
    conversation: &Conversation,
    seq: u64,
) {
    let now = shard.now();
    let mut state = shard.state.borrow_mut();
    let key = (identity.user.clone(), conversation.clone());
    match state.marks.get_mut(&key) {
        Some(mark) => mark.waiting = Some((Rc::clone(identity), Arc::clone(device), seq)),
        None => {
            state.marks.insert(key, Mark { due: now + APART_MS, waiting: None });
            drop(state);
            append(shard, identity, device, conversation, seq);
        }
    }
}

impl Shard {
    /// Passes on the marks whose second is over, or all that wait.
    pub(crate) fn pass_on_marks(self: &Rc<Self>, all: bool) {
        let now = self.now();
        let mut due = Vec::new();
        self.state.borrow_mut().marks.retain(|(_, conversation), mark| {
            if mark.due > now && !all {
                return true;
            }
            let Some(waiting) = mark.waiting.take() else { return false };
            mark.due = now + APART_MS;
            due.push((waiting, conversation.clone()));
            true
        });
        for ((identity, device, seq), conversation) in due {
            append(self, &identity, &device, &conversation, seq);
        }
    }
}

/// Passes on what a hub before this one could not.
pub(crate) async fn pass_on_left(node: &Node) {
    let left = match node.log.store.waiting_marks(LEFT).await {
        Ok(left) => left,
        Err(error) => return tracing::warn!(%error, "read marks of before could not be read"),
    };
    let writes = left.into_iter().map(|mark| {
        let entry = entry(&mark.user, "", &mark.device, &mark.conversation, mark.seq);
        (entry, ReplyTo::Nobody)
    });
    node.log.submit(writes.collect());
}

fn append(
    shard: &Rc<Shard>,
    identity: &Rc<Identity>,
    device: &Arc<str>,
    conversation: &Conversation,
    seq: u64,
) {
    let entry = entry(&identity.user, &identity.user_type, device, conversation, seq);
    shard.write(entry, ReplyTo::Nobody);
}

/// The inbox entry that tells a user's devices of a mark.
fn entry(user: &UserKey, user_type: &str, device: &Arc<str>, conversation: &Conversation, seq: u64) -> Write {
    let mut data = String::new();
    let mut writer = ObjectWriter::new(&mut data);
    match conversation {
        Conversation::Peer(peer) => writer.text("stream", "inbox").text("peer", peer),
        Conversation::Group(group) => writer.text("stream", &format!("group:{group}")),
    };
    writer.count("seq_no", seq).end();
    let (id, now) = (uuid::Uuid::now_v7().to_string(), clock::wall());
    let message = Message {
        message_type: "read".into(),
        message_id: id.as_str().into(),
        sender: (&*user.user).into(),
        sender_type: user_type.into(),
        sender_client: (&**device).into(),
        receiver: (&*user.user).into(),
        create_at: time::format(now).into(),
        data: data.into(),
        ..Message::default()
    };
    Write::Append(Append {
        target: Target::User(user.clone()),
        sender: Arc::clone(&user.user),
        device: Arc::clone(device),
        copy_to_sender: false,
        require_member: false,
        body: Bytes::from(EntryBody::of(&message).bytes),
        message_id: id.into(),
        dedupe: false,
        digest: [0; 16],
        flags: Flags::INTERNAL,
        only_device: "".into(),
        expires_at: 0,
        passes_on: Some(Box::new((conversation.clone(), seq))),
        now,
    })
}
