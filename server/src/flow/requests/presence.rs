//! Requests about other users: presence, watching, observing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use wsc_core::frame::{ObjectWriter, PresenceOf};
use wsc_core::kind::UserStatus;
use wsc_core::{ErrorCode, limits};

use super::{Asker, LARGEST_PAGE, Outcome, Refused, Reply, page_size};
use crate::cluster::interests::Look;
use crate::cluster::router::Cluster;
use crate::log::store::{StoreError, Write};
use crate::registry::presence::{in_frames, write_presence};
use crate::shard::hint::Hint;

/// Members read at a time.
const LARGEST_MEMBERS: usize = 1000;

impl Asker {
    pub(super) async fn statuses(&self, users: &[Cow<'_, str>]) -> Outcome {
        let users: Vec<Arc<str>> = users.iter().map(|user| user.as_ref().into()).collect();
        Ok(self.describe(users).await?)
    }

    /// The presence of users, in one or more frames; when one was last seen comes from the log if nobody here knows. Who
    /// asks for many pays for them.
    async fn describe(&self, users: Vec<Arc<str>>) -> Result<Reply, StoreError> {
        if let Some(cluster) = &self.shard.node.router.cluster {
            return self.describe_shared(cluster, users).await;
        }
        let presence = &self.shard.node.presence;
        let mut last_seen: HashMap<String, u64> = HashMap::new();
        let known = presence.describe(self.scope(), &users).into_iter();
        for (index, unknown) in known.filter(|found| found.last_seen_ms == 0).enumerate() {
            if index > 0 && index % limits::QUERY_IDS == 0 {
                self.pay().await?;
            }
            let seen = self.last_seen(&unknown.user).await?;
            last_seen.insert(unknown.user, seen);
        }
        let scope = self.scope().clone();
        // Described within the turn that writes it: whatever is told of a change after it is newer than it.
        Ok(Reply::InTurn(Box::new(move |cx| {
            let mut found = cx.node().presence.describe(&scope, &users);
            for presence in found.iter_mut().filter(|presence| presence.last_seen_ms == 0) {
                presence.last_seen_ms = last_seen.get(&presence.user).copied().unwrap_or(0);
            }
            Reply::Parts("user_status_response", in_frames(&found, &cx.node().settings))
        })))
    }

    /// The same where other hubs have connections, too: the store is asked, in the order of what watchers are told.
    async fn describe_shared(&self, cluster: &Cluster, users: Vec<Arc<str>>) -> Result<Reply, StoreError> {
        for _ in 1..users.len().div_ceil(limits::QUERY_IDS) {
            self.pay().await?;
        }
        let (answer, wait) = oneshot::channel();
        let keys = users.iter().map(|user| self.user(user)).collect();
        drop(cluster.interests.looks.put([Look { users: keys, answer: Some(answer) }]));
        let found = wait.await.unwrap_or(Err(StoreError::Closed))?;
        let scope = self.scope().clone();
        Ok(Reply::InTurn(Box::new(move |cx| {
            // What watchers were told since is newer.
            let found = cx.node().presence.newest(&scope, found);
            Reply::Parts("user_status_response", in_frames(&found, &cx.node().settings))
        })))
    }

    /// The presence of one user or of several, as of now.
    async fn look(&self, users: &[Arc<str>]) -> Result<Vec<PresenceOf>, StoreError> {
        let node = &self.shard.node;
        match &node.router.cluster {
            Some(cluster) => node.presence.look(cluster, &*node.log.store, self.scope(), users).await,
            None => Ok(node.presence.describe(self.scope(), users)),
        }
    }

    async fn last_seen(&self, user: &str) -> Result<u64, StoreError> {
        self.shard.node.log.store.last_seen(&self.user(user)).await
    }

    pub(super) async fn user_info(&self, user: &str) -> Outcome {
        let known = self.look(&[user.into()]).await?;
        let mut presence = known.into_iter().next().unwrap_or_default();
        if presence.last_seen_ms == 0 {
            presence.last_seen_ms = self.last_seen(user).await?;
        }
        let mut data = String::new();
        let mut writer = ObjectWriter::new(&mut data);
        write_presence(&mut writer, &presence);
        writer.end();
        Ok(Reply::Data("user_info_response", data))
    }

    pub(super) async fn online_users(&self, group: &str, limit: u64, after: &str) -> Outcome {
        let node = &self.shard.node;
        let limit = page_size(limit, LARGEST_PAGE);
        let (users, total, more) = if group.is_empty() {
            if !self.identity.capabilities.admin {
                return Err(Refused::because(ErrorCode::PermissionDenied, "name a group of yours"));
            }
            match &node.router.cluster {
                Some(cluster) => self.online_anywhere(cluster, after, limit).await?,
                None => node.presence.online(self.scope(), after, limit),
            }
        } else {
            self.must_see(group).await?;
            let members = self.all_members(group).await?;
            let found = self.look(&members).await?;
            let online: Vec<Arc<str>> = found
                .iter()
                .filter(|presence| presence.is_online())
                .map(|presence| presence.user.as_str().into())
                .collect();
            let mut page: Vec<Arc<str>> =
                online.iter().filter(|user| ***user > *after).take(limit + 1).cloned().collect();
            let more = page.len() > limit;
            page.truncate(limit);
            (page, online.len() as u64, more)
        };
        Ok(Reply::Data("online_users_list", self.user_page(&users, more, total)))
    }

    /// A page of the tenant's users who are online on any hub, with how many there are in all.
    async fn online_anywhere(
        &self,
        cluster: &Cluster,
        after: &str,
        limit: usize,
    ) -> Result<(Vec<Arc<str>>, u64, bool), StoreError> {
        let node = &self.shard.node;
        let (mut page, mut total, mut last): (Vec<Arc<str>>, u64, Arc<str>) = (Vec::new(), 0, "".into());
        loop {
            let claimed = node.log.store.claimed(self.scope(), &last, LARGEST_MEMBERS).await?;
            let Some(newest) = claimed.last().cloned() else { break };
            let found = node.presence.look(cluster, &*node.log.store, self.scope(), &claimed).await?;
            let online = claimed.into_iter().zip(found).filter(|(_, presence)| presence.is_online());
            for (user, _) in online {
                total += 1;
                if *user > *after && page.len() <= limit {
                    page.push(user);
                }
            }
            last = newest;
            self.pay().await?;
        }
        let more = page.len() > limit;
        page.truncate(limit);
        Ok((page, total, more))
    }

    /// Who asks in a large group pays for it.
    async fn all_members(&self, group: &str) -> Result<Vec<Arc<str>>, StoreError> {
        let key = self.group(group);
        let mut members: Vec<Arc<str>> = Vec::new();
        loop {
            let after = members.last().cloned();
            let page = self.shard.node.log.store.members(&key, after.as_deref(), LARGEST_MEMBERS).await?;
            members.extend(page.users);
            if !page.more {
                return Ok(members);
            }
            self.pay().await?;
        }
    }

    /// Whom a watch is about: the users named, and a group's members.
    async fn watched(&self, users: &[Cow<'_, str>], group: &str) -> Result<Vec<Arc<str>>, Refused> {
        let mut all: Vec<Arc<str>> = users.iter().map(|user| user.as_ref().into()).collect();
        if !group.is_empty() {
            self.must_see(group).await?;
            let page = self.shard.node.log.store.members(&self.group(group), None, limits::WATCH + 1).await?;
            all.extend(page.users);
        }
        Ok(all)
    }

    pub(super) async fn watch(&self, users: &[Cow<'_, str>], group: &str) -> Outcome {
        let users = self.watched(users, group).await?;
        let wanted = users.clone();
        // First the changes, then what is now: nothing falls between.
        let allowed = self.with(move |connection, cx| {
            let mut watching = connection.extras().watching.clone();
            watching.extend(wanted.iter().cloned());
            let allowed = watching.len() <= limits::WATCH && connection.is_attached();
            if allowed {
                connection.extras().watching = watching;
                let scope = &connection.identity.user.scope;
                cx.node().presence.watch(scope, cx.address(connection.id), &wanted, &cx.node().router);
            }
            allowed
        });
        if allowed.await != Some(true) {
            let reason = format!("a connection watches at most {} users", limits::WATCH);
            return Err(Refused { code: ErrorCode::InvalidFormat, reason: reason.into() });
        }
        Ok(self.describe(users).await?)
    }

    pub(super) async fn unwatch(&self, users: &[Cow<'_, str>], group: &str) -> Outcome {
        let users = self.watched(users, group).await?;
        self.with(move |connection, cx| {
            let watching = &mut connection.extras().watching;
            let users = if users.is_empty() { watching.drain().collect() } else { users };
            for user in &users {
                watching.remove(user);
            }
            let scope = &connection.identity.user.scope;
            cx.node().presence.unwatch_all(scope, cx.address(connection.id), &users, &cx.node().router);
        })
        .await;
        Ok(Reply::Done)
    }

    pub(super) async fn set_status(&self, status: &str) -> Outcome {
        match UserStatus::from_name(status) {
            Some(status) if status != UserStatus::Offline => {
                let node = &self.shard.node;
                if node.router.cluster.is_some() {
                    let user = self.identity.user.clone();
                    node.log.write(Write::Status { user: user.clone(), status }).await?;
                    node.router.tell(Hint::Presence(user), None);
                    return Ok(Reply::Done);
                }
                node.presence.set_status(&self.identity.user, status, &node.router);
                Ok(Reply::Done)
            }
            _ => Err(Refused::because(ErrorCode::InvalidFormat, "status: online, busy, away or invisible")),
        }
    }

    pub(super) async fn observe(&self, group: &str) -> Outcome {
        let group: Arc<str> = group.into();
        let room = self.with(move |connection, cx| {
            let attached = connection.is_attached();
            let observing = &mut connection.extras().observing;
            let known = observing.contains(&group);
            // Only what is remembered here ends with the connection.
            let room = attached && (known || observing.len() < limits::GROUPS);
            if room && !known {
                observing.push(Arc::clone(&group));
            }
            if room {
                let scope = &connection.identity.user.scope;
                cx.node().observers.add(scope, cx.address(connection.id), &group, &cx.node().router);
            }
            room
        });
        if room.await != Some(true) {
            let reason = format!("a connection observes at most {} groups", limits::GROUPS);
            return Err(Refused { code: ErrorCode::InvalidFormat, reason: reason.into() });
        }
        Ok(Reply::Done)
    }

    pub(super) fn unobserve(&self, group: &str) -> Reply {
        let group: Arc<str> = group.into();
        self.step(move |connection, cx| {
            connection.extras().observing.retain(|other| *other != group);
            let scope = &connection.identity.user.scope;
            cx.node().observers.remove(scope, cx.address(connection.id), &[group], &cx.node().router);
        });
        Reply::Done
    }
}
