//! Requests about progress: read marks, and how far own messages got.

use std::borrow::Cow;
use std::sync::Arc;

use wsc_core::frame::{ObjectWriter, ReceiptOf};
use wsc_core::{ErrorCode, StreamName};

use super::{Asker, Outcome, Refused, Reply};
use crate::hub::{marks, receipts};
use crate::log::key::{GroupKey, StreamKey, UserKey};
use crate::log::store::{Conversation, Device, Flags, Found, StoreError, Target, Write, Written};

/// Members of a group whose progress is counted.
const COUNTED_MEMBERS: u64 = 1000;

impl Asker {
    /// Moves a read mark, tells the senders, and passes it on to the user's other devices.
    pub(super) async fn read(&self, name: &StreamName<'_>, peer: &str, seq: u64) -> Outcome {
        let node = &self.shard.node;
        let conversation = match name {
            StreamName::Group(group) if self.is_member(group) => Conversation::Group(group.as_ref().into()),
            StreamName::Group(_) => return Err(Refused::new(ErrorCode::GroupNotFound)),
            _ => Conversation::Peer(peer.into()),
        };
        let stream = self.stream(name);
        let head = node.log.store.headers(&stream, u64::MAX, 0).await?.head;
        if seq > head {
            return Err(Refused::because(
                ErrorCode::InvalidFormat,
                "seq_no: lies beyond the newest position",
            ));
        }
        let user = self.identity.user.clone();
        let mark = Write::Mark { user: user.clone(), conversation: conversation.clone(), seq };
        let Written::Mark { from, to } = node.log.write(mark).await? else { return Ok(Reply::Done) };
        if to <= from {
            return Ok(Reply::Done);
        }
        if let Conversation::Peer(peer) = &conversation {
            let mut ids: Vec<Arc<str>> = Vec::new();
            self.each_header(&stream, from + 1, |entry| {
                let wanted = entry.seq <= to && entry.sender == *peer && entry.flags.has(Flags::REQUIRE_ACK);
                if wanted && matches!(&entry.target, Target::User(target) if *target == user) {
                    ids.push(Arc::clone(&entry.message_id));
                }
            })
            .await?;
            if *peer != user.user {
                receipts::read(node, &user, peer, &ids);
            }
        }
        marks::pass_on(&self.shard, &self.identity, &self.device, &conversation, to);
        Ok(Reply::Done)
    }

    /// How far own messages got. What connected devices acknowledged is written first, so that the answer is the truth.
    pub(super) async fn receipts(&self, ids: &[Cow<'_, str>]) -> Outcome {
        let store = &self.shard.node.log.store;
        let ids: Vec<Arc<str>> = ids.iter().map(|id| id.as_ref().into()).collect();
        let found = store.find(&self.identity.user, &ids).await?;
        let mut receipts = Vec::with_capacity(ids.len());
        // Messages to the same receiver are mostly asked for together.
        let mut known: Vec<(UserKey, Progress)> = Vec::new();
        for (id, found) in ids.iter().zip(found) {
            let mut receipt =
                ReceiptOf { message_id: id.to_string(), stage: "unknown".into(), ..ReceiptOf::default() };
            match found {
                None => {}
                Some(Found { target: Target::User(user), seq, .. }) => {
                    if !known.iter().any(|(other, _)| *other == user) {
                        known.push((user.clone(), self.progress(&user).await?));
                    }
                    let progress =
                        known.iter().find(|(other, _)| *other == user).map(|(_, progress)| progress);
                    let conversation = Conversation::Peer(Arc::clone(&self.identity.user.user));
                    let stage = progress.map_or(Stage::Accepted, |progress| {
                        progress.stage(&StreamKey::Inbox(user.clone()), &conversation, seq)
                    });
                    receipt.stage = stage.name().into();
                }
                Some(Found { target: Target::Group(group), seq, .. }) => {
                    receipt.stage = Stage::Accepted.name().into();
                    if let Some((delivered, read)) = self.count(&group, seq).await? {
                        (receipt.delivered, receipt.read) = (Some(delivered), Some(read));
                    }
                }
                Some(Found { target: Target::Broadcast(_), .. }) => {
                    receipt.stage = Stage::Accepted.name().into();
                }
            }
            receipts.push(receipt);
        }
        let mut data = String::new();
        ObjectWriter::new(&mut data)
            .objects("receipts", &receipts, |writer, receipt| {
                writer.text("message_id", &receipt.message_id).text("stage", &receipt.stage);
                if let (Some(delivered), Some(read)) = (receipt.delivered, receipt.read) {
                    writer.count("delivered", delivered).count("read", read);
                }
            })
            .end();
        Ok(Reply::Data("receipts", data))
    }

    async fn progress(&self, user: &UserKey) -> Result<Progress, StoreError> {
        let node = &self.shard.node;
        crate::hub::positions::keep(node, user).await?;
        Ok(Progress {
            devices: node.log.store.devices(user).await?,
            marks: node.log.store.marks(user).await?,
        })
    }

    /// How many other members a group's message was delivered to, and how many have read it.
    async fn count(&self, group: &GroupKey, seq: u64) -> Result<Option<(u64, u64)>, StoreError> {
        let page = self.shard.node.log.store.members(group, None, 1000).await?;
        if page.total > COUNTED_MEMBERS {
            return Ok(None);
        }
        let (mut delivered, mut read) = (0, 0);
        let stream = StreamKey::Group(group.clone());
        let conversation = Conversation::Group(Arc::clone(&group.group));
        for member in page.users.iter().filter(|member| **member != self.identity.user.user) {
            let progress = self.progress(&self.user(member)).await?;
            let stage = progress.stage(&stream, &conversation, seq);
            delivered += u64::from(stage >= Stage::Delivered);
            read += u64::from(stage >= Stage::Read);
        }
        Ok(Some((delivered, read)))
    }
}

use crate::hub::waiters::Stage;

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }
}

/// What a user's devices acknowledged, and what the user has read.
struct Progress {
    devices: Vec<Device>,
    marks: Vec<(Conversation, u64)>,
}

impl Progress {
    fn stage(&self, stream: &StreamKey, conversation: &Conversation, seq: u64) -> Stage {
        if self.marks.iter().any(|(marked, to)| marked == conversation && *to >= seq) {
            return Stage::Read;
        }
        let got = |device: &Device| {
            let kept = device.streams.iter().find(|kept| kept.stream == *stream);
            kept.is_some_and(|kept| kept.start < seq && seq <= kept.cursor.seq)
        };
        if self.devices.iter().any(got) { Stage::Delivered } else { Stage::Accepted }
    }
}
