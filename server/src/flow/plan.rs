//! What the log is asked to attach a device with, and what that may take beside the one write: headers of entries, a new
//! epoch, a store that can only be read. Touches no shard and no socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wsc_core::{StreamKind, limits};

use super::node::Node;
use crate::clock::Wall;
use crate::log::attach::decide;
use crate::log::key::{GroupKey, StreamKey, UserKey};
use crate::log::store::{
    Attach, AttachOutcome, Attachment, ClaimChange, InboxDelivered, Join, JoinBy, OpenedStream, RequestId,
    StoreError, Target, Write,
};
use crate::net::entry::stream_name;
use crate::shard::attaching::Retry;
use crate::shard::letter::Arrival;

/// Headers read at a time.
const HEADERS: usize = 2000;

/// The write that attaches an arrival, with what the answers before asked for. `connected`: devices of the user that are connected, this one among them.
pub(super) fn attach_of(
    node: &Node,
    arrival: &Arrival,
    retry: &Retry,
    connected: Vec<Arc<str>>,
    wall: Wall,
) -> Attach {
    let (identity, now) = (&arrival.identity, wall.ms());
    let scope = &identity.user.scope;
    let group_of = |group: &Arc<str>| GroupKey { scope: scope.clone(), group: Arc::clone(group) };
    let join = |group: &Arc<str>| Join {
        group: group_of(group),
        user: Arc::clone(&identity.user.user),
        by: JoinBy::Claim { issued_at: identity.issued_at },
        max_groups: node.settings.limits.groups,
        request: RequestId::new(),
        now,
    };
    let cursors = arrival.cursors.iter().map(|(name, cursor)| {
        let stream = match name.kind() {
            StreamKind::Inbox => StreamKey::Inbox(identity.user.clone()),
            StreamKind::Broadcast => StreamKey::Broadcast(scope.clone()),
            StreamKind::Group(group) => StreamKey::Group(GroupKey::new(scope, group)),
        };
        (stream, cursor.clone())
    });
    Attach {
        user: identity.user.clone(),
        device: Arc::clone(&arrival.device),
        joins: identity.groups.iter().filter(|_| !retry.has_joined).map(join).collect(),
        cursors: cursors.collect(),
        groups: arrival.groups.as_ref().map(|groups| groups.iter().cloned().collect()),
        max_streams: limits::GROUPS + 2,
        at_head: arrival.at_head || (arrival.device.is_empty() && arrival.bare.is_none()),
        begins_anew: retry.begins_anew,
        delivered: retry.delivered.clone(),
        now,
        // Of an invisible user others learn when it last was visible.
        visible: node.presence.seen_at(&identity.user),
        max_devices: node.settings.limits.devices,
        connected,
        claim: match &node.router.cluster {
            None => ClaimChange::Keep,
            Some(cluster) => ClaimChange::Take {
                incarnation: cluster.incarnation,
                connection: Arc::clone(&arrival.name),
                is_exclusive: arrival.is_exclusive(),
                sent_ms: arrival.sent_ms,
            },
        },
    }
}

/// What an attach decides where nothing can be written: nothing is kept of it.
pub(super) async fn read_only(node: &Node, mut attach: Attach) -> Result<Attachment, StoreError> {
    attach.begins_anew = true;
    let device = (!attach.device.is_empty()).then_some(&*attach.device);
    let opened = node.log.store.open(&attach.user, device).await?;
    // What is delivered cannot be kept either.
    let inbox = opened.streams.iter().find(|opened| matches!(opened.stream, StreamKey::Inbox(_)));
    attach.delivered = inbox.map(|inbox| InboxDelivered {
        epoch: Arc::clone(&inbox.epoch),
        after: 0,
        to: inbox.head,
        ranges: Vec::new(),
    });
    match decide(&attach, opened).outcome {
        AttachOutcome::Ready(attachment) => Ok(attachment),
        _ => Err(StoreError::Closed),
    }
}

/// What was delivered by acknowledging a user's inbox after one position up to another: all but what was for another
/// device, which this one only passed over.
pub(super) async fn headers_of(
    node: &Node,
    user: &UserKey,
    device: &Arc<str>,
    mut after: u64,
    to: u64,
) -> Result<Vec<(u64, u64)>, StoreError> {
    let inbox = StreamKey::Inbox(user.clone());
    let mut ranges = Vec::new();
    while after < to {
        let page = node.log.store.headers(&inbox, after + 1, HEADERS).await?;
        let to_others = page.entries.iter().filter(|entry| {
            let mine = matches!(&entry.target, Target::User(target) if target == user);
            let narrowed = !entry.only_device.is_empty() && entry.only_device != *device;
            let own = entry.sender == user.user && entry.device == *device;
            entry.seq <= to && mine && (narrowed || own)
        });
        for entry in to_others {
            ranges.push((after, entry.seq - 1));
            after = entry.seq;
        }
        let next = page.next.clamp(after + 1, to + 1);
        ranges.push((after, next - 1));
        after = next - 1;
    }
    ranges.retain(|(after, to)| after < to);
    Ok(ranges)
}

/// A device has seen more of a stream than there is: the store was put back to an earlier time, which nobody told it.
/// Positions given since may be other messages to whoever comes later, so a new epoch begins for all. `false`: none did.
pub(super) async fn begin_epoch(
    node: &Node,
    user: &UserKey,
    device: &Arc<str>,
    stream: &OpenedStream,
) -> bool {
    if node.went_back.swap(true, Ordering::Relaxed) {
        return false;
    }
    let name = stream_name(&stream.stream);
    tracing::error!(
        user = &*user.user,
        device = &**device,
        stream = name.as_str(),
        head = stream.head,
        "a device has seen more than the store has: its directory was put back to an earlier time; a new epoch begins. \
         After restoring a copy, start once with --restored"
    );
    let write = Write::BeginEpoch { stream: stream.stream.clone(), ended: Arc::clone(&stream.epoch) };
    if let Err(error) = node.log.write(write).await {
        tracing::error!(%error, "the new epoch could not be begun");
        node.went_back.store(false, Ordering::Relaxed);
        return false;
    }
    true
}
