//! Read marks on their way to the user's other devices: at most one a second for each conversation, the last always.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use wsc_core::frame::{EntryBody, ObjectWriter};
use wsc_core::{Message, time};

use super::node::Node;
use super::{Context, Turn};
use crate::admission::identity::Identity;
use crate::clock;
use crate::log::key::UserKey;
use crate::log::store::{Append, Conversation, Flags, Target, Write};
use crate::shard::letter::ReplyTo;
use crate::shard::marks::Mark;

const APART_MS: u64 = 1000;
/// Marks that a hub which begins passes on for the one before: those of its last second.
const LEFT: usize = 100_000;

impl Turn<'_> {
    /// Passes a mark on, now or in a second.
    pub(super) fn pass_on(
        &mut self,
        identity: &Rc<Identity>,
        device: &Arc<str>,
        conversation: &Conversation,
        seq: u64,
    ) {
        let due = self.cx.now.after(APART_MS);
        let key = (identity.user.clone(), conversation.clone());
        match self.state.marks.get_mut(&key) {
            Some(mark) => mark.waiting = Some((Rc::clone(identity), Arc::clone(device), seq)),
            None => {
                self.state.marks.insert(key, Mark { due, waiting: None });
                append(self.cx, identity, device, conversation, seq);
            }
        }
    }

    /// Passes on the marks whose second is over, or all that wait.
    pub(super) fn pass_on_marks(&mut self, all: bool) {
        let cx = &mut *self.cx;
        self.state.marks.retain(|(_, conversation), mark| {
            if mark.due > cx.now && !all {
                return true;
            }
            let Some((identity, device, seq)) = mark.waiting.take() else { return false };
            mark.due = cx.now.after(APART_MS);
            append(cx, &identity, &device, conversation, seq);
            true
        });
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
    // The log begins: it takes them.
    drop(node.log.submit(writes.collect(), &node.log.generations()));
}

fn append(
    cx: &mut Context,
    identity: &Rc<Identity>,
    device: &Arc<str>,
    conversation: &Conversation,
    seq: u64,
) {
    let entry = entry(&identity.user, &identity.user_type, device, conversation, seq);
    cx.write(entry, ReplyTo::Nobody);
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
    let (id, now) = (uuid::Uuid::now_v7().to_string(), clock::wall().ms());
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
