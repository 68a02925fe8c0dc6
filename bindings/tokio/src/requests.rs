//! Requests to the hub, each with its typed answer. A request fails when there is no connection.

use wsc_core::client::Body;
use wsc_core::frame::{MemberPage, Query, ReceiptOf};
use wsc_core::kind::UserStatus;
use wsc_core::{Message, StreamName};

use crate::client::{Client, Reply};
use crate::conversation::{Conversation, ConversationState, Conversations, InvalidConversation, Partner};
use crate::driver::HandleCommand;
use crate::error::RequestError;
use crate::history::{History, Page};
use crate::presence::UserPresence;

/// The answer to [`Client::request`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Its type.
    pub message_type: String,
    /// Its `data`: a JSON object; empty: none.
    pub data: String,
    /// The entries that came before it, for `fetch`.
    pub messages: Vec<Message<'static>>,
}

impl Reply {
    fn unexpected(&self) -> RequestError {
        match self.answer.parts() {
            Ok((message_type, _)) => RequestError::Unexpected(message_type.into_owned()),
            Err(error) => error.into(),
        }
    }
}

impl Client {
    pub(crate) async fn done(&self, query: Query<'static>) -> Result<(), RequestError> {
        let reply = self.reply(query).await?;
        match reply.answer.body()? {
            Body::Done => Ok(()),
            _ => Err(reply.unexpected()),
        }
    }

    pub(crate) async fn users(&self, query: Query<'static>) -> Result<MemberPage, RequestError> {
        let reply = self.reply(query).await?;
        match reply.answer.body()? {
            Body::Members(page) | Body::Users(page) => Ok(page),
            _ => Err(reply.unexpected()),
        }
    }

    pub(crate) async fn page(
        &self,
        stream: StreamName<'static>,
        part: History,
    ) -> Result<Page, RequestError> {
        let Some((from, reverse)) = part.range() else {
            return Ok(Page { from: 1, floor: 1, ..Page::default() });
        };
        let mut reply = self.reply(Query::Fetch { stream, from, limit: part.limit, reverse }).await?;
        let Body::Fetched(page) = reply.answer.body()? else { return Err(reply.unexpected()) };
        if reverse {
            reply.messages.reverse();
        }
        let (from, to) = (page.from.min(page.to), page.from.max(page.to));
        let (floor, head, more) = (page.floor, page.head, page.more);
        Ok(Page { messages: reply.messages, from, to, floor, head, more })
    }

    /// A part of what was in a conversation, own and only stored messages included. Moves no cursor. The positions are those
    /// of its stream: of a conversation with a user, in the inbox, of which the messages of others are left out.
    ///
    /// # Errors
    /// The text names no conversation, there is no connection, or the hub refuses it.
    ///
    /// ```
    /// use wsc_client::{History, Message};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.send(Message::to_user("bob", "hello")).await?.accepted().await?;
    /// alice.send(Message::to_user("carol", "hi")).await?.accepted().await?;
    /// let page = alice.history("user:bob", History::newest().limit(100)).await?;
    /// assert_eq!((page.messages.len(), page.from, page.to), (1, 1, 2));
    /// # Ok(()) });
    /// ```
    pub async fn history(
        &self,
        conversation: impl Into<Conversation>,
        part: History,
    ) -> Result<Page, RequestError> {
        let conversation = conversation.into();
        let mut page = self.page(conversation.stream()?, part).await?;
        if let Partner::User(_) = conversation.partner()? {
            page.messages.retain(|message| Conversation::of(message, self.user()) == conversation);
        }
        Ok(page)
    }

    /// The user's conversations, newest first, with what is unread: at most `limit`, 0: as the hub likes. `after` is `next`
    /// of the page before; empty: the first.
    ///
    /// # Errors
    /// There is no connection, or the hub refuses it.
    ///
    /// ```
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.send(Message::to_user("bob", "hello")).await?.accepted().await?;
    /// let page = bob.conversations(50, "").await?;
    /// let first = &page.conversations[0];
    /// assert_eq!((first.conversation.as_str(), first.unread), ("user:alice", 1));
    /// # Ok(()) });
    /// ```
    pub async fn conversations(&self, limit: u64, after: &str) -> Result<Conversations, RequestError> {
        let reply = self.reply(Query::Conversations { limit, after: after.to_owned().into() }).await?;
        match reply.answer.body()? {
            Body::Conversations(page) => {
                let conversations = page.conversations.into_iter().map(ConversationState::from).collect();
                Ok(Conversations { conversations, next: page.next })
            }
            _ => Err(reply.unexpected()),
        }
    }

    /// The user has read a conversation up to this position, on all devices. Kept until the hub has it, with an outbox
    /// file also over restarts; only forward; the newest counts.
    ///
    /// # Errors
    /// The text names no conversation that can be read: `user:<id>` or `group:<id>`.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let question = Message { require_ack: true, ..Message::to_user("bob", "seen?") };
    /// let receipt = alice.send(question).await?;
    /// let delivery = bob.inbox().messages().next().await.unwrap();
    /// bob.mark_read("user:alice", delivery.message().unwrap().seq_no).await?;
    /// receipt.read().await?;
    /// # Ok(()) });
    /// ```
    pub async fn mark_read(
        &self,
        conversation: impl Into<Conversation>,
        position: u64,
    ) -> Result<(), InvalidConversation> {
        let conversation = conversation.into();
        let peer = match conversation.partner()? {
            Partner::User(id) => id.to_owned(),
            Partner::Group(_) => String::new(),
            Partner::Everybody => return Err(InvalidConversation(conversation.to_string())),
        };
        let stream = conversation.stream()?;
        let _ = self.commands.send(HandleCommand::MarkRead { stream, peer, position }).await;
        Ok(())
    }

    /// Tells the others of a conversation that this user types: call it at every key. Told once in 2 s, and anew after a
    /// message to the conversation. Never stored; without a connection nothing happens.
    ///
    /// # Errors
    /// The text names no conversation.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut volatile = bob.volatile();
    /// alice.typing("user:bob").await?;
    /// assert_eq!(volatile.next().await.unwrap().sender, "alice");
    /// # Ok(()) });
    /// ```
    pub async fn typing(&self, conversation: impl Into<Conversation>) -> Result<(), InvalidConversation> {
        let to = conversation.into();
        to.partner()?;
        let _ = self.commands.send(HandleCommand::Typing { to }).await;
        Ok(())
    }

    /// How far own messages got; at most 100.
    ///
    /// # Errors
    /// There is no connection, or the hub refuses it.
    ///
    /// ```
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let receipt = alice.send(Message::to_user("bob", "hello")).await?;
    /// receipt.accepted().await?;
    /// let receipts = alice.receipts(vec![receipt.message_id().to_owned()]).await?;
    /// assert!(["accepted", "delivered"].contains(&receipts[0].stage.as_str()));
    /// # Ok(()) });
    /// ```
    pub async fn receipts(&self, message_ids: Vec<String>) -> Result<Vec<ReceiptOf>, RequestError> {
        let message_ids = message_ids.into_iter().map(Into::into).collect();
        let reply = self.reply(Query::Receipts { message_ids }).await?;
        match reply.answer.body()? {
            Body::Receipts(receipts) => Ok(receipts),
            _ => Err(reply.unexpected()),
        }
    }

    /// The presence of up to 100 users now.
    ///
    /// # Errors
    /// There is no connection, or the hub refuses it.
    ///
    /// ```
    /// use wsc_client::UserStatus;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let users = alice.status(vec!["bob".to_owned(), "carol".to_owned()]).await?;
    /// assert_eq!((users[0].status, users[1].status), (UserStatus::Online, UserStatus::Offline));
    /// # Ok(()) });
    /// ```
    pub async fn status(&self, users: Vec<String>) -> Result<Vec<UserPresence>, RequestError> {
        let users = users.into_iter().map(Into::into).collect();
        let reply = self.reply(Query::CheckUserStatus { users }).await?;
        match reply.answer.body()? {
            Body::Statuses(users) => Ok(users.into_iter().map(UserPresence::from).collect()),
            _ => Err(reply.unexpected()),
        }
    }

    /// Says how this user is to be seen: online, busy, away or invisible.
    ///
    /// # Errors
    /// There is no connection, or the hub refuses it: nobody connected can be offline.
    ///
    /// ```
    /// use wsc_client::UserStatus;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// bob.set_status(UserStatus::Away).await?;
    /// assert_eq!(alice.status(vec!["bob".to_owned()]).await?[0].status, UserStatus::Away);
    /// # Ok(()) });
    /// ```
    pub async fn set_status(&self, status: UserStatus) -> Result<(), RequestError> {
        self.done(Query::SetStatus { status: status.as_str().into() }).await
    }

    /// Ends a user's connections, or one device's; capability `admin`.
    ///
    /// # Errors
    /// There is no connection, or the token lacks the capability.
    ///
    /// ```
    /// use wsc_client::{CloseCode, Closed, State};
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.kick("bob", None, "spam").await?;
    /// bob.states().wait_for(|state| matches!(state, State::Closed(Closed::Hub { .. }))).await?;
    /// # Ok(()) });
    /// ```
    pub async fn kick(&self, user: &str, device: Option<&str>, reason: &str) -> Result<(), RequestError> {
        let (user, device) = (user.to_owned().into(), device.unwrap_or_default().to_owned().into());
        self.done(Query::Kick { user, device, reason: reason.to_owned().into() }).await
    }

    /// From now on, on this connection, copies of messages come in [`Client::volatile`] with `observed`: of one group, or
    /// of everything; capability `observe`.
    ///
    /// # Errors
    /// There is no connection, or the token lacks the capability.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use wsc_client::Message;
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let mut copies = alice.volatile();
    /// alice.observe(None).await?;
    /// bob.send(Message::to_user("carol", "hello")).await?;
    /// assert!(copies.next().await.unwrap().observed);
    /// # Ok(()) });
    /// ```
    pub async fn observe(&self, group: Option<&str>) -> Result<(), RequestError> {
        self.done(Query::Observe { group: group.unwrap_or_default().to_owned().into() }).await
    }

    /// Ends [`Client::observe`].
    ///
    /// # Errors
    /// There is no connection, or the token lacks the capability.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// alice.observe(None).await?;
    /// alice.unobserve(None).await?;
    /// # Ok(()) });
    /// ```
    pub async fn unobserve(&self, group: Option<&str>) -> Result<(), RequestError> {
        self.done(Query::Unobserve { group: group.unwrap_or_default().to_owned().into() }).await
    }

    /// Who is online, of everybody, in pages as [`Client::conversations`]; capability `admin`.
    ///
    /// # Errors
    /// There is no connection, or the token lacks the capability.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// assert_eq!(alice.online(100, "").await?.users, ["alice", "bob"]);
    /// # Ok(()) });
    /// ```
    pub async fn online(&self, limit: u64, after: &str) -> Result<MemberPage, RequestError> {
        self.users(Query::GetOnlineUsers { group: "".into(), limit, after: after.to_owned().into() }).await
    }

    /// Asks the hub anything that it answers: the frame of a request as JSON, without `message_id`.
    ///
    /// # Errors
    /// There is no connection, or the hub refuses it.
    ///
    /// ```
    /// # mod hub { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/hub.rs")); }
    /// # hub::run(async |alice, bob| {
    /// let answer = alice.request(r#"{"message_type":"health_check"}"#).await?;
    /// assert_eq!(answer.message_type, "health_response");
    /// # Ok(()) });
    /// ```
    pub async fn request(&self, frame: impl Into<String>) -> Result<Answer, RequestError> {
        let object = frame.into();
        let reply = self.ask(|reply| HandleCommand::RequestFrame { object, reply }).await?;
        let (message_type, data) = reply.answer.parts()?;
        let (message_type, data) = (message_type.into_owned(), data.into_owned());
        Ok(Answer { message_type, data, messages: reply.messages })
    }
}
