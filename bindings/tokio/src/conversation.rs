//! The names of conversations: what a person talks in. Never asks the hub.

use std::fmt;

use wsc_core::frame;
use wsc_core::message::Destination;
use wsc_core::names::is_id;
use wsc_core::{Message, StreamName};

/// The name of a conversation: `user:<id>`, `group:<id>` or `broadcast`, as in the SDKs of other languages. Made from any
/// text; a method that is given one which names no conversation answers with [`InvalidConversation`].
///
/// ```
/// use wsc_client::Conversation;
/// assert_eq!(Conversation::user("bob"), "user:bob".into());
/// assert_eq!(Conversation::group("team").to_string(), "group:team");
/// assert_eq!(Conversation::broadcast().as_str(), "broadcast");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Conversation(String);

/// A text that names no conversation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a conversation: give user:<id>, group:<id> or broadcast")]
#[non_exhaustive]
pub struct InvalidConversation(pub String);

/// What a conversation is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partner<'a> {
    User(&'a str),
    Group(&'a str),
    Everybody,
}

impl Conversation {
    /// With one user.
    ///
    /// ```
    /// assert_eq!(wsc_client::Conversation::user("bob").as_str(), "user:bob");
    /// ```
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self(format!("user:{id}"))
    }

    /// In a group.
    ///
    /// ```
    /// assert_eq!(wsc_client::Conversation::group("team").as_str(), "group:team");
    /// ```
    #[must_use]
    pub fn group(id: &str) -> Self {
        Self(format!("group:{id}"))
    }

    /// With everybody.
    ///
    /// ```
    /// assert_eq!(wsc_client::Conversation::broadcast().as_str(), "broadcast");
    /// ```
    #[must_use]
    pub fn broadcast() -> Self {
        Self("broadcast".to_owned())
    }

    /// The one that a message belongs to, for this user ([`Client::user`](crate::Client::user)).
    ///
    /// ```
    /// use wsc_client::{Conversation, Message};
    /// let message = Message { sender: "bob".into(), receiver: "alice".into(), ..Message::default() };
    /// assert_eq!(Conversation::of(&message, "alice"), "user:bob".into());
    /// assert_eq!(Conversation::of(&message, "bob"), "user:alice".into());
    /// ```
    #[must_use]
    pub fn of(message: &Message<'_>, user: &str) -> Self {
        if let Some(group) = message.group_ids.first() {
            return Self::group(group);
        }
        match &message.stream {
            Some(stream) if *stream != StreamName::Inbox => Self(stream.as_str().to_owned()),
            _ if message.broadcast_type == "global" => Self::broadcast(),
            _ if message.sender == user && !message.receiver.is_empty() => Self::user(&message.receiver),
            _ => Self::user(&message.sender),
        }
    }

    /// The stream that has its messages.
    ///
    /// # Errors
    /// The text names no conversation.
    ///
    /// ```
    /// use wsc_client::{Conversation, StreamName};
    /// assert_eq!(Conversation::user("bob").stream(), Ok(StreamName::Inbox));
    /// assert_eq!(Conversation::group("team").stream(), Ok(StreamName::group("team")));
    /// assert!(Conversation::from("bob").stream().is_err());
    /// ```
    pub fn stream(&self) -> Result<StreamName<'static>, InvalidConversation> {
        Ok(match self.partner()? {
            Partner::User(_) => StreamName::Inbox,
            Partner::Group(id) => StreamName::group(id),
            Partner::Everybody => StreamName::Broadcast,
        })
    }

    /// The user it is with, if it is with one.
    ///
    /// ```
    /// use wsc_client::Conversation;
    /// assert_eq!(Conversation::from("user:bob").peer(), Some("bob"));
    /// assert_eq!(Conversation::from("group:team").peer(), None);
    /// ```
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        match self.partner() {
            Ok(Partner::User(id)) => Some(id),
            _ => None,
        }
    }

    /// The name.
    ///
    /// ```
    /// assert_eq!(wsc_client::Conversation::from("user:bob").as_str(), "user:bob");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one that a message is sent to; `None`: it is for the application at the hub.
    pub(crate) fn of_target(message: &Message<'_>) -> Option<Self> {
        match message.destination().ok()? {
            Destination::User(user) => Some(Self::user(user)),
            Destination::Group(group) => Some(Self::group(group)),
            Destination::Broadcast => Some(Self::broadcast()),
            Destination::Application => None,
        }
    }

    pub(crate) fn partner(&self) -> Result<Partner<'_>, InvalidConversation> {
        match self.0.split_once(':') {
            Some(("user", id)) if is_id(id) => Ok(Partner::User(id)),
            Some(("group", id)) if is_id(id) => Ok(Partner::Group(id)),
            None if self.0 == "broadcast" => Ok(Partner::Everybody),
            _ => Err(InvalidConversation(self.0.clone())),
        }
    }
}

impl Partner<'_> {
    /// A text to it.
    pub(crate) fn message(self, content: String) -> Message<'static> {
        match self {
            Self::User(id) => Message::to_user(id.to_owned(), content),
            Self::Group(id) => Message::to_group(id.to_owned(), content),
            Self::Everybody => Message::to_everybody(content),
        }
    }
}

impl From<&str> for Conversation {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl From<String> for Conversation {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl From<&Self> for Conversation {
    fn from(other: &Self) -> Self {
        other.clone()
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of the user's conversations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConversationState {
    /// Its name.
    pub conversation: Conversation,
    /// The newest position.
    pub last: u64,
    /// The position up to which the user has read.
    pub read: u64,
    /// Messages of others after it.
    pub unread: u64,
}

/// A page of the user's conversations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conversations {
    /// The newest first.
    pub conversations: Vec<ConversationState>,
    /// What to give as `after` for the next page; empty: this is the last.
    pub next: String,
}

impl From<frame::ConversationState> for ConversationState {
    fn from(state: frame::ConversationState) -> Self {
        let frame::ConversationState { stream, peer, last, read, unread } = state;
        let conversation = if peer.is_empty() {
            Conversation(stream.as_str().to_owned())
        } else {
            Conversation::user(&peer)
        };
        Self { conversation, last, read, unread }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_conversation_is_refused_by_its_name() {
        for wrong in ["", "bob", "user:", "group:", "inbox", "user", "broadcast:", "user:\n", "channel:x"] {
            let error = Conversation::from(wrong).partner().expect_err(wrong).to_string();
            assert!(error.starts_with(&format!("`{wrong}` is not a conversation")), "{error}");
        }
        assert_eq!(Conversation::from("user:a:b").partner(), Ok(Partner::User("a:b")));
    }
}
