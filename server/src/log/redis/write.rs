//! Making a batch of writes: what can be is one call of a script, in order. What needs a look first (an attach, a large
//! group that ends) is done between calls.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use redis::from_redis_value;

use super::super::key::{GroupKey, StreamKey};
use super::super::rules;
use super::super::store::{
    Answer, Append, Appended, Attach, Delivered, DeviceWrite, Join, Joined, Milliseconds, RequestId,
    StoreError, Target, Write, Written,
};
use super::Inner;
use super::connection::Refusal;
use super::epochs::Epoch;
use super::items::{Item, Items};
use super::layout;
use super::record::{self, damaged};
use super::run::Reply;
use super::script::{Args, Script};

/// Memberships that one script ends. A larger group ends in several steps.
const MEMBERS: usize = 1_000;
/// Devices attached together.
const ATTACHES: usize = 64;

impl Inner {
    pub(super) fn items(&self) -> Items<'_> {
        Items { link: &self.link }
    }

    fn is_one(&self) -> bool {
        self.link.layout.partitions() == 1
    }

    /// Makes writes, and answers each.
    pub(super) async fn write(&self, batch: &[Write]) -> Vec<Answer> {
        let deadline = self.link.deadline();
        let mut answers: Vec<Answer> = Vec::with_capacity(batch.len());
        let mut queue = VecDeque::new();
        let mut replies: Vec<Vec<Reply>> = vec![Vec::new(); batch.len()];
        let mut stopped = None;
        let mut at = 0;
        while at < batch.len() && stopped.is_none() {
            match self.plan(at, &batch[at], &mut queue, &mut replies, deadline).await {
                Ok(true) => {
                    at += 1;
                    continue;
                }
                // Those before it are made.
                Ok(false) => self.finish(batch, &mut answers, &mut replies, at),
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
            let (made, error) = match &batch[at] {
                Write::Attach(_) => self.attach(&attaches(&batch[at..]), deadline).await,
                write => match self.look(write, deadline).await {
                    Ok(written) => (vec![written], None),
                    Err(error) => (Vec::new(), Some(error)),
                },
            };
            at += made.len();
            answers.extend(made.into_iter().map(Ok));
            stopped = error;
        }
        if stopped.is_none() {
            stopped = self.run(&mut queue, &mut replies, deadline).await.err();
        }
        match stopped {
            None => self.finish(batch, &mut answers, &mut replies, batch.len()),
            Some(stopped) => {
                let first = queue.front().map_or(answers.len(), |item| item.of).max(answers.len());
                self.finish(batch, &mut answers, &mut replies, first);
                let is_begun = replies.get(first).is_some_and(|replies| !replies.is_empty());
                let error = stopped.error();
                if is_begun && answers.len() < batch.len() {
                    // It was made in one partition and not in the other.
                    answers.push(match (&batch[first], &error) {
                        (Write::Append(_), _) => Err(StoreError::Unfinished),
                        (_, StoreError::Epoch) => Err(StoreError::Unavailable("a new epoch began".into())),
                        _ => Err(error.clone()),
                    });
                }
                answers.resize(batch.len(), Err(error));
            }
        }
        answers
    }

    /// Adds the items of a write. `false`: it has none; all before it are made now, and it is next.
    async fn plan<'a>(
        &self,
        at: usize,
        write: &'a Write,
        queue: &mut VecDeque<Item<'a>>,
        replies: &mut [Vec<Reply>],
        deadline: Instant,
    ) -> Result<bool, Refusal> {
        let mut items = Vec::new();
        match write {
            Write::Append(append) => self.items().append(at, append, &mut items),
            Write::See { user, visible } => {
                let start = self.broadcast_start(user).await.map_err(Refusal::Not)?;
                items.push(self.items().see(at, user, *visible, start));
            }
            Write::Join(join) => {
                if !self.is_one() {
                    self.run(queue, replies, deadline).await?;
                }
                let may_be_new = self.may_join(join).await.map_err(Refusal::Not)?;
                self.items().join(at, join, may_be_new, &mut items);
            }
            Write::Leave { group, user, removed, request, now } => {
                self.items().leave(at, (group, user), *removed, (*request, *now), &mut items);
            }
            Write::Mark { user, device, conversation, seq } => {
                items.push(self.items().mark(at, user, device, conversation, *seq));
            }
            Write::Delivered(delivered) => items.push(self.items().delivered(at, delivered)),
            Write::Device(device) => items.push(self.items().device(at, device, &device.claim)),
            Write::Kick { user, device, request, now, .. } => {
                items.push(self.items().kick(at, user, device.as_deref(), (*request, *now)));
            }
            Write::Status { user, status } => items.push(self.items().status(at, user, *status)),
            Write::Disband { .. } | Write::Attach(_) | Write::BeginEpoch { .. } => {
                self.run(queue, replies, deadline).await?;
                return Ok(false);
            }
        }
        queue.extend(items);
        Ok(true)
    }

    /// Answers writes whose items are made, up to one.
    fn finish(&self, batch: &[Write], answers: &mut Vec<Answer>, replies: &mut [Vec<Reply>], to: usize) {
        for at in answers.len()..to {
            let replies = std::mem::take(&mut replies[at]);
            let answer = self.written(&batch[at], &replies);
            answers.push(answer.unwrap_or_else(|| Err(damaged("the answer of a script"))));
        }
    }

    /// Where the broadcast starts for somebody who is seen, if the script cannot read it.
    async fn broadcast_start(&self, user: &super::super::key::UserKey) -> Result<Option<u64>, StoreError> {
        if self.is_one() {
            return Ok(None);
        }
        Ok(Some(self.state(&StreamKey::Broadcast(user.scope.clone())).await?.head))
    }

    /// Whether a join can begin a membership. Where the group lies in another partition than the user it is looked at
    /// first, so that the user's own records change only for a reason.
    async fn may_join(&self, join: &Join) -> Result<bool, StoreError> {
        if self.is_one() { Ok(true) } else { self.can_begin(join).await }
    }

    /// Whether nothing that the group knows forbids that a join begins a membership.
    pub(super) async fn can_begin(&self, join: &Join) -> Result<bool, StoreError> {
        let name = layout::group(&join.group);
        let mut ask = redis::pipe();
        ask.cmd("HGET").arg(self.link.layout.key("g", &name)).arg(&*join.user);
        ask.cmd("HGET").arg(self.link.layout.key("x", &name)).arg(&*join.user);
        let (member, stone): (Option<String>, Option<String>) = self.link.ask(ask).await?;
        let stone = stone.as_deref().and_then(record::tombstone).unwrap_or_default();
        Ok(member.is_none() && !stone.forbids(join.by))
    }

    /// Brings what was delivered over from an earlier epoch, so that a script can add to it.
    pub(super) async fn carry_over(&self, write: &Delivered, deadline: Instant) -> Result<(), Refusal> {
        let inbox = layout::inbox(&write.user);
        let own = StreamKey::Inbox(write.user.clone());
        let mut queue = VecDeque::new();
        for stream in write.ranges.iter().map(|(stream, ..)| stream).chain([&own]) {
            let kept = self.kept_delivered(&write.user, stream).await.map_err(Refusal::Not)?;
            if let Some((kept, epoch, ranges)) = kept {
                let now = record::write_delivered(&epoch, &ranges);
                queue.push_back(self.items().replace_delivered(&inbox, &layout::name(stream), &kept, &now));
            }
        }
        let mut replies = vec![Vec::new()];
        Box::pin(self.run(&mut queue, &mut replies, deadline)).await
    }

    /// Forgets the devices that a user has too many.
    pub(super) async fn make_room(&self, write: &DeviceWrite, deadline: Instant) -> Result<(), Refusal> {
        let kept = self.device_records(&write.user).await.map_err(Refusal::Not)?;
        let devices = kept.iter().map(|(device, (_, seen))| (device, *seen));
        let surplus: Vec<&str> = rules::surplus(devices, write).into_iter().map(|device| &**device).collect();
        if surplus.is_empty() {
            return Ok(());
        }
        let mut queue = VecDeque::from([self.items().forget_devices(&write.user, &surplus)]);
        let mut replies = vec![Vec::new()];
        Box::pin(self.run(&mut queue, &mut replies, deadline)).await
    }

    /// Makes a write that needs a look between its steps.
    async fn look(&self, write: &Write, deadline: Instant) -> Result<Written, Refusal> {
        match write {
            Write::Disband { group, request, now } => {
                Ok(Written::Disband(self.disband(group, *request, *now, deadline).await?))
            }
            Write::BeginEpoch { stream, ended } => self.begin_epoch(stream, ended, deadline).await,
            _ => Err(Refusal::Not(damaged("a write"))),
        }
    }

    async fn begin_epoch(
        &self,
        stream: &StreamKey,
        ended: &str,
        deadline: Instant,
    ) -> Result<Written, Refusal> {
        let partition = self.link.layout.partition(&layout::name(stream));
        let mut args = Args::default();
        args.put(ended).put(rules::new_epoch());
        let answer = self.link.make(Script::Begin, partition, &args, deadline).await?;
        let (epoch, number, names): (String, String, String) =
            from_redis_value(answer).map_err(|_| Refusal::Perhaps(damaged("an epoch")))?;
        self.link.set_epoch(partition, Epoch::new(&epoch, &number, &names));
        Ok(Written::Epoch(epoch.into()))
    }

    async fn disband(
        &self,
        group: &GroupKey,
        request: RequestId,
        now: Milliseconds,
        deadline: Instant,
    ) -> Result<Option<u64>, Refusal> {
        loop {
            let item = self.items().disband(group, request, now, MEMBERS);
            let mut replies = vec![Vec::new()];
            self.run(&mut VecDeque::from([item]), &mut replies, deadline).await?;
            let reply = replies.remove(0).pop().unwrap_or_default();
            let (first, ended) =
                reply.split_first().map_or(("", &[][..]), |(first, ended)| (&**first, ended));
            let mut queue: VecDeque<Item<'_>> = ended
                .chunks_exact(2)
                .map(|ended| self.items().disbanded(group, &ended[0], &ended[1]))
                .collect();
            // In order of partitions: fewer calls.
            queue.make_contiguous().sort_by_key(|item| item.partition);
            self.run(&mut queue, &mut [Vec::new()], deadline).await?;
            match first.split_at_checked(1) {
                Some(("M", _)) => {}
                Some(("X", version)) => return Ok(version.parse().ok()),
                _ => return Ok(None),
            }
        }
    }

    /// The answer to a write by those to its items; `None`: they make no sense.
    fn written(&self, write: &Write, replies: &[Reply]) -> Option<Answer> {
        let first = replies.first()?.first()?.as_str();
        let (letter, rest) = first.split_at_checked(1).unwrap_or(("", ""));
        let written = match write {
            Write::Append(append) => return appended(append, replies),
            Write::See { .. } | Write::Status { .. } => Written::Done,
            Write::Join(join) => {
                // Before it may come what the user's index said.
                let joined = replies.iter().rev().nth(1)?.first()?;
                Written::Join(self.joined(join, joined)?)
            }
            Write::Leave { .. } => Written::Leave(match letter {
                "L" => Some(rest.split(':').next()?.parse().ok()?),
                _ => None,
            }),
            Write::Mark { seq, .. } => {
                let from = first.parse().ok()?;
                Written::Mark { from, to: (*seq).max(from) }
            }
            Write::Delivered(_) => {
                let fresh = first.split(',').filter(|seq| !seq.is_empty()).map(str::parse);
                Written::Delivered(fresh.collect::<Result<_, _>>().ok()?)
            }
            Write::Device(_) if first == "O" => Written::Overtaken,
            Write::Device(_) => Written::Device { turn: first.split(':').nth(1)?.parse().ok()? },
            Write::Kick { .. } => Written::Kick(match first {
                "" => None,
                version => Some(version.parse().ok()?),
            }),
            Write::Disband { .. } | Write::Attach(_) | Write::BeginEpoch { .. } => return None,
        };
        Some(Ok(written))
    }

    /// What a join's item answered.
    pub(super) fn joined(&self, join: &Join, reply: &str) -> Option<Joined> {
        match reply.split_at_checked(1)? {
            ("A", _) => Some(Joined::Already),
            ("R", _) => Some(Joined::Refused),
            ("T", _) => Some(Joined::TooMany),
            ("N", numbers) => {
                let mut numbers = numbers.split(':');
                let head = numbers.next()?.parse().ok()?;
                let version = numbers.next()?.parse().ok()?;
                let partition = self.link.layout.partition(&layout::group(&join.group));
                Some(Joined::New { head, epoch: self.link.epoch(partition).epoch, version })
            }
            _ => None,
        }
    }
}

/// The attaches that a batch begins with, each of another user.
fn attaches(batch: &[Write]) -> Vec<&Attach> {
    let mut users = HashSet::new();
    let attaches = batch.iter().map_while(|write| match write {
        Write::Attach(attach) if users.insert(&attach.user) => Some(&**attach),
        _ => None,
    });
    attaches.take(ATTACHES).collect()
}

fn appended(append: &Append, replies: &[Reply]) -> Option<Answer> {
    let (letter, rest) = replies.first()?.first()?.split_at_checked(1)?;
    let copy = replies.get(1).and_then(|copy| copy.first()).map_or("", String::as_str);
    let own_seq = copy.parse().ok();
    let mut parts = rest.split(':');
    let answer = match letter {
        "X" => Appended::Conflict,
        "N" => Appended::NotMember,
        "O" => Appended::Obsolete,
        "S" | "D" => {
            let seq = parts.next()?.parse().ok()?;
            let create_at = parts.next().map(str::parse).transpose().ok()?;
            let is_copied = match letter {
                "S" => {
                    append.copy_to_sender
                        && matches!(&append.target, Target::User(user) if user.user != append.sender)
                }
                _ => parts.next()? == "1",
            };
            if copy == "?" && is_copied {
                return Some(Err(StoreError::Unfinished));
            }
            match create_at {
                None => Appended::Stored { seq, own_seq },
                Some(create_at) => Appended::Duplicate { seq, own_seq, create_at },
            }
        }
        _ => return None,
    };
    Some(Ok(Written::Append(answer)))
}
