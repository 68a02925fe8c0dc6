//! What is forgotten, a bounded amount per call. Every hub does it; two at once do no harm.

use std::sync::PoisonError;

use super::super::rules;
use super::super::store::{Milliseconds, StoreError};
use super::Inner;
use super::connection::Refusal;
use super::layout;
use super::people::BURY_MS;
use super::read::Reading;
use super::record::{self, damaged};
use super::script::{Args, Script};

/// Things looked at in one call, of each kind and partition.
const THINGS: usize = 64;
/// Entries looked at in one call.
const ENTRIES: usize = 2_000;
/// Users with claims looked at in one call.
const CLAIMED: usize = 100;

impl Inner {
    /// Forgets some of what is due; `true`: there is more.
    pub(super) async fn maintain(&self, now: Milliseconds) -> Result<bool, StoreError> {
        let (mut more, mut entries) = (false, ENTRIES);
        let retention = self.retention;
        let before = |keep: std::time::Duration| {
            now.saturating_sub(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX))
        };
        let (device, member) = (before(retention.device), before(rules::tombstone_life(&retention)));
        for partition in 0..self.link.layout.partitions() {
            let key = |name: &str| self.link.layout.prefix(partition) + name;
            let mut ask = redis::pipe();
            ask.cmd("SRANDMEMBER").arg(key("over")).arg(THINGS);
            for (name, oldest) in [("t", before(retention.age)), ("vt", device), ("xt", member)] {
                ask.cmd("ZRANGEBYSCORE").arg(key(name)).arg("-inf").arg(format!("({oldest}"));
                ask.arg("LIMIT").arg(0).arg(THINGS);
            }
            let (mut streams, due, devices, members): (Vec<String>, Vec<String>, Vec<String>, Vec<String>) =
                self.link.ask(ask).await?;
            more |= [&streams, &due, &devices, &members].iter().any(|list| list.len() == THINGS);
            streams.extend(due);
            streams.sort_unstable();
            streams.dedup();
            for name in streams {
                if entries == 0 {
                    return Ok(true);
                }
                more |= self.trim(partition, &name, now, &mut entries).await?;
            }
            for (what, things, oldest) in [("device", devices, device), ("member", members, member)] {
                for thing in things {
                    self.forget(partition, Args::default().put(what).put(thing).number(oldest)).await?;
                }
            }
        }
        self.bury(now).await?;
        Ok(more)
    }

    async fn forget(&self, partition: usize, args: &Args) -> Result<(), StoreError> {
        let made = self.link.make(Script::Retain, partition, args, self.link.deadline()).await;
        made.map(drop).map_err(Refusal::error)
    }

    /// Trims a stream as far as it has to be; `true`: there is more to trim.
    async fn trim(
        &self,
        partition: usize,
        name: &str,
        now: Milliseconds,
        entries: &mut usize,
    ) -> Result<bool, StoreError> {
        let stream = layout::stream(name).ok_or_else(|| damaged("the name of a stream"))?;
        let most = stream.most(&self.retention);
        let state = self.state(&stream).await?;
        let mut floor = state.floor.max((state.head + 1).saturating_sub(most));
        // What goes by count alone is not looked at.
        *entries = entries
            .saturating_sub(usize::try_from(floor - state.floor).unwrap_or(usize::MAX).min(ENTRIES / 2));
        let limit = (*entries).max(1);
        let reading = Reading { from: floor, limit, max_bytes: usize::MAX, back: false, bodies: false };
        let first = self.page(&stream, Reading { limit: 1, ..reading }).await?;
        let is_old =
            |entry: &super::super::store::Entry| rules::outlived(entry.create_at, now, self.retention.age);
        let mut oldest = first.entries.first().map(|entry| entry.create_at);
        let mut more = false;
        if first.entries.first().is_some_and(is_old) {
            let page = self.page(&stream, reading).await?;
            *entries = entries.saturating_sub(page.entries.len());
            let kept = page.entries.iter().find(|entry| !is_old(entry));
            floor = kept.map_or(page.next, |entry| entry.seq);
            more = kept.is_none() && page.next <= page.head;
            oldest = match (kept, more) {
                (Some(entry), _) => Some(entry.create_at),
                // As old as the last one looked at: it comes again.
                (None, true) => page.entries.last().map(|entry| entry.create_at),
                (None, false) => None,
            };
        }
        let oldest = oldest.map(|oldest| oldest.to_string()).unwrap_or_default();
        let mut args = Args::default();
        args.put("stream").put(name).number(floor).put(oldest).number(most).number(now);
        self.forget(partition, &args).await?;
        Ok(more)
    }

    /// Forgets the claims of hubs that are dead for long; goes round over all users with a claim.
    async fn bury(&self, now: Milliseconds) -> Result<(), StoreError> {
        let (partition, cursor) = self.buried.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let on = self.link.layout.prefix(partition) + "on";
        let mut ask = redis::pipe();
        ask.cmd("ZSCAN").arg(&on).arg(&cursor).arg("COUNT").arg(CLAIMED);
        let ((next, found),): ((String, Vec<(String, f64)>),) = self.link.ask(ask).await?;
        let next = match next.as_str() {
            "0" => ((partition + 1) % self.link.layout.partitions(), next),
            _ => (partition, next),
        };
        *self.buried.lock().unwrap_or_else(PoisonError::into_inner) = next;
        if found.is_empty() {
            return Ok(());
        }
        let mut ask = redis::pipe();
        for (user, _) in &found {
            ask.cmd("HGETALL").arg(format!("{}c:i{user}", self.link.layout.prefix(partition)));
        }
        let claims: Vec<Vec<(String, String)>> = self.link.ask(ask).await?;
        let hubs = self.known_hubs().await?;
        for ((user, _), claims) in found.iter().zip(claims) {
            let mut args = Args::default();
            args.put("claims").put(format!("i{user}")).put(user);
            let mut is_any = false;
            for (device, kept) in claims {
                let (claim, taken) = record::claim(&device, &kept).ok_or_else(|| damaged("a claim"))?;
                // A hub may take claims before its first sign of life.
                if !hubs.contains(&claim.incarnation) && now.saturating_sub(taken) > BURY_MS {
                    args.put(device).put(kept);
                    is_any = true;
                }
            }
            if is_any {
                self.forget(partition, &args).await?;
            }
        }
        Ok(())
    }
}
