//! One write of a batch: which part of the store makes it.

use super::super::key::{StreamKey, UserKey};
use super::super::store::{StoreError, Write, Written};
use super::work::Work;

impl Work<'_> {
    pub(super) fn apply(&mut self, write: &Write) -> Result<Written, StoreError> {
        self.must_flush |= !matches!(write, Write::Attach(_));
        Ok(match write {
            Write::Append(append) => Written::Append(self.append(append)?),
            Write::See { user, visible } => {
                self.see(user, *visible)?;
                Written::Done
            }
            Write::Join(join) => Written::Join(self.join(join)?),
            Write::Leave { group, user, removed, request, now } => {
                Written::Leave(self.leave(group, user, *removed, *request, *now)?)
            }
            Write::Disband { group, request, now } => Written::Disband(self.disband(group, *request, *now)?),
            Write::Mark { user, device, conversation, seq } => {
                let (from, to) = self.mark(user, device, conversation, *seq)?;
                Written::Mark { from, to }
            }
            Write::Delivered(delivered) => Written::Delivered(self.delivered(delivered)?),
            Write::Device(device) => {
                match self.claim(&device.user, &device.device, &device.claim, device.now)? {
                    None => Written::Overtaken,
                    Some(turn) => {
                        self.device(device)?;
                        Written::Device { turn }
                    }
                }
            }
            Write::Kick { user, device, request, now, .. } => {
                let kicked = self.engine.claims().kick(user, device.as_deref(), *request, *now);
                Written::Kick(if kicked { Some(self.changed(user)?) } else { None })
            }
            Write::Status { user, status } => {
                let is_new = self.engine.claims().set_status(user, *status);
                if is_new {
                    self.changed(user)?;
                }
                Written::Done
            }
            Write::Attach(attach) => Written::Attach(Box::new(self.attach(attach)?)),
            // The writer has begun it, between two batches of the engine.
            Write::BeginEpoch { .. } => Written::Epoch(self.epoch()),
        })
    }

    /// The number of a user's inbox.
    pub(super) fn user(&mut self, user: &UserKey) -> Result<u64, StoreError> {
        self.number(&StreamKey::Inbox(user.clone()))
    }
}
