//! Presence: what a watched user's status is now, then how it changes. Watched again after each connect.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;
use wsc_core::frame::{PresenceOf, Query};
use wsc_core::kind::UserStatus;

use crate::client::Client;
use crate::driver::HandleCommand;
use crate::notice::Feed;
use crate::stream::Group;

/// How one user is to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserPresence {
    /// The user.
    pub user: String,
    /// How; a status that this version does not know counts as online.
    pub status: UserStatus,
    /// How many devices are connected.
    pub devices: u64,
    /// When the user was last seen, in milliseconds since the Unix epoch; 0: never, or not told.
    pub last_seen_ms: u64,
}

impl UserPresence {
    /// Whether the user counts as online.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut presence = alice.presence(["bob"]).await;
    /// assert!(presence.next().await.unwrap().is_online());
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.status != UserStatus::Offline
    }
}

impl From<PresenceOf> for UserPresence {
    fn from(presence: PresenceOf) -> Self {
        let status = match UserStatus::from_name(&presence.status) {
            Some(status) => status,
            None if presence.is_online() => UserStatus::Online,
            None => UserStatus::Offline,
        };
        let PresenceOf { user, devices, last_seen_ms, .. } = presence;
        Self { user, status, devices, last_seen_ms }
    }
}

/// What is watched: users, or a group's members.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    User(String),
    Group(String),
}

/// What is watched, and how many times.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    counts: HashMap<Target, usize>,
}

impl Watches {
    /// Adds targets. All are asked for, also those watched already: their status now is wanted.
    pub(crate) fn add(&mut self, targets: &[Target]) {
        for target in targets {
            *self.counts.entry(target.clone()).or_default() += 1;
        }
    }

    /// Takes targets away; those that nobody watches any more.
    pub(crate) fn remove(&mut self, targets: &[Target]) -> Vec<Target> {
        let mut gone = Vec::new();
        for target in targets {
            if let Some(count) = self.counts.get_mut(target) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(target);
                    gone.push(target.clone());
                }
            }
        }
        gone
    }

    pub(crate) fn all(&self) -> Vec<Target> {
        self.counts.keys().cloned().collect()
    }
}

/// The queries for targets: users in lots, a group each.
pub(crate) fn queries(targets: &[Target], watch: bool) -> Vec<Query<'static>> {
    let query = |users: Vec<String>, group: String| {
        let (users, group) = (users.into_iter().map(Into::into).collect(), group.into());
        if watch { Query::Watch { users, group } } else { Query::Unwatch { users, group } }
    };
    let mut users = Vec::new();
    let mut queries = Vec::new();
    for target in targets {
        match target {
            Target::User(user) => users.push(user.clone()),
            Target::Group(group) => queries.push(query(Vec::new(), group.clone())),
        }
    }
    // A hundred ids of the greatest length fit into a frame.
    queries.extend(users.chunks(wsc_core::limits::QUERY_IDS).map(|lot| query(lot.to_vec(), String::new())));
    queries
}

/// The presence of the watched users: as it is at every connect, then each change. The last word about a user counts.
/// Ends the watch when dropped.
#[derive(Debug)]
pub struct Presence {
    feed: Feed<UserPresence>,
    targets: Vec<Target>,
    commands: mpsc::Sender<HandleCommand>,
}

impl Stream for Presence {
    type Item = UserPresence;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<UserPresence>> {
        loop {
            let next = Pin::new(&mut self.feed).poll_next(context);
            let Poll::Ready(Some(user)) = &next else { return next };
            // Of a group the client does not know the members: all that is told passes.
            let wanted = self.targets.iter().any(|target| match target {
                Target::User(id) => *id == user.user,
                Target::Group(_) => true,
            });
            if wanted {
                return next;
            }
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = self.commands.try_send(HandleCommand::Unwatch { targets: std::mem::take(&mut self.targets) });
    }
}

impl Client {
    /// The presence of users, now and as it changes; at most 1,000.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::UserStatus;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut presence = alice.presence(["bob"]).await;
    /// assert_eq!(presence.next().await.unwrap().status, UserStatus::Online);
    /// bob.set_status(UserStatus::Busy).await?;
    /// assert_eq!(presence.next().await.unwrap().status, UserStatus::Busy);
    /// # Ok(()) });
    /// ```
    pub async fn presence<I: IntoIterator<Item: Into<String>>>(&self, users: I) -> Presence {
        self.watch(users.into_iter().map(|user| Target::User(user.into())).collect()).await
    }

    async fn watch(&self, targets: Vec<Target>) -> Presence {
        // Listens before it asks, so that the answer is not missed.
        let feed = Feed::new(None, self.presence.subscribe());
        let _ = self.commands.send(HandleCommand::Watch { targets: targets.clone() }).await;
        Presence { feed, targets, commands: self.commands.clone() }
    }
}

impl Group {
    /// The presence of its members, now and as it changes; for groups of up to 1,000 members.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let team = alice.group("team");
    /// team.join().await?;
    /// bob.group("team").join().await?;
    /// let mut presence = team.presence().await;
    /// assert!(presence.next().await.unwrap().is_online());
    /// # Ok(()) });
    /// ```
    pub async fn presence(&self) -> Presence {
        self.client.watch(vec![Target::Group(self.id.clone())]).await
    }
}
