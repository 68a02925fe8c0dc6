//! Requests: what a client can ask the hub for, and who may ask for it.

use alloc::vec::Vec;

use super::own;
use crate::message::Text;
use crate::names::StreamName;

/// A question with the id its answer will carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// `message_id`; may be empty for a ping.
    pub id: Text<'a>,
    /// The question.
    pub query: Query<'a>,
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Query<'a> {
    /// `ping` (or `heartbeat`).
    Ping,
    /// `read`: the user has read the conversation up to here. `peer` is empty for a group's stream.
    Read {
        /// The stream.
        stream: StreamName<'a>,
        /// Whose messages in the inbox.
        peer: Text<'a>,
        /// Up to here.
        seq: u64,
    },
    /// `group_join`.
    GroupJoin {
        /// The group.
        group: Text<'a>,
    },
    /// `group_leave`.
    GroupLeave {
        /// The group.
        group: Text<'a>,
    },
    /// `group_remove`.
    GroupRemove {
        /// The group.
        group: Text<'a>,
        /// The member.
        user: Text<'a>,
    },
    /// `group_disband`.
    GroupDisband {
        /// The group.
        group: Text<'a>,
    },
    /// `kick`.
    Kick {
        /// The user.
        user: Text<'a>,
        /// Only this device; empty: all.
        device: Text<'a>,
        /// Why, told to the user.
        reason: Text<'a>,
    },
    /// `group_members`.
    GroupMembers {
        /// The group.
        group: Text<'a>,
        /// How many at most; 0: as the hub likes.
        limit: u64,
        /// After this user.
        after: Text<'a>,
    },
    /// `fetch`.
    Fetch {
        /// The stream.
        stream: StreamName<'a>,
        /// From this position, inclusive; absent: the oldest, or the head in reverse.
        from: Option<u64>,
        /// How many positions at most; 0: as the hub likes.
        limit: u64,
        /// Downwards.
        reverse: bool,
    },
    /// `receipts`.
    Receipts {
        /// Own messages.
        message_ids: Vec<Text<'a>>,
    },
    /// `conversations`.
    Conversations {
        /// How many at most; 0: as the hub likes.
        limit: u64,
        /// After this one, as `next` named it.
        after: Text<'a>,
    },
    /// `check_user_status`.
    CheckUserStatus {
        /// The users.
        users: Vec<Text<'a>>,
    },
    /// `get_online_users`.
    GetOnlineUsers {
        /// Of this group; empty: of everybody.
        group: Text<'a>,
        /// How many at most; 0: as the hub likes.
        limit: u64,
        /// After this user.
        after: Text<'a>,
    },
    /// `watch`.
    Watch {
        /// The users.
        users: Vec<Text<'a>>,
        /// Or a group's members; empty: none.
        group: Text<'a>,
    },
    /// `unwatch`.
    Unwatch {
        /// The users.
        users: Vec<Text<'a>>,
        /// Or a group's members; empty: none.
        group: Text<'a>,
    },
    /// `user_status_changed`.
    SetStatus {
        /// The user's new status.
        status: Text<'a>,
    },
    /// `observe`.
    Observe {
        /// One group; empty: everything.
        group: Text<'a>,
    },
    /// `unobserve`.
    Unobserve {
        /// One group; empty: everything.
        group: Text<'a>,
    },
    /// `refresh`.
    Refresh {
        /// A fresh token.
        token: Text<'a>,
    },
    /// `get_user_info`.
    GetUserInfo {
        /// The user.
        user: Text<'a>,
    },
    /// `health_check`.
    HealthCheck,
}

/// What a token must allow for a request; `cap` in the token names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// To see who is online.
    Presence,
    /// To get copies of others' messages.
    Observe,
    /// To manage users and groups.
    Admin,
}

impl Capability {
    /// Its name in a token.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Observe => "observe",
            Self::Admin => "admin",
        }
    }
}

impl Request<'_> {
    /// The same request with its own bytes.
    #[must_use]
    pub fn into_owned(self) -> Request<'static> {
        Request { id: own(self.id), query: self.query.into_owned() }
    }
}

impl Query<'_> {
    /// The capabilities one of which the token must have; empty: anybody may ask. What a request is about (a group, a
    /// stream) may set further conditions.
    #[must_use]
    pub fn needs(&self) -> &'static [Capability] {
        match self {
            Self::Ping
            | Self::Read { .. }
            | Self::GroupJoin { .. }
            | Self::GroupLeave { .. }
            | Self::GroupMembers { .. }
            | Self::Fetch { .. }
            | Self::Receipts { .. }
            | Self::Conversations { .. }
            | Self::Unwatch { .. }
            | Self::SetStatus { .. }
            | Self::Unobserve { .. }
            | Self::Refresh { .. }
            | Self::HealthCheck => &[],
            Self::CheckUserStatus { .. } | Self::Watch { .. } | Self::GetUserInfo { .. } => {
                &[Capability::Presence]
            }
            Self::GetOnlineUsers { .. } => &[Capability::Presence, Capability::Admin],
            Self::Observe { .. } => &[Capability::Observe],
            Self::GroupRemove { .. } | Self::GroupDisband { .. } | Self::Kick { .. } => &[Capability::Admin],
        }
    }

    /// The same query with its own bytes.
    #[must_use]
    pub fn into_owned(self) -> Query<'static> {
        fn list(list: Vec<Text<'_>>) -> Vec<Text<'static>> {
            list.into_iter().map(own).collect()
        }
        match self {
            Self::Ping => Query::Ping,
            Self::Read { stream, peer, seq } => {
                Query::Read { stream: stream.into_owned(), peer: own(peer), seq }
            }
            Self::GroupJoin { group } => Query::GroupJoin { group: own(group) },
            Self::GroupLeave { group } => Query::GroupLeave { group: own(group) },
            Self::GroupRemove { group, user } => Query::GroupRemove { group: own(group), user: own(user) },
            Self::GroupDisband { group } => Query::GroupDisband { group: own(group) },
            Self::Kick { user, device, reason } => {
                Query::Kick { user: own(user), device: own(device), reason: own(reason) }
            }
            Self::GroupMembers { group, limit, after } => {
                Query::GroupMembers { group: own(group), limit, after: own(after) }
            }
            Self::Fetch { stream, from, limit, reverse } => {
                Query::Fetch { stream: stream.into_owned(), from, limit, reverse }
            }
            Self::Receipts { message_ids } => Query::Receipts { message_ids: list(message_ids) },
            Self::Conversations { limit, after } => Query::Conversations { limit, after: own(after) },
            Self::CheckUserStatus { users } => Query::CheckUserStatus { users: list(users) },
            Self::GetOnlineUsers { group, limit, after } => {
                Query::GetOnlineUsers { group: own(group), limit, after: own(after) }
            }
            Self::Watch { users, group } => Query::Watch { users: list(users), group: own(group) },
            Self::Unwatch { users, group } => Query::Unwatch { users: list(users), group: own(group) },
            Self::SetStatus { status } => Query::SetStatus { status: own(status) },
            Self::Observe { group } => Query::Observe { group: own(group) },
            Self::Unobserve { group } => Query::Unobserve { group: own(group) },
            Self::Refresh { token } => Query::Refresh { token: own(token) },
            Self::GetUserInfo { user } => Query::GetUserInfo { user: own(user) },
            Self::HealthCheck => Query::HealthCheck,
        }
    }
}
