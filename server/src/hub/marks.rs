//! Read marks on their way to the user's other devices: at most one a second for each conversation, the last always.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use wsc_core::Message;
use wsc_core::frame::{EntryBody, ObjectWriter};

use super::clock;
use super::send::stamp;
use super::shard::Shard;
use crate::admission::identity::Identity;
use crate::log::ReplyTo;
use crate::log::store::{Append, Conversation, Flags, Target, Write};

/// A mark that may not be passed on yet, or was passed on within the last second.
pub(crate) struct Mark {
    due: u64,
    /// The position to be passed on; `None`: nothing new since the last.
    waiting: Option<(Rc<Identity>, Arc<str>, u64)>,
}

const APART_MS: u64 = 1000;

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
    /// Passes on the marks whose second is over.
    pub(crate) fn pass_on_marks(self: &Rc<Self>) {
        let now = self.now();
        let mut due = Vec::new();
        self.state.borrow_mut().marks.retain(|(_, conversation), mark| {
            if mark.due > now {
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

fn append(
    shard: &Rc<Shard>,
    identity: &Rc<Identity>,
    device: &Arc<str>,
    conversation: &Conversation,
    seq: u64,
) {
    let mut data = String::new();
    let mut writer = ObjectWriter::new(&mut data);
    match conversation {
        Conversation::Peer(peer) => writer.text("stream", "inbox").text("peer", peer),
        Conversation::Group(group) => writer.text("stream", &format!("group:{group}")),
    };
    writer.count("seq_no", seq).end();
    let id = uuid::Uuid::now_v7().to_string();
    let mut message = Message {
        message_type: "read".into(),
        message_id: id.as_str().into(),
        receiver: identity.user.user.to_string().into(),
        data: data.into(),
        ..Message::default()
    };
    let now = clock::wall();
    stamp(&mut message, identity, device, now);
    let body = EntryBody::of(&message);
    let write = Append {
        target: Target::User(identity.user.clone()),
        sender: Arc::clone(&identity.user.user),
        device: Arc::clone(device),
        copy_to_sender: false,
        require_member: false,
        message_id: id.into(),
        dedupe: false,
        digest: [0; 16],
        body: Bytes::from(body.bytes),
        flags: Flags::INTERNAL,
        only_device: "".into(),
        expires_at: 0,
        now,
    };
    shard.write(Write::Append(write), ReplyTo::Nobody);
}
