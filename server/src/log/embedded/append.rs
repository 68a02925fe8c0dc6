//! Appending a message: three keys (message, the sender's copy, its id) and, for a sender whose ids rise, no read.

use std::sync::Arc;

use fjall::Slice;

use super::super::key::{StreamKey, UserKey};
use super::super::rules;
use super::super::store::{Append, Appended, StoreError, Target};
use super::codec::{Decoder, Invalid};
use super::engine::{Source, damaged, unreadable};
use super::layout;
use super::record::{CopyRecord, IdRecord, MemberRecord, MessageRecord};
use super::work::{Slot, Work};

impl Work<'_> {
    pub(super) fn append(&mut self, append: &Append) -> Result<Appended, StoreError> {
        let target = append.target.stream();
        let sender = StreamKey::Inbox(UserKey { scope: target.scope().clone(), user: append.sender.clone() });
        let mut is_newest = false;
        if append.dedupe {
            let (before, newest) = self.sent_before(append, &sender, &target)?;
            is_newest = newest;
            if let Some(known) = before
                && !rules::outlived(known.create_at, append.now, self.engine.retention.dedupe)
            {
                return Ok(if known.digest == append.digest {
                    let own_seq = (known.own_seq > 0).then_some(known.own_seq);
                    Appended::Duplicate { seq: known.seq, own_seq, create_at: known.create_at }
                } else {
                    Appended::Conflict
                });
            }
        }
        if append.require_member
            && let StreamKey::Group(_) = target
            && !self.is_member(&target, &append.sender)?
        {
            return Ok(Appended::NotMember);
        }

        if let (Some(passed), Target::User(user)) = (&append.passes_on, &append.target)
            && !self.passed_on(user, &passed.0, passed.1)?
        {
            return Ok(Appended::Obsolete);
        }
        let (target, sender) = (self.stream(&target)?, self.stream(&sender)?);
        let sender_number = self.known(sender).number;
        let (stream, seq) = self.next_position(target, append.now);
        let mut own_seq = None;
        if let Target::User(receiver) = &append.target
            && append.copy_to_sender
            && sender != target
        {
            let (_, seq_there) = self.next_position(sender, append.now);
            let copy = CopyRecord { create_at: append.now, stream, seq, receiver: &receiver.user };
            self.put_entry(sender_number, seq_there, copy.encode());
            own_seq = Some(seq_there);
        }
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
            if is_newest {
                self.known(sender).last_id = Some(append.message_id.clone());
            }
        }
        Ok(Appended::Stored { seq, own_seq })
    }

    /// What is known of the same message from before, and whether its id lies above all the sender has used.
    fn sent_before(
        &mut self,
        append: &Append,
        sender: &StreamKey,
        target: &StreamKey,
    ) -> Result<(Option<IdRecord>, bool), StoreError> {
        let Some(slot) = self.existing(sender)? else { return Ok((None, true)) };
        let number = self.known(slot).number;
        if self.known(slot).last_id.is_none() {
            let newest = self.newest_id(number)?;
            self.known(slot).last_id = Some(newest);
        }
        if self.known(slot).last_id.as_deref().is_none_or(|last| above(&append.message_id, last)) {
            return Ok((None, true));
        }
        let Some(target) = self.existing_number(target)? else { return Ok((None, false)) };
        Ok((self.id(&layout::id(number, &append.message_id, target))?, false))
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
    fn next_position(&mut self, slot: Slot, now: u64) -> (u64, u64) {
        self.touch(slot);
        let retention = self.engine.retention;
        let stream = self.known(slot);
        let limit = stream.name.most(&retention);
        stream.head += 1;
        let (number, seq) = (stream.number, stream.head);
        let start_timer = !std::mem::replace(&mut stream.timed, true);
        if seq - stream.floor + 1 > limit {
            self.memory.over.insert(number);
        }
        if start_timer {
            self.put_timer(layout::timer::STREAM, now, &number.to_be_bytes());
        }
        (number, seq)
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
