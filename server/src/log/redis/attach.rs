//! Attaching a device: read, decide here as every store does, then a script that writes only if nothing of it has changed
//! meanwhile; and again if it has.

use std::collections::VecDeque;
use std::time::Instant;

use wsc_core::peer::is_overtaken;

use super::super::attach::{Decision, count_claim, decide};
use super::super::store::{
    Attach, AttachOutcome, Attached, Attachment, ClaimChange, Delivered, Joined, KnownEpochs, NewMembership,
    StoreError, Write, Written,
};
use super::Inner;
use super::connection::Refusal;
use super::layout;
use super::record::{self, damaged};

impl Inner {
    pub(super) async fn attach(&self, attach: &Attach, deadline: Instant) -> Result<Attached, Refusal> {
        if self.is_overtaken(attach).await.map_err(Refusal::Not)? {
            return Ok(Attached { memberships: Vec::new(), outcome: AttachOutcome::Overtaken });
        }
        let mut before: Vec<Write> = attach.joins.iter().cloned().map(Write::Join).collect();
        before.push(Write::See { user: attach.user.clone(), visible: attach.visible });
        let mut memberships = Vec::new();
        let answers = Box::pin(self.write(&before)).await;
        for (join, answer) in attach.joins.iter().zip(&answers) {
            if let Ok(Written::Join(Joined::New { head, epoch, version })) = answer {
                memberships.push(NewMembership {
                    group: join.group.clone(),
                    head: *head,
                    epoch: epoch.clone(),
                    version: *version,
                });
            }
        }
        if let Some(error) = answers.into_iter().find_map(Result::err) {
            return Err(Refusal::Perhaps(error));
        }
        loop {
            let outcome = self.place(attach, deadline).await?;
            if let Some(outcome) = outcome {
                return Ok(Attached { memberships, outcome });
            }
            if Instant::now() > deadline {
                let error = StoreError::Unavailable("what is attached to changes all the time".into());
                return Err(Refusal::Not(error));
            }
        }
    }

    /// As `Claims::overtakes`: looked at before anything is written, and again by the script that takes the claim.
    async fn is_overtaken(&self, attach: &Attach) -> Result<bool, StoreError> {
        let ClaimChange::Take { is_exclusive: true, connection, sent_ms, .. } = &attach.claim else {
            return Ok(false);
        };
        if *sent_ms == 0 {
            return Ok(false);
        }
        let mut ask = redis::pipe();
        ask.cmd("HGET").arg(self.link.layout.key("c", &layout::inbox(&attach.user))).arg(&*attach.device);
        let (kept,): (Option<String>,) = self.link.ask(ask).await?;
        let Some(kept) = kept else { return Ok(false) };
        let (claim, _) = record::claim(&attach.device, &kept).ok_or_else(|| damaged("a claim"))?;
        Ok(claim.connection != *connection && is_overtaken(*sent_ms, claim.sent_ms))
    }

    /// Decides and keeps it; `None`: something has changed meanwhile.
    ///
    /// What is compared is the version of the inbox (memberships, claims) and the device's record. Heads are not: they only
    /// grow, so that a decision by an older one is as good, and a busy group would never let anybody in.
    async fn place(&self, attach: &Attach, deadline: Instant) -> Result<Option<AttachOutcome>, Refusal> {
        let device = (!attach.device.is_empty()).then_some(&*attach.device);
        let (opened, kept) = self.opened(&attach.user, device).await.map_err(Refusal::Not)?;
        let version = opened.streams.first().map_or(0, |inbox| inbox.version);
        let Decision { mut outcome, cursors, delivered } = decide(attach, opened);
        let AttachOutcome::Ready(Attachment { streams, attempts, turn, .. }) = &mut outcome else {
            return Ok(Some(outcome));
        };
        if device.is_none() && attach.claim == ClaimChange::Keep {
            return Ok(Some(outcome));
        }
        let inbox = layout::inbox(&attach.user);
        let delivered = Delivered {
            user: attach.user.clone(),
            ranges: delivered,
            asked: Vec::new(),
            epochs: KnownEpochs::default(),
        };
        let write = attach.device_write(cursors, *attempts);
        let items = self.items();
        let mut queue = VecDeque::from([items.check(&inbox, version, &attach.device, &kept)]);
        if !delivered.ranges.is_empty() {
            queue.push_back(items.delivered(1, &delivered));
        }
        queue.push_back(items.device(2, &write, &attach.claim));
        let mut replies = vec![Vec::new(); 3];
        self.run(&mut queue, &mut replies, deadline).await?;
        let Some(reply) = replies[2].pop() else { return Ok(None) };
        let reply = reply.first().map_or("", String::as_str);
        if reply == "O" {
            return Ok(Some(AttachOutcome::Overtaken));
        }
        let mut numbers = reply.split(':').map(str::parse);
        let (Some(Ok(version)), Some(Ok(taken))) = (numbers.next(), numbers.next()) else {
            return Err(Refusal::Perhaps(damaged("the answer of a script")));
        };
        count_claim(streams, version);
        *turn = taken;
        Ok(Some(outcome))
    }
}
