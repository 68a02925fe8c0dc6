//! Appending a message: three keys (message, the sender's copy, its id) and, for a sender whose ids rise, no read.

use std::sync::Arc;

use fjall::Slice;

use super::super::key::{StreamKey, UserKey};
use super::super::rules;
use super::super::store::{Append, Appended, StoreError, Target};
use super::engine::{Source, damaged, unreadable};
use super::layout;
use super::record::{CopyRecord, Decoder, IdRecord, Invalid, MemberRecord, MessageRecord};
use super::work::Work;

impl Work<'_> {
    pub(super) fn append(&mut self, append: &Append) -> Result<Appended, StoreError> {
        let target = match &append.target {
            Target::User(user) => StreamKey::Inbox(user.clone()),
            Target::Group(group) => StreamKey::Group(group.clone()),
            Target::Broadcast(scope) => StreamKey::Broadcast(scope.clone()),
        };
        let sender = StreamKey::Inbox(UserKey { scope: target.scope().clone(), user: append.sender.clone() });
        if append.dedupe
            && let Some(known) = self.sent_before(append, &sender, &target)?
            && !rules::outlived(known.create_at, append.now, self.engine.retention.dedupe)
        {
            return Ok(if known.digest == append.digest {
                let own_seq = (known.own_seq > 0).then_some(known.own_seq);
                Appended::Duplicate { seq: known.seq, own_seq, create_at: known.create_at }
            } else {
                Appended::Conflict
            });
        }
        if append.require_member
            && let StreamKey::Group(_) = target
            && !self.is_member(&target, &append.sender)?
        {
            return Ok(Appended::NotMember);
        }

        let sender_number = self.number(&sender)?;
        let (stream, seq) = self.next_position(&target, append.now)?;
        let own_seq = match &append.target {
            Target::User(user) if append.copy_to_sender && user.user != append.sender => {
                let (_, own_seq) = self.next_position(&sender, append.now)?;
                let copy = CopyRecord { create_at: append.now, stream, seq, receiver: &user.user };
                self.put_entry(sender_number, own_seq, copy.encode());
                Some(own_seq)
            }
            _ => None,
        };
        let message = MessageRecord {
            flags: append.flags,
            dedupe: append.dedupe,
            create_at: append.now,
            expires_at: append.expires_at,
            sender_number,
            sender: &append.sender,
            device: &append.device,
            message_id: &append.message_id,
            only_device: &append.only_device,
            own_seq: own_seq.unwrap_or(0),
            body: &append.body,
        };
        self.put_entry(stream, seq, message.encode());
        if append.dedupe {
            let record =
                IdRecord { digest: append.digest, seq, own_seq: own_seq.unwrap_or(0), create_at: append.now };
            self.put_id(layout::id(sender_number, &append.message_id, stream), record);
            let known = self.stream(&sender)?;
            if known.last_id.as_deref().is_none_or(|last| above(&append.message_id, last)) {
                known.last_id = Some(append.message_id.clone());
            }
        }
        Ok(Appended::Stored { seq, own_seq })
    }

    fn sent_before(
        &mut self,
        append: &Append,
        sender: &StreamKey,
        target: &StreamKey,
    ) -> Result<Option<IdRecord>, StoreError> {
        let Some(known) = self.existing(sender)? else { return Ok(None) };
        let number = known.number;
        let last = match &known.last_id {
            Some(last) => last.clone(),
            None => {
                let last = self.newest_id(number)?;
                let known = self.stream(sender)?;
                known.last_id = Some(last.clone());
                last
            }
        };
        if above(&append.message_id, &last) {
            return Ok(None);
        }
        let Some(target) = self.existing_number(target)? else { return Ok(None) };
        self.id(&layout::id(number, &append.message_id, target))
    }

    /// The highest id of a sender, empty when there is none.
    fn newest_id(&self, sender: u64) -> Result<Arc<str>, StoreError> {
        let newest = self.engine.ids.prefix(sender.to_be_bytes()).next_back();
        let Some(key) = newest.map(|guard| guard.key().map_err(unreadable)).transpose()? else {
            return Ok("".into());
        };
        message_id(&key).map_err(|invalid| damaged(invalid, &key))
    }

    fn is_member(&mut self, group: &StreamKey, user: &str) -> Result<bool, StoreError> {
        let Some(group) = self.existing_number(group)? else { return Ok(false) };
        let record = self.record::<MemberRecord>(&layout::with_id(layout::MEMBER, group, user))?;
        Ok(record.is_some_and(|record| record.start > 0))
    }

    /// Takes the next position of a stream.
    fn next_position(&mut self, name: &StreamKey, now: u64) -> Result<(u64, u64), StoreError> {
        self.touch(name)?;
        let retention = self.engine.retention;
        let limit = match name {
            StreamKey::Inbox(_) => retention.inbox_entries,
            StreamKey::Group(_) => retention.group_entries,
            StreamKey::Broadcast(_) => retention.broadcast_entries,
        };
        let stream = self.stream(name)?;
        stream.head += 1;
        let (number, seq) = (stream.number, stream.head);
        let start_timer = !std::mem::replace(&mut stream.timed, true);
        let over = seq - stream.floor + 1 > limit;
        if start_timer {
            self.put_timer(layout::timer::STREAM, now, &number.to_be_bytes());
        }
        if over {
            self.memory.over.insert(number);
        }
        Ok((number, seq))
    }
}

/// Whether a message id lies above another in the order of the keys.
fn above(id: &str, other: &str) -> bool {
    (id.len(), id) > (other.len(), other)
}

fn message_id(key: &Slice) -> Result<Arc<str>, Invalid> {
    let mut decoder = Decoder::new(key);
    decoder.fixed_u64()?;
    decoder.name().map(Arc::from)
}
