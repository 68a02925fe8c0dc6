//! What an application does with a hub from code: send, wait for receipts, groups, presence, kick.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use wsc_core::frame::{PresenceOf, data_object};
use wsc_core::message::FieldError;
use wsc_core::{Message, time};

use super::Hub;
use crate::clock;
use crate::flow::{kick, membership, reply, send, volatile};
use crate::log::key::{GroupKey, Scope, UserKey};
use crate::log::store::{
    Appended, Join, JoinBy, Joined, Members, RequestId, StoreError, Target, Write, Written,
};
use crate::net::encode;
use crate::registry::pending::Stage;
use crate::shard::letter::{Address, ConnectionInfo, Letter, Predicate};

/// Who gets a message of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A user, on all devices.
    User(UserKey),
    /// One device of a user.
    Device(UserKey, Arc<str>),
    /// The members of a group.
    Group(GroupKey),
    /// Everybody of a tenant.
    Everybody(Scope),
}

/// Why the application's message was not accepted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A field is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Some readers could not take it.
    #[error("larger than what clients are ready to take: make it smaller")]
    TooLarge,
    /// There is no such group.
    #[error("no such group")]
    NoGroup,
    /// The message id was used before for other content.
    #[error("the message_id was used before for other content")]
    Conflict,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A message that was accepted.
#[derive(Debug)]
pub struct Sent {
    /// Its id.
    pub message_id: Arc<str>,
    /// Its position in the recipient's stream; 0 for a volatile one.
    pub seq: u64,
    stage: watch::Receiver<Stage>,
}

impl Sent {
    /// Waits until a device of the receiver has acknowledged it. For messages to a user; others wait for ever.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, bob| {
    /// use wsc_server::{Message, Recipient, UserKey};
    /// # let mut inbox = bob.inbox().messages();
    /// # tokio::spawn(async move { futures_util::StreamExt::next(&mut inbox).await });
    /// let bob = UserKey::new(&Default::default(), "bob");
    /// let mut sent = hub.send(&Recipient::User(bob), Message::to_user("", "your order has left")).await?;
    /// sent.delivered().await;
    /// # Ok(()) });
    /// ```
    pub async fn delivered(&mut self) {
        self.reach(Stage::Delivered).await;
    }

    /// Waits until the receiver has read it. For messages to a user; others wait for ever.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, client| {
    /// # use wsc_server::{Message, Recipient, UserKey};
    /// # let mut inbox = client.inbox().messages();
    /// # tokio::spawn(async move { futures_util::StreamExt::next(&mut inbox).await });
    /// # let bob = UserKey::new(&Default::default(), "bob");
    /// let mut sent = hub.send(&Recipient::User(bob), Message::to_user("", "please confirm")).await?;
    /// # sent.delivered().await;
    /// # client.mark_read("user:system", sent.seq).await?;
    /// sent.read().await;
    /// # Ok(()) });
    /// ```
    pub async fn read(&mut self) {
        self.reach(Stage::Read).await;
    }

    async fn reach(&mut self, stage: Stage) {
        if self.stage.wait_for(|now| *now >= stage).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Hub {
    /// Sends a message. It returns when the message is stored at the configured durability. `sender` is `system` unless
    /// the message names a user, in whose inbox it then stands too.
    ///
    /// ```no_run
    /// # async fn example(hub: wsc_server::Hub) -> Result<(), wsc_server::SendError> {
    /// use wsc_server::{Message, Recipient, Scope, UserKey};
    /// let bob = UserKey::new(&Scope::default(), "bob");
    /// let mut sent = hub.send(&Recipient::User(bob), Message::to_user("", "hello")).await?;
    /// sent.delivered().await;
    /// # Ok(()) }
    /// ```
    pub async fn send(&self, to: &Recipient, mut message: Message<'static>) -> Result<Sent, SendError> {
        let node = self.node();
        address(&mut message, to);
        if message.message_id.is_empty() {
            message.message_id = uuid::Uuid::now_v7().to_string().into();
        }
        message.validate()?;
        message.data = checked_data(&message)?.into();
        let by_user = !message.sender.is_empty();
        if !by_user {
            (message.sender, message.sender_type) = ("system".into(), "system".into());
        }
        message.require_ack |= matches!(to, Recipient::User(_) | Recipient::Device(..));
        message.create_at = time::format(clock::wall().ms()).into();
        let scope = scope_of(to).clone();
        let message_id: Arc<str> = message.message_id.as_ref().into();
        let Some(target) = send::target_of(&scope, &message) else {
            return Err(FieldError { field: "receiver", reason: "names no target" }.into());
        };
        if let Target::Group(group) = &target
            && node.log.store.member_count(group).await? == 0
        {
            return Err(SendError::NoGroup);
        }
        let receiver = match to {
            Recipient::User(user) | Recipient::Device(user, _) => Some(user),
            Recipient::Group(_) | Recipient::Everybody(_) => None,
        };
        let stage = node.pending.expect(receiver, &message.sender, &message_id);
        if message.is_volatile() {
            volatile::send(node, target, &message, None).map_err(|_| SendError::TooLarge)?;
            return Ok(Sent { message_id, seq: 0, stage });
        }
        let sender = message.sender.as_ref().into();
        let device = message.sender_client.as_ref().into();
        let mut append = send::append_of(target, sender, device, &message, true, clock::wall());
        if reply::is_too_large(append.body.len(), &node.settings) {
            return Err(SendError::TooLarge);
        }
        (append.copy_to_sender, append.require_member) = (append.copy_to_sender && by_user, false);
        match node.log.write(Write::Append(append)).await? {
            Written::Append(Appended::Stored { seq, .. } | Appended::Duplicate { seq, .. }) => {
                Ok(Sent { message_id, seq, stage })
            }
            Written::Append(Appended::Conflict) => Err(SendError::Conflict),
            _ => Err(SendError::NoGroup),
        }
    }

    /// Sends a volatile message to every connection that satisfies a predicate; returns how many there were. One that
    /// clients could not take, or whose `data` is not a JSON object, goes to none.
    ///
    /// ```no_run
    /// # async fn example(hub: wsc_server::Hub) {
    /// use wsc_server::Message;
    /// let notice = Message { message_type: "notice".into(), content: "lunch".into(), ..Message::default() };
    /// let agents = hub.send_where(notice, |connection| &*connection.user_type == "agent").await;
    /// # }
    /// ```
    pub async fn send_where(
        &self,
        mut message: Message<'static>,
        predicate: impl Fn(&ConnectionInfo) -> bool + Send + Sync + 'static,
    ) -> usize {
        if message.sender.is_empty() {
            (message.sender, message.sender_type) = ("system".into(), "system".into());
        }
        let Ok(data) = checked_data(&message) else {
            tracing::warn!("a message whose data is not a JSON object was not sent");
            return 0;
        };
        (message.data, message.volatile) = (data.into(), true);
        message.create_at = time::format(clock::wall().ms()).into();
        let frame = encode::message(&message);
        if reply::is_too_large(frame.len(), &self.node().settings) {
            tracing::warn!(bytes = frame.len(), "a message that clients could not take was not sent");
            return 0;
        }
        let found = self.each_connection(predicate).await;
        for (_, address) in &found {
            self.node().router.to_connection(*address, frame.clone());
        }
        found.len()
    }

    /// The connections that satisfy a predicate.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, bob| {
    /// let phones = hub.find_connections(|connection| connection.device.starts_with("bob-")).await;
    /// assert_eq!(phones.len(), 1);
    /// # Ok(()) });
    /// ```
    pub async fn find_connections(
        &self,
        predicate: impl Fn(&ConnectionInfo) -> bool + Send + Sync + 'static,
    ) -> Vec<ConnectionInfo> {
        self.each_connection(predicate).await.into_iter().map(|(connection, _)| connection).collect()
    }

    async fn each_connection(
        &self,
        predicate: impl Fn(&ConnectionInfo) -> bool + Send + Sync + 'static,
    ) -> Vec<(ConnectionInfo, Address)> {
        let predicate: Arc<Predicate> = Arc::new(predicate);
        let mut waits = Vec::new();
        self.node().router.shards.send_all(|| {
            let (answer, wait) = oneshot::channel();
            waits.push(wait);
            Letter::Find(Arc::clone(&predicate), answer)
        });
        let mut all = Vec::new();
        for wait in waits {
            all.extend(wait.await.unwrap_or_default());
        }
        all
    }

    /// Makes a user a member of a group, which is created when it does not exist. `false`: was one already.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, bob| {
    /// let team = wsc_server::GroupKey::new(&Default::default(), "team");
    /// assert!(hub.join(&team, "bob").await?);
    /// assert!(!hub.join(&team, "bob").await?);
    /// # Ok(()) });
    /// ```
    pub async fn join(&self, group: &GroupKey, user: &str) -> Result<bool, StoreError> {
        let join = Join {
            group: group.clone(),
            user: user.into(),
            by: JoinBy::Application,
            max_groups: usize::MAX,
            request: RequestId::new(),
            now: clock::wall().ms(),
        };
        Ok(matches!(self.node().log.write(Write::Join(join)).await?, Written::Join(Joined::New { .. })))
    }

    /// Ends a membership, on every device, at once. `false`: there was none.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, bob| {
    /// let team = wsc_server::GroupKey::new(&Default::default(), "team");
    /// hub.join(&team, "bob").await?;
    /// assert!(hub.remove(&team, "bob").await?);
    /// # Ok(()) });
    /// ```
    pub async fn remove(&self, group: &GroupKey, user: &str) -> Result<bool, StoreError> {
        membership::remove(self.node(), group, user).await
    }

    /// Ends a group. `false`: there was none.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, bob| {
    /// let team = wsc_server::GroupKey::new(&Default::default(), "team");
    /// hub.join(&team, "bob").await?;
    /// assert!(hub.disband(&team).await?);
    /// assert_eq!(hub.members(&team, None, 10).await?.total, 0);
    /// # Ok(()) });
    /// ```
    pub async fn disband(&self, group: &GroupKey) -> Result<bool, StoreError> {
        membership::disband(self.node(), group).await
    }

    /// A page of a group's members in order, after `after`.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, bob| {
    /// let team = wsc_server::GroupKey::new(&Default::default(), "team");
    /// for user in ["alice", "bob", "carol"] {
    ///     hub.join(&team, user).await?;
    /// }
    /// let page = hub.members(&team, Some("alice"), 1).await?;
    /// assert_eq!((&*page.users[0], page.more, page.total), ("bob", true, 3));
    /// # Ok(()) });
    /// ```
    pub async fn members(
        &self,
        group: &GroupKey,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Members, StoreError> {
        self.node().log.store.members(group, after, limit).await
    }

    /// The presence of users as of now.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, bob| {
    /// let found = hub.presence(&Default::default(), &["bob".into(), "carol".into()]).await?;
    /// assert!(found[0].is_online() && !found[1].is_online());
    /// # Ok(()) });
    /// ```
    pub async fn presence(&self, scope: &Scope, users: &[Arc<str>]) -> Result<Vec<PresenceOf>, StoreError> {
        let node = self.node();
        match &node.router.cluster {
            Some(cluster) => node.presence.look(cluster, &*node.log.store, scope, users).await,
            None => Ok(node.presence.describe(scope, users)),
        }
    }

    /// Closes a user's connections with 4010, or those of one device; each is told why first.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |hub, bob| {
    /// hub.kick(&wsc_server::UserKey::new(&Default::default(), "bob"), None, "spam").await?;
    /// # while hub.connections() > 0 { tokio::time::sleep(std::time::Duration::from_millis(5)).await; }
    /// assert_eq!(bob.connected().await.unwrap_err().to_string(), "closed by the hub: spam (4010)");
    /// # Ok(()) });
    /// ```
    pub async fn kick(&self, user: &UserKey, device: Option<&str>, reason: &str) -> Result<(), StoreError> {
        kick::kick(self.node(), user.clone(), device.unwrap_or(""), reason).await
    }
}

/// What the application wrote as `data`, as readers may get it.
fn checked_data(message: &Message<'_>) -> Result<String, FieldError> {
    let wrong = FieldError { field: "data", reason: "must be a JSON object" };
    data_object(&message.data).map(Cow::into_owned).map_err(|_| wrong)
}

fn scope_of(to: &Recipient) -> &Scope {
    match to {
        Recipient::User(user) | Recipient::Device(user, _) => &user.scope,
        Recipient::Group(group) => &group.scope,
        Recipient::Everybody(scope) => scope,
    }
}

/// Writes the recipient into the message, in place of whatever target it had.
fn address(message: &mut Message<'static>, to: &Recipient) {
    (message.receiver, message.receiver_client) = ("".into(), "".into());
    (message.group_ids, message.broadcast_type) = (Vec::new(), "".into());
    match to {
        Recipient::User(user) => message.receiver = user.user.to_string().into(),
        Recipient::Device(user, device) => {
            message.receiver = user.user.to_string().into();
            message.receiver_client = device.to_string().into();
        }
        Recipient::Group(group) => message.group_ids = vec![group.group.to_string().into()],
        Recipient::Everybody(_) => message.broadcast_type = "global".into(),
    }
}
