//! What a connection begins with: its user's streams, and where its device goes on in each. Reads and writes the log;
//! touches no socket.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use wsc_core::limits;

use super::{Handle, Turn};
use super::membership::announce;
use super::node::Node;
use crate::clock;
use crate::log::key::{GroupKey, StreamKey, UserKey};
use crate::log::resume::resume;
use crate::log::store::{
    ClaimChange, Delivered, DeviceStream, DeviceWrite, Join, JoinBy, Joined, OpenedStream, Resume,
    StoreError, Target, Write, Written,
};
use crate::net::entry::{group_of, stream_name};
use crate::shard::letter::{Arrival, ReplyTo};

/// A stream a connection will read.
pub(super) struct Planned {
    pub(super) opened: OpenedStream,
    pub(super) resume: Resume,
}

/// What a connection begins with.
pub(super) struct Plan {
    pub(super) streams: Vec<Planned>,
    /// The groups of its user.
    pub(super) groups: HashSet<Arc<str>>,
    /// Failed attempts of its device in a row.
    pub(super) attempts: u32,
    /// How many entries had been published to the shard before the streams were read.
    pub(super) published: u64,
    /// How often the user's memberships had changed while it attaches, before they were read.
    pub(super) changes: u64,
    /// How many epochs had begun before the streams were read.
    pub(super) epochs: u64,
}

/// Joins the token's groups. What an earlier connection of the device left is written when it returns.
pub(super) async fn join_groups(node: &Node, arrival: &Arrival) -> Result<(), StoreError> {
    let identity = &arrival.identity;
    let now = clock::wall().ms();
    let mut writes = Vec::with_capacity(identity.groups.len());
    let mut joins = Vec::with_capacity(identity.groups.len());
    for group in &identity.groups {
        let group = GroupKey { scope: identity.user.scope.clone(), group: Arc::clone(group) };
        let join = Join {
            group: group.clone(),
            user: Arc::clone(&identity.user.user),
            by: JoinBy::Claim { issued_at: identity.issued_at },
            max_groups: node.settings.groups,
            now,
        };
        let (reply, answer) = tokio::sync::oneshot::channel();
        writes.push((Write::Join(join), ReplyTo::Task(reply)));
        joins.push((group, answer));
    }
    node.log.submit(writes);
    for (group, answer) in joins {
        if let Ok(Ok(Written::Join(Joined::New { .. }))) = answer.await {
            announce(node, &group, &identity.user.user, "joined").await;
        }
    }
    // Answered when all before it is made, and with it what an earlier connection of the device left. A store that
    // cannot write any more still serves readers.
    let see = Write::See { user: identity.user.clone(), visible: node.presence.seen_at(&identity.user) };
    match node.log.write(see).await {
        Ok(_) => {}
        Err(StoreError::Closed) => return Err(StoreError::Closed),
        Err(error) => tracing::debug!(%error, "attaching without writing"),
    }
    Ok(())
}

/// Reads where everything stands, decides where the device goes on, and keeps that.
pub(super) async fn plan_streams(shard: &Rc<Handle>, arrival: &Arrival) -> Result<Plan, StoreError> {
    let (node, identity) = (&shard.node, &arrival.identity);
    let device = (!arrival.device.is_empty()).then_some(&*arrival.device);
    let now = clock::wall().ms();
    loop {
        let (published, changes, epochs) = counts(shard, &identity.user).await?;
        let opened = node.log.store.open(&identity.user, device).await?;
        let groups: HashSet<Arc<str>> =
            opened.streams.iter().filter_map(|opened| group_of(&opened.stream)).collect();
        let attempts = opened.device.as_ref().map_or(0, |device| device.attempts);
        let stored = opened.device.map(|device| device.streams).unwrap_or_default().into_iter();
        let stored: HashMap<StreamKey, DeviceStream> =
            stored.map(|kept| (kept.stream.clone(), kept)).collect();
        let mut planned: Vec<Planned> = Vec::with_capacity(opened.streams.len());
        for opened in opened.streams {
            let unwanted = match (&arrival.groups, group_of(&opened.stream)) {
                (Some(wanted), Some(group)) => !wanted.contains(&group),
                _ => false,
            };
            if unwanted || planned.len() >= limits::GROUPS + 2 {
                continue;
            }
            let name = stream_name(&opened.stream);
            let in_frame = arrival.cursors.get(&name);
            let kept = stored.get(&opened.stream);
            let at_head = arrival.at_head || (device.is_none() && arrival.bare.is_none());
            let resume = resume(&opened, in_frame, kept, at_head);
            planned.push(Planned { opened, resume });
        }
        // Tracks 0 and 1 are the inbox and the broadcast, then groups in order of name.
        planned.sort_by(|one, other| one.opened.stream.cmp(&other.opened.stream));
        planned.sort_by_key(|planned| match planned.opened.stream {
            StreamKey::Inbox(_) => 0,
            StreamKey::Broadcast(_) => 1,
            StreamKey::Group(_) => 2,
        });
        if let Some(ahead) = planned.iter().find(|planned| planned.resume.is_ahead)
            && begin_epoch(node, arrival, &ahead.opened).await
        {
            continue;
        }
        let delivered = unwritten(shard, arrival, &planned).await?;
        if !delivered.ranges.is_empty() {
            node.log.submit(vec![(Write::Delivered(delivered), ReplyTo::Nobody)]);
        }
        if device.is_some() {
            let cursor = |planned: &Planned| (planned.opened.stream.clone(), planned.resume.from - 1);
            let user = identity.user.clone();
            let connected = shard.ask(move |turn| turn.state.connected_devices(&user)).await;
            let mut connected = connected.ok_or(StoreError::Closed)?;
            connected.push(Arc::clone(&arrival.device));
            let write = DeviceWrite {
                user: identity.user.clone(),
                device: Arc::clone(&arrival.device),
                cursors: planned.iter().map(cursor).collect(),
                forget: Vec::new(),
                attempts,
                // Of an invisible user others learn when it last was visible.
                now,
                visible: node.presence.seen_at(&identity.user),
                max_devices: node.settings.devices,
                connected,
                claim: ClaimChange::Keep,
            };
            if let Err(StoreError::Closed) = node.log.write(Write::Device(write)).await {
                return Err(StoreError::Closed);
            }
        }
        return Ok(Plan { streams: planned, groups, attempts, published, changes, epochs });
    }
}

/// How many entries have been published to the shard, how often the memberships of a user who attaches changed, and how
/// many epochs have begun.
async fn counts(shard: &Rc<Handle>, user: &UserKey) -> Result<(u64, u64, u64), StoreError> {
    let user = user.clone();
    let counts = move |turn: &mut Turn<'_>| {
        let state = &turn.state;
        (state.published, state.attaching.changes(&user), state.epochs)
    };
    let counts = shard.ask(counts).await;
    counts.ok_or(StoreError::Closed)
}

/// What the device says it acknowledged and the store does not know: the connection ended before it was written.
async fn unwritten(
    shard: &Rc<Handle>,
    arrival: &Arrival,
    planned: &[Planned],
) -> Result<Delivered, StoreError> {
    let user = &arrival.identity.user;
    let mut ranges = Vec::new();
    let read = planned.iter().filter(|planned| !matches!(planned.opened.stream, StreamKey::Broadcast(_)));
    for Planned { opened, resume } in read {
        let (mut after, to) = (resume.noted, resume.from - 1);
        // What was for another device of the user this one only passed over.
        while after < to && matches!(opened.stream, StreamKey::Inbox(_)) {
            let page = shard.node.log.store.headers(&opened.stream, after + 1, HEADERS).await?;
            let to_others = page.entries.iter().filter(|entry| {
                let mine = matches!(&entry.target, Target::User(target) if target == user);
                let narrowed = !entry.only_device.is_empty() && entry.only_device != arrival.device;
                let own = entry.sender == user.user && entry.device == arrival.device;
                entry.seq <= to && mine && (narrowed || own)
            });
            for entry in to_others {
                ranges.push((opened.stream.clone(), after, entry.seq - 1));
                after = entry.seq;
            }
            let next = page.next.clamp(after + 1, to + 1);
            ranges.push((opened.stream.clone(), after, next - 1));
            after = next - 1;
        }
        ranges.push((opened.stream.clone(), after, to));
    }
    ranges.retain(|(_, after, to)| after < to);
    Ok(Delivered { user: user.clone(), ranges, asked: Vec::new() })
}

/// A device has seen more of a stream than there is: the store was put back to an earlier time, which nobody told it.
/// Positions given since may be other messages to whoever comes later, so a new epoch begins for all.
async fn begin_epoch(node: &Node, arrival: &Arrival, stream: &OpenedStream) -> bool {
    if node.went_back.swap(true, Ordering::Relaxed) {
        return false;
    }
    let (user, name) = (&*arrival.identity.user.user, stream_name(&stream.stream));
    tracing::error!(
        user,
        device = &*arrival.device,
        stream = name.as_str(),
        head = stream.head,
        "a device has seen more than the store has: its directory was put back to an earlier time; a new epoch begins. \
         After restoring a copy, start once with --restored"
    );
    let (stream, ended) = (stream.stream.clone(), Arc::clone(&stream.epoch));
    if let Err(error) = node.log.write(Write::BeginEpoch { stream, ended }).await {
        tracing::error!(%error, "the new epoch could not be begun");
        node.went_back.store(false, Ordering::Relaxed);
        return false;
    }
    true
}

/// Headers read at a time.
const HEADERS: usize = 2000;
