//! Writes as items of the script that makes them (`scripts/write`): which partition each is in, and its arguments.

use std::sync::Arc;

use wsc_core::kind::UserStatus;

use super::super::key::{GroupKey, StreamKey, UserKey};
use super::super::store::{
    Append, ClaimChange, Conversation, Delivered, DeviceWrite, Join, JoinBy, KnownEpochs, Milliseconds,
    RequestId, Target,
};
use super::connection::Link;
use super::layout;
use super::record;
use super::script::Args;

/// One step of a write, in one partition.
pub(super) struct Item<'a> {
    pub(super) partition: usize,
    /// Which write it is of.
    pub(super) of: usize,
    pub(super) args: Args,
    pub(super) more: More<'a>,
}

/// What else is needed for it.
pub(super) enum More<'a> {
    None,
    /// The message, where it is not the one before.
    Copy {
        record: Vec<u8>,
        body: &'a [u8],
    },
    Device(&'a DeviceWrite),
    Delivered(&'a Delivered),
}

/// How long `connect`s of one device may take to overtake each other, as `is_overtaken` has it.
const LATE_MS: u64 = 60_000;

/// Makes items of writes.
#[derive(Clone, Copy)]
pub(super) struct Items<'s> {
    pub(super) link: &'s Link,
}

impl Items<'_> {
    fn item<'a>(&self, name: &str, of: usize, letter: &str, more: More<'a>) -> Item<'a> {
        let mut args = Args::default();
        args.put(letter);
        Item { partition: self.link.layout.partition(name), of, args, more }
    }

    fn epoch_of(&self, name: &str) -> Arc<str> {
        self.link.epoch(self.link.layout.partition(name)).epoch
    }

    /// The epoch of a stream, if positions that a write names are of it.
    fn present(&self, stream: &StreamKey, epochs: &KnownEpochs) -> Option<Arc<str>> {
        let present = self.epoch_of(&layout::name(stream));
        (!epochs.are_past(stream, &present)).then_some(present)
    }

    /// Whether everything is in one partition, and so in one script.
    fn is_one(&self) -> bool {
        self.link.layout.partitions() == 1
    }

    pub(super) fn append<'a>(&self, of: usize, append: &'a Append, out: &mut Vec<Item<'a>>) {
        let target = append.target.stream();
        let stream = layout::name(&target);
        let sender = UserKey { scope: target.scope().clone(), user: append.sender.clone() };
        let (inbox, record) = (layout::inbox(&sender), record::header(append));
        let is_copied = append.copy_to_sender && matches!(append.target, Target::User(_)) && inbox != stream;
        let needs_member = append.require_member && matches!(append.target, Target::Group(_));
        let mut item = self.item(&stream, of, "A", More::None);
        item.args.put(&stream).flag(is_copied);
        item.args.put(if needs_member { &*append.sender } else { "" });
        item.args.put(match append.dedupe {
            true => layout::joined(&append.sender, &append.message_id),
            false => String::new(),
        });
        item.args.put(append.digest).number(append.now).put(&record).put(&append.body);
        match (&append.passes_on, &append.target) {
            (Some(passed), Target::User(user)) => {
                item.args.put(waiting(&layout::inbox(user), &layout::conversation(&passed.0)));
                item.args.number(passed.1);
            }
            _ => {
                item.args.put("").put("0");
            }
        }
        out.push(item);
        if is_copied || append.dedupe {
            let mut item = self.item(&inbox, of, "C", More::Copy { record, body: &append.body });
            item.args.put(&inbox).flag(is_copied);
            item.args.put(if append.dedupe { &*append.message_id } else { "" });
            item.args.put(&stream).number(append.now);
            out.push(item);
        }
    }

    /// `start`: where the broadcast starts, needed if it is in another partition.
    pub(super) fn see<'a>(
        &self,
        of: usize,
        user: &UserKey,
        visible: Milliseconds,
        start: Option<u64>,
    ) -> Item<'a> {
        let inbox = layout::inbox(user);
        let mut item = self.item(&inbox, of, "S", More::None);
        item.args.put(&inbox).number(visible);
        item.args.put(layout::name(&StreamKey::Broadcast(user.scope.clone())));
        item.args.put(start.map(|start| start.to_string()).unwrap_or_default());
        item
    }

    /// `may_be_new`: the group has not refused yet, so the user's index must be ready.
    pub(super) fn join<'a>(&self, of: usize, join: &Join, may_be_new: bool, out: &mut Vec<Item<'a>>) {
        let (group, inbox) = (layout::group(&join.group), inbox_of(&join.group, &join.user));
        let token = format!("{}:{}", join.request.0, join.now);
        let groups = join.max_groups.to_string();
        if !self.is_one() && may_be_new {
            let mut item = self.item(&inbox, of, "I", More::None);
            item.args.put(&inbox).put(&*join.group.group).put(&token).put(&groups);
            out.push(item);
        }
        let (by, issued_at) = match join.by {
            JoinBy::Application => ("A", 0),
            JoinBy::Claim { issued_at } => ("C", issued_at),
            JoinBy::Request { issued_at } => ("R", issued_at),
        };
        let mut item = self.item(&group, of, "J", More::None);
        item.args.put(&group).put(&*join.user).put(&inbox).put(by).number(issued_at);
        item.args.number(join.request.0).number(join.now);
        item.args.put(if self.is_one() { &*groups } else { "" });
        out.push(item);
        let mut item = self.item(&inbox, of, "V", More::None);
        item.args.put(&inbox).put(&*join.group.group).put(&token);
        out.push(item);
    }

    pub(super) fn leave<'a>(
        &self,
        of: usize,
        (group, user): (&GroupKey, &str),
        removed: bool,
        (request, now): (RequestId, Milliseconds),
        out: &mut Vec<Item<'a>>,
    ) {
        let (name, inbox) = (layout::group(group), inbox_of(group, user));
        let mut item = self.item(&name, of, "L", More::None);
        item.args.put(&name).put(user).flag(removed).number(request.0).number(now);
        out.push(item);
        let mut item = self.item(&inbox, of, "U", More::None);
        item.args.put(&inbox).put(&*group.group).put(&name);
        out.push(item);
    }

    pub(super) fn disband<'a>(
        &self,
        group: &GroupKey,
        request: RequestId,
        now: Milliseconds,
        count: usize,
    ) -> Item<'a> {
        let name = layout::group(group);
        let mut item = self.item(&name, 0, "X", More::None);
        item.args.put(&name).put(&*group.group).put(layout::scope_name(&group.scope)).flag(self.is_one());
        item.args.number(request.0).number(now).number(count as u64);
        item
    }

    /// Takes a group that was disbanded off one of its members.
    pub(super) fn disbanded<'a>(&self, group: &GroupKey, user: &str, token: &str) -> Item<'a> {
        let inbox = inbox_of(group, user);
        let mut item = self.item(&inbox, 0, "O", More::None);
        item.args.put(&inbox).put(&*group.group).put(layout::group(group)).put(token);
        item
    }

    pub(super) fn mark<'a>(
        &self,
        of: usize,
        user: &UserKey,
        device: &str,
        conversation: &Conversation,
        seq: u64,
    ) -> Item<'a> {
        let (inbox, conversation) = (layout::inbox(user), layout::conversation(conversation));
        let mut item = self.item(&inbox, of, "M", More::None);
        item.args.put(&inbox).put(&conversation).number(seq);
        item.args.put(waiting(&inbox, &conversation)).put(device);
        item
    }

    pub(super) fn delivered<'a>(&self, of: usize, delivered: &'a Delivered) -> Item<'a> {
        let Delivered { user, ranges, asked, epochs } = delivered;
        let inbox = layout::inbox(user);
        let present = |stream: &StreamKey| self.present(stream, epochs);
        let own = self.epoch_of(&inbox);
        let mut item = self.item(&inbox, of, "R", More::Delivered(delivered));
        item.args.put(&inbox).put(&*own);
        let ranges: Vec<_> = ranges.iter().filter_map(|range| Some((range, present(&range.0)?))).collect();
        item.args.number(ranges.len() as u64);
        for ((stream, after, to), epoch) in ranges {
            item.args.put(layout::name(stream)).put(&*epoch).number(*after).number(*to);
        }
        let is_past = epochs.are_past(&StreamKey::Inbox(user.clone()), &own);
        let asked = if is_past { &[][..] } else { asked };
        item.args.number(asked.len() as u64);
        for (seq, sender) in asked {
            item.args.number(*seq).put(format!("p{sender}"));
        }
        item
    }

    /// Replaces what was delivered of a stream, if it is what it was.
    pub(super) fn replace_delivered<'a>(
        &self,
        inbox: &str,
        stream: &str,
        before: &str,
        after: &str,
    ) -> Item<'a> {
        let mut item = self.item(inbox, 0, "G", More::None);
        item.args.put(inbox).put(stream).put(before).put(after);
        item
    }

    pub(super) fn device<'a>(&self, of: usize, write: &'a DeviceWrite, claim: &ClaimChange) -> Item<'a> {
        let inbox = layout::inbox(&write.user);
        let cursors = write.cursors.iter();
        let cursors = cursors.filter_map(|cursor| Some((cursor, self.present(&cursor.0, &write.epochs)?)));
        let cursors: Vec<_> = cursors.collect();
        let mut item = self.item(&inbox, of, "D", More::Device(write));
        let args = &mut item.args;
        args.put(&inbox).put(&*write.device).number(write.attempts.into()).number(write.now);
        args.number(write.visible).number(write.max_devices as u64).put(&inbox[1..]);
        args.flag(write.connected.contains(&write.device));
        match claim {
            ClaimChange::Keep => args.put("K").put("").put("").put("").put("").put(""),
            ClaimChange::Take { incarnation, connection, is_exclusive, sent_ms } => args
                .put("T")
                .put(format!("{incarnation:032x}"))
                .put(&**connection)
                .flag(*is_exclusive)
                .number(*sent_ms)
                .number(LATE_MS),
            ClaimChange::Release { turn, connection } => {
                args.put("L").number(*turn).put(&**connection).put("").put("").put("")
            }
        };
        args.number(cursors.len() as u64);
        for ((stream, seq), epoch) in cursors {
            args.put(layout::name(stream)).put(&*epoch).number(*seq);
        }
        args.number(write.forget.len() as u64);
        for stream in &write.forget {
            args.put(layout::name(stream));
        }
        item
    }

    pub(super) fn forget_devices<'a>(&self, user: &UserKey, devices: &[&str]) -> Item<'a> {
        let inbox = layout::inbox(user);
        let mut item = self.item(&inbox, 0, "Z", More::None);
        item.args.put(&inbox).number(devices.len() as u64);
        for device in devices {
            item.args.put(device);
        }
        item
    }

    pub(super) fn kick<'a>(
        &self,
        of: usize,
        user: &UserKey,
        device: Option<&str>,
        (request, now): (RequestId, Milliseconds),
    ) -> Item<'a> {
        let inbox = layout::inbox(user);
        let mut item = self.item(&inbox, of, "K", More::None);
        item.args
            .put(&inbox)
            .put(device.unwrap_or_default())
            .flag(device.is_some())
            .number(now)
            .put(&inbox[1..])
            .number(request.0);
        item
    }

    pub(super) fn status<'a>(&self, of: usize, user: &UserKey, status: UserStatus) -> Item<'a> {
        let inbox = layout::inbox(user);
        let mut item = self.item(&inbox, of, "T", More::None);
        item.args.put(&inbox).put(status.as_str()).put(UserStatus::Online.as_str());
        item
    }

    /// The items of an attach that follow are made only if the inbox has this version and the device this record.
    pub(super) fn check<'a>(
        &self,
        of: usize,
        inbox: &str,
        version: u64,
        device: &str,
        record: &str,
    ) -> Item<'a> {
        let mut item = self.item(inbox, of, "B", More::None);
        item.args.put(inbox).number(version).put(device).put(record);
        item
    }
}

/// The inbox of a member.
fn inbox_of(group: &GroupKey, user: &str) -> String {
    format!("i{}{user}", layout::scope_name(&group.scope))
}

/// A read mark that waits, as it is named among those of all users.
fn waiting(inbox: &str, conversation: &str) -> String {
    layout::joined(inbox, conversation)
}
