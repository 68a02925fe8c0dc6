//! Requests about people: presence, watching, observing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use wsc_core::frame::ObjectWriter;
use wsc_core::kind::UserStatus;
use wsc_core::{ErrorCode, limits};

use super::{Asker, LARGEST_PAGE, Outcome, Refused, Reply, page_size};
use crate::hub::presence::{in_frames, write_presence};
use crate::log::store::StoreError;

impl Asker {
    pub(super) async fn statuses(&self, users: &[Cow<'_, str>]) -> Outcome {
        let users: Vec<Arc<str>> = users.iter().map(|user| user.as_ref().into()).collect();
        Ok(Reply::Parts("user_status_response", self.describe(&users).await?))
    }

    /// The presence of users, as `data` of one or more frames; when one was last seen comes from the log if nobody here
    /// knows. Who asks for many pays for them.
    async fn describe(&self, users: &[Arc<str>]) -> Result<Vec<String>, StoreError> {
        let presence = &self.shard.node.presence;
        let mut last_seen: HashMap<String, u64> = HashMap::new();
        let known = presence.describe(self.scope(), users).into_iter();
        for (index, unknown) in known.filter(|found| found.last_seen_ms == 0).enumerate() {
            if index > 0 && index % limits::QUERY_IDS == 0 {
                self.pay().await?;
            }
            let seen = self.last_seen(&unknown.user).await?;
            last_seen.insert(unknown.user, seen);
        }
        // From here to the answer nothing is waited for: whatever is told of a change after it is newer than it.
        let mut found = presence.describe(self.scope(), users);
        for presence in found.iter_mut().filter(|presence| presence.last_seen_ms == 0) {
            presence.last_seen_ms = last_seen.get(&presence.user).copied().unwrap_or(0);
        }
        Ok(in_frames(&found, &self.shard.node.settings))
    }

    async fn last_seen(&self, user: &str) -> Result<u64, StoreError> {
        self.shard.node.log.store.last_seen(&self.user(user)).await
    }

    pub(super) async fn user_info(&self, user: &str) -> Outcome {
        let known = self.shard.node.presence.describe(self.scope(), &[user.into()]);
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
            node.presence.online(self.scope(), after, limit)
        } else {
            self.must_see(group)?;
            let members = self.all_members(group).await?;
            let found = node.presence.describe(self.scope(), &members);
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

    /// Who asks in a large group pays for it.
    async fn all_members(&self, group: &str) -> Result<Vec<Arc<str>>, StoreError> {
        let key = self.group(group);
        let mut members: Vec<Arc<str>> = Vec::new();
        loop {
            let after = members.last().cloned();
            let page = self.shard.node.log.store.members(&key, after.as_deref(), 1000).await?;
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
            self.must_see(group)?;
            let page = self.shard.node.log.store.members(&self.group(group), None, limits::WATCH + 1).await?;
            all.extend(page.users);
        }
        Ok(all)
    }

    pub(super) async fn watch(&self, users: &[Cow<'_, str>], group: &str) -> Outcome {
        let users = self.watched(users, group).await?;
        let allowed = self.with(|connection| {
            let mut watching = connection.rare().watching.clone();
            watching.extend(users.iter().cloned());
            let allowed = watching.len() <= limits::WATCH && connection.attached;
            if allowed {
                connection.rare().watching = watching;
            }
            allowed
        });
        if allowed != Some(true) {
            return Err(Refused::because(
                ErrorCode::InvalidFormat,
                "a connection watches at most 1000 users",
            ));
        }
        // First the changes, then what is now: nothing falls between.
        self.shard.node.presence.watch(self.scope(), self.address(), &users);
        Ok(Reply::Parts("user_status_response", self.describe(&users).await?))
    }

    pub(super) async fn unwatch(&self, users: &[Cow<'_, str>], group: &str) -> Outcome {
        let mut users = self.watched(users, group).await?;
        self.with(|connection| {
            if users.is_empty() {
                users = connection.rare().watching.iter().cloned().collect();
            }
            for user in &users {
                connection.rare().watching.remove(user);
            }
        });
        self.shard.node.presence.unwatch_all(self.scope(), self.address(), &users);
        Ok(Reply::Done)
    }

    pub(super) fn set_status(&self, status: &str) -> Outcome {
        match UserStatus::from_name(status) {
            Some(status) if status != UserStatus::Offline => {
                self.shard.node.presence.set_status(&self.identity.user, status, &self.shard.node);
                Ok(Reply::Done)
            }
            _ => Err(Refused::because(ErrorCode::InvalidFormat, "status: online, busy, away or invisible")),
        }
    }

    pub(super) fn observe(&self, group: &str) -> Outcome {
        let group: Arc<str> = group.into();
        let room = self.with(|connection| {
            let attached = connection.attached;
            let observing = &mut connection.rare().observing;
            let known = observing.contains(&group);
            // Only what is remembered here ends with the connection.
            let room = attached && (known || observing.len() < limits::GROUPS);
            if room && !known {
                observing.push(Arc::clone(&group));
            }
            room
        });
        if room != Some(true) {
            let reason = "a connection observes at most 1000 groups";
            return Err(Refused::because(ErrorCode::InvalidFormat, reason));
        }
        self.shard.node.observers.add(self.scope(), self.address(), &group);
        Ok(Reply::Done)
    }

    pub(super) fn unobserve(&self, group: &str) -> Reply {
        let group: Arc<str> = group.into();
        self.with(|connection| connection.rare().observing.retain(|other| *other != group));
        self.shard.node.observers.remove(self.scope(), self.address(), &[group]);
        Reply::Done
    }
}
