//! Users and their devices in the memory store's state.

use std::sync::Arc;

use super::super::attach::{Decision, count_claim, decide};
use super::super::claims::Changed;
use super::super::key::{StreamKey, UserKey};
use super::super::rules;
use super::super::store::{
    Attach, AttachOutcome, Attached, Attachment, ClaimChange, Delivered, DeviceWrite, Joined, KnownEpochs,
    Milliseconds, NewMembership,
};
use super::state::State;

impl State {
    pub(super) fn see(&mut self, user: &UserKey, visible: Milliseconds) {
        let head = self.head(&StreamKey::Broadcast(user.scope.clone()));
        let user = self.users.entry(user.clone()).or_default();
        user.broadcast_start.get_or_insert(head);
        user.last_seen = user.last_seen.max(visible);
    }

    /// Counts a change of what is true of a user; the version of the inbox.
    pub(super) fn changed(&mut self, user: &UserKey) -> u64 {
        let user = self.users.entry(user.clone()).or_default();
        user.version += 1;
        user.version
    }

    /// The turn of the claim; `None`: a newer connection has it.
    pub(super) fn claim(
        &mut self,
        user: &UserKey,
        device: &Arc<str>,
        change: &ClaimChange,
        now: Milliseconds,
    ) -> Option<u64> {
        match self.claims.change(user, device, change, now) {
            Changed::Overtaken => None,
            Changed::No(turn) => Some(turn),
            Changed::Yes(turn) => {
                self.changed(user);
                Some(turn)
            }
        }
    }

    pub(super) fn attach(&mut self, attach: &Attach) -> Attached {
        if self.claims.overtakes(&attach.user, &attach.device, &attach.claim) {
            return Attached { memberships: Vec::new(), outcome: AttachOutcome::Overtaken };
        }
        let mut memberships = Vec::new();
        for join in &attach.joins {
            if let Joined::New { head, epoch, version } = self.join(join) {
                memberships.push(NewMembership { group: join.group.clone(), head, epoch, version });
            }
        }
        self.see(&attach.user, attach.visible);
        let device = (!attach.device.is_empty()).then_some(&*attach.device);
        let Decision { mut outcome, cursors, delivered } = decide(attach, self.open(&attach.user, device));
        if let AttachOutcome::Ready(Attachment { streams, attempts, turn, .. }) = &mut outcome {
            let user = attach.user.clone();
            self.delivered_to(&Delivered {
                user,
                ranges: delivered,
                asked: Vec::new(),
                epochs: KnownEpochs::default(),
            });
            if device.is_some() {
                self.device(&attach.device_write(cursors, *attempts));
            }
            *turn = self.claim(&attach.user, &attach.device, &attach.claim, attach.now).unwrap_or(0);
            count_claim(streams, self.version(&StreamKey::Inbox(attach.user.clone())));
        }
        Attached { memberships, outcome }
    }

    pub(super) fn device(&mut self, write: &DeviceWrite) {
        let epoch = self.epoch.clone();
        let user = self.users.entry(write.user.clone()).or_default();
        user.last_seen = user.last_seen.max(write.visible);
        if write.device.is_empty() {
            return;
        }
        let known = user.devices.contains_key(&write.device);
        let device = user.devices.entry(write.device.clone()).or_default();
        device.attempts = write.attempts;
        device.last_seen = device.last_seen.max(write.now);
        for (stream, cursor) in &write.cursors {
            if write.epochs.are_past(stream, &epoch) {
                continue;
            }
            let kept = device.places.get(stream);
            let carried = kept.is_some_and(|(of, _)| *of != epoch);
            let seq = rules::moved(kept.map(|(_, seq)| *seq), carried, *cursor);
            device.places.insert(stream.clone(), (epoch.clone(), seq));
        }
        for stream in &write.forget {
            device.places.remove(stream);
        }
        if rules::makes_room(known, write) {
            let devices = user.devices.iter().map(|(id, device)| (id, device.last_seen));
            let surplus: Vec<Arc<str>> = rules::surplus(devices, write).into_iter().cloned().collect();
            for device in surplus {
                user.devices.remove(&device);
            }
        }
    }
}
