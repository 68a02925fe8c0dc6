//! The handles of streams: the inbox, broadcast, and groups with their members.

use std::sync::Arc;

use wsc_core::frame::{MemberPage, Query};
use wsc_core::{Message, StreamName};

use crate::client::Client;
use crate::delivery::Messages;
use crate::error::{RequestError, SendError};
use crate::history::{History, Page};
use crate::receipt::Receipt;

/// One of the user's streams, see [`Client::inbox`], [`Client::broadcast`] and [`Client::stream`].
#[derive(Clone, Debug)]
pub struct Stream {
    pub(crate) client: Client,
    pub(crate) name: StreamName<'static>,
}

/// A group and its stream, see [`Client::group`].
#[derive(Clone, Debug)]
pub struct Group {
    pub(crate) client: Client,
    pub(crate) id: String,
}

impl Stream {
    /// Its name.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// assert_eq!(alice.inbox().name().as_str(), "inbox");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub const fn name(&self) -> &StreamName<'static> {
        &self.name
    }

    /// Its messages, in order, once. One reader per stream: a new one ends the one before it.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::{Delivery, Message};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.send(Message::to_user("bob", "hello")).await?;
    /// let mut inbox = bob.inbox().messages();
    /// match inbox.next().await {
    ///     Some(Delivery::Message(message)) => assert_eq!(message.content, "hello"),
    ///     Some(Delivery::Gap(gap)) => println!("missed {} to {}", gap.from, gap.to),
    ///     None => println!("the client is closed"),
    /// }
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn messages(&self) -> Messages {
        Messages::new(self.name.clone(), Arc::clone(&self.client.deliveries))
    }

    /// A part of what was, own and only stored messages included. Moves no cursor.
    ///
    /// # Errors
    /// There is no connection, or the hub refuses it.
    ///
    /// ```
    /// use wsc_client::{History, Message};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.send(Message::to_user("bob", "hello")).await?.accepted().await?;
    /// let newest = alice.inbox().history(History::newest()).await?;
    /// assert_eq!((newest.head, newest.messages[0].content.as_ref()), (1, "hello"));
    /// let older = alice.inbox().history(History::before(newest.from)).await?;
    /// assert!(older.messages.is_empty() && !older.more);
    /// # Ok(()) });
    /// ```
    pub async fn history(&self, part: History) -> Result<Page, RequestError> {
        self.client.page(self.name.clone(), part).await
    }
}

impl Group {
    /// Its id.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// assert_eq!(alice.group("team").id(), "team");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its stream.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// assert_eq!(alice.group("team").stream().name().as_str(), "group:team");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream { client: self.client.clone(), name: StreamName::group(&self.id) }
    }

    /// Its messages, see [`Stream::messages`].
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let team = alice.group("team");
    /// let mut messages = team.messages();
    /// team.join().await?;
    /// bob.group("team").join().await?;
    /// bob.group("team").send("hello").await?;
    /// let first = messages.next().await;
    /// assert_eq!(first.unwrap().message().unwrap().content, "hello");
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn messages(&self) -> Messages {
        self.stream().messages()
    }

    /// A part of what was, see [`Stream::history`].
    ///
    /// # Errors
    /// There is no connection, or the hub refuses it: the user is not a member.
    ///
    /// ```
    /// use wsc_client::History;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let team = alice.group("team");
    /// team.join().await?;
    /// team.send("hello").await?.accepted().await?;
    /// assert_eq!(team.history(History::newest()).await?.messages.len(), 1);
    /// # Ok(()) });
    /// ```
    pub async fn history(&self, part: History) -> Result<Page, RequestError> {
        self.stream().history(part).await
    }

    /// Sends a text to it; for anything else, [`Client::send`] with [`Message::to_group`].
    ///
    /// # Errors
    /// The message was not taken.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let team = alice.group("team");
    /// team.join().await?;
    /// let stored = team.send("hello").await?.accepted().await?;
    /// assert_eq!(stored.position, 1);
    /// # Ok(()) });
    /// ```
    pub async fn send(&self, content: impl Into<String>) -> Result<Receipt, SendError> {
        self.client.send(Message::to_group(self.id.clone(), content.into())).await
    }

    /// Joins it, or creates it. Its stream opens with the answer.
    ///
    /// # Errors
    /// There is no connection, or the hub refuses it: the token does not allow it, or the user is in too many groups.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.group("team").join().await?;
    /// # Ok(()) });
    /// ```
    pub async fn join(&self) -> Result<(), RequestError> {
        self.client.done(Query::GroupJoin { group: self.id.clone().into() }).await
    }

    /// Leaves it. Nothing more comes of its stream.
    ///
    /// # Errors
    /// There is no connection, or the user is not a member.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let team = alice.group("team");
    /// team.join().await?;
    /// team.leave().await?;
    /// assert!(team.leave().await.is_err());
    /// # Ok(()) });
    /// ```
    pub async fn leave(&self) -> Result<(), RequestError> {
        self.client.done(Query::GroupLeave { group: self.id.clone().into() }).await
    }

    /// Its members: at most `limit`, 0: as the hub likes. `after` is `next` of the page before; empty: the first.
    ///
    /// # Errors
    /// There is no connection, or the user is not a member.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let team = alice.group("team");
    /// team.join().await?;
    /// bob.group("team").join().await?;
    /// assert_eq!(team.members(100, "").await?.users, ["alice", "bob"]);
    /// # Ok(()) });
    /// ```
    pub async fn members(&self, limit: u64, after: &str) -> Result<MemberPage, RequestError> {
        let (group, after) = (self.id.clone().into(), after.to_owned().into());
        self.client.users(Query::GroupMembers { group, limit, after }).await
    }

    /// Those of its members who are online, in pages as [`Group::members`].
    ///
    /// # Errors
    /// There is no connection, or the user is not a member.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let team = alice.group("team");
    /// team.join().await?;
    /// assert_eq!(team.online(100, "").await?.users, ["alice"]);
    /// # Ok(()) });
    /// ```
    pub async fn online(&self, limit: u64, after: &str) -> Result<MemberPage, RequestError> {
        let (group, after) = (self.id.clone().into(), after.to_owned().into());
        self.client.users(Query::GetOnlineUsers { group, limit, after }).await
    }

    /// Removes a member.
    ///
    /// # Errors
    /// There is no connection, the token lacks the capability `admin`, or the user is not a member.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let team = alice.group("team");
    /// team.join().await?;
    /// bob.group("team").join().await?;
    /// team.remove("bob").await?;
    /// assert_eq!(team.members(100, "").await?.users, ["alice"]);
    /// # Ok(()) });
    /// ```
    pub async fn remove(&self, user: &str) -> Result<(), RequestError> {
        let (group, user) = (self.id.clone().into(), user.to_owned().into());
        self.client.done(Query::GroupRemove { group, user }).await
    }

    /// Ends the group for all.
    ///
    /// # Errors
    /// There is no connection, the token lacks the capability `admin`, or there is no such group.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let team = alice.group("team");
    /// team.join().await?;
    /// team.disband().await?;
    /// assert!(team.members(100, "").await.is_err());
    /// # Ok(()) });
    /// ```
    pub async fn disband(&self) -> Result<(), RequestError> {
        self.client.done(Query::GroupDisband { group: self.id.clone().into() }).await
    }
}
