//! Receipts: hints that a message reached a stage, to the devices of its sender.

use std::sync::Arc;

use wsc_core::frame::HubFrame;

use super::node::Node;
use super::{Context, Turn};
use crate::log::Outcome;
use crate::log::key::{StreamKey, UserKey};
use crate::log::store::{Delivered, KnownEpochs, Write, Written};
use crate::net::encode;
use crate::registry::pending::Stage;
use crate::shard::connection::Connection;
use crate::shard::hint::{Hint, Receipt};
use crate::shard::letter::{Asked, Owed, ReplyTo};
use crate::shard::notes::OwedReceipt;

/// Maximum of ids in one frame.
const IDS_A_FRAME: usize = 256;
/// What an id may take in it: 64 bytes, each escaped, quotes and a comma.
const ID_BYTES: usize = 131;

/// A device acknowledged entries whose senders want to hear of it. They hear when it is kept, and if no device of the
/// user was before it: the store alone knows that.
pub(super) fn deliver(
    cx: &mut Context,
    connection: &mut Connection,
    ranges: Vec<(StreamKey, u64, u64)>,
    epochs: KnownEpochs,
    receipts: Vec<OwedReceipt>,
) {
    let asked = receipts.iter().map(|receipt| (receipt.seq, Arc::clone(&receipt.sender))).collect();
    let write = Delivered { user: connection.identity.user.clone(), ranges, asked, epochs };
    connection.keeping += 1;
    let (id, user, device) =
        (connection.id, connection.identity.user.clone(), Arc::clone(&connection.device));
    let owed = Owed { connection: id, receiver: user, device, receipts };
    let reply = ReplyTo::Shard(cx.shard.id, Asked::Delivered(Box::new(owed)));
    cx.write(Write::Delivered(write), reply);
}

impl Turn<'_> {
    /// It is kept what was delivered; or not.
    pub(super) fn delivered(&mut self, owed: Owed, outcome: Outcome) {
        let Owed { connection, receiver, device, mut receipts } = owed;
        match outcome {
            Ok(Written::Delivered(fresh)) => {
                if let Some((connection, _)) = self.with(connection) {
                    connection.keeping = connection.keeping.saturating_sub(1);
                }
                receipts.retain(|receipt| fresh.contains(&receipt.seq));
                delivered(self.cx.node(), &receiver, &device, receipts);
            }
            outcome => self.kept(connection, &outcome),
        }
    }
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
    let now;
    let receipt = if turn.state.is_shared {
        let Some(told) = turn.state.stages.tell(receipt) else { return };
        now = told;
        &now
    } else {
        receipt
    };
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
