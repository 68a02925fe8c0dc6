//! Requests: what a client can ask the hub for, and who may ask for it.

use alloc::vec::Vec;

use super::own;
use crate::message::Text;
use crate::names::StreamName;

/// A request with the id that its answer carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// `message_id`; may be empty for a ping.
    pub id: Text<'a>,
    /// What is asked for.
    pub query: Query<'a>,
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Query<'a> {
    /// `ping` (or `heartbeat`).
    Ping,
    /// `read`: the user has read a conversation up to a position.
    Read {
        /// As the client names it.
        stream: StreamName<'a>,
        /// The user whose messages were read; empty for a group's stream.
        peer: Text<'a>,
        /// The last position, inclusive.
        seq: u64,
    },
    /// `group_join`.
    GroupJoin {
        /// Id of the group.
        group: Text<'a>,
    },
    /// `group_leave`.
    GroupLeave {
        /// Id of the group.
        group: Text<'a>,
    },
    /// `group_remove`.
    GroupRemove {
        /// Id of the group.
        group: Text<'a>,
        /// Id of the member.
        user: Text<'a>,
    },
    /// `group_disband`.
    GroupDisband {
        /// Id of the group.
        group: Text<'a>,
    },
    /// `kick`.
    Kick {
        /// Id of the user.
        user: Text<'a>,
        /// Id of the device; empty: all of the user's.
        device: Text<'a>,
        /// The reason that the user sees.
        reason: Text<'a>,
    },
    /// `group_members`.
    GroupMembers {
        /// Id of the group.
        group: Text<'a>,
        /// Maximum of items; 0: the hub decides.
        limit: u64,
        /// The page begins after this user id.
        after: Text<'a>,
    },
    /// `fetch`.
    Fetch {
        /// As the client names it.
        stream: StreamName<'a>,
        /// From this position, inclusive; absent: the oldest, or the head in reverse.
        from: Option<u64>,
        /// Maximum of positions; 0: the hub decides.
        limit: u64,
        /// From newer to older positions.
        reverse: bool,
    },
    /// `receipts`.
    Receipts {
        /// Ids of own messages.
        message_ids: Vec<Text<'a>>,
    },
    /// `conversations`.
    Conversations {
        /// Maximum of items; 0: the hub decides.
        limit: u64,
        /// The page begins after this conversation, as `next` named it.
        after: Text<'a>,
    },
    /// `check_user_status`.
    CheckUserStatus {
        /// Ids of the users.
        users: Vec<Text<'a>>,
    },
    /// `get_online_users`.
    GetOnlineUsers {
        /// Id of a group; empty: everybody.
        group: Text<'a>,
        /// Maximum of items; 0: the hub decides.
        limit: u64,
        /// The page begins after this user id.
        after: Text<'a>,
    },
    /// `watch`.
    Watch {
        /// Ids of the users.
        users: Vec<Text<'a>>,
        /// Id of a group, whose members count too; empty: none.
        group: Text<'a>,
    },
    /// `unwatch`.
    Unwatch {
        /// Ids of the users.
        users: Vec<Text<'a>>,
        /// Id of a group, whose members count too; empty: none.
        group: Text<'a>,
    },
    /// `user_status_changed`.
    SetStatus {
        /// `online`, `busy`, `away` or `invisible`.
        status: Text<'a>,
    },
    /// `observe`.
    Observe {
        /// Id of a group; empty: everything.
        group: Text<'a>,
    },
    /// `unobserve`.
    Unobserve {
        /// Id of a group; empty: everything.
        group: Text<'a>,
    },
    /// `refresh`.
    Refresh {
        /// A fresh token of the same user, tenant and device.
        token: Text<'a>,
    },
    /// `get_user_info`.
    GetUserInfo {
        /// Id of the user.
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
