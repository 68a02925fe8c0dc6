//! Receipts: hints that a message reached a stage, to the devices of its sender.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;
use wsc_core::frame::HubFrame;

use super::node::Node;
use super::{Context, Turn};
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::{Delivered, Write, Written};
use crate::net::encode;
use crate::registry::pending::Stage;
use crate::shard::hint::{Hint, Receipt};
use crate::shard::letter::ReplyTo;
use crate::shard::notes::OwedReceipt;

/// Maximum of ids in one frame.
const IDS_A_FRAME: usize = 256;
/// What an id may take in it: 64 bytes, each escaped, quotes and a comma.
const ID_BYTES: usize = 131;

/// A device acknowledged entries whose senders want to hear of it. They hear when it is kept, and if no device of the
/// user was before it: the store alone knows that.
pub(super) fn deliver(
    cx: &mut Context,
    user: UserKey,
    device: Arc<str>,
    ranges: Vec<(StreamKey, u64, u64)>,
    mut owed: Vec<OwedReceipt>,
) {
    let asked = owed.iter().map(|receipt| (receipt.seq, Arc::clone(&receipt.sender))).collect();
    let (reply, answer) = oneshot::channel();
    let write = Delivered { user: user.clone(), ranges, asked };
    cx.write(Write::Delivered(write), ReplyTo::Task(reply));
    let shard = Rc::clone(&cx.shard);
    cx.spawn_detached(async move {
        if let Ok(Ok(Written::Delivered(fresh))) = answer.await {
            owed.retain(|receipt| fresh.contains(&receipt.seq));
            delivered(&shard.node, &user, &device, owed);
        }
    });
}

/// The first device of a receiver acknowledged these messages.
fn delivered(node: &Node, receiver: &UserKey, device: &Arc<str>, owed: Vec<OwedReceipt>) {
    let mut by_sender: Vec<(Arc<str>, Vec<Arc<str>>)> = Vec::new();
    for receipt in owed {
        match by_sender.iter_mut().find(|(sender, _)| *sender == receipt.sender) {
            Some((_, ids)) => ids.push(receipt.message_id),
            None => by_sender.push((receipt.sender, vec![receipt.message_id])),
        }
    }
    for (sender, ids) in by_sender {
        send(node, receiver, &sender, device, &ids, false);
    }
}

/// The receiver has read these messages of one sender.
pub(super) fn read(node: &Node, receiver: &UserKey, sender: &Arc<str>, ids: &[Arc<str>]) {
    send(node, receiver, sender, &"".into(), ids, true);
}

fn send(node: &Node, receiver: &UserKey, sender: &Arc<str>, device: &Arc<str>, ids: &[Arc<str>], read: bool) {
    let most = (node.settings.peer.frame / ID_BYTES).clamp(1, IDS_A_FRAME);
    for ids in ids.chunks(most) {
        let receipt = Receipt {
            sender: UserKey { scope: receiver.scope.clone(), user: Arc::clone(sender) },
            receiver: Arc::clone(&receiver.user),
            device: Arc::clone(device),
            message_ids: ids.to_vec(),
            read,
        };
        node.router.tell(Hint::Receipt(receipt), None);
    }
}

/// Tells the sender: the application's own waiting sends, and the sender's devices.
pub(super) fn tell(turn: &mut Turn<'_>, receipt: &Receipt) {
    let stage = if receipt.read { Stage::Read } else { Stage::Delivered };
    turn.cx.node().pending.reach(receipt, stage);
    let devices = turn.state.connections_of(&receipt.sender);
    if devices.is_empty() {
        return;
    }
    let frame = encode::text(&HubFrame::Receipt(wsc_core::frame::Receipt {
        read: receipt.read,
        receiver: (&*receipt.receiver).into(),
        receiver_client: (&*receipt.device).into(),
        message_ids: receipt.message_ids.iter().map(|id| (&**id).into()).collect(),
    }));
    for id in devices {
        turn.hand_to(id, &frame);
    }
}
