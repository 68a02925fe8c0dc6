//! Attaching devices: read, decide here as every store does, then a script that writes only if nothing of it has changed
//! meanwhile; and again if it has. Many devices attach together, for after an outage they all come at once: each step is made for all of
//! them in one go.

use std::collections::VecDeque;
use std::time::Instant;

use futures_util::future::{join_all, try_join_all};
use wsc_core::peer::is_overtaken;

use super::super::attach::{Decision, count_claim, decide};
use super::super::store::{
    Attach, AttachOutcome, Attached, Attachment, ClaimChange, Delivered, DeviceWrite, Joined, KnownEpochs,
    NewMembership, StoreError, Write, Written,
};
use super::Inner;
use super::connection::Refusal;
use super::layout;
use super::record::{self, damaged};
use super::run::Reply;

/// An attach that was decided, and is to be kept.
struct Placed {
    outcome: AttachOutcome,
    /// The version of the inbox, and the device's record, by which it was decided.
    version: u64,
    record: String,
    delivered: Delivered,
    device: DeviceWrite,
}

impl Inner {
    /// Attaches some devices of different users; fewer than given if the next one begins a membership, which those before it must
    /// not see. With an error the next one failed.
    pub(super) async fn attach(
        &self,
        attaches: &[&Attach],
        deadline: Instant,
    ) -> (Vec<Written>, Option<Refusal>) {
        match self.attach_some(attaches, deadline).await {
            Ok(attached) => (attached.into_iter().map(|one| Written::Attach(Box::new(one))).collect(), None),
            Err(error) => (Vec::new(), Some(error)),
        }
    }

    async fn attach_some(&self, attaches: &[&Attach], deadline: Instant) -> Result<Vec<Attached>, Refusal> {
        let mut count = attaches.len();
        if count > 1 {
            let begins = join_all(attaches.iter().map(|attach| self.begins(attach))).await;
            let begins: Vec<bool> = begins.into_iter().collect::<Result<_, _>>().map_err(Refusal::Not)?;
            count = begins.iter().position(|begins| *begins).unwrap_or(count).max(1);
        }
        let attaches = &attaches[..count];
        let overtaken = try_join_all(attaches.iter().map(|attach| self.is_overtaken(attach)));
        let overtaken = overtaken.await.map_err(Refusal::Not)?;
        let mut attached = self.begin(attaches, &overtaken).await?;
        let mut left: Vec<usize> = (0..count).filter(|at| !overtaken[*at]).collect();
        while !left.is_empty() {
            let some: Vec<&Attach> = left.iter().map(|at| attaches[*at]).collect();
            let outcomes = self.place(&some, deadline).await?;
            let mut changed = Vec::new();
            for (at, outcome) in left.into_iter().zip(outcomes) {
                match outcome {
                    Some(outcome) => attached[at].outcome = outcome,
                    None => changed.push(at),
                }
            }
            left = changed;
            if !left.is_empty() && Instant::now() > deadline {
                let error = StoreError::Unavailable("what is attached to changes all the time".into());
                return Err(Refusal::Perhaps(error));
            }
        }
        Ok(attached)
    }

    /// Whether an attach may begin a membership.
    async fn begins(&self, attach: &Attach) -> Result<bool, StoreError> {
        let begins = try_join_all(attach.joins.iter().map(|join| self.can_begin(join))).await?;
        Ok(begins.contains(&true))
    }

    /// Makes the users known, and begins their memberships.
    async fn begin(&self, attaches: &[&Attach], overtaken: &[bool]) -> Result<Vec<Attached>, Refusal> {
        let mut before: Vec<Write> = Vec::new();
        for (attach, _) in attaches.iter().zip(overtaken).filter(|(_, overtaken)| !**overtaken) {
            before.extend(attach.joins.iter().cloned().map(Write::Join));
            before.push(Write::See { user: attach.user.clone(), visible: attach.visible });
        }
        let answers = Box::pin(self.write(&before)).await;
        if let Some(error) = answers.iter().find_map(|answer| answer.as_ref().err()) {
            return Err(Refusal::Perhaps(error.clone()));
        }
        let mut answers = answers.into_iter();
        let attached = attaches.iter().zip(overtaken).map(|(attach, overtaken)| {
            let mut memberships = Vec::new();
            if !overtaken {
                for (join, answer) in attach.joins.iter().zip(answers.by_ref().take(attach.joins.len())) {
                    if let Ok(Written::Join(Joined::New { head, epoch, version })) = answer {
                        memberships.push(NewMembership { group: join.group.clone(), head, epoch, version });
                    }
                }
                // The user was seen.
                answers.next();
            }
            Attached { memberships, outcome: AttachOutcome::Overtaken }
        });
        Ok(attached.collect())
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

    /// Decides, and keeps it; `None`: something has changed meanwhile.
    ///
    /// What is compared is the version of the inbox (memberships, claims) and the device's record. Heads are not: they only
    /// grow, so that a decision by an older one is as good, and a busy group would never let anybody in.
    async fn place(
        &self,
        attaches: &[&Attach],
        deadline: Instant,
    ) -> Result<Vec<Option<AttachOutcome>>, Refusal> {
        let decided = try_join_all(attaches.iter().map(|attach| self.decide(attach)));
        let mut decided = decided.await.map_err(Refusal::Not)?;
        let mut queue = VecDeque::new();
        for (at, (attach, placed)) in attaches.iter().zip(&decided).enumerate() {
            let is_kept = !attach.device.is_empty() || attach.claim != ClaimChange::Keep;
            if !is_kept || !matches!(placed.outcome, AttachOutcome::Ready(_)) {
                continue;
            }
            let (items, inbox) = (self.items(), layout::inbox(&attach.user));
            queue.push_back(items.check(2 * at, &inbox, placed.version, &attach.device, &placed.record));
            if !placed.delivered.ranges.is_empty() {
                queue.push_back(items.delivered(2 * at, &placed.delivered));
            }
            queue.push_back(items.device(2 * at + 1, &placed.device, &attach.claim));
        }
        let mut replies = vec![Vec::new(); 2 * attaches.len()];
        self.run(&mut queue, &mut replies, deadline).await?;
        drop(queue);
        let mut outcomes = Vec::with_capacity(decided.len());
        for (at, placed) in decided.drain(..).enumerate() {
            outcomes.push(kept(placed.outcome, replies[2 * at + 1].pop())?);
        }
        Ok(outcomes)
    }

    async fn decide(&self, attach: &Attach) -> Result<Placed, StoreError> {
        let device = (!attach.device.is_empty()).then_some(&*attach.device);
        let (opened, record) = self.opened(&attach.user, device).await?;
        let version = opened.streams.first().map_or(0, |inbox| inbox.version);
        let Decision { outcome, cursors, delivered } = decide(attach, opened);
        let attempts = match &outcome {
            AttachOutcome::Ready(Attachment { attempts, .. }) => *attempts,
            _ => 0,
        };
        let user = attach.user.clone();
        let epochs = KnownEpochs::default();
        let delivered = Delivered { user, ranges: delivered, asked: Vec::new(), epochs };
        let device = attach.device_write(cursors, attempts);
        Ok(Placed { outcome, version, record, delivered, device })
    }
}

/// What became of an attach that was decided, by what keeping it was answered with; `None`: it was left out.
fn kept(mut outcome: AttachOutcome, reply: Option<Reply>) -> Result<Option<AttachOutcome>, Refusal> {
    let (AttachOutcome::Ready(Attachment { streams, turn, .. }), Some(reply)) = (&mut outcome, reply) else {
        return Ok(Some(outcome));
    };
    let mut numbers = match reply.first().map_or("", String::as_str) {
        "O" => return Ok(Some(AttachOutcome::Overtaken)),
        "-" => return Ok(None),
        reply => reply.split(':').map(str::parse),
    };
    let (Some(Ok(version)), Some(Ok(taken))) = (numbers.next(), numbers.next()) else {
        return Err(Refusal::Perhaps(damaged("the answer of a script")));
    };
    count_claim(streams, version);
    *turn = taken;
    Ok(Some(outcome))
}
