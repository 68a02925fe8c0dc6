//! Requests about progress: read marks, and how far own messages got.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use wsc_core::frame::ReceiptOf;
use wsc_core::{ErrorCode, StreamName};

use super::{Asker, Outcome, Refused, Reply};
use crate::clock;
use crate::flow::{cursors, receipts};
use crate::log::key::{GroupKey, StreamKey, UserKey};
use crate::log::store::{Conversation, Entry, Flags, Found, Ranges, StoreError, Target, Write, Written};
use crate::net::lists;
use crate::registry::pending::Stage;

/// Members of a group whose progress is counted.
const COUNTED_MEMBERS: usize = 1000;
/// Users whose progress is read for one request; the groups beyond get no counts.
const COUNTED_USERS: usize = 2000;

impl Asker {
    /// Moves a read mark, tells the senders, and passes it on to the user's other devices.
    pub(super) async fn read(&self, name: &StreamName<'_>, peer: &str, seq: u64) -> Outcome {
        let node = &self.shard.node;
        let conversation = match name.group_id() {
            Some(group) if self.is_member(group).await => Conversation::Group(group.into()),
            Some(_) => return Err(Refused::new(ErrorCode::GroupNotFound)),
            None => Conversation::Peer(peer.into()),
        };
        let stream = self.stream(name);
        let tips = node.log.store.tips(std::slice::from_ref(&stream)).await?;
        let head = tips.first().map_or(0, |tip| tip.head);
        if seq > head {
            return Err(Refused::because(
                ErrorCode::InvalidFormat,
                "seq_no: lies beyond the newest position",
            ));
        }
        let user = self.identity.user.clone();
        let mut ids: Vec<(u64, Arc<str>)> = Vec::new();
        if let Conversation::Peer(peer) = &conversation {
            let known = node.log.store.marks(&user).await?;
            let known = known.iter().find(|(known, _)| *known == conversation).map(|(_, seq)| *seq);
            let mut exists = known.is_some();
            self.each_header(&stream, known.unwrap_or(0) + 1, seq, |entry| {
                let Target::User(target) = &entry.target else { return };
                let theirs = entry.sender == *peer && *target == user;
                exists |= theirs || (entry.sender == user.user && target.user == *peer);
                if theirs && entry.flags.has(Flags::REQUIRE_ACK) {
                    ids.push((entry.seq, Arc::clone(&entry.message_id)));
                }
            })
            .await?;
            // Any string is a peer: marks would grow without end.
            if !exists {
                let reason = "peer: there is no message from or to this user";
                return Err(Refused::because(ErrorCode::TargetMissing, reason));
            }
        }
        let device = Arc::clone(&self.device);
        let mark = Write::Mark { user: user.clone(), device, conversation: conversation.clone(), seq };
        let Written::Mark { from, to } = node.log.write(mark).await? else { return Ok(Reply::Done) };
        if to <= from {
            return Ok(Reply::Done);
        }
        if let Conversation::Peer(peer) = &conversation
            && *peer != user.user
        {
            // Another device may have moved the mark meanwhile, and told of those.
            ids.retain(|(seq, _)| *seq > from);
            let ids: Vec<Arc<str>> = ids.into_iter().map(|(_, id)| id).collect();
            receipts::read(node, &user, peer, &ids);
        }
        let (identity, device) = (Rc::clone(&self.identity), Arc::clone(&self.device));
        self.shard.step(self.id, move |turn| turn.pass_on(&identity, &device, &conversation, to));
        Ok(Reply::Done)
    }

    /// How far own messages got.
    pub(super) async fn receipts(&self, ids: &[Cow<'_, str>]) -> Outcome {
        let store = &self.shard.node.log.store;
        let ids: Vec<Arc<str>> = ids.iter().map(|id| id.as_ref().into()).collect();
        let found = store.find(&self.identity.user, &ids).await?;
        let mut receipts = Vec::with_capacity(ids.len());
        let receivers = self.receivers(&found).await?;
        let wall = clock::wall().ms();
        for (id, found) in ids.iter().zip(found) {
            let mut receipt = ReceiptOf { message_id: id.to_string(), ..ReceiptOf::default() };
            let stage = found.and_then(|found| {
                // What has expired was given to nobody since, and may have been given to nobody.
                let entry = found.entry.as_ref().filter(|entry| !entry.is_expired(wall));
                if let (Target::Group(group), Some(entry)) = (&found.target, entry)
                    && let Some((delivered, read)) = self.count(&receivers, group, entry)
                {
                    (receipt.delivered, receipt.read) = (Some(delivered), Some(read));
                }
                let Target::User(user) = &found.target else { return entry.map(|_| Stage::Accepted) };
                let conversation = Conversation::Peer(Arc::clone(&self.identity.user.user));
                receivers.progress.get(user)?.stage(&conversation, found.seq, entry)
            });
            receipt.stage = stage.map_or("unknown", Stage::name).into();
            receipts.push(receipt);
        }
        let items = receipts.iter().map(|receipt| {
            lists::object(|writer| {
                writer.text("message_id", &receipt.message_id).text("stage", &receipt.stage);
                if let (Some(delivered), Some(read)) = (receipt.delivered, receipt.read) {
                    writer.count("delivered", delivered).count("read", read);
                }
            })
        });
        let room = lists::room(&self.shard.node.settings);
        Ok(Reply::Parts("receipts", lists::in_frames("receipts", items.collect(), room)))
    }

    /// Reads once how far everybody is whom the messages went to. What receivers acknowledged is written first, so that
    /// a stage told now stands after a crash; nothing is written for the counts of groups.
    async fn receivers(&self, found: &[Option<Found>]) -> Result<Receivers, StoreError> {
        let node = &self.shard.node;
        let mut receivers = Receivers::default();
        let receiver = |found: &Found| match &found.target {
            Target::User(user) => Some(user.clone()),
            Target::Group(_) | Target::Broadcast(_) => None,
        };
        let mut users: HashSet<UserKey> = found.iter().flatten().filter_map(receiver).collect();
        let single: Vec<UserKey> = users.iter().cloned().collect();
        cursors::keep(node, &single).await;
        for found in found.iter().flatten() {
            let Target::Group(group) = &found.target else { continue };
            if receivers.members.contains_key(group) {
                continue;
            }
            let page = node.log.store.members(group, None, COUNTED_MEMBERS).await?;
            let others = page.users.iter().filter(|member| **member != self.identity.user.user);
            let others: Vec<UserKey> = others.map(|member| self.user(member)).collect();
            // Each is looked at once, but there may be many groups.
            let fresh = others.iter().filter(|member| !users.contains(member)).count();
            let counted = page.total <= COUNTED_MEMBERS as u64 && users.len() + fresh <= COUNTED_USERS;
            if counted {
                users.extend(others.iter().cloned());
            }
            receivers.members.insert(group.clone(), counted.then_some(others));
        }
        let streams = |user: &UserKey| {
            let counted = receivers
                .members
                .iter()
                .filter(|(_, members)| members.as_ref().is_some_and(|members| members.contains(user)));
            let groups = counted.map(|(group, _)| StreamKey::Group(group.clone()));
            let inbox = single.contains(user).then(|| StreamKey::Inbox(user.clone()));
            groups.chain(inbox).collect::<Vec<_>>()
        };
        let users: Vec<(UserKey, Vec<StreamKey>)> =
            users.into_iter().map(|user| (user.clone(), streams(&user))).collect();
        let names: Vec<UserKey> = users.iter().map(|(user, _)| user.clone()).collect();
        let mut live = cursors::of_connected(node, &names).await;
        for (user, streams) in users {
            let live = live.remove(&user).unwrap_or_default();
            let mut delivered = HashMap::with_capacity(streams.len());
            for stream in streams {
                let mut ranges = node.log.store.delivered(&user, &stream).await?;
                // What an inbox's devices acknowledged since it was kept is told when it is kept, too.
                let unkept = |of: &StreamKey| *of == stream && !matches!(stream, StreamKey::Inbox(_));
                for (_, after, to) in live.iter().filter(|(of, ..)| unkept(of)) {
                    ranges.insert(*after, *to);
                }
                delivered.insert(stream, ranges);
            }
            let marks = node.log.store.marks(&user).await?;
            receivers.progress.insert(user, Progress { delivered, marks });
        }
        Ok(receivers)
    }

    /// How many other members a group's message was delivered to, and how many have read it.
    fn count(&self, receivers: &Receivers, group: &GroupKey, entry: &Entry) -> Option<(u64, u64)> {
        let members = receivers.members.get(group)?.as_ref()?;
        let (mut delivered, mut read) = (0, 0);
        let conversation = Conversation::Group(Arc::clone(&group.group));
        for progress in members.iter().filter_map(|member| receivers.progress.get(member)) {
            let stage = progress.stage(&conversation, entry.seq, Some(entry));
            delivered += u64::from(stage >= Some(Stage::Delivered));
            read += u64::from(stage >= Some(Stage::Read));
        }
        Some((delivered, read))
    }
}

/// Whom the messages of a request went to.
#[derive(Default)]
struct Receivers {
    /// The other members of each group; `None`: too many to be counted.
    members: HashMap<GroupKey, Option<Vec<UserKey>>>,
    progress: HashMap<UserKey, Progress>,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

/// What was delivered to a user, and what the user has read.
struct Progress {
    delivered: HashMap<StreamKey, Ranges>,
    marks: Vec<(Conversation, u64)>,
}

impl Progress {
    /// How far a message at a position got; `None`: that is not known, because the entry is gone.
    fn stage(&self, conversation: &Conversation, seq: u64, entry: Option<&Entry>) -> Option<Stage> {
        if self.marks.iter().any(|(marked, to)| marked == conversation && *to >= seq) {
            return Some(Stage::Read);
        }
        let entry = entry?;
        let ranges = self.delivered.get(&entry.target.stream());
        // What is only stored is handed to nobody.
        let delivered =
            ranges.is_some_and(|ranges| ranges.contains(seq)) && !entry.flags.has(Flags::STORE_ONLY);
        Some(if delivered { Stage::Delivered } else { Stage::Accepted })
    }
}
