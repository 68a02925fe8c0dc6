//! Attaching a device, in a batch.

use super::super::attach::{Decision, count_claim, decide};
use super::super::store::{
    Attach, AttachOutcome, Attached, Attachment, ClaimChange, Delivered, Joined, KnownEpochs, NewMembership,
    StoreError,
};
use super::engine::Source as _;
use super::layout;
use super::opening::Opening as _;
use super::record::UserRecord;
use super::work::Work;

impl Work<'_> {
    pub(super) fn attach(&mut self, attach: &Attach) -> Result<Attached, StoreError> {
        let is_overtaken = self.engine.claims().overtakes(&attach.user, &attach.device, &attach.claim);
        if is_overtaken {
            return Ok(Attached { memberships: Vec::new(), outcome: AttachOutcome::Overtaken });
        }
        let mut memberships = Vec::new();
        for join in &attach.joins {
            if let Joined::New { head, epoch, version } = self.join(join)? {
                memberships.push(NewMembership { group: join.group.clone(), head, epoch, version });
            }
        }
        let is_new = self.see(&attach.user, attach.visible)?;
        let mut changed = is_new || !memberships.is_empty();
        let device = (!attach.device.is_empty()).then_some(&*attach.device);
        let opened = self.open(&attach.user, device)?;
        let Decision { mut outcome, cursors, delivered } = decide(attach, opened);
        if let AttachOutcome::Ready(Attachment { streams, attempts, turn, .. }) = &mut outcome {
            if !delivered.is_empty() {
                changed = true;
                let user = attach.user.clone();
                self.delivered(&Delivered {
                    user,
                    ranges: delivered,
                    asked: Vec::new(),
                    epochs: KnownEpochs::default(),
                })?;
            }
            if device.is_some() {
                changed |= self.device(&attach.device_write(cursors, *attempts))?;
            }
            *turn = self.claim(&attach.user, &attach.device, &attach.claim, attach.now)?.unwrap_or(0);
            if attach.claim != ClaimChange::Keep {
                let user = layout::numbered(layout::USER, self.user(&attach.user)?);
                count_claim(streams, self.record::<UserRecord>(&user)?.unwrap_or_default().version);
            }
        }
        // When it was last seen may be lost with the machine.
        self.must_flush |= changed;
        Ok(Attached { memberships, outcome })
    }
}
