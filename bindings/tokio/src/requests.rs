//! Questions to the hub, each with its typed answer. A question fails when there is no connection.

use wsc_core::StreamName;
use wsc_core::client::Body;
use wsc_core::frame::{Conversations, MemberPage, PresenceOf, Query, ReceiptOf};

use crate::client::{Client, Group, Page, Reply};
use crate::conversation::{Conversation, InvalidConversation};
use crate::driver::HandleCommand;
use crate::error::RequestError;

impl Reply {
    fn unexpected(&self) -> RequestError {
        match self.answer.parts() {
            Ok((message_type, _)) => RequestError::Unexpected(message_type.into_owned()),
            Err(error) => error.into(),
        }
    }
}

impl Client {
    async fn done(&self, query: Query<'static>) -> Result<(), RequestError> {
        let reply = self.reply(query).await?;
        match reply.answer.body()? {
            Body::Done => Ok(()),
            _ => Err(reply.unexpected()),
        }
    }

    /// A page of a stream, own and store-only entries included: from a position on (inclusive), or from the oldest; in
    /// reverse from a position or the head downwards. At most 500 entries. Moves no cursor.
    ///
    /// ```no_run
    /// # async fn example(client: wsc_client::Client) -> Result<(), wsc_client::RequestError> {
    /// let newest = client.inbox().history(None, 50, true).await?;
    /// println!("{} of {}", newest.messages.len(), newest.head);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn history(
        &self,
        stream: StreamName<'static>,
        from: Option<u64>,
        limit: u64,
        reverse: bool,
    ) -> Result<Page, RequestError> {
        let reply = self.reply(Query::Fetch { stream, from, limit, reverse }).await?;
        let Body::Fetched(page) = reply.answer.body()? else { return Err(reply.unexpected()) };
        let (from, to, floor, head, more) = (page.from, page.to, page.floor, page.head, page.more);
        Ok(Page { messages: reply.messages, from, to, floor, head, more })
    }

    /// The user's conversations, newest first, with what is unread. `after` is `next` of the page before; empty: the
    /// first.
    pub async fn conversations(&self, limit: u64, after: &str) -> Result<Conversations, RequestError> {
        let reply = self.reply(Query::Conversations { limit, after: after.to_owned().into() }).await?;
        match reply.answer.body()? {
            Body::Conversations(page) => Ok(page),
            _ => Err(reply.unexpected()),
        }
    }

    /// The user has read the conversation up to here: of a user in the inbox (`peer`), or of a group (`peer` empty). Kept
    /// until the hub has it, with an outbox file also over restarts; only forward; the newest counts.
    pub async fn mark_read(&self, stream: StreamName<'static>, peer: impl Into<String>, seq: u64) {
        let _ = self.commands.send(HandleCommand::MarkRead { stream, peer: peer.into(), seq }).await;
    }

    /// How far own messages got; at most 100.
    pub async fn receipts(&self, message_ids: Vec<String>) -> Result<Vec<ReceiptOf>, RequestError> {
        let message_ids = message_ids.into_iter().map(Into::into).collect();
        let reply = self.reply(Query::Receipts { message_ids }).await?;
        match reply.answer.body()? {
            Body::Receipts(receipts) => Ok(receipts),
            _ => Err(reply.unexpected()),
        }
    }

    /// The presence of up to 100 users now.
    pub async fn status(&self, users: Vec<String>) -> Result<Vec<PresenceOf>, RequestError> {
        let users = users.into_iter().map(Into::into).collect();
        let reply = self.reply(Query::CheckUserStatus { users }).await?;
        match reply.answer.body()? {
            Body::Statuses(users) => Ok(users),
            _ => Err(reply.unexpected()),
        }
    }

    /// Says how this user is: `online`, `busy`, `away` or `invisible`.
    pub async fn set_status(&self, status: impl Into<String>) -> Result<(), RequestError> {
        self.done(Query::SetStatus { status: status.into().into() }).await
    }

    /// Ends a user's connections, or one device's; capability `admin`.
    pub async fn kick(&self, user: &str, device: Option<&str>, reason: &str) -> Result<(), RequestError> {
        let (user, device) = (user.to_owned().into(), device.unwrap_or_default().to_owned().into());
        self.done(Query::Kick { user, device, reason: reason.to_owned().into() }).await
    }

    /// From now on, on this connection, copies of messages come in [`Client::volatile`] with `observed`: of one group, or
    /// of everything; capability `observe`.
    pub async fn observe(&self, group: Option<&str>) -> Result<(), RequestError> {
        self.done(Query::Observe { group: group.unwrap_or_default().to_owned().into() }).await
    }

    /// Ends [`Client::observe`].
    pub async fn unobserve(&self, group: Option<&str>) -> Result<(), RequestError> {
        self.done(Query::Unobserve { group: group.unwrap_or_default().to_owned().into() }).await
    }

    /// Who is online, of everybody; capability `admin`.
    pub async fn online(&self, limit: u64, after: &str) -> Result<MemberPage, RequestError> {
        self.users(Query::GetOnlineUsers { group: "".into(), limit, after: after.to_owned().into() }).await
    }

    /// Any other question; the answer's type and its `data` as JSON.
    pub async fn ask(&self, query: Query<'static>) -> Result<(String, String), RequestError> {
        let reply = self.reply(query).await?;
        let (message_type, data) = reply.answer.parts()?;
        Ok((message_type.into_owned(), data.into_owned()))
    }

    /// Tells the others of a conversation that this user types: call it at every key. Told once in 2 s, and anew after a
    /// message to the conversation. Never stored; without a connection nothing happens.
    ///
    /// # Errors
    /// The text names no conversation.
    ///
    /// ```no_run
    /// # async fn example(client: wsc_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.typing("user:bob").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn typing(&self, conversation: impl Into<Conversation>) -> Result<(), InvalidConversation> {
        let to = conversation.into();
        to.partner()?;
        let _ = self.commands.send(HandleCommand::Typing { to }).await;
        Ok(())
    }

    async fn users(&self, query: Query<'static>) -> Result<MemberPage, RequestError> {
        let reply = self.reply(query).await?;
        match reply.answer.body()? {
            Body::Members(page) | Body::Users(page) => Ok(page),
            _ => Err(reply.unexpected()),
        }
    }
}

impl Group {
    /// Joins it, or creates it. Its stream opens with the answer.
    ///
    /// ```no_run
    /// # async fn example(client: wsc_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let team = client.group("team");
    /// let messages = team.messages();
    /// team.join().await?;
    /// team.say("hello").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn join(&self) -> Result<(), RequestError> {
        self.client.done(Query::GroupJoin { group: self.id.clone().into() }).await
    }

    /// Leaves it. Nothing more comes of its stream.
    pub async fn leave(&self) -> Result<(), RequestError> {
        self.client.done(Query::GroupLeave { group: self.id.clone().into() }).await
    }

    /// Its members. `after` is `next` of the page before; empty: the first.
    pub async fn members(&self, limit: u64, after: &str) -> Result<MemberPage, RequestError> {
        let (group, after) = (self.id.clone().into(), after.to_owned().into());
        self.client.users(Query::GroupMembers { group, limit, after }).await
    }

    /// Who of it is online.
    pub async fn online(&self, limit: u64, after: &str) -> Result<MemberPage, RequestError> {
        let (group, after) = (self.id.clone().into(), after.to_owned().into());
        self.client.users(Query::GetOnlineUsers { group, limit, after }).await
    }

    /// Removes a member; capability `admin`.
    pub async fn remove(&self, user: &str) -> Result<(), RequestError> {
        let (group, user) = (self.id.clone().into(), user.to_owned().into());
        self.client.done(Query::GroupRemove { group, user }).await
    }

    /// Ends the group for all; capability `admin`.
    pub async fn disband(&self) -> Result<(), RequestError> {
        self.client.done(Query::GroupDisband { group: self.id.clone().into() }).await
    }
}
