//! Receipts: hints that a message reached a stage, to the devices of its sender.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;
use wsc_core::frame::{HubFrame, Receipt};

use super::node::Node;
use super::notes::OwedReceipt;
use super::shard::{Letter, Shard};
use super::volatile::text_frame;
use crate::log::ReplyTo;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::{Delivered, Write, Written};

/// Maximum of ids in one frame.
const IDS_A_FRAME: usize = 256;
/// What an id may take in it: 64 bytes, each escaped, quotes and a comma.
const ID_BYTES: usize = 131;

/// A device acknowledged entries whose senders want to hear of it. They hear when it is kept, and if no device of the
/// user was before it: the store alone knows that.
pub(crate) fn deliver(
    shard: &Rc<Shard>,
    user: UserKey,
    device: Arc<str>,
    ranges: Vec<(StreamKey, u64, u64)>,
    mut owed: Vec<OwedReceipt>,
) {
    let asked = owed.iter().map(|receipt| (receipt.seq, Arc::clone(&receipt.sender))).collect();
    let (reply, answer) = oneshot::channel();
    let write = Delivered { user: user.clone(), ranges, asked };
    shard.write(Write::Delivered(write), ReplyTo::Task(reply));
    let node = Arc::clone(&shard.node);
    tokio::task::spawn_local(async move {
        if let Ok(Ok(Written::Delivered(fresh))) = answer.await {
            owed.retain(|receipt| fresh.contains(&receipt.seq));
            delivered(&node, &user, &device, owed);
        }
    });
}

/// The first device of a receiver acknowledged these messages.
fn delivered(node: &Node, receiver: &UserKey, device: &Arc<str>, owed: Vec<OwedReceipt>) {
    let mut by_sender: Vec<(Arc<str>, Vec<Arc<str>>)> = Vec::new();
    for receipt in owed {
        node.waiters.delivered(receiver, &receipt.sender, &receipt.message_id);
        match by_sender.iter_mut().find(|(sender, _)| *sender == receipt.sender) {
            Some((_, ids)) => ids.push(receipt.message_id),
            None => by_sender.push((receipt.sender, vec![receipt.message_id])),
        }
    }
    for (sender, ids) in by_sender {
        tell(node, receiver, &sender, device, &ids, false);
    }
}

/// The receiver has read these messages of one sender.
pub(crate) fn read(node: &Node, receiver: &UserKey, sender: &Arc<str>, ids: &[Arc<str>]) {
    ids.iter().for_each(|id| node.waiters.read(receiver, sender, id));
    tell(node, receiver, sender, &"".into(), ids, true);
}

fn tell(node: &Node, receiver: &UserKey, sender: &Arc<str>, device: &Arc<str>, ids: &[Arc<str>], read: bool) {
    let to = UserKey { scope: receiver.scope.clone(), user: Arc::clone(sender) };
    let most = (node.settings.frame_limit / ID_BYTES).clamp(1, IDS_A_FRAME);
    for ids in ids.chunks(most) {
        let frame = text_frame(&HubFrame::Receipt(Receipt {
            read,
            receiver: (&*receiver.user).into(),
            receiver_client: (&**device).into(),
            message_ids: ids.iter().map(|id| (&**id).into()).collect(),
        }));
        node.shards.send(node.shards.home(&to), Letter::ToUser(to.clone(), frame));
    }
}
