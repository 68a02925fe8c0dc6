//! Writes to the memory store's state, one at a time. A write either happens wholly or changes nothing.

use super::super::rules;
use super::super::store::{Write, Written};
use super::state::State;

impl State {
    /// Applies one write.
    pub fn apply(&mut self, write: &Write) -> Written {
        match write {
            Write::Append(append) => Written::Append(self.append(append)),
            Write::See { user, visible } => {
                self.see(user, *visible);
                Written::Done
            }
            Write::Join(join) => Written::Join(self.join(join)),
            Write::Leave { group, user, removed, request, now } => {
                Written::Leave(self.leave(group, user, *removed, *request, *now))
            }
            Write::Disband { group, request, now } => Written::Disband(self.disband(group, *request, *now)),
            Write::Mark { user, device, conversation, seq } => {
                let (from, to) = self.mark(user, device, conversation, *seq);
                Written::Mark { from, to }
            }
            Write::Delivered(delivered) => Written::Delivered(self.delivered_to(delivered)),
            Write::Device(device) => {
                match self.claim(&device.user, &device.device, &device.claim, device.now) {
                    None => Written::Overtaken,
                    Some(turn) => {
                        self.device(device);
                        Written::Device { turn }
                    }
                }
            }
            Write::Kick { user, device, request, now, .. } => {
                let kicked = self.claims.kick(user, device.as_deref(), *request, *now);
                Written::Kick(kicked.then(|| self.changed(user)))
            }
            Write::Status { user, status } => {
                if self.claims.set_status(user, *status) {
                    self.changed(user);
                }
                Written::Done
            }
            Write::Attach(attach) => Written::Attach(Box::new(self.attach(attach))),
            Write::BeginEpoch { ended, .. } => {
                if *ended == self.epoch {
                    self.begin_epoch(&rules::new_epoch(), false);
                }
                Written::Epoch(self.epoch.clone())
            }
        }
    }
}
