//! Reads of memberships.

use std::sync::Arc;

use super::super::key::GroupKey;
use super::super::store::{Members, Membership, StoreError};
use super::Inner;
use super::layout;
use super::read::{Row, STREAMS};
use super::record::{self, damaged};

impl Inner {
    /// The memberships of one user.
    pub(super) async fn in_groups(
        &self,
        user: &str,
        groups: &[GroupKey],
    ) -> Result<Vec<Option<Membership>>, StoreError> {
        let mut ask = redis::pipe();
        for group in groups {
            ask.cmd("HGET").arg(self.link.layout.key("g", &layout::group(group))).arg(user);
        }
        let kept: Vec<Option<String>> = self.link.ask(ask).await?;
        kept.iter().map(|kept| kept.as_deref().map(membership).transpose()).collect()
    }

    pub(super) async fn memberships(
        &self,
        group: &GroupKey,
        users: &[Arc<str>],
    ) -> Result<Vec<Option<Membership>>, StoreError> {
        let mut found = Vec::with_capacity(users.len());
        for users in users.chunks(STREAMS) {
            let mut ask = redis::pipe();
            ask.cmd("HMGET").arg(self.link.layout.key("g", &layout::group(group)));
            users.iter().for_each(|user| {
                ask.arg(&**user);
            });
            let (kept,): (Row,) = self.link.ask(ask).await?;
            for kept in &kept {
                found.push(kept.as_deref().map(membership).transpose()?);
            }
        }
        Ok(found)
    }

    pub(super) async fn members(
        &self,
        group: &GroupKey,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Members, StoreError> {
        let key = self.link.layout.key("o", &layout::group(group));
        let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let mut ask = redis::pipe();
        ask.cmd("ZRANGEBYLEX").arg(&key).arg(from).arg("+").arg("LIMIT").arg(0).arg(limit.saturating_add(1));
        ask.cmd("ZCARD").arg(&key);
        let (mut users, total): (Vec<String>, u64) = self.link.ask(ask).await?;
        let more = users.len() > limit;
        users.truncate(limit);
        Ok(Members { users: users.into_iter().map(Arc::from).collect(), total, more })
    }
}

fn membership(kept: &str) -> Result<Membership, StoreError> {
    record::membership(kept).ok_or_else(|| damaged("a membership"))
}
