//! Requests about groups: joining, leaving, members.

use std::sync::Arc;

use tokio::sync::oneshot;
use wsc_core::ErrorCode;
use wsc_core::frame::{GroupChanged, HubFrame};

use super::{Asker, LARGEST_PAGE, Outcome, Refused, Reply, page_size};
use crate::clock;
use crate::flow::membership::{announce, disband, remove};
use crate::log::store::{Join, JoinBy, Joined, RequestId, Write, Written};
use crate::net::lists;
use crate::shard::attaching::PendingMembership;

impl Asker {
    pub(super) async fn join(&self, id: &str, group: &str) -> Outcome {
        if !self.identity.capabilities.may_join(group) && !self.is_member(group).await {
            return Err(Refused::because(
                ErrorCode::PermissionDenied,
                "the token does not allow joining this group",
            ));
        }
        let published = self.await_change(id, group, true).await;
        let join = Join {
            group: self.group(group),
            user: Arc::clone(&self.identity.user.user),
            by: JoinBy::Request { issued_at: self.identity.issued_at },
            max_groups: self.shard.node.settings.limits.groups,
            request: RequestId::new(),
            now: clock::wall().ms(),
        };
        let written = self.shard.node.log.write(Write::Join(join)).await;
        if matches!(written, Ok(Written::Join(Joined::New { .. }))) {
            // The stream was opened, and with it the request answered, when the change was published.
            let _ = published.await;
            announce(&self.shard.node, &self.group(group), &self.identity.user.user, "joined").await;
            return Ok(Reply::Written);
        }
        if self.is_answered().await {
            return Ok(Reply::Written);
        }
        match written? {
            Written::Join(Joined::Already) => {
                self.write(HubFrame::GroupChanged(Box::new(GroupChanged {
                    request_id: id.to_owned().into(),
                    group: group.to_owned().into(),
                    action: "joined".into(),
                    user: self.identity.user.user.to_string().into(),
                    opened: None,
                    closes: false,
                })));
                Ok(Reply::Written)
            }
            Written::Join(Joined::TooMany) => {
                Err(Refused::because(ErrorCode::GroupFull, "the user is in too many groups"))
            }
            _ => Err(Refused::because(ErrorCode::PermissionDenied, "removed since the token was issued")),
        }
    }

    pub(super) async fn leave(&self, id: &str, group: &str) -> Outcome {
        let published = self.await_change(id, group, false).await;
        let user = Arc::clone(&self.identity.user.user);
        let request = RequestId::new();
        let group_key = self.group(group);
        let write = Write::Leave { group: group_key, user, removed: false, request, now: clock::wall().ms() };
        let written = self.shard.node.log.write(write).await;
        if matches!(written, Ok(Written::Leave(Some(_)))) {
            let _ = published.await;
            announce(&self.shard.node, &self.group(group), &self.identity.user.user, "left").await;
            return Ok(Reply::Written);
        }
        if self.is_answered().await {
            return Ok(Reply::Written);
        }
        written?;
        Err(Refused::new(ErrorCode::GroupNotFound))
    }

    pub(super) async fn remove(&self, group: &str, user: &str) -> Outcome {
        remove(&self.shard.node, &self.group(group), user).await?;
        Ok(Reply::Done)
    }

    pub(super) async fn disband(&self, group: &str) -> Outcome {
        disband(&self.shard.node, &self.group(group)).await?;
        Ok(Reply::Done)
    }

    pub(super) async fn members(&self, group: &str, limit: u64, after: &str) -> Outcome {
        self.must_see(group).await?;
        let after = (!after.is_empty()).then_some(after);
        let limit = page_size(limit, LARGEST_PAGE);
        let page = self.shard.node.log.store.members(&self.group(group), after, limit).await?;
        if page.total == 0 {
            return Err(Refused::new(ErrorCode::GroupNotFound));
        }
        Ok(Reply::Data("group_members", self.user_page(&page.users, page.more, page.total)))
    }

    /// A page of users, as many as fit; `more`: others come after them.
    pub(super) fn user_page(&self, users: &[Arc<str>], more: bool, total: u64) -> String {
        let items = users.iter().map(|user| lists::string(user));
        let (list, count) = lists::take_page(items, lists::room(&self.shard.node.settings));
        let more = more || count < users.len();
        let next = users[..count].last().filter(|_| more).map_or("", |user| user);
        lists::object(|data| {
            data.raw("users", &list).text("next", next).count("total", total);
        })
    }

    /// From now on the connection's next change of this kind in this group answers this request.
    async fn await_change(&self, id: &str, group: &str, joins: bool) -> oneshot::Receiver<()> {
        let (published, wait) = oneshot::channel();
        let pending = PendingMembership { group: group.into(), joins, request_id: id.into(), published };
        self.with(|connection, _| connection.pending_membership = Some(Box::new(pending))).await;
        wait
    }

    /// Waits for no change any more. `true`: one was published, by another device of the user or somebody else, and
    /// answered the request.
    async fn is_answered(&self) -> bool {
        self.with(|connection, _| connection.pending_membership.take().is_none()).await != Some(false)
    }
}
